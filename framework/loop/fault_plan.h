// fault_plan.h: which call to a simulated socket fails with which errno.
//
// Run a program once without faults and count its calls; then let each of them fail in a run of its own. An injected
// fault changes only what the call returns: nothing is sent, taken or closed by it.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loop/virtual_world.h"

namespace trellis {

/// The calls of Sockets and Socket that can fail.
enum class SocketCall : std::uint8_t {
  open,
  connect,
  connected,
  listen,
  accept,
  receive,
  send,
  finish,
  watch,
  set,
  get
};

/// The call as a word.
std::string_view to_string(SocketCall) noexcept;

/// Faults of one network.
class FaultPlan {
 public:
  static constexpr std::uint64_t kEvery = 0;  ///< as `nth`: every such call, not only one

  explicit FaultPlan(VirtualWorld& world) noexcept : world_(world) {}
  /// The n-th call of this kind from the beginning of the world fails with errno `error`; 1 is the first. An empty
  /// host: counted over all hosts. EAGAIN makes receive and send say "blocked" and accept say "none is waiting".
  void fail(SocketCall call, std::uint64_t nth, int error, std::string host = {});
  /// The n-th call of all, of any kind on any host, fails; 1 is the first.
  void fail(std::uint64_t nth, int error) { faults_.push_back({std::nullopt, nth, error, {}}); }
  void clear() noexcept { faults_.clear(); }  ///< no faults any more; the counters go on

  std::uint64_t calls() const noexcept { return calls_; }                           ///< of any kind, so far
  std::uint64_t calls(SocketCall call, std::string_view host = {}) const noexcept;  ///< of one kind, so far
  std::uint64_t injected() const noexcept { return injected_; }                     ///< faults that came true

  /// For sockets: counts a call; the errno it must fail with, or 0.
  int next(SocketCall call, const std::string& host) noexcept;

 private:
  struct Fault {
    std::optional<SocketCall> call;  // none: any
    std::uint64_t nth;
    int error;
    std::string host;
  };
  bool due(const Fault&, SocketCall call, const std::string& host) const noexcept;

  VirtualWorld& world_;
  std::vector<Fault> faults_;
  std::uint64_t calls_ = 0;
  std::uint64_t injected_ = 0;
  std::map<std::pair<SocketCall, std::string>, std::uint64_t, std::less<>> counters_;  // an empty host: all hosts
};

}  // namespace trellis
