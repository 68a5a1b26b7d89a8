#include "dns_lookup.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace trellis::dns {
namespace {

constexpr std::size_t kNamesMost = 8;    // search domains in use
constexpr unsigned kAliasModeMost = 8;   // AliasMode records in a row (RFC 9460 section 2.4.2 asks for a limit)
constexpr std::size_t kTargetsMost = 4;  // whose addresses are asked for
constexpr std::uint16_t kHttpsPort = 443;
constexpr const char* kNoIpv4 = "the path does not lead to IPv4 addresses";

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
  if (!settings_.ipv6 && !settings_.ipv4) names_ = {host_};  // where services are is not searched for
  ask_name();
}

// An address needs no question but that for the NAT64 prefix, where there is no IPv4 (RFC 8305 section 7.1).
void DnsLookup::begin_with(const Address& literal) {
  Records itself;
  itself.outcome = Outcome::found;
  itself.addresses = {literal};
  names_ = {host_};
  if (!service_.empty()) {
    services_told_ = false;
    service_name_ = host_;
    not_asked_for(ARES_REC_TYPE_HTTPS, "it is an IPv4 address");
  }
  not_asked_for(ARES_REC_TYPE_AAAA, "it is an IPv4 address");
  heard(ARES_REC_TYPE_A, host_, std::make_shared<const Records>(std::move(itself)));
}

// Services first, then AAAA, then A, back to back (RFC 8305 section 3).
void DnsLookup::ask_name() {
  const std::string& name = names_[trying_];
  ipv6_ = ipv4_ = {};
  const bool wanted = !service_.empty() && (is_https(service_) ? settings_.https : settings_.srv);
  is_held_ = wanted && is_https(service_);
  if (wanted) {
    services_told_ = services_over_ = false;
    aliases_ = 0;
    owner_ = canonical_name(name);
    service_name_ = canonical_name(name_of_service(name, service_, port_));
    channel_.ask(service_name_, is_https(service_) ? ARES_REC_TYPE_HTTPS : ARES_REC_TYPE_SRV, *this);
  }
  // RACE-139: IPv4 addresses are of use where there is IPv4, or NAT64, which a network without IPv4 is asked for first.
  if (settings_.ipv6)
    channel_.ask(name, ARES_REC_TYPE_AAAA, *this);
  else
    not_asked_for(ARES_REC_TYPE_AAAA, "the path does not lead to IPv6 addresses");
  if (settings_.ipv4 || !settings_.prefixes.empty()) return channel_.ask(name, ARES_REC_TYPE_A, *this);
  if (!settings_.ipv6 || !settings_.nat64) return not_asked_for(ARES_REC_TYPE_A, kNoIpv4);
  if (!std::exchange(learning_, true)) channel_.ask(kIpv4OnlyName, ARES_REC_TYPE_AAAA, *this);
}

void DnsLookup::not_asked_for(ares_dns_rec_type_t type, const char* why) {
  Records nothing;
  nothing.outcome = Outcome::no_records;
  nothing.why = why;
  heard(type, names_[trying_], std::make_shared<const Records>(std::move(nothing)));
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
  if (learning_ && one.type == ARES_REC_TYPE_AAAA && one.name == kIpv4OnlyName) return take_prefix(one.records);
  const bool ours = one.name == canonical_name(names_[trying_]);
  if (ours && family(one.type).records == nullptr) take_addresses(one.type, one.records);
  if (*alive && std::ranges::contains(targets_, one.name)) take_target(one);
}

// ---- addresses

void DnsLookup::take_addresses(ares_dns_rec_type_t type, const RecordsRef& records) {
  const std::shared_ptr<bool> alive = alive_;
  RecordsRef ours = type == ARES_REC_TYPE_AAAA ? take_translations_out(records) : records;
  if (!*alive) return;
  family(type).records = std::move(ours);
  if (try_next_name()) return;
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
  if (kind == Kind::ipv4 && learning_) return;
  if (found && kind == Kind::ipv4 && settings_.prefixes.empty() && needs_translation(records.addresses.front())) {
    learning_ = true;
    return channel_.ask(kIpv4OnlyName, ARES_REC_TYPE_AAAA, *this);
  }
  family.told = true;
  const std::shared_ptr<bool> alive = alive_;
  if (found) tell_addresses(kind, usable(records.addresses), records);
  if (!*alive) return;
  if (found && records.why.empty()) return done(kind, {});
  done(kind, fail(found ? Reason::too_large : Reason::unresolved, records.why, 0, "dns"));
}

void DnsLookup::tell_addresses(Kind kind, const Usable& usable, const Records& from) {
  Answer answer{.kind = kind, .endpoints = {}, .alpn = {}, .time_to_live = from.time_to_live};
  answer.source = source_text(from);
  for (Address address : usable.addresses) {
    address.port = port_;
    answer.endpoints.push_back({.host = host_, .port = port_, .address = address});
  }
  if (std::ranges::any_of(usable.originals, &Address::operator bool)) {
    answer.source += answer.source.empty() ? "NAT64" : " and NAT64";
    answer.originals = usable.originals;
  }
  tell(std::move(answer));
}

// ---- IPv4 addresses on a network without IPv4

// A connected socket asks the routes and sends nothing.
bool DnsLookup::reachable(const Address& address) const noexcept {
  SocketSpec spec;
  spec.kind = SocketSpec::Kind::datagram;
  spec.family = address.family;
  spec.interface_name = channel_.network().binding.interface_name;
  if (channel_.network().binding.local.family == address.family) spec.local = channel_.network().binding.local;
  const auto socket = channel_.executor().sockets().open(spec);
  Address to = address;
  to.port = 53;
  return socket && (*socket)->connect(to).has_value();
}

bool DnsLookup::needs_translation(const Address& ipv4) noexcept {
  constexpr Address kFarIpv6{.family = Address::Family::ipv6,
                             .ip = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  if (!settings_.nat64 || ipv4.ip[0] == 127) return false;
  if (!translates_) translates_ = !settings_.ipv4 || (!reachable(ipv4) && reachable(kFarIpv6));
  return *translates_;
}

DnsLookup::Usable DnsLookup::usable(const std::vector<Address>& found) {
  Usable out;
  for (const Address& address : found) {
    const auto original = original_of(settings_.prefixes, address);
    const Address& meant = original ? *original : address;
    if (meant.family == Address::Family::ipv6 || settings_.prefixes.empty() || !needs_translation(meant)) {
      out.add(meant);
      continue;
    }
    bool translated = false;
    for (const Nat64Prefix& prefix : settings_.prefixes) {
      const auto shown = synthesize(prefix, meant);
      if (shown) out.add(*shown, meant);
      translated = translated || shown;
    }
    if (!translated) out.add(meant);
  }
  return out;
}

// What DNS64 has made of IPv4 addresses is told as such, and at once: the answer for the others may be late (RACE-167).
RecordsRef DnsLookup::take_translations_out(const RecordsRef& records) {
  const auto made = [&](const Address& address) { return bool(original_of(settings_.prefixes, address)); };
  if (std::ranges::none_of(records->addresses, made)) return records;
  auto rest = std::make_shared<Records>(*records);
  std::vector<Address> translations;
  std::ranges::copy_if(records->addresses, std::back_inserter(translations), made);
  std::erase_if(rest->addresses, made);
  if (rest->addresses.empty()) {
    rest->outcome = Outcome::no_records;
    rest->why = "the name has IPv4 addresses only, which NAT64 translates";
  }
  tell_addresses(Kind::ipv4, usable(translations), *records);
  return rest;
}

void DnsLookup::take_prefix(const RecordsRef& records) {
  learning_ = false;
  settings_.prefixes = find_prefixes(records->addresses);
  if (settings_.prefixes.empty()) settings_.nat64 = false;  // asked once
  if (ipv4_.records) return settle(ipv4_, Kind::ipv4);
  if (!settings_.ipv4 && settings_.prefixes.empty()) return not_asked_for(ARES_REC_TYPE_A, kNoIpv4);
  channel_.ask(names_[trying_], ARES_REC_TYPE_A, *this);
}

// ---- services

void DnsLookup::take_services(const Heard& one) {
  const Records& records = *one.records;
  service_name_.clear();
  services_from_ = one.records;
  if (holds_back()) {
    if (records.outcome == Outcome::failed) return abandon(records.why);
    const std::shared_ptr<bool> alive = alive_;
    let_go();
    if (!*alive) return;
  }
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
  for (const auto& [type, wanted] : {std::pair{ARES_REC_TYPE_AAAA, settings_.ipv6},
                                     {ARES_REC_TYPE_A, settings_.ipv4 || !settings_.prefixes.empty()}}) {
    for (const std::string& target : targets) {
      if (!wanted) continue;
      targets_.push_back(target);
      channel_.ask(target, type, *this);
    }
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
  Usable all = usable(addresses);
  for (Address& address : all.addresses) {
    address.port = port;
    answer.endpoints.push_back({.host = host_, .port = port, .address = address});
  }
  answer.originals = std::move(all.originals);
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
  if (holds_back())
    held_.push_back(std::move(answer));
  else if (sink_ != nullptr)
    sink_->answer(std::move(answer));
}

void DnsLookup::done(Kind kind, Result<void> how) {
  if (holds_back())
    held_ends_.emplace_back(kind, std::move(how));
  else if (sink_ != nullptr)
    sink_->done(kind, std::move(how));
}

void DnsLookup::let_go() {
  is_held_ = false;
  const std::shared_ptr<bool> alive = alive_;
  for (Answer& answer : std::exchange(held_, {})) {
    tell(std::move(answer));
    if (!*alive) return;
  }
  for (auto& [kind, how] : std::exchange(held_ends_, {})) {
    done(kind, std::move(how));
    if (!*alive) return;
  }
}

// Whoever keeps the answer away must not get what it would have forbidden (RACE-155, RACE-156).
void DnsLookup::abandon(const std::string& why) {
  is_held_ = false;
  held_.clear();
  held_ends_.clear();
  AnswerSink* const sink = std::exchange(sink_, nullptr);
  const std::shared_ptr<bool> alive = alive_;
  for (const Kind kind : {Kind::ipv6, Kind::ipv4, Kind::service}) {
    const std::string what = "without an answer about HTTPS records nothing is attempted: " + why;
    sink->done(kind, fail(Reason::unresolved, what, 0, "dns"));
    if (!*alive) return;
  }
}

}  // namespace trellis::dns
