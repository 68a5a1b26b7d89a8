// asconf.h: what is in an ASCONF chunk, which asks for changes of the sender's addresses, and in the ASCONF-ACK that
// answers it (RFC 5061 section 4). Both as values of chunks, without header and padding.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "chunks.h"
#include "trellis/address.h"

namespace trellis::sctp {

/// What is asked for: the types of the parameters. Set primary ("prefer") asks the other end to send to an address.
enum class Change : std::uint16_t { add = 0xc001, remove = 0xc002, prefer = 0xc004 };

/// Why something is refused (RFC 5061 section 4.3 and RFC 9260 section 3.3.10). `none`: it is done.
enum class Cause : std::uint16_t {
  none = 0,
  unresolvable_address = 5,
  unrecognized_parameters = 8,
  last_address = 0xa0,
  resource_shortage = 0xa1,
  source_address = 0xa2,
  illegal_ack = 0xa3,
  no_authorization = 0xa4,
};
std::string_view text_of(Cause cause) noexcept;  ///< as the end of a sentence

/// One change of an address of whoever asks.
struct AddressRequest {
  Change change = Change::add;
  Address address{};  ///< unset: the wildcard address, which stands for others (section 4.2)
  bool operator==(const AddressRequest&) const = default;
};

/// As it came.
struct ReceivedRequest {
  std::uint32_t correlation = 0;            ///< tells requests of one chunk apart
  std::optional<AddressRequest> request{};  ///< empty: it is malformed, or of another kind
  std::uint16_t type = 0;                   ///< of the parameter
  std::span<const std::byte> parameter{};   ///< all of it
};

struct Asconf {
  std::uint32_t serial = 0;
  std::vector<ReceivedRequest> requests{};
};
/// `known`: an address of ours that the peer knows. The correlations count from 0.
std::vector<std::byte> write_asconf(std::uint32_t serial, const Address& known, std::span<const AddressRequest> all);
/// Empty: it is none. What follows a length that lies is left out; so are ports.
std::optional<Asconf> read_asconf(std::span<const std::byte> value);

/// The answer that is being written.
class AsconfAck {
 public:
  explicit AsconfAck(std::uint32_t serial);
  /// False: it is full.
  bool add(const ReceivedRequest& asked, Cause cause);
  const std::vector<std::byte>& value() const noexcept { return value_; }

 private:
  std::vector<std::byte> value_;
};
/// What an answer says about each of so many requests (section 5.1 A7, A8). Empty: it is none.
std::optional<std::vector<Cause>> read_asconf_ack(std::span<const std::byte> value, std::size_t requests);

}  // namespace trellis::sctp
