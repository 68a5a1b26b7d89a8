#include "trellis/race_report.h"

#include "trellis/address_text.h"

namespace trellis {

std::string_view to_string(RaceStep::Kind kind) noexcept {
  switch (kind) {
    case RaceStep::Kind::added: return "added";
    case RaceStep::Kind::dropped: return "dropped";
    case RaceStep::Kind::started: return "started";
    case RaceStep::Kind::waiting: return "waiting";
    case RaceStep::Kind::answered: return "answered";
    case RaceStep::Kind::ready: return "ready";
    case RaceStep::Kind::failed: return "failed";
    case RaceStep::Kind::canceled: return "canceled";
    case RaceStep::Kind::ignored: return "ignored";
  }
  return "";
}

std::string RaceNode::text() const {
  const std::string endpoint =
      remote.address ? to_text(remote.address) : remote.host + ":" + std::to_string(remote.port);
  return "[" + endpoint + ", " + (path.empty() ? "any" : path) + ", " + (stack.empty() ? "any" : stack) + "]";
}

}  // namespace trellis
