#include "conformance/runner.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <format>

namespace trellis::conformance {
namespace {

constexpr int kPatienceMs = 240'000;  // of the whole check, on a clock of the real world: only a hang takes that long
constexpr std::size_t kErrorsKept = 3000;
constexpr const char* kUnusable = "the stack cannot be composed: ";

std::string exempted(const Subject& subject, std::string_view id) {
  for (const std::string& entry : subject.not_applicable) {
    const std::size_t colon = entry.find(':');
    if (entry.substr(0, colon) != id) continue;
    const std::size_t reason = entry.find_first_not_of(" :", std::min(colon, entry.size()));
    return reason == std::string::npos ? "its author says so, without a reason" : entry.substr(reason);
  }
  return {};
}

/// All seeds of a check, in this process.
Outcome run_here(const Subject& subject, const Settings& settings, const Check& check, Position& position) {
  Outcome outcome{.id = check.id, .title = check.title, .text = {}, .label = {}};
  std::unique_ptr<Lab> lab;
  if (!check.file_only) {
    auto opened = Lab::open(subject);
    if (!opened) {
      outcome.kind = Outcome::Kind::not_run;
      outcome.text = kUnusable + opened.error().detail;
      return outcome;
    }
    lab = std::move(*opened);
    if (check.unfit != nullptr) outcome.text = check.unfit(lab->facts());
    if (!outcome.text.empty()) {
      outcome.kind = Outcome::Kind::not_applicable;
      return outcome;
    }
  }
  const std::uint64_t seeds = check.once ? 1 : settings.seeds;
  for (std::uint64_t i = 0; i < seeds; ++i) {
    const Trial::Settings trial_settings{.seed = settings.first_seed + i,
                                         .share = i,
                                         .shares = seeds,
                                         .only = settings.only_case,
                                         .verbose = settings.verbose};
    position = {.seed = trial_settings.seed, .label = {}};
    Trial trial(subject, lab.get(), trial_settings, position);
    check.run(trial);
    ++outcome.seeds;
    if (!trial.failed()) continue;
    outcome.kind = Outcome::Kind::failed;
    outcome.seed = trial_settings.seed;
    outcome.label = trial.label();
    outcome.text = trial.failure();
    break;
  }
  return outcome;
}

// ---- a process of its own

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    if (pipe(ends) != 0) {
      std::perror("conformance: pipe");
      std::abort();
    }
    read_end = ends[0];
    write_end = ends[1];
  }
};

void put(std::string& out, std::string_view text) { out += std::format("{}\n{}", text.size(), text); }

std::string take(std::string_view& in) {
  const std::size_t line = in.find('\n');
  if (line == std::string_view::npos) return {};
  const std::size_t size = std::strtoull(std::string(in.substr(0, line)).c_str(), nullptr, 10);
  std::string text(in.substr(line + 1, size));
  in.remove_prefix(std::min(in.size(), line + 1 + size));
  return text;
}

std::string pack(const Outcome& outcome) {
  std::string packed = std::format("{} {} {}\n", static_cast<int>(outcome.kind), outcome.seed, outcome.seeds);
  put(packed, outcome.label);
  put(packed, outcome.text);
  return packed + "end";
}

bool unpack(const std::string& text, Outcome& outcome) {
  std::string_view packed = text;
  if (!packed.ends_with("end")) return false;
  int kind = 0;
  unsigned long long seed = 0, seeds = 0;
  if (std::sscanf(text.c_str(), "%d %llu %llu", &kind, &seed, &seeds) != 3) return false;
  outcome.kind = static_cast<Outcome::Kind>(kind);
  outcome.seed = seed;
  outcome.seeds = seeds;
  packed.remove_prefix(packed.find('\n') + 1);
  outcome.label = take(packed);
  outcome.text = take(packed);
  return true;
}

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(descriptor, text.data(), text.size());
    if (n < 0 && errno != EINTR) return;
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// What the child says until it ends; false: it was still at it when patience ended.
bool listen_to(const Pipe& result, const Pipe& errors, std::string& said, std::string& complaints) {
  pollfd waited[2] = {{result.read_end, POLLIN, 0}, {errors.read_end, POLLIN, 0}};
  std::string* const into[2] = {&said, &complaints};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  int open = 2;
  while (open > 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    if (poll(waited, 2, static_cast<int>(left.count())) < 0 && errno != EINTR) return false;
    for (int i = 0; i < 2; ++i) {
      if (waited[i].fd < 0 || waited[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t n = ::read(waited[i].fd, buffer, sizeof buffer);
      if (n > 0) into[i]->append(buffer, static_cast<std::size_t>(n));
      if (n > 0 || (n < 0 && errno == EINTR)) continue;
      waited[i].fd = -1;
      --open;
    }
    if (complaints.size() > 2 * kErrorsKept) complaints.erase(kErrorsKept / 2, complaints.size() - 2 * kErrorsKept);
  }
  return true;
}

std::string indented(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += std::format("\n      | {}", text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// How a child ended that did not bring its result home.
std::string how_it_ended(int status, bool in_time) {
  if (!in_time)
    return std::format("it had not come to an end after {} s: a call to the layer does not return", kPatienceMs / 1000);
  if (WIFSIGNALED(status))
    return std::format("its process was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return std::format("its process ended with status {}", WEXITSTATUS(status));
}

Outcome run_apart(const Subject& subject, const Settings& settings, const Check& check, Position& position) {
  const Pipe result, errors;
  position = {};
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    std::perror("conformance: fork");
    std::abort();
  }
  if (child == 0) {
    close(result.read_end);
    close(errors.read_end);
    dup2(errors.write_end, STDERR_FILENO);
    close(errors.write_end);
    const std::string packed = pack(run_here(subject, settings, check, position));
    write_all(result.write_end, packed);
    std::exit(0);  // not _exit: a leak checker looks now
  }
  close(result.write_end);
  close(errors.write_end);
  std::string said, complaints;
  const bool in_time = listen_to(result, errors, said, complaints);
  if (!in_time) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  close(result.read_end);
  close(errors.read_end);
  Outcome outcome{.id = check.id, .title = check.title, .text = {}, .label = {}};
  const bool told = unpack(said, outcome);
  const bool fine = in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!told || !fine) {
    const bool leaked = told && outcome.kind != Outcome::Kind::failed;
    outcome.kind = Outcome::Kind::failed;
    if (!told && position.seed == 0) {
      outcome.kind = Outcome::Kind::not_run;
      outcome.text = "while the plugins were loaded and the stack composed: ";
    } else if (!told) {
      outcome.seed = position.seed;
      outcome.label = position.label;
    } else if (leaked) {
      outcome.seed = settings.first_seed;
      outcome.text = "all runs were right, but then ";
    }
    outcome.text +=
        (outcome.text.empty() || outcome.text.ends_with(' ') ? "" : "; then ") + how_it_ended(status, in_time);
  }
  if ((outcome.kind == Outcome::Kind::failed || !told) && !complaints.empty()) outcome.text += indented(complaints);
  return outcome;
}

}  // namespace

Result<std::vector<Check>> chosen_checks(const Settings& settings) {
  std::vector<Check> all = all_checks();
  if (settings.checks.empty()) return all;
  std::vector<Check> chosen;
  for (const std::string& wanted : settings.checks) {
    const std::size_t before = chosen.size();
    for (const Check& check : all) {
      if (check.id == wanted || (wanted.size() == 1 && check.id[0] == wanted[0])) chosen.push_back(check);
    }
    if (chosen.size() == before) {
      return trellis::fail(Reason::invalid_argument, "there is no check '" + wanted + "': --list shows them all", 0,
                           "conformance");
    }
  }
  return chosen;
}

std::vector<Outcome> examine(const Subject& subject, const Settings& settings,
                             const std::function<void(const Outcome&)>& tell) {
  std::vector<Outcome> outcomes;
  const auto checks = chosen_checks(settings);
  if (!checks) return outcomes;
  auto* const shared = static_cast<Position*>(
      mmap(nullptr, sizeof(Position), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (shared == MAP_FAILED) {
    std::perror("conformance: mmap");
    std::abort();
  }
  for (const Check& check : *checks) {
    Outcome outcome{.id = check.id, .title = check.title, .text = exempted(subject, check.id), .label = {}};
    const auto begin = std::chrono::steady_clock::now();
    if (!outcome.text.empty()) {
      outcome.kind = Outcome::Kind::not_applicable;
    } else if (check.file_only && subject.plugin.empty()) {
      outcome.kind = Outcome::Kind::not_applicable;
      outcome.text = "there is no file to look at";
    } else {
      outcome = settings.in_process ? run_here(subject, settings, check, *shared)
                                    : run_apart(subject, settings, check, *shared);
    }
    outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    tell(outcome);
    outcomes.push_back(std::move(outcome));
    if (outcomes.back().kind == Outcome::Kind::not_run) break;  // and none of the others would
  }
  munmap(shared, sizeof(Position));
  return outcomes;
}

}  // namespace trellis::conformance
