// dns_lookup.h: one name: its addresses and its services, asked for side by side, told as they come.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dns_channel.h"
#include "nat64.h"
#include "trellis/resolver.h"

namespace trellis::dns {

/// What a lookup shall do, from the options and the path.
struct LookupSettings {
  std::vector<std::string> search_domains;
  unsigned ndots = 1;
  bool https = true, srv = true, nat64 = true;
  bool insists = false;               // without an answer about HTTPS records nothing is told (RFC 9460 section 3.1)
  std::vector<Nat64Prefix> prefixes;  // of the path's NAT64, as far as they are known
  bool ipv6 = true, ipv4 = true;      // Query::ipv6, ipv4; neither: services alone are asked for
};

class DnsLookup final : public Resolver::Lookup, Asker, Job {
 public:
  DnsLookup(std::shared_ptr<DnsChannel> channel, LookupSettings settings, const Query& query, AnswerSink& sink);
  ~DnsLookup() override;
  void begin();

 private:
  using Kind = Answer::Kind;
  struct Heard {
    ares_dns_rec_type_t type;
    std::string name;
    RecordsRef records;
  };
  /// The addresses of one family of the name that is being tried.
  struct Family {
    bool told = false;  // done() was called
    RecordsRef records;
  };
  /// Addresses as the path can use them: behind its NAT64 IPv4 addresses are IPv6 ones, and the other way round where
  /// the path has IPv4 (RACE-166, RACE-167).
  struct Usable {
    std::vector<Address> addresses, originals;  // side by side; an original that is unset: the address is itself
    void add(const Address& address, const Address& original = {}) {
      if (addresses.size() == kAddressesMost) return;
      addresses.push_back(address);
      originals.push_back(original);
    }
  };
  void heard(ares_dns_rec_type_t type, const std::string& name, RecordsRef records) noexcept override;
  void run() noexcept override;
  void take(const Heard& one);
  void begin_with(const Address& literal);
  void ask_name();
  Family& family(ares_dns_rec_type_t type) noexcept { return type == ARES_REC_TYPE_AAAA ? ipv6_ : ipv4_; }
  void take_addresses(ares_dns_rec_type_t type, const RecordsRef& records);
  bool try_next_name();
  void settle(Family& family, Kind kind);
  void tell_addresses(Kind kind, const Usable& usable, const Records& from);
  Usable usable(const std::vector<Address>& found);
  RecordsRef take_translations_out(const RecordsRef& records);
  void not_asked_for(ares_dns_rec_type_t type, const char* why);
  void take_services(const Heard& one);
  void follow_alias(const std::string& target);
  void ask_targets();
  void take_target(const Heard& one);
  void tell_service(const ServiceRecord& service, const std::vector<Address>& addresses, bool hints,
                    const Records& from);
  void end_services();
  void order_by_weight(std::vector<ServiceRecord>& services) const;
  bool reachable(const Address& address) const noexcept;
  bool needs_translation(const Address& ipv4) noexcept;
  void take_prefix(const RecordsRef& records);
  bool holds_back() const noexcept { return settings_.insists && is_held_; }
  void let_go();
  void abandon(const std::string& why);
  void tell(Answer answer);
  void done(Kind kind, Result<void> how);

  std::shared_ptr<DnsChannel> of_;  // it may have been replaced meanwhile
  DnsChannel& channel_;
  LookupSettings settings_;
  std::string host_, service_;
  std::uint16_t port_;
  AnswerSink* sink_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // hearing an answer may destroy this
  std::deque<Heard> inbox_;
  std::vector<std::string> names_;  // that the host may stand for
  std::size_t trying_ = 0;          // which of them
  Family ipv6_, ipv4_;
  bool services_told_ = true;
  std::string service_name_;    // whose service records are awaited; empty: none
  std::string owner_;           // whose service records those are: a target of the same name is the name itself
  bool services_over_ = false;  // nothing came of them, to be told when no other name is tried
  unsigned aliases_ = 0;
  RecordsRef services_from_;
  std::vector<ServiceRecord> services_;
  std::vector<std::string> targets_;  // whose addresses are awaited, once for each family
  Error service_error_{Reason::unresolved, 0, "dns", {}};
  bool is_held_ = false;      // what is found waits for the answer about HTTPS records
  std::vector<Answer> held_;  // to be told
  std::vector<std::pair<Kind, Result<void>>> held_ends_;
  bool learning_ = false;           // the NAT64 prefix is asked for, IPv4 addresses wait for it
  std::optional<bool> translates_;  // IPv4 addresses can be reached behind NAT64 only
};

/// The names that a host may stand for, in order (resolv.conf(5): search and ndots).
std::vector<std::string> names_to_try(const std::string& host, const std::vector<std::string>& domains, unsigned ndots);
/// Where the service records of a name are: "example.net", "_8443._https.example.net", "_sip._udp.example.net".
std::string name_of_service(const std::string& host, const std::string& service, std::uint16_t port);

}  // namespace trellis::dns
