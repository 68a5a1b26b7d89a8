// trace.cc: see trace.h.
#include "trace.h"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <cmath>
#include <fstream>
#include <map>

#include "core/race_story.h"
#include "core/text.h"
#include "race_json.h"
#include "trellis/address_text.h"

namespace trellis::tool {

namespace {

using Kind = RaceStep::Kind;

constexpr char kSeparator = '\x1e';  // before every record (RFC 7464)
constexpr std::size_t kTraceBytesMost = 64 << 20;
constexpr int kDepthMost = 8;              // of nested JSON
constexpr double kMillisecondsMost = 1e9;  // eleven days
constexpr std::uint32_t kLimitMost = 65'536;
constexpr std::string_view kPrefix = "trellis:", kStepPrefix = "trellis:candidate_",
                           kPathEvent = "trellis:path_changed";
constexpr std::array kKinds{Kind::added,   Kind::moved,    Kind::dropped, Kind::changed, Kind::woke,     Kind::started,
                            Kind::waiting, Kind::answered, Kind::ready,   Kind::failed,  Kind::canceled, Kind::ignored};
constexpr std::array kBranches{Branch::path, Branch::protocol, Branch::endpoint};

// ---- writing

std::string record(const json::object& object) { return kSeparator + to_line(object) + '\n'; }

std::string event(double time, const std::string& name, const json::object& data) {
  json::object object;
  object["time"] = time;
  object["name"] = name;
  object["data"] = data;
  return record(object);
}

std::string header(const RaceReport& report) {
  json::object point, common, trace, all;
  point["name"] = "trellis";
  point["type"] = "client";
  common["time_format"] = "relative";
  common["reference_time"] = milliseconds(report.clock.time_since_epoch());
  trace["vantage_point"] = point;
  trace["common_fields"] = common;
  all["qlog_version"] = "0.3";
  all["qlog_format"] = "JSON-SEQ";
  all["title"] = "race to " + printable(report.remote);
  all["trace"] = trace;
  return record(all);
}

std::string race_started(const RaceReport& report) {
  json::object data, limits;
  data["remote"] = printable(report.remote);
  data["profile"] = report.profile;
  json::array racing;
  for (std::size_t i = 0; i < std::size(report.racing); ++i) {
    json::object one, settings;
    for (const auto& [name, value] : report.racing[i].settings) settings[name] = value;
    one["on"] = std::string(to_string(kBranches[i]));
    one["policy"] = report.racing[i].policy;
    one["settings"] = settings;
    racing.emplace_back(one);
  }
  data["racing"] = racing;
  limits["children"] = report.limits.children;
  limits["nodes"] = report.limits.nodes;
  limits["leaves"] = report.limits.leaves;
  limits["attempts_at_once"] = report.limits.attempts_at_once;
  data["limits"] = limits;
  data["node"] = report.nodes.front().id;
  data["root"] = where_json(report.nodes.front());
  data["attempt"] = report.nodes.front().attempt;
  return event(0, "trellis:race_started", data);
}

void add_node(json::object& data, const RaceReport& report, const RaceNode& node) {
  data["branch"] = std::string(to_string(report.nodes[node.parent].branch.value_or(Branch::path)));
  data["rtts"] = static_cast<int>(node.rtts);
  data["expected_ms"] = milliseconds(node.expected);
  if (node.failed_before) data["failed_before"] = true;
  if (node.last_resort) data["last_resort"] = true;
  data["attempt"] = node.attempt;
  data["where"] = where_json(node);
}

std::string step_event(const RaceReport& report, const RaceStep& step) {
  const RaceNode& node = report.nodes[step.node];
  json::object data;
  data["node"] = node.id;
  data["fact"] = step.fact;
  if (step.nested != 0) data["nested"] = step.nested;
  if (!step.why.empty()) data["why"] = step.why;
  if (!step.detail.empty()) data["detail"] = printable(step.detail);
  if (step.kind == Kind::added) add_node(data, report, node);
  if (step.kind == Kind::added || step.kind == Kind::moved) data["rank"] = step.rank;
  if (step.kind == Kind::waiting) data["until"] = milliseconds(step.until - report.begun_at);
  if (step.kind == Kind::answered) data["rtts_left"] = static_cast<int>(step.rtts_left);
  if (step.kind == Kind::changed) {
    json::array awaited;
    if (step.awaited.ipv6) awaited.emplace_back("ipv6");
    if (step.awaited.ipv4) awaited.emplace_back("ipv4");
    if (step.awaited.service) awaited.emplace_back("service");
    if (step.awaited.ipv4_preferred) awaited.emplace_back("ipv4-preferred");
    data["awaited"] = awaited;
  }
  if (step.error) data["error"] = to_json(*step.error);
  return event(milliseconds(step.at - report.begun_at), std::string(kStepPrefix) + std::string(to_string(step.kind)),
               data);
}

std::string race_ended(const RaceReport& report) {
  json::object data;
  if (!report.winner.empty()) data["winner"] = report.winner;
  if (report.failure) data["error"] = to_json(*report.failure);
  return event(milliseconds(report.ended_at - report.begun_at), "trellis:race_ended", data);
}

// ---- reading

struct Fault {
  std::string detail;
};

[[noreturn]] void refuse(std::string_view found, std::string_view expected) {
  throw Fault{"found " + std::string(found) + ", expected " + std::string(expected)};
}

// One JSON object, read strictly. It outlives this.
class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object) {}
  bool has(const char* name) const { return object_.contains(name); }
  Fields object(const char* name) const {
    const json::value* const inner = object_.if_contains(name);
    if (inner == nullptr || !inner->is_object()) refuse("no object \"" + std::string(name) + "\"", "it");
    return Fields(inner->get_object());
  }
  const json::array& array(const char* name) const {
    const json::value* const inner = object_.if_contains(name);
    if (inner == nullptr || !inner->is_array()) refuse("no array \"" + std::string(name) + "\"", "it");
    return inner->get_array();
  }
  std::string text(const char* name) const {
    const json::string* const value = get(name).if_string();
    if (value == nullptr) refuse(std::string(name) + " that is no text", "text");
    return std::string(*value);
  }
  std::string text_or_empty(const char* name) const { return has(name) ? text(name) : std::string(); }
  bool flag(const char* name) const {
    const bool* const value = get(name).if_bool();
    if (value == nullptr) refuse(std::string(name) + " that is neither true nor false", "one of them");
    return *value;
  }
  double real(const char* name, double most) const {
    const json::value& value = get(name);
    const double number = value.is_number() ? value.to_number<double>() : std::nan("");
    if (!(number >= 0 && number <= most))
      refuse(std::string(name) + " that is no number from 0 to " + std::to_string(most), "one");
    return number;
  }
  template <class T>
  T number(const char* name, T least, T most) const {
    const json::value& value = get(name);
    const std::string range = std::to_string(least) + " to " + std::to_string(most);
    if (!value.is_int64() && !value.is_uint64())
      refuse(std::string(name) + " that is no whole number", "one from " + range);
    boost::system::error_code too_large;
    const T number = value.to_number<T>(too_large);
    if (too_large || number < least || number > most) refuse(std::string(name) + " out of range", range);
    return number;
  }
  const json::object& raw() const { return object_; }

 private:
  const json::value& get(const char* name) const {
    const json::value* const value = object_.if_contains(name);
    if (value == nullptr) refuse("no \"" + std::string(name) + "\"", "it");
    return *value;
  }
  const json::object& object_;
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
    boost::system::error_code fault;
    const json::value parsed = json::parse(text, fault, {}, {.max_depth = kDepthMost});
    if (fault) refuse("no JSON that can be read (" + fault.message() + ")", "a record of a trace");
    if (!parsed.is_object()) refuse("something else", "a JSON object");
    const Fields fields(parsed.get_object());
    if (record_ == 1) return read_header(fields);
    const std::string name = fields.text("name");
    const TimePoint at = kBegin + to_time(fields.real("time", kMillisecondsMost));
    if (at < last_) refuse("a time before that of the record before", "the order of time");
    last_ = at;
    if (name == "trellis:race_started") return read_started(fields.object("data"));
    if (report_.nodes.empty()) refuse(in_quotes(name), "trellis:race_started first");
    if (name == kPathEvent) return read_path_event(at, fields.object("data"));
    if (ended_) refuse(in_quotes(name), "nothing but trellis:path_changed after trellis:race_ended");
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
    const json::array& racing = data.array("racing");
    if (racing.size() != std::size(report_.racing))
      refuse("another number of racing policies than 3", "one per branch");
    for (unsigned i = 0; i < std::size(report_.racing); ++i) {
      if (!racing[i].is_object()) refuse("a racing policy that is no object", "one");
      const Fields one(racing[i].get_object());
      if (one.text("on") != to_string(kBranches[i]))
        refuse("racing policies in another order", "path, protocol, endpoint");
      report_.racing[i].policy = one.text("policy");
      const Fields settings = one.object("settings");
      for (const auto& setting : settings.raw()) {
        const std::string name(setting.key());
        report_.racing[i].settings.emplace_back(name, settings.text(name.c_str()));
      }
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
      for (const json::value& awaited : data.array("awaited")) {
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

  void read_path_event(TimePoint at, const Fields& data) {
    if (!ended_) refuse(in_quotes(kPathEvent), "trellis:race_ended first");
    report_.path_events.push_back({at, data.flag("lost"), data.text("layer"), data.text("detail")});
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
  text += race_ended(report);
  for (const RaceReport::PathEvent& one : report.path_events) text += to_trace(one, report.begun_at);
  return text;
}

std::string to_trace(const RaceReport::PathEvent& event_told, TimePoint begun_at) {
  json::object data;
  data["layer"] = printable(event_told.layer);
  data["lost"] = event_told.lost;
  data["detail"] = printable(event_told.detail);
  return event(milliseconds(event_told.at - begun_at), std::string(kPathEvent), data);
}

Result<RaceReport> parse_trace(std::string_view text, const std::string& file) {
  Reader reader;
  try {
    return reader.read(text);
  } catch (const Fault& fault) {
    const std::string where = reader.record() == 0 ? "" : ": record " + std::to_string(reader.record());
    return fail(Reason::invalid_argument, printable(file) + where + ": " + fault.detail);
  }
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
