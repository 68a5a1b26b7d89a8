#include "race_files.h"

#include <cerrno>
#include <cstring>

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
  arguments.value("trace", "FILE", "write the race as qlog (JSON-SEQ), for trellis race --replay")
      .value("timeline", "FILE", "write the race as a picture: one HTML page that needs nothing else");
}

Result<void> RaceFiles::open(const Arguments& arguments) {
  const std::pair<const char*, std::string (*)(const RaceReport&)> kinds[] = {{"trace", to_trace},
                                                                              {"timeline", race_timeline}};
  for (const auto& [option, text] : kinds) {
    if (!arguments.has(option)) continue;
    errno = 0;
    File& file = files_.emplace_back(arguments.text(option), std::ofstream{}, text);
    file.out.open(file.name, std::ios::binary | std::ios::trunc);
    if (!file.out) return unwritable(file.name);
  }
  return {};
}

Result<void> RaceFiles::write(const RaceReport& report) {
  for (File& file : files_) {
    errno = 0;
    file.out << file.text(report);
    file.out.close();
    if (!file.out) return unwritable(file.name);
  }
  return {};
}

}  // namespace trellis::tool
