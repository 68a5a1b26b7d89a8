// race_main.cc: the program behind `trellis race`.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <span>

#include "commands.h"
#include "exit_code.h"

int main(int argc, char** argv) try {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error of write(2), which is reported
  return trellis::tool::race(std::span<char* const>(argv + std::min(argc, 1), argv + argc));
} catch (const std::exception& thrown) {
  std::fprintf(stderr, "trellis race: unexpected: %s\n", thrown.what());
  return trellis::tool::kBroken;
}
