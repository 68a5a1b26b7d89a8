#include "service_lookup.h"

#include <algorithm>
#include <format>
#include <string_view>

#include "dns_lookup.h"

namespace trellis::dns {

std::string name_of_instance(const std::string& instance, const std::string& type) {
  constexpr std::string_view kEscaped = "\".;\\()@$";
  std::string name;
  for (const char c : instance) {
    if (c >= ' ' && c <= '~') {
      if (kEscaped.contains(c)) name += '\\';
      name += c;
    } else {
      name += std::format("\\{:03}", static_cast<unsigned char>(c));
    }
  }
  return name + "." + type;
}

ServiceLookup::ServiceLookup(std::shared_ptr<DnsChannel> channel, const Query& query, AnswerSink& sink)
    : channel_(std::move(channel)),
      type_(canonical_name(name_of_service(query.host, query.service, query.port))),
      instance_(query.instance),
      sink_(sink) {}

ServiceLookup::~ServiceLookup() {
  *alive_ = false;
  channel_->forget(*this);
}

void ServiceLookup::begin() {
  if (instance_ != "*") return find(name_of_instance(instance_, type_));
  more_ = true;
  channel_->ask(type_, ARES_REC_TYPE_PTR, *this);
}

void ServiceLookup::find(const std::string& instance) {
  const std::string name = canonical_name(instance);
  if (instances_.size() == kInstancesMost || std::ranges::contains(instances_, name)) return;
  instances_.push_back(name);
  ++awaited_;
  channel_->ask(name, ARES_REC_TYPE_SRV, *this);
}

void ServiceLookup::heard(ares_dns_rec_type_t type, const std::string& name, RecordsRef records) noexcept {
  inbox_.push_back({type, canonical_name(name), std::move(records)});
  channel_->executor().queue(*this);
}

void ServiceLookup::run() noexcept {
  const std::shared_ptr<bool> alive = alive_;
  while (*alive && !inbox_.empty()) {
    const Heard one = std::move(inbox_.front());
    inbox_.pop_front();
    if (one.type == ARES_REC_TYPE_PTR)
      take_instances(*one.records);
    else
      take_hosts(one);
    if (*alive && inbox_.empty()) maybe_over();
  }
}

void ServiceLookup::take_instances(const Records& records) {
  more_ = records.more;
  if (!records.why.empty()) why_ = records.why;
  for (const std::string& instance : records.instances) {
    const std::string name = canonical_name(instance);
    if (name.ends_with("." + type_)) find(name);  // of another type or domain: not what was asked for
  }
}

void ServiceLookup::take_hosts(const Heard& one) {
  --awaited_;
  const std::shared_ptr<bool> alive = alive_;
  if (one.records->outcome != Records::Outcome::found) why_ = one.records->why;
  auto hosts = one.records->services;
  std::ranges::stable_sort(hosts, {}, &ServiceRecord::priority);
  for (const ServiceRecord& host : hosts) {
    if (host.no_service || host.port == 0) continue;
    tell(host, *one.records);
    if (!*alive) return;
  }
}

void ServiceLookup::tell(const ServiceRecord& host, const Records& from) {
  told_ = true;
  sink_.answer({.kind = Answer::Kind::service,
                .endpoints = {},
                .alpn = {},
                .priority = host.priority,
                .time_to_live = from.time_to_live,
                .target = host.target,
                .port = host.port,
                .source = from.server});
}

void ServiceLookup::maybe_over() {
  if (more_ || awaited_ > 0) return;
  if (told_) return sink_.done(Answer::Kind::service, {});
  if (why_.empty()) why_ = "nobody offers it";
  sink_.done(Answer::Kind::service, fail(Reason::unresolved, why_, 0, "dns"));
}

}  // namespace trellis::dns
