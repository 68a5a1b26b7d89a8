// main.cc: the `trellis` command: finds the command that was asked for.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "core/nearest.h"
#include "exit_code.h"
#include "trellis/abi.h"

namespace {

using trellis::tool::Command;

// Races in virtual time are a program of their own, beside this one.
int race(std::span<char* const> words) {
  std::error_code error;
  const std::filesystem::path program =
      std::filesystem::read_symlink("/proc/self/exe", error).replace_filename("trellis-race");
  std::string name = program.string();
  std::vector<char*> arguments{name.data()};
  arguments.insert(arguments.end(), words.begin(), words.end());
  arguments.push_back(nullptr);
  execv(name.c_str(), arguments.data());
  std::fprintf(stderr, "trellis race: found no program \"%s\" (%s), expected it beside trellis: install it too\n",
               name.c_str(), strerrordesc_np(errno));
  return trellis::tool::kRefused;
}

constexpr Command kCommands[] = {
    {"connect", "carry standard input to a peer and what comes back to standard output", trellis::tool::connect},
    {"listen", "wait for peers: join one with standard input and output, or serve many", trellis::tool::listen},
    {"resolve", "say which addresses a peer could be told, and what names come to", trellis::tool::resolve},
    {"explain", "say what would be raced under a policy, in which order and why", trellis::tool::explain},
    {"race", "run races in virtual time: in a simulated network, or one that was recorded", race},
    {"state", "show or forget what connections remember of earlier ones", trellis::tool::state},
    {"plugins", "list the plugins that are found, and why some are refused", trellis::tool::plugins},
    {"new-plugin", "make a folder with a plugin to start from", trellis::tool::new_plugin},
    {"check", "hold a built plugin to its claims", trellis::tool::check},
};

// A standard descriptor that is closed would be given to the next file that is opened. In its place comes /dev/null,
// opened so that reading ends at once and writing fails, as if it were closed.
void fill_standard_descriptors() {
  for (int descriptor = 0; descriptor <= 2; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDONLY) != descriptor) std::abort();
  }
}

int usage(std::FILE* to) {
  std::fputs("usage: trellis COMMAND [options]\n\n", to);
  for (const Command& command : kCommands) std::fprintf(to, "  %-11s %s\n", command.name, command.summary);
  std::fputs("\n  help COMMAND, COMMAND --help   what a command does, and its options\n", to);
  std::fputs("  --version                      the version, and what plugins must be built with\n", to);
  return to == stdout ? trellis::tool::kDone : trellis::tool::kUsage;
}

int version() {
  std::printf("trellis %s (plugins: ABI %u, %s)\n", TRELLIS_VERSION, trellis::kAbi, trellis::kToolchain);
  return trellis::tool::kDone;
}

int dispatch(std::vector<char*> words) {
  static char help_option[] = "--help";
  if (words.empty()) return usage(stderr);
  std::string_view name = words.front();
  if (name == "--version") return version();
  if (name == "help" || name == "--help" || name == "-h") {
    if (words.size() == 1) return usage(stdout);
    name = words[1];
    words = {words[1], help_option};
  }
  const auto* found = std::ranges::find(kCommands, name, &Command::name);
  if (found != std::end(kCommands)) return found->run(std::span(words).subspan(1));
  std::vector<std::string_view> known;
  for (const Command& command : kCommands) known.emplace_back(command.name);
  const std::string meant(trellis::nearest(name, known));
  std::fprintf(stderr, "trellis: there is no command \"%s\"%s\n", std::string(name).c_str(),
               meant.empty() ? "" : (": did you mean \"" + meant + "\"?").c_str());
  return usage(stderr);
}

}  // namespace

int main(int argc, char** argv) try {
  fill_standard_descriptors();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error of write(2), which is reported
  const int code = dispatch(std::vector<char*>(argv + std::min(argc, 1), argv + argc));
  if (std::fflush(stdout) == 0 || code != trellis::tool::kDone) return code;
  std::perror("trellis: cannot write standard output");
  return trellis::tool::kBroken;
} catch (const std::exception& thrown) {
  std::fprintf(stderr, "trellis: unexpected: %s\n", thrown.what());
  return trellis::tool::kBroken;
}
