#include "race_json.h"

#include <Poco/JSON/Array.h>

#include "core/text.h"
#include "trellis/address_text.h"

namespace trellis::tool {

Poco::JSON::Object json_object() { return Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER); }

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

Poco::JSON::Object to_json(const Error& error) {
  Poco::JSON::Object object = json_object();
  object.set("reason", std::string(to_string(error.reason)));
  object.set("code", error.code);
  object.set("layer", printable(error.layer));
  object.set("detail", printable(error.detail));
  return object;
}

Poco::JSON::Object where_json(const RaceNode& node) {
  Poco::JSON::Object object = json_object();
  if (!node.remote.host.empty()) object.set("host", printable(node.remote.host));
  object.set("port", node.remote.address ? node.remote.address.port : node.remote.port);
  if (node.remote.address) {
    const std::string text = trellis::to_text(node.remote.address);
    object.set("address", text.substr(0, text.rfind(':')));
  }
  if (!node.path.empty()) object.set("path", printable(node.path));
  if (!node.stack.empty()) object.set("stack", printable(node.stack));
  return object;
}

namespace {

Poco::JSON::Object node_json(const RaceReport& report, const RaceNode& node) {
  Poco::JSON::Object object = json_object();
  object.set("node", node.id);
  const Poco::JSON::Object where = where_json(node);
  for (const auto& [name, value] : where) object.set(name, value);
  object.set("attempt", node.attempt);
  object.set("state", std::string(to_string(node.state)));
  if (!node.history.empty()) object.set("history", node.history);
  if (!node.started_why.empty()) {
    object.set("start_ms", milliseconds(node.started_at - report.begun_at));
    object.set("started_because", node.started_why);
    if (node.ended_at != TimePoint{}) object.set("end_ms", milliseconds(node.ended_at - report.begun_at));
  }
  if (!node.ended_why.empty()) object.set("ended_because", node.ended_why);
  if (node.failure) object.set("error", to_json(*node.failure));
  return object;
}

}  // namespace

Poco::JSON::Object to_json(const RaceReport& report) {
  Poco::JSON::Object object = json_object();
  object.set("remote", printable(report.remote));
  object.set("profile", report.profile);
  object.set("ms", milliseconds(report.ended_at - report.begun_at));
  if (!report.winner.empty()) object.set("winner", report.winner);
  if (report.failure) object.set("error", to_json(*report.failure));
  Poco::JSON::Array nodes, dropped;
  for (const RaceNode& node : report.nodes) nodes.add(node_json(report, node));
  for (const RaceStep& step : report.steps) {
    if (step.kind != RaceStep::Kind::dropped) continue;
    Poco::JSON::Object one = json_object();
    one.set("below", report.nodes[step.node].id);
    one.set("candidate", printable(step.detail));
    one.set("because", step.why);
    dropped.add(one);
  }
  object.set("nodes", nodes);
  if (dropped.size() != 0) object.set("dropped", dropped);
  return object;
}

}  // namespace trellis::tool
