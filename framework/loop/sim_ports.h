// sim_ports.h: which ports of a simulated host are taken.
#pragma once
#include <functional>
#include <vector>

#include "loop/seeded_random.h"
#include "trellis/address.h"

namespace trellis {

/// The ports that sockets are bound to.
class SimPorts {
 public:
  static constexpr std::uint16_t kFirstEphemeral = 32768;  ///< Linux's ip_local_port_range
  static constexpr std::uint16_t kLastEphemeral = 60999;

  explicit SimPorts(SeededRandom random) noexcept : random_(random) {}
  /// Takes a port for `owner`; port 0 becomes a free ephemeral one for which `usable` is true. `shared`: others that
  /// say so too may have the same (SO_REUSEPORT). 0, or EADDRINUSE.
  int claim(int protocol, Address& local, bool shared, const void* owner,
            const std::function<bool(const Address&)>& usable = {});
  void release(const void* owner) noexcept;  ///< gives back what it has; no-op when nothing

 private:
  struct Taken {
    int protocol;
    Address local;
    bool shared;
    const void* owner;
  };
  bool free(int protocol, const Address& local, bool shared) const noexcept;

  std::vector<Taken> taken_;
  SeededRandom random_;
};

}  // namespace trellis
