// fault_plan.cc: counting calls and finding the fault that is due.
#include "loop/fault_plan.h"

namespace trellis {

std::string_view to_string(SocketCall call) noexcept {
  switch (call) {
    case SocketCall::open: return "open";
    case SocketCall::connect: return "connect";
    case SocketCall::connected: return "connected";
    case SocketCall::listen: return "listen";
    case SocketCall::accept: return "accept";
    case SocketCall::receive: return "receive";
    case SocketCall::send: return "send";
    case SocketCall::finish: return "finish";
    case SocketCall::watch: return "watch";
    case SocketCall::set: return "set";
    case SocketCall::get: return "get";
  }
  return "unknown";
}

void FaultPlan::fail(SocketCall call, std::uint64_t nth, int error, std::string host) {
  faults_.push_back({call, nth, error, std::move(host)});
}

std::uint64_t FaultPlan::calls(SocketCall call, std::string_view host) const noexcept {
  const auto found = counters_.find(std::pair(call, std::string(host)));
  return found == counters_.end() ? 0 : found->second;
}

bool FaultPlan::due(const Fault& fault, SocketCall call, const std::string& host) const noexcept {
  if (!fault.call) return fault.nth == kEvery || fault.nth == calls_;
  if (*fault.call != call || (!fault.host.empty() && fault.host != host)) return false;
  return fault.nth == kEvery || fault.nth == calls(call, fault.host);
}

int FaultPlan::next(SocketCall call, const std::string& host) noexcept {
  ++calls_;
  ++counters_[{call, host}];
  ++counters_[{call, {}}];
  world_.trace(host, to_string(call), calls_);
  for (const Fault& fault : faults_) {
    if (!due(fault, call, host)) continue;
    ++injected_;
    world_.trace(host, "fault", static_cast<std::uint64_t>(fault.error));
    return fault.error;
  }
  return 0;
}

}  // namespace trellis
