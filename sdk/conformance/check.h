// check.h: what a check is. A check has an id that stays for ever, runs once per seed, and within a seed once per case
// ("client@34": the client is destroyed in turn 34); a case can be repeated alone.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/lab.h"
#include "loop/seeded_random.h"

namespace trellis::conformance {

/// Where a run is; lies in memory that the parent process reads when a run crashes or hangs.
struct Position {
  std::uint64_t seed;
  char label[96];
};

/// One run of one check with one seed.
class Trial {
 public:
  /// The world's seed is this one; `share` of `shares` is its part of what the seeds try together.
  struct Settings {
    std::uint64_t seed = 1;
    std::uint64_t share = 0, shares = 1;
    std::string only;  ///< the case to repeat; empty: all
    bool verbose = false;
  };
  /// `lab`: null for checks that read the file only.
  Trial(const Subject& subject, Lab* lab, const Settings& settings, Position& position)
      : random(mix(settings.seed)), subject_(subject), lab_(lab), settings_(settings), position_(position) {}

  /// Begins a case. False: it is not wanted, or an earlier one has failed; leave it out.
  bool wants(std::string label);
  /// Before a case is counted out: whether any case whose label begins like that is wanted.
  bool prepares(std::string_view label);
  /// Of `count` positions those that this seed tries: its share of all, so that the seeds together try every one, and
  /// two more at random.
  std::vector<unsigned> positions(std::uint64_t count);
  /// The case did not do what is right: what was expected, what was found.
  void fail(std::string why);
  bool failed() const { return failure_.has_value(); }
  const std::string& failure() const { return *failure_; }
  const std::string& label() const { return label_; }

  const Subject& subject() const { return subject_; }
  Lab& lab() const { return *lab_; }
  const Facts& facts() const { return lab_->facts(); }
  std::uint64_t seed() const { return settings_.seed; }
  bool verbose() const { return settings_.verbose && (settings_.only.empty() || settings_.only == label_); }
  SeededRandom random;

 private:
  void begin(std::string label);
  const Subject& subject_;
  Lab* lab_;
  const Settings& settings_;
  Position& position_;
  std::string label_;
  std::optional<std::string> failure_;
};

/// A check.
struct Check {
  const char* id;
  const char* title;
  void (*run)(Trial&);
  /// Why it says nothing about this subject; empty: it does. Null: it always does.
  std::string (*unfit)(const Facts&) = nullptr;
  bool once = false;       ///< it does not depend on a seed
  bool file_only = false;  ///< it needs the plugin's file and nothing else
};

/// All checks, group by group.
std::vector<Check> all_checks();

std::span<const Check> descriptor_checks();
std::span<const Check> contract_checks();
std::span<const Check> data_checks();
std::span<const Check> backpressure_checks();
std::span<const Check> teardown_checks();
std::span<const Check> time_checks();
std::span<const Check> fault_checks();
std::span<const Check> claim_checks();
std::span<const Check> hook_checks();
std::span<const Check> multicast_checks();

}  // namespace trellis::conformance
