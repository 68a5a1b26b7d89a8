#include "trellis/race_report.h"

#include "trellis/address_text.h"
#include "trellis/endpoint_text.h"

namespace trellis {

std::string_view to_string(RaceStep::Kind kind) noexcept {
  switch (kind) {
    case RaceStep::Kind::added: return "added";
    case RaceStep::Kind::moved: return "moved";
    case RaceStep::Kind::dropped: return "dropped";
    case RaceStep::Kind::changed: return "changed";
    case RaceStep::Kind::woke: return "woke";
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

std::string_view to_string(Child::State state) noexcept {
  switch (state) {
    case Child::State::waiting: return "waiting";
    case Child::State::started: return "started";
    case Child::State::answered: return "answered";
    case Child::State::ready: return "ready";
    case Child::State::failed: return "failed";
    case Child::State::canceled: return "canceled";
  }
  return "";
}

std::string_view to_string(Branch branch) noexcept {
  switch (branch) {
    case Branch::path: return "path";
    case Branch::protocol: return "protocol";
    case Branch::endpoint: return "endpoint";
  }
  return "";
}

std::string RaceStep::text() const {
  std::string all = why;
  const auto more = [&](const std::string& text) { all += (all.empty() ? "" : ": ") + text; };
  if (!detail.empty()) more(detail);
  if (kind == Kind::answered) more(std::to_string(rtts_left) + " round trips left");
  if (error) more(error->detail.empty() ? std::string(to_string(error->reason)) : error->detail);
  std::string hoped;
  for (const auto& [may_come, answers] :
       {std::pair{awaited.ipv6, "IPv6"}, {awaited.ipv4, "IPv4"}, {awaited.service, "service"}}) {
    if (may_come) hoped += (hoped.empty() ? "" : " and ") + std::string(answers);
  }
  if (!hoped.empty()) more(hoped + " answers may still come" + (awaited.ipv4_preferred ? ", IPv4 is preferred" : ""));
  return all;
}

std::string RaceNode::text() const {
  const std::string endpoint = to_text(remote);
  return "[" + endpoint + ", " + (path.empty() ? "any" : path) + ", " + (stack.empty() ? "any" : stack) + "]";
}

}  // namespace trellis
