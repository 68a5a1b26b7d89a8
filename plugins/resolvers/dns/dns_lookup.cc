#include "dns_lookup.h"

#include <algorithm>
#include <map>

#include "nat64.h"

namespace trellis::dns {
namespace {

constexpr std::size_t kNamesMost = 8;    // search domains in use
constexpr unsigned kAliasModeMost = 8;   // AliasMode records in a row (RFC 9460 section 2.4.2 asks for a limit)
constexpr std::size_t kTargetsMost = 4;  // whose addresses are asked for
constexpr std::uint16_t kHttpsPort = 443;

using Outcome = Records::Outcome;

bool is_https(const std::string& service) { return service == "https"; }

std::string source_text(const Records& records) { return records.server; }

}  // namespace

std::vector<std::string> names_to_try(const std::string& host, const std::vector<std::string>& domains,
                                      unsigned ndots) {
  std::vector<std::string> names;
  if (host.ends_with('.')) return {canonical_name(host)};
  const auto dots = static_cast<unsigned>(std::ranges::count(host, '.'));
  if (dots >= ndots) names.push_back(host);
  for (const std::string& domain : domains) {
    if (names.size() == kNamesMost || domain.empty() || domain == ".") continue;
    names.push_back(host + "." + canonical_name(domain));
  }
  if (dots < ndots) names.push_back(host);
  return names;
}

std::string name_of_service(const std::string& host, const std::string& service, std::uint16_t port) {
  if (is_https(service)) {
    if (port == 0 || port == kHttpsPort || port == 80) return host;
    return "_" + std::to_string(port) + "._https." + host;  // RFC 9460 section 9.1
  }
  const std::size_t slash = service.find('/');
  const std::string transport = slash == std::string::npos ? "tcp" : service.substr(slash + 1);
  return "_" + service.substr(0, slash) + "._" + transport + "." + host;
}

DnsLookup::DnsLookup(std::shared_ptr<DnsChannel> channel, LookupSettings settings, const Query& query, AnswerSink& sink)
    : of_(std::move(channel)),
      channel_(*of_),
      settings_(std::move(settings)),
      host_(query.host),
      service_(query.service),
      port_(query.port),
      sink_(&sink) {}

DnsLookup::~DnsLookup() {
  *alive_ = false;
  channel_.forget(*this);
}

void DnsLookup::begin() {
  Address literal{.family = Address::Family::ipv4};
  if (ares_inet_pton(AF_INET, host_.c_str(), literal.ip.data()) == 1) return begin_with(literal);
  names_ = names_to_try(host_, settings_.search_domains, settings_.ndots);
  ask_name();
}

// An address needs no question but that for the NAT64 prefix, where there is no IPv4 (RFC 8305 section 7.1).
void DnsLookup::begin_with(const Address& literal) {
  Records nothing, itself;
  nothing.outcome = Outcome::no_records;
  nothing.why = "it is an IPv4 address";
  itself.outcome = Outcome::found;
  itself.addresses = {literal};
  const auto none = std::make_shared<const Records>(std::move(nothing));
  names_ = {host_};
  if (!service_.empty()) {
    services_told_ = false;
    service_name_ = host_;
    heard(ARES_REC_TYPE_HTTPS, host_, none);
  }
  heard(ARES_REC_TYPE_AAAA, host_, none);
  heard(ARES_REC_TYPE_A, host_, std::make_shared<const Records>(std::move(itself)));
}

// Services first, then AAAA, then A, back to back (RFC 8305 section 3).
void DnsLookup::ask_name() {
  const std::string& name = names_[trying_];
  ipv6_ = ipv4_ = {};
  const bool wanted = !service_.empty() && (is_https(service_) ? settings_.https : settings_.srv);
  if (wanted) {
    services_told_ = services_over_ = false;
    aliases_ = 0;
    owner_ = canonical_name(name);
    service_name_ = canonical_name(name_of_service(name, service_, port_));
    channel_.ask(service_name_, is_https(service_) ? ARES_REC_TYPE_HTTPS : ARES_REC_TYPE_SRV, *this);
  }
  channel_.ask(name, ARES_REC_TYPE_AAAA, *this);
  channel_.ask(name, ARES_REC_TYPE_A, *this);
}

void DnsLookup::heard(ares_dns_rec_type_t type, const std::string& name, RecordsRef records) noexcept {
  inbox_.push_back({type, canonical_name(name), std::move(records)});
  channel_.executor().queue(*this);
}

void DnsLookup::run() noexcept {
  const std::shared_ptr<bool> alive = alive_;
  while (*alive && !inbox_.empty()) {
    const Heard one = std::move(inbox_.front());
    inbox_.pop_front();
    take(one);
  }
}

void DnsLookup::take(const Heard& one) {
  if (one.type == ARES_REC_TYPE_HTTPS || one.type == ARES_REC_TYPE_SRV) {
    if (one.name == service_name_) take_services(one);
    return;
  }
  const std::shared_ptr<bool> alive = alive_;
  if (translating_ && one.name == kIpv4OnlyName) return take_prefix(one.records);
  const bool ours = one.name == canonical_name(names_[trying_]);
  if (ours && family(one.type).records == nullptr) take_addresses(one.type, one.records);
  if (*alive && std::ranges::contains(targets_, one.name)) take_target(one);
}

// ---- addresses

void DnsLookup::take_addresses(ares_dns_rec_type_t type, const RecordsRef& records) {
  family(type).records = records;
  if (try_next_name()) return;
  const std::shared_ptr<bool> alive = alive_;
  if (ipv6_.records) settle(ipv6_, Kind::ipv6);
  if (*alive && ipv4_.records) settle(ipv4_, Kind::ipv4);
  if (*alive && services_over_) end_services();
}

// Both families of one name are of the same host: the next name counts only if this one has neither.
bool DnsLookup::try_next_name() {
  const auto empty = [](const Family& f) {
    return f.records && (f.records->outcome == Outcome::no_records || f.records->outcome == Outcome::no_such_name);
  };
  if (trying_ + 1 == names_.size() || !empty(ipv6_) || !empty(ipv4_)) return false;
  ++trying_;
  ask_name();
  return true;
}

void DnsLookup::settle(Family& family, Kind kind) {
  if (family.told) return;
  const Records& records = *family.records;
  const bool found = records.outcome == Outcome::found;
  if (!found && trying_ + 1 < names_.size()) {
    // Another name may still be asked for this family; a server that failed is no reason to.
    const Family& other = kind == Kind::ipv6 ? ipv4_ : ipv6_;
    if (!other.records) return;
  }
  if (found && kind == Kind::ipv4 && !translating_ && needs_translation()) {
    translating_ = true;
    return channel_.ask(kIpv4OnlyName, ARES_REC_TYPE_AAAA, *this);
  }
  if (translating_ && kind == Kind::ipv4) return;
  family.told = true;
  const std::shared_ptr<bool> alive = alive_;
  if (found) tell_addresses(kind, records);
  if (!*alive) return;
  if (found && records.why.empty()) return done(kind, {});
  done(kind, fail(found ? Reason::too_large : Reason::unresolved, records.why, 0, "dns"));
}

void DnsLookup::tell_addresses(Kind kind, const Records& records) {
  Answer answer{.kind = kind, .endpoints = {}, .alpn = {}, .time_to_live = records.time_to_live};
  answer.source = source_text(records);
  for (Address address : records.addresses) {
    address.port = port_;
    answer.endpoints.push_back({.host = host_, .port = port_, .address = address});
  }
  tell(std::move(answer));
}

// ---- IPv4 addresses on a network without IPv4

// A connected socket asks the routes and sends nothing.
bool DnsLookup::needs_translation() noexcept {
  if (!settings_.nat64) return false;
  const auto reachable = [&](const Address& to) {
    SocketSpec spec;
    spec.kind = SocketSpec::Kind::datagram;
    spec.family = to.family;
    spec.interface_name = channel_.network().binding.interface_name;
    if (channel_.network().binding.local.family == to.family) spec.local = channel_.network().binding.local;
    const auto socket = channel_.executor().sockets().open(spec);
    return socket && (*socket)->connect(to).has_value();
  };
  Address ipv4 = ipv4_.records->addresses.front();
  ipv4.port = 53;
  if (ipv4.ip[0] == 127 || reachable(ipv4)) return false;
  const Address ipv6{
      .family = Address::Family::ipv6, .port = 53, .ip = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  return reachable(ipv6);
}

void DnsLookup::take_prefix(const RecordsRef& records) {
  translating_ = false;
  settings_.nat64 = false;  // asked once
  const auto prefixes = find_prefixes(records->addresses);
  if (!prefixes.empty()) {
    auto translated = std::make_shared<Records>(*ipv4_.records);
    translated->addresses.clear();
    for (const Address& ipv4 : ipv4_.records->addresses) {
      for (const Nat64Prefix& prefix : prefixes) {
        const auto address = synthesize(prefix, ipv4);
        if (address && translated->addresses.size() < kAddressesMost) translated->addresses.push_back(*address);
      }
    }
    translated->server += translated->server.empty() ? "NAT64" : " and NAT64";
    if (!translated->addresses.empty()) ipv4_.records = std::move(translated);
  }
  settle(ipv4_, Kind::ipv4);
}

// ---- services

void DnsLookup::take_services(const Heard& one) {
  const Records& records = *one.records;
  service_name_.clear();
  services_from_ = one.records;
  if (records.outcome != Outcome::found) {
    service_error_.detail = records.outcome == Outcome::failed ? records.why : "the name has no such records";
    if (aliases_ > 0 && records.outcome != Outcome::failed) {  // an alias of a name without services: its addresses
      services_.push_back({.priority = 0, .target = one.name, .alpn = {}, .hints = {}});
      return ask_targets();
    }
    return end_services();
  }
  services_ = records.services;
  const auto alias = std::ranges::find(services_, 0, &ServiceRecord::priority);
  if (one.type == ARES_REC_TYPE_HTTPS && alias != services_.end()) return follow_alias(alias->target);
  std::erase_if(services_, [](const ServiceRecord& s) { return !s.compatible || s.no_service; });
  if (services_.empty()) {
    service_error_.detail = records.services.front().no_service
                                ? "the service is decidedly not available at this name"
                                : "every service record asks for something that is not supported";
    return end_services();
  }
  if (one.type == ARES_REC_TYPE_SRV)
    order_by_weight(services_);
  else
    std::ranges::stable_sort(services_, {}, &ServiceRecord::priority);
  for (ServiceRecord& service : services_) {
    // An empty target means the owner, which is the name itself unless an alias or a port stands in between.
    const bool own =
        service.target.empty() ? one.name == owner_ || one.name.starts_with('_') : service.target == owner_;
    if (own && aliases_ == 0)
      service.target.clear();
    else if (service.target.empty())
      service.target = one.name;
  }
  ask_targets();
}

void DnsLookup::follow_alias(const std::string& target) {
  if (target.empty() || ++aliases_ > kAliasModeMost) {
    service_error_.detail = target.empty() ? "the service is decidedly not available at this name"
                                           : "more than " + std::to_string(kAliasModeMost) + " aliases in a row";
    services_.clear();
    return end_services();
  }
  services_.clear();
  service_name_ = target;
  channel_.ask(target, ARES_REC_TYPE_HTTPS, *this);
}

void DnsLookup::ask_targets() {
  const std::shared_ptr<bool> alive = alive_;
  std::vector<std::string> targets;
  for (const ServiceRecord& service : std::vector(services_)) {
    const bool other = !service.target.empty();
    if (other && !std::ranges::contains(targets, service.target) && targets.size() < kTargetsMost)
      targets.push_back(service.target);
    // Hints for the name itself count no more than its own addresses, which are on their way.
    tell_service(service, service.hints, true, *services_from_);
    if (!*alive) return;
  }
  for (const std::string& target : targets) targets_.insert(targets_.end(), {target, target});
  for (const std::string& target : targets) {
    channel_.ask(target, ARES_REC_TYPE_AAAA, *this);
    channel_.ask(target, ARES_REC_TYPE_A, *this);
  }
  if (targets_.empty()) end_services();
}

void DnsLookup::take_target(const Heard& one) {
  targets_.erase(std::ranges::find(targets_, one.name));
  const std::shared_ptr<bool> alive = alive_;
  for (const ServiceRecord& service : std::vector(services_)) {
    if (service.target != one.name || one.records->addresses.empty()) continue;
    tell_service(service, one.records->addresses, false, *one.records);
    if (!*alive) return;
  }
  if (targets_.empty()) end_services();
}

void DnsLookup::tell_service(const ServiceRecord& service, const std::vector<Address>& addresses, bool hints,
                             const Records& from) {
  Answer answer{.kind = Kind::service,
                .endpoints = {},
                .alpn = service.alpn,
                .priority = service.priority,
                .time_to_live = from.time_to_live,
                .target = service.target,
                .port = service.port,
                .hints = hints,
                .source = source_text(from)};
  if (service.default_alpn) answer.alpn.emplace_back();
  const std::uint16_t port = service.port != 0 ? service.port : port_;
  for (Address address : addresses) {
    address.port = port;
    answer.endpoints.push_back({.host = host_, .port = port, .address = address});
  }
  tell(std::move(answer));
}

void DnsLookup::end_services() {
  services_over_ = services_.empty() && trying_ + 1 < names_.size() && !ipv6_.told && !ipv4_.told;
  if (services_over_ || std::exchange(services_told_, true)) return;
  if (!services_.empty()) return done(Kind::service, {});
  done(Kind::service, std::unexpected(service_error_));
}

// RFC 2782: of equal priority each goes next with a probability by its weight.
void DnsLookup::order_by_weight(std::vector<ServiceRecord>& services) const {
  std::ranges::stable_sort(services, {}, [](const ServiceRecord& s) { return std::pair(s.priority, s.weight != 0); });
  for (std::size_t i = 0; i < services.size(); ++i) {
    std::uint64_t sum = 0;
    std::size_t end = i;
    for (; end < services.size() && services[end].priority == services[i].priority; ++end) sum += services[end].weight;
    std::uint64_t drawn = channel_.executor().random() % (sum + 1);
    std::size_t next = i;
    while (next + 1 < end && drawn > services[next].weight) drawn -= services[next++].weight;
    std::rotate(services.begin() + static_cast<std::ptrdiff_t>(i), services.begin() + static_cast<std::ptrdiff_t>(next),
                services.begin() + static_cast<std::ptrdiff_t>(next) + 1);
  }
}

// ---- what is told

void DnsLookup::tell(Answer answer) {
  if (sink_ != nullptr) sink_->answer(std::move(answer));
}

void DnsLookup::done(Kind kind, Result<void> how) {
  if (sink_ != nullptr) sink_->done(kind, std::move(how));
}

}  // namespace trellis::dns
