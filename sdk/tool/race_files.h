// race_files.h: `--trace` and `--timeline`: where a race, and what its connection tells of its paths, is written to.
#pragma once
#include <fstream>
#include <string>

#include "arguments.h"
#include "trellis/race_report.h"

namespace trellis::tool {

/// The files that were asked for. They are made before the race, so that nothing is tried in vain.
class RaceFiles {
 public:
  static constexpr std::size_t kPathEventsMost = 1000;  ///< in the picture; the trace has them all
  static void declare(Arguments& arguments);
  Result<void> open(const Arguments& arguments);
  bool wanted() const { return trace_.out.is_open() || timeline_.out.is_open(); }
  /// The race is over.
  Result<void> write(const RaceReport& report);
  /// The connection has told something: the trace has it at once.
  void add(RaceReport::PathEvent event);
  /// The connection has ended: draws the picture once more, with what add() was told.
  Result<void> finish();

 private:
  struct File {
    std::string name;
    std::ofstream out;
  };
  static Result<void> make(File& file, const std::string& name);
  static Result<void> put(File& file, const std::string& text);
  File trace_, timeline_;
  RaceReport report_;
};

}  // namespace trellis::tool
