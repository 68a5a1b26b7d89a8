// records.h: what one DNS answer says about one question, as plain values, bounded.
#pragma once
#include <ares.h>

#include <string>
#include <vector>

#include "trellis/address.h"
#include "trellis/clock.h"

namespace trellis::dns {

inline constexpr std::size_t kAddressesMost = 64;  ///< of one answer; more are dropped, and the answer says so
inline constexpr std::size_t kServicesMost = 16;   ///< of one answer
inline constexpr std::size_t kInstancesMost = 16;  ///< of one service (DNS-SD)
inline constexpr std::size_t kAliasesMost = 16;    ///< CNAMEs in a row (RFC 1034 has no limit, attackers neither)
inline constexpr std::size_t kAlpnMost = 16;       ///< protocols of one service

/// One SVCB, HTTPS or SRV record.
struct ServiceRecord {
  std::uint16_t priority = 0;  ///< 0: an alias (RFC 9460 section 2.4.2)
  std::uint16_t weight = 0;    ///< SRV only
  std::uint16_t port = 0;      ///< 0: not said
  std::string target;          ///< lower case, without a dot at the end; empty: the owner's own name
  std::vector<std::string> alpn;
  bool default_alpn = true;    ///< what is spoken where nothing is said is spoken too
  std::vector<Address> hints;  ///< of both families
  bool compatible = true;      ///< false: it has a mandatory key that we do not know (RFC 9460 section 8)
  bool no_service = false;     ///< SRV with target ".": there is none
};

/// What came of a question.
struct Records {
  /// Found or not, and for how sure.
  enum class Outcome : std::uint8_t {
    found,         ///< at least one record
    no_records,    ///< the name exists, without records of this type
    no_such_name,  ///< the name does not exist
    failed,        ///< no server gave a usable answer
  };
  Outcome outcome = Outcome::failed;
  std::string why;                      ///< one sentence: why there is none, or what was dropped
  std::vector<Address> addresses;       ///< A or AAAA
  std::vector<ServiceRecord> services;  ///< HTTPS or SRV
  std::vector<std::string> instances;   ///< PTR: names as c-ares writes them, with escapes
  Duration time_to_live{};              ///< of the answer; zero: not to be kept
  TimePoint expires{};                  ///< on the loop's clock
  std::string server;                   ///< which one answered, "192.0.2.53"
  bool more = false;                    ///< others on the link may answer too
};

/// Lower case, without a dot at the end: DNS compares so (RFC 4343).
std::string canonical_name(std::string_view name);

/// Reads the records of `type` (A, AAAA, HTTPS, SRV or PTR) that belong to `name` or what it is an alias of. A service
/// record that breaks RFC 9460 section 2.2 makes the whole answer `failed`. `section`: another one than the answer.
Records read_records(const ares_dns_record_t& answer, std::string_view name, ares_dns_rec_type_t type,
                     ares_dns_section_t section = ARES_SECTION_ANSWER);

/// How long a negative answer may be kept (RFC 2308 section 5); zero: it has no SOA.
Duration negative_time(const ares_dns_record_t& answer) noexcept;

}  // namespace trellis::dns
