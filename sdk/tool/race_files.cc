#include "race_files.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/text.h"
#include "trace.h"
#include "trellis/race_timeline.h"

namespace trellis::tool {

namespace {

std::unexpected<Error> unwritable(const std::string& name) {
  const int code = errno;
  return fail(Reason::exhausted, "cannot write " + in_quotes(name) + ": " + std::strerror(code),
              static_cast<std::uint64_t>(code));
}

}  // namespace

void RaceFiles::declare(Arguments& arguments) {
  arguments
      .value(
          "trace", "FILE",
          "write the race, and what its connection tells of its paths, as qlog (JSON-SEQ), for trellis race --replay")
      .value("timeline", "FILE", "draw the same as a picture: one HTML page that needs nothing else");
}

Result<void> RaceFiles::make(File& file, const std::string& name) {
  errno = 0;
  file.name = name;
  file.out = std::ofstream(name, std::ios::binary | std::ios::trunc);
  if (!file.out) return unwritable(name);
  return {};
}

Result<void> RaceFiles::open(const Arguments& arguments) {
  for (const auto& [option, file] : {std::pair{"trace", &trace_}, std::pair{"timeline", &timeline_}}) {
    if (!arguments.has(option)) continue;
    if (auto made = make(*file, arguments.text(option)); !made) return made;
  }
  return {};
}

Result<void> RaceFiles::put(File& file, const std::string& text) {
  errno = 0;
  file.out << text << std::flush;
  if (!file.out) return unwritable(file.name);
  return {};
}

Result<void> RaceFiles::write(const RaceReport& report) {
  auto early = std::exchange(report_, report).path_events;
  report_.path_events = std::move(early);
  if (trace_.out.is_open()) {
    if (auto written = put(trace_, to_trace(report_)); !written) return written;
  }
  return timeline_.out.is_open() ? put(timeline_, race_timeline(report_)) : Result<void>();
}

void RaceFiles::add(RaceReport::PathEvent event) {
  const bool begun = !report_.nodes.empty();  // else write() adds it
  if (begun && trace_.out.is_open()) trace_.out << to_trace(event, report_.begun_at) << std::flush;
  if (report_.path_events.size() < kPathEventsMost) report_.path_events.push_back(std::move(event));
}

Result<void> RaceFiles::finish() {
  if (trace_.out.is_open() && !trace_.out) return unwritable(trace_.name);
  if (report_.path_events.empty() || !timeline_.out.is_open()) return {};
  if (auto made = make(timeline_, timeline_.name); !made) return made;
  return put(timeline_, race_timeline(report_));
}

}  // namespace trellis::tool
