// tool.h: running the trellis command in tests.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/process.h"
#include "support/raw_socket.h"

namespace trellis::test {

/// The words of a command line: trellis({"connect", "127.0.0.1:7000"}).
inline std::vector<std::string> trellis(std::vector<std::string> words) {
  words.insert(words.begin(), program("trellis"));
  return words;
}

/// What a command that ran to its end left behind.
struct Outcome {
  int code = -1;
  std::string output = {}, error = {};
};

/// Runs a command with this input.
inline Outcome run(std::vector<std::string> words, std::string_view input = {}) {
  Process process(trellis(std::move(words)));
  process.write(input);
  process.close_input();
  const int code = process.wait();
  return {code, process.output(), process.error()};
}

/// The value of key=value in a line of output; empty: not there.
inline std::string value_of(const std::string& text, const std::string& key) {
  const std::size_t at = text.find(' ' + key + '=');
  if (at == std::string::npos) return {};
  const std::size_t begin = at + key.size() + 2;
  return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

/// `trellis listen` on a free port of 127.0.0.1 or ::1, up to its line that says where.
class Listen : public Process {
 public:
  explicit Listen(std::vector<std::string> options, const std::string& address = "127.0.0.1",
                  const Stdio& input = kPipe)
      : Process(words(std::move(options), address), input) {}
  /// Waits until it listens; empty when it does not.
  std::string address() {
    if (wait_output("listening ") && wait_output("\n")) return value_of(output(), "address");
    return {};
  }
  /// The same when standard output carries data.
  std::string address_on_error() {
    if (wait_error("listening ") && wait_error("\n")) return value_of(error(), "address");
    return {};
  }

 private:
  static std::vector<std::string> words(std::vector<std::string> options, const std::string& address) {
    options.insert(options.begin(), "listen");
    for (const std::string& word : {std::string("--address"), address, std::string("0")}) options.push_back(word);
    return trellis(std::move(options));
  }
};

}  // namespace trellis::test
