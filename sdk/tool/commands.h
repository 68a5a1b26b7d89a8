// commands.h: the commands of `trellis`; each lives in a file of its own.
#pragma once
#include <span>

namespace trellis::tool {

/// One command: `run` gets the words behind its name and returns what the process exits with.
struct Command {
  const char* name;
  const char* summary;
  int (*run)(std::span<char* const> words);
};

int check(std::span<char* const> words);
int connect(std::span<char* const> words);
int explain(std::span<char* const> words);
int listen(std::span<char* const> words);
int new_plugin(std::span<char* const> words);
int race(std::span<char* const> words);
int resolve(std::span<char* const> words);
int state(std::span<char* const> words);
int plugins(std::span<char* const> words);

}  // namespace trellis::tool
