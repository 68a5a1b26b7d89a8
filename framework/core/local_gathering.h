// local_gathering.h: which local candidates there are (RFC 8445 section 5.1.1): addresses of this host, how a STUN
// server sees them, and addresses at a TURN server. Never speaks to the remote endpoint (IMPL-21).
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "core/framework_core.h"
#include "core/held_socket.h"
#include "core/path_table.h"
#include "core/relay_allocation.h"

namespace trellis {

class LocalGathering final : PathWatcher {
 public:
  /// `over` is called once, possibly inside begin(). All references outlive it.
  LocalGathering(FrameworkCore& framework, Executor& loop, const Plan& plan, std::function<void()> over);
  /// `servers`: addresses of the STUN server; the first one of each family is asked.
  void begin(std::vector<Address> servers);
  std::vector<LocalCandidate> candidates() const;  // when it is over
  std::vector<Error> trouble;

 private:
  struct Base {  // a host candidate
    std::string interface_name;
    Address local, server;  // server unset: none is asked
    std::shared_ptr<HeldSocket> held;
    std::shared_ptr<RelayAllocation> relay;
    Address reflexive{}, relayed{};  // unset: not known
  };
  void paths_changed(const PathNews& news) noexcept override;
  void gather();
  void gather_routed(Address::Family family);
  void add_base(const Path& path);
  Result<std::unique_ptr<Socket>> open(const Path& path, std::uint16_t port, const Address& server) const;
  Address server_of(Address::Family family) const noexcept;
  void ask(std::size_t base);
  void allocate(std::size_t base, const Path& path);
  TimePoint next_turn() noexcept;
  void one_less();
  StunLogin login() const;

  FrameworkCore& framework_;
  Executor& loop_;
  const Plan& plan_;
  std::function<void()> over_;
  std::vector<Address> servers_;
  std::vector<Base> bases_;
  std::size_t asked_ = 0, pending_ = 0;
  bool gathered_ = false;
};

}  // namespace trellis
