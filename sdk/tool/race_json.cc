#include "race_json.h"

#include "core/text.h"
#include "trellis/address_text.h"

namespace trellis::tool {

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

json::object to_json(const Error& error) {
  json::object object;
  object["reason"] = std::string(to_string(error.reason));
  object["code"] = error.code;
  object["layer"] = printable(error.layer);
  object["detail"] = printable(error.detail);
  return object;
}

json::object where_json(const RaceNode& node) {
  json::object object;
  if (!node.remote.host.empty()) object["host"] = printable(node.remote.host);
  object["port"] = node.remote.address ? node.remote.address.port : node.remote.port;
  if (node.remote.address) {
    const std::string text = trellis::to_text(node.remote.address);
    object["address"] = text.substr(0, text.rfind(':'));
  }
  if (!node.path.empty()) object["path"] = printable(node.path);
  if (!node.stack.empty()) object["stack"] = printable(node.stack);
  return object;
}

namespace {

json::object node_json(const RaceReport& report, const RaceNode& node) {
  json::object object;
  object["node"] = node.id;
  const json::object where = where_json(node);
  for (const auto& member : where) object[member.key()] = member.value();
  object["attempt"] = node.attempt;
  object["state"] = std::string(to_string(node.state));
  if (!node.history.empty()) object["history"] = node.history;
  if (!node.started_why.empty()) {
    object["start_ms"] = milliseconds(node.started_at - report.begun_at);
    object["started_because"] = node.started_why;
    if (node.ended_at != TimePoint{}) object["end_ms"] = milliseconds(node.ended_at - report.begun_at);
  }
  if (!node.ended_why.empty()) object["ended_because"] = node.ended_why;
  if (node.failure) object["error"] = to_json(*node.failure);
  return object;
}

}  // namespace

json::object to_json(const RaceReport& report) {
  json::object object;
  object["remote"] = printable(report.remote);
  object["profile"] = report.profile;
  object["ms"] = milliseconds(report.ended_at - report.begun_at);
  if (!report.winner.empty()) object["winner"] = report.winner;
  if (report.failure) object["error"] = to_json(*report.failure);
  json::array nodes, dropped;
  for (const RaceNode& node : report.nodes) nodes.emplace_back(node_json(report, node));
  for (const RaceStep& step : report.steps) {
    if (step.kind != RaceStep::Kind::dropped) continue;
    json::object one;
    one["below"] = report.nodes[step.node].id;
    one["candidate"] = printable(step.detail);
    one["because"] = step.why;
    dropped.emplace_back(one);
  }
  object["nodes"] = nodes;
  if (dropped.size() != 0) object["dropped"] = dropped;
  return object;
}

}  // namespace trellis::tool
