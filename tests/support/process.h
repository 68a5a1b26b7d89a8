// process.h: programs as children of a test: what they read and write, how they end. Every child is ended by its id.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace trellis::test {

/// How long a test waits for something that must happen. Generous: reached only by a failing test.
inline constexpr std::chrono::seconds kDeadline{60};

/// What a child finds as standard input or output.
struct Stdio {
  enum class Kind { pipe, closed, file };
  Kind kind = Kind::pipe;
  std::string path = {};  ///< of Kind::file
};
inline const Stdio kPipe{};
inline const Stdio kClosed{Stdio::Kind::closed};
inline Stdio file(std::string path) { return {Stdio::Kind::file, std::move(path)}; }

/// A running program. Its standard error is always collected, its standard output when it is a pipe.
class Process {
 public:
  /// Looks the program up in PATH unless its name has a slash. Fails the test when it cannot be started.
  explicit Process(std::vector<std::string> words, const Stdio& input = kPipe, const Stdio& output = kPipe);
  ~Process();  ///< kills it, if it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool write(std::string_view bytes);  ///< to its standard input; false: it does not read any more
  void close_input();                  ///< the end of its standard input
  void close_output();                 ///< its standard output has no reader from now on
  /// Its standard output is not read from the start, so that it fills up; this begins to read it.
  struct Unread {};
  Process(Unread, std::vector<std::string> words, const Stdio& input = kPipe);
  void read_output();

  bool wait_output(
      std::string_view part);  ///< true when standard output contains it; false: it ended without, or too late
  bool wait_error(std::string_view part);  ///< the same for standard error
  int wait();                              ///< its exit code, or 128 and its signal; -1: it did not end in time
  void signal(int number) const;
  std::string output() const;  ///< so far; all of it after wait()
  std::string error() const;

 private:
  struct Stream {
    int descriptor = -1;
    std::string text;
    bool ended = false;
    std::thread reader;
  };
  void start(std::vector<std::string> words, const Stdio& input, const Stdio& output);
  void collect(Stream& stream);
  bool wait_text(Stream& stream, std::string_view part);
  void join(Stream& stream);

  pid_t pid_ = -1;
  int input_ = -1;
  int status_ = -1;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Stream output_, error_;
};

/// A program of the build tree: program("trellis").
std::string program(std::string_view name);
/// True when the program is in PATH.
bool installed(std::string_view name);
/// A directory of its own for a test, removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }
  /// Writes a file in it and returns the file's path.
  std::string write(std::string_view name, std::string_view text) const;

 private:
  std::string path_;
};

}  // namespace trellis::test
