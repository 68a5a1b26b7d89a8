// trace.cc: see trace.h. Poco writes and parses; its exceptions end here.
#include "trace.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/JSONException.h>
#include <Poco/JSON/Parser.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "core/race_story.h"
#include "core/text.h"
#include "race_json.h"
#include "trellis/address_text.h"

namespace trellis::tool {

namespace {

using Poco::JSON::Array;
using Poco::JSON::Object;
using Kind = RaceStep::Kind;

constexpr char kSeparator = '\x1e';  // before every record (RFC 7464)
constexpr std::size_t kTraceBytesMost = 64 << 20;
constexpr int kDepthMost = 8;              // of nested JSON
constexpr double kMillisecondsMost = 1e9;  // eleven days
constexpr std::uint32_t kLimitMost = 65'536;
constexpr std::string_view kPrefix = "trellis:", kStepPrefix = "trellis:candidate_";
constexpr std::array kKinds{Kind::added,   Kind::moved,    Kind::dropped, Kind::changed, Kind::woke,     Kind::started,
                            Kind::waiting, Kind::answered, Kind::ready,   Kind::failed,  Kind::canceled, Kind::ignored};
constexpr std::array kBranches{Branch::path, Branch::protocol, Branch::endpoint};

// ---- writing

std::string record(const Object& object) {
  std::ostringstream out;
  out << kSeparator;
  object.stringify(out);
  out << '\n';
  return out.str();
}

std::string event(double time, const std::string& name, const Object& data) {
  Object object = json_object();
  object.set("time", time);
  object.set("name", name);
  object.set("data", data);
  return record(object);
}

std::string header(const RaceReport& report) {
  Object point = json_object(), common = json_object(), trace = json_object(), all = json_object();
  point.set("name", "trellis");
  point.set("type", "client");
  common.set("time_format", "relative");
  common.set("reference_time", milliseconds(report.clock.time_since_epoch()));
  trace.set("vantage_point", point);
  trace.set("common_fields", common);
  all.set("qlog_version", "0.3");
  all.set("qlog_format", "JSON-SEQ");
  all.set("title", "race to " + printable(report.remote));
  all.set("trace", trace);
  return record(all);
}

std::string race_started(const RaceReport& report) {
  Object data = json_object(), limits = json_object();
  data.set("remote", printable(report.remote));
  data.set("profile", report.profile);
  Array racing;
  for (std::size_t i = 0; i < std::size(report.racing); ++i) {
    Object one = json_object(), settings = json_object();
    for (const auto& [name, value] : report.racing[i].settings) settings.set(name, value);
    one.set("on", std::string(to_string(kBranches[i])));
    one.set("policy", report.racing[i].policy);
    one.set("settings", settings);
    racing.add(one);
  }
  data.set("racing", racing);
  limits.set("children", report.limits.children);
  limits.set("nodes", report.limits.nodes);
  limits.set("leaves", report.limits.leaves);
  limits.set("attempts_at_once", report.limits.attempts_at_once);
  data.set("limits", limits);
  data.set("node", report.nodes.front().id);
  data.set("root", where_json(report.nodes.front()));
  data.set("attempt", report.nodes.front().attempt);
  return event(0, "trellis:race_started", data);
}

void add_node(Object& data, const RaceReport& report, const RaceNode& node) {
  data.set("branch", std::string(to_string(report.nodes[node.parent].branch.value_or(Branch::path))));
  data.set("rtts", static_cast<int>(node.rtts));
  data.set("expected_ms", milliseconds(node.expected));
  if (node.failed_before) data.set("failed_before", true);
  if (node.last_resort) data.set("last_resort", true);
  data.set("attempt", node.attempt);
  data.set("where", where_json(node));
}

std::string step_event(const RaceReport& report, const RaceStep& step) {
  const RaceNode& node = report.nodes[step.node];
  Object data = json_object();
  data.set("node", node.id);
  data.set("fact", step.fact);
  if (step.nested != 0) data.set("nested", step.nested);
  if (!step.why.empty()) data.set("why", step.why);
  if (!step.detail.empty()) data.set("detail", printable(step.detail));
  if (step.kind == Kind::added) add_node(data, report, node);
  if (step.kind == Kind::added || step.kind == Kind::moved) data.set("rank", step.rank);
  if (step.kind == Kind::waiting) data.set("until", milliseconds(step.until - report.begun_at));
  if (step.kind == Kind::answered) data.set("rtts_left", static_cast<int>(step.rtts_left));
  if (step.kind == Kind::changed) {
    Array awaited;
    if (step.awaited.ipv6) awaited.add("ipv6");
    if (step.awaited.ipv4) awaited.add("ipv4");
    if (step.awaited.service) awaited.add("service");
    if (step.awaited.ipv4_preferred) awaited.add("ipv4-preferred");
    data.set("awaited", awaited);
  }
  if (step.error) data.set("error", to_json(*step.error));
  return event(milliseconds(step.at - report.begun_at), std::string(kStepPrefix) + std::string(to_string(step.kind)),
               data);
}

std::string race_ended(const RaceReport& report) {
  Object data = json_object();
  if (!report.winner.empty()) data.set("winner", report.winner);
  if (report.failure) data.set("error", to_json(*report.failure));
  return event(milliseconds(report.ended_at - report.begun_at), "trellis:race_ended", data);
}

// ---- reading

struct Fault {
  std::string detail;
};

[[noreturn]] void refuse(std::string_view found, std::string_view expected) {
  throw Fault{"found " + std::string(found) + ", expected " + std::string(expected)};
}

// One JSON object, read strictly.
class Fields {
 public:
  explicit Fields(Object::Ptr object) : object_(std::move(object)) {}
  bool has(const char* name) const { return object_->has(name); }
  Fields object(const char* name) const {
    Object::Ptr inner = object_->getObject(name);
    if (inner.isNull()) refuse("no object \"" + std::string(name) + "\"", "it");
    return Fields(std::move(inner));
  }
  Array::Ptr array(const char* name) const {
    Array::Ptr inner = object_->getArray(name);
    if (inner.isNull()) refuse("no array \"" + std::string(name) + "\"", "it");
    return inner;
  }
  std::string text(const char* name) const {
    const auto value = get(name);
    if (!value.isString()) refuse(std::string(name) + " that is no text", "text");
    return value.extract<std::string>();
  }
  std::string text_or_empty(const char* name) const { return has(name) ? text(name) : std::string(); }
  bool flag(const char* name) const {
    const auto value = get(name);
    if (!value.isBoolean()) refuse(std::string(name) + " that is neither true nor false", "one of them");
    return value.extract<bool>();
  }
  double real(const char* name, double most) const {
    const auto value = get(name);
    const double number = value.isNumeric() && !value.isBoolean() ? value.convert<double>() : std::nan("");
    if (!(number >= 0 && number <= most))
      refuse(std::string(name) + " that is no number from 0 to " + std::to_string(most), "one");
    return number;
  }
  template <class T>
  T number(const char* name, T least, T most) const {
    const auto value = get(name);
    const std::string range = std::to_string(least) + " to " + std::to_string(most);
    if (!value.isInteger() || value.isBoolean())
      refuse(std::string(name) + " that is no whole number", "one from " + range);
    const auto number = value.convert<T>();
    if (number < least || number > most) refuse(std::string(name) + " out of range", range);
    return number;
  }
  const Object& raw() const { return *object_; }

 private:
  Poco::Dynamic::Var get(const char* name) const {
    if (!has(name)) refuse("no \"" + std::string(name) + "\"", "it");
    return object_->get(name);
  }
  Object::Ptr object_;
};

template <class Words>
auto word(const Words& words, std::string_view text, std::string_view what) {
  const auto found = std::ranges::find_if(words, [&](auto one) { return to_string(one) == text; });
  if (found == std::ranges::end(words)) refuse(std::string(what) + " " + in_quotes(text), "one that is known");
  return *found;
}

Duration to_time(double ms) { return Duration(std::llround(ms * 1e6)); }

class Reader {
 public:
  RaceReport read(std::string_view text) {
    if (text.empty() || text.front() != kSeparator) refuse("no record separator (0x1e)", "a JSON text sequence");
    while (!text.empty()) {
      const std::size_t end = text.find(kSeparator, 1);
      ++record_;
      read_record(text.substr(1, end - 1));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end);
    }
    if (!ended_) refuse("the end of the file", "trellis:race_ended: the trace is not complete");
    follow_steps(report_);
    return std::move(report_);
  }
  std::size_t record() const { return record_; }

 private:
  void read_record(std::string_view text) {
    if (!text.ends_with('\n')) refuse("a record without a line feed at its end", "one: was the file cut off?");
    Poco::JSON::Parser parser(new Poco::JSON::ParseHandler(true));  // keeps the order of keys
    parser.setDepth(kDepthMost);
    const auto parsed = parser.parse(std::string(text));
    if (parsed.type() != typeid(Object::Ptr)) refuse("something else", "a JSON object");
    const Fields fields(parsed.extract<Object::Ptr>());
    if (record_ == 1) return read_header(fields);
    const std::string name = fields.text("name");
    const TimePoint at = kBegin + to_time(fields.real("time", kMillisecondsMost));
    if (at < last_) refuse("a time before that of the record before", "the order of time");
    last_ = at;
    if (name == "trellis:race_started") return read_started(fields.object("data"));
    if (report_.nodes.empty()) refuse(in_quotes(name), "trellis:race_started first");
    if (ended_) refuse(in_quotes(name), "nothing after trellis:race_ended");
    if (name == "trellis:race_ended") return read_ended(at, fields.object("data"));
    if (name.starts_with(kStepPrefix)) return read_step(at, name.substr(kStepPrefix.size()), fields.object("data"));
    if (name.starts_with(kPrefix)) refuse("event " + in_quotes(name), "one that is known");
  }  // events of others are no business of ours

  void read_header(const Fields& fields) {
    if (fields.text_or_empty("qlog_format") != "JSON-SEQ") refuse("no qlog_format JSON-SEQ", "a qlog header");
    const Fields common = fields.object("trace").object("common_fields");
    if (common.text("time_format") != "relative") refuse("time_format that is not \"relative\"", "it");
    const double reference = common.real("reference_time", 1e15);
    report_.clock =
        std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::system_clock::duration>(
            std::chrono::duration<double, std::milli>(reference)));
  }

  void read_started(const Fields& data) {
    if (!report_.nodes.empty()) refuse("trellis:race_started again", "one race in a file");
    report_.remote = data.text("remote");
    report_.profile = data.text("profile");
    report_.begun_at = kBegin;
    const Array::Ptr racing = data.array("racing");
    if (racing->size() != std::size(report_.racing))
      refuse("another number of racing policies than 3", "one per branch");
    for (unsigned i = 0; i < std::size(report_.racing); ++i) {
      const Object::Ptr object = racing->getObject(i);
      if (object.isNull()) refuse("a racing policy that is no object", "one");
      const Fields one(object);
      if (one.text("on") != to_string(kBranches[i]))
        refuse("racing policies in another order", "path, protocol, endpoint");
      report_.racing[i].policy = one.text("policy");
      const Fields settings = one.object("settings");
      for (const std::string& name : settings.raw().getNames())
        report_.racing[i].settings.emplace_back(name, settings.text(name.c_str()));
    }
    const Fields limits = data.object("limits");
    const auto limit = [&](const char* name) { return limits.number<std::uint32_t>(name, 1, kLimitMost); };
    report_.limits = {limit("children"), limit("nodes"), limit("leaves"), limit("attempts_at_once")};
    RaceNode root;
    root.id = data.text("node");
    if (!root_number(root.id)) refuse("node " + in_quotes(root.id), "the number of a root, 1 or more");
    root.attempt = data.flag("attempt");
    read_where(data.object("root"), root);
    add(std::move(root));
  }

  static void read_where(const Fields& where, RaceNode& node) {
    node.remote.host = where.text_or_empty("host");
    node.remote.port = where.number<std::uint16_t>("port", 0, UINT16_MAX);
    node.path = where.text_or_empty("path");
    node.stack = where.text_or_empty("stack");
    if (where.has("address")) {
      const auto address = parse_address(where.text("address"), node.remote.port);
      if (!address) refuse("address " + in_quotes(where.text("address")), "an IP address");
      node.remote.address = *address;
    }
    if (node.attempt && !node.remote.address) refuse("an attempt without an address", "it");
  }

  void add(RaceNode node) {
    index_[node.id] = static_cast<std::uint32_t>(report_.nodes.size());
    report_.nodes.push_back(std::move(node));
  }

  void add_child(const std::string& id, const Fields& data) {
    if (index_.contains(id)) refuse("node " + in_quotes(id) + " again", "another number");
    const auto parent = index_.find(id.substr(0, id.rfind('.')));
    if (parent == index_.end()) refuse("node " + in_quotes(id), "its parent before it");
    RaceNode& above = report_.nodes[parent->second];
    const Branch branch = word(kBranches, data.text("branch"), "branch");
    if (above.attempt || above.branch.value_or(branch) != branch) refuse("a child of " + above.id, "one way to branch");
    above.branch = branch;
    RaceNode node;
    node.id = id;
    node.parent = parent->second;
    node.rtts = data.number<std::uint8_t>("rtts", 0, UINT8_MAX);
    node.expected = to_time(data.real("expected_ms", kMillisecondsMost));
    node.failed_before = data.has("failed_before") && data.flag("failed_before");
    node.last_resort = data.has("last_resort") && data.flag("last_resort");
    node.attempt = data.flag("attempt");
    read_where(data.object("where"), node);
    add(std::move(node));
  }

  void read_step(TimePoint at, std::string_view kind, const Fields& data) {
    RaceStep step;
    step.at = at;
    step.kind = word(kKinds, kind, "event");
    step.fact = data.flag("fact");
    if (data.has("nested")) step.nested = data.number<std::uint32_t>("nested", 1, kLimitMost);
    const std::string id = data.text("node");
    if (step.kind == Kind::added) add_child(id, data);
    const auto node = index_.find(id);
    if (node == index_.end()) refuse("node " + in_quotes(id), "one that was added before");
    step.node = node->second;
    step.why = data.text_or_empty("why");
    step.detail = data.text_or_empty("detail");
    if (step.kind == Kind::added || step.kind == Kind::moved)
      step.rank = report_.nodes[step.node].rank = data.number<std::int64_t>("rank", INT64_MIN, INT64_MAX);
    if (step.kind == Kind::waiting) step.until = kBegin + to_time(data.real("until", 2 * kMillisecondsMost));
    if (step.kind == Kind::answered) step.rtts_left = data.number<std::uint8_t>("rtts_left", 0, UINT8_MAX);
    if (step.kind == Kind::changed) {
      for (const auto& kind_awaited : *data.array("awaited")) {
        const std::string awaited = kind_awaited.convert<std::string>();
        step.awaited.ipv6 |= awaited == "ipv6";
        step.awaited.ipv4 |= awaited == "ipv4";
        step.awaited.service |= awaited == "service";
        step.awaited.ipv4_preferred |= awaited == "ipv4-preferred";
      }
    }
    if (step.kind == Kind::failed) step.error = read_error(data.object("error"));
    report_.steps.push_back(std::move(step));
  }

  static Error read_error(const Fields& data) {
    const std::string text = data.text("reason");
    for (unsigned i = 0; i <= static_cast<unsigned>(Reason::canceled); ++i) {
      if (to_string(static_cast<Reason>(i)) == text)
        return {static_cast<Reason>(i), data.number<std::uint64_t>("code", 0, INT64_MAX), "trace", data.text("detail")};
    }
    refuse("reason " + in_quotes(text), "one that is known");
  }

  void read_ended(TimePoint at, const Fields& data) {
    ended_ = true;
    report_.ended_at = at;
    report_.winner = data.text_or_empty("winner");
    if (data.has("error")) report_.failure = read_error(data.object("error"));
  }

  static constexpr TimePoint kBegin{std::chrono::hours(1)};
  RaceReport report_;
  std::map<std::string, std::uint32_t> index_;
  std::size_t record_ = 0;
  TimePoint last_ = kBegin;
  bool ended_ = false;
};

}  // namespace

std::string to_trace(const RaceReport& report) {
  std::string text = header(report) + race_started(report);
  for (const RaceStep& step : report.steps) text += step_event(report, step);
  return text + race_ended(report);
}

Result<RaceReport> parse_trace(std::string_view text, const std::string& file) {
  Reader reader;
  std::string detail;
  try {
    return reader.read(text);
  } catch (const Fault& fault) {
    detail = fault.detail;
  } catch (const Poco::Exception& thrown) {
    detail = "found no JSON that can be read (" + printable(thrown.displayText()) + "), expected a record of a trace";
  }
  const std::string where = reader.record() == 0 ? "" : ": record " + std::to_string(reader.record());
  return fail(Reason::invalid_argument, printable(file) + where + ": " + detail);
}

Result<RaceReport> load_trace(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text;
  if (in) {
    text.resize(kTraceBytesMost + 1);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad() || (!in && !in.eof()))
    return fail(Reason::invalid_argument,
                printable(file) + ": found no file to read, expected a trace: check the path");
  if (text.size() > kTraceBytesMost)
    return fail(Reason::invalid_argument, printable(file) + ": found more than 64 MiB, expected a trace");
  return parse_trace(text, file);
}

}  // namespace trellis::tool
