#include "records.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "service_parameters.h"

namespace trellis::dns {
namespace {

using std::chrono::seconds;

constexpr Duration kTimeMost = std::chrono::hours(24);         // RFC 8767 section 4 allows a week; a day is plenty
constexpr Duration kNegativeTimeMost = std::chrono::hours(3);  // RFC 2308 section 5

std::string_view owner(const ares_dns_rr_t& record) noexcept {
  const char* name = ares_dns_rr_get_name(&record);
  return name == nullptr ? std::string_view() : name;
}

bool same(std::string_view a, std::string_view b) { return canonical_name(a) == canonical_name(b); }

/// One section of a message.
struct Section {
  const ares_dns_record_t& message;
  ares_dns_section_t which;
};

/// The records of one type that belong to a name.
template <class F>
void for_each(const Section& section, std::string_view name, ares_dns_rec_type_t type, const F& f) {
  const std::size_t count = ares_dns_record_rr_cnt(&section.message, section.which);
  for (std::size_t i = 0; i < count; ++i) {
    const ares_dns_rr_t* record = ares_dns_record_rr_get_const(&section.message, section.which, i);
    if (record == nullptr || ares_dns_rr_get_type(record) != type || !same(owner(*record), name)) continue;
    if (ares_dns_rr_get_class(record) == ARES_CLASS_IN) f(*record);
  }
}

void shorten(Records& records, const ares_dns_rr_t& record) noexcept {
  const Duration time = std::min<Duration>(seconds(ares_dns_rr_get_ttl(&record) & 0x7fffffff), kTimeMost);
  records.time_to_live = std::min(records.time_to_live, time);
}

/// Where the aliases of a name end; empty: they have no end.
std::string follow(const Section& answer, std::string_view from, Records& records) {
  std::string name(from);
  for (std::size_t hops = 0; hops <= kAliasesMost; ++hops) {
    std::optional<std::string> next;
    for_each(answer, name, ARES_REC_TYPE_CNAME, [&](const ares_dns_rr_t& record) {
      const char* target = ares_dns_rr_get_str(&record, ARES_RR_CNAME_CNAME);
      if (target == nullptr || next) return;
      next = target;
      shorten(records, record);
    });
    if (!next) return name;
    name = std::move(*next);
  }
  return {};
}

Address address_of(const ares_dns_rr_t& record, ares_dns_rec_type_t type) noexcept {
  Address address;
  if (type == ARES_REC_TYPE_AAAA) {
    const ares_in6_addr* ip = ares_dns_rr_get_addr6(&record, ARES_RR_AAAA_ADDR);
    if (ip == nullptr) return address;
    address.family = Address::Family::ipv6;
    std::memcpy(address.ip.data(), ip, 16);
  } else {
    const in_addr* ip = ares_dns_rr_get_addr(&record, ARES_RR_A_ADDR);
    if (ip == nullptr) return address;
    address.family = Address::Family::ipv4;
    std::memcpy(address.ip.data(), ip, 4);
  }
  return address;
}

void read_addresses(const Section& answer, std::string_view name, ares_dns_rec_type_t type, Records& records) {
  std::size_t dropped = 0;
  for_each(answer, name, type, [&](const ares_dns_rr_t& record) {
    const Address address = address_of(record, type);
    if (!address || std::ranges::contains(records.addresses, address)) return;
    if (records.addresses.size() == kAddressesMost) {
      ++dropped;
      return;
    }
    records.addresses.push_back(address);
    shorten(records, record);
  });
  if (dropped > 0)
    records.why = "the answer has " + std::to_string(kAddressesMost + dropped) + " addresses, of which the first " +
                  std::to_string(kAddressesMost) + " are used";
}

ServiceRecord srv_of(const ares_dns_rr_t& record) {
  ServiceRecord service;
  const char* target = ares_dns_rr_get_str(&record, ARES_RR_SRV_TARGET);
  service.priority = ares_dns_rr_get_u16(&record, ARES_RR_SRV_PRIORITY);
  service.weight = ares_dns_rr_get_u16(&record, ARES_RR_SRV_WEIGHT);
  service.port = ares_dns_rr_get_u16(&record, ARES_RR_SRV_PORT);
  service.target = canonical_name(target == nullptr ? "" : target);
  service.no_service = service.target.empty();
  return service;
}

/// Empty: `service` is filled in.
std::string https_of(const ares_dns_rr_t& record, std::string_view name, ServiceRecord& service) {
  const char* target = ares_dns_rr_get_str(&record, ARES_RR_HTTPS_TARGET);
  service.priority = ares_dns_rr_get_u16(&record, ARES_RR_HTTPS_PRIORITY);
  service.target = canonical_name(target == nullptr ? "" : target);
  if (service.target == canonical_name(name)) service.target.clear();
  const std::size_t count = ares_dns_rr_get_opt_cnt(&record, ARES_RR_HTTPS_PARAMS);
  std::vector<ServiceParameter> parameters;
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned char* value = nullptr;
    std::size_t size = 0;
    const std::uint16_t key = ares_dns_rr_get_opt(&record, ARES_RR_HTTPS_PARAMS, i, &value, &size);
    parameters.push_back({key, std::span(value, value == nullptr ? 0 : size)});
  }
  if (service.priority == 0) return {};  // parameters of an alias are ignored (RFC 9460 section 2.4.2)
  return read_parameters(parameters, service);
}

void read_instances(const Section& answer, std::string_view name, Records& records) {
  for_each(answer, name, ARES_REC_TYPE_PTR, [&](const ares_dns_rr_t& record) {
    const char* instance = ares_dns_rr_get_str(&record, ARES_RR_PTR_DNAME);
    if (instance == nullptr || *instance == '\0') return;
    if (std::ranges::any_of(records.instances, [&](const auto& known) { return same(known, instance); })) return;
    if (records.instances.size() == kInstancesMost) {
      records.why = "more than " + std::to_string(kInstancesMost) + " offer the service, the others are dropped";
      return;
    }
    records.instances.emplace_back(instance);
    shorten(records, record);
  });
}

void read_services(const Section& answer, std::string_view name, ares_dns_rec_type_t type, Records& records) {
  std::string broken;
  for_each(answer, name, type, [&](const ares_dns_rr_t& record) {
    if (records.services.size() == kServicesMost) {
      records.why =
          "the answer has more than " + std::to_string(kServicesMost) + " service records, the rest is dropped";
      return;
    }
    shorten(records, record);
    if (type == ARES_REC_TYPE_SRV) {
      records.services.push_back(srv_of(record));
    } else if (std::string fault = https_of(record, name, records.services.emplace_back()); !fault.empty()) {
      if (broken.empty()) broken = std::move(fault);
    }
  });
  if (broken.empty()) return;
  records.services.clear();
  records.outcome = Records::Outcome::failed;
  records.why = "an HTTPS record is malformed, so none is used: " + broken;
}

}  // namespace

std::string canonical_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string text(name);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

Records read_records(const ares_dns_record_t& message, std::string_view name, ares_dns_rec_type_t type,
                     ares_dns_section_t section) {
  Records records;
  records.outcome = Records::Outcome::found;
  records.time_to_live = kTimeMost;
  const Section answer{message, section};
  const std::string end = follow(answer, name, records);
  if (end.empty()) {
    records.outcome = Records::Outcome::failed;
    records.why = "the answer has more than " + std::to_string(kAliasesMost) + " aliases in a row";
    return records;
  }
  if (type == ARES_REC_TYPE_A || type == ARES_REC_TYPE_AAAA)
    read_addresses(answer, end, type, records);
  else if (type == ARES_REC_TYPE_PTR)
    read_instances(answer, end, records);
  else
    read_services(answer, end, type, records);
  const bool nothing = records.addresses.empty() && records.services.empty() && records.instances.empty();
  if (records.outcome == Records::Outcome::found && nothing) {
    records.outcome = Records::Outcome::no_records;
    records.time_to_live = std::min(records.time_to_live, negative_time(message));
  }
  return records;
}

Duration negative_time(const ares_dns_record_t& answer) noexcept {
  const std::size_t count = ares_dns_record_rr_cnt(&answer, ARES_SECTION_AUTHORITY);
  for (std::size_t i = 0; i < count; ++i) {
    const ares_dns_rr_t* record = ares_dns_record_rr_get_const(&answer, ARES_SECTION_AUTHORITY, i);
    if (record == nullptr || ares_dns_rr_get_type(record) != ARES_REC_TYPE_SOA) continue;
    const std::uint32_t least =
        std::min(ares_dns_rr_get_ttl(record), ares_dns_rr_get_u32(record, ARES_RR_SOA_MINIMUM)) & 0x7fffffff;
    return std::min<Duration>(seconds(least), kNegativeTimeMost);
  }
  return {};
}

}  // namespace trellis::dns
