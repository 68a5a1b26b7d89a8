// race_files.h: `--trace` and `--timeline`: where a race is written to.
#pragma once
#include <fstream>
#include <string>
#include <vector>

#include "arguments.h"
#include "trellis/race_report.h"

namespace trellis::tool {

/// The files that were asked for. They are made before the race, so that nothing is tried in vain.
class RaceFiles {
 public:
  static void declare(Arguments& arguments);
  Result<void> open(const Arguments& arguments);
  bool wanted() const { return !files_.empty(); }
  Result<void> write(const RaceReport& report);

 private:
  struct File {
    std::string name;
    std::ofstream out;
    std::string (*text)(const RaceReport&);
  };
  std::vector<File> files_;
};

}  // namespace trellis::tool
