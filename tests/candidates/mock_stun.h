// mock_stun.h: a STUN and TURN server for tests, on any executor: it answers as it was told to, wrongly or not at all,
// and remembers what it was asked.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/stun_message.h"
#include "loop/sim_address.h"
#include "trellis/executor.h"

namespace trellis::tests {

class MockStun final : SocketEvents {
 public:
  using Bytes = std::vector<std::byte>;
  MockStun(Executor& executor, const Address& at);

  int ignore = 0;                            ///< so many requests are not answered
  unsigned refuse = 0;                       ///< with this code; 0: it does not
  std::string username = {}, password = {};  ///< that are wanted; empty: none
  bool modern = false;                       ///< offers PASSWORD-ALGORITHMS
  bool forged = false;                       ///< signs with another key than that of the password
  int stale = 0;                             ///< so many nonces are too old
  Address relay{};                           ///< where it allocates, counting ports up; unset: it is no TURN server
  std::uint32_t lifetime = 600;              ///< of allocations, seconds
  std::function<Bytes(Bytes)> damage = {};   ///< changes the answer's bytes

  Address address() const { return socket_->local(); }
  std::vector<std::string> log;  ///< "binding", "allocate", "refresh 0", in order, with " (signed)"
  std::vector<TimePoint> times;  ///< when, of each
  std::vector<Address> peers;    ///< whom from, of each
  std::map<Address, Address, AddressLess> allocations;  ///< peers and their relayed addresses

 private:
  void on_ready(Socket& socket, Ready what) noexcept override;
  void request(const StunMessage& message, const Chunk& from);
  Bytes answer(const StunMessage& message, const Address& peer);
  Bytes refusal(const StunMessage& message, unsigned code, std::string_view reason) const;
  Bytes key() const;
  bool signed_by_user(const StunMessage& message) const;

  Executor& executor_;
  std::unique_ptr<Socket> socket_;
};

}  // namespace trellis::tests
