#include "process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

extern char** environ;

namespace trellis::test {

namespace {

// The ends of a pipe; neither is inherited by children unless it is asked for.
struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == 0) {
      read = ends[0];
      write = ends[1];
    }
  }
};

void close_descriptor(int& descriptor) {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

class Actions {
 public:
  Actions() { posix_spawn_file_actions_init(&actions_); }
  ~Actions() { posix_spawn_file_actions_destroy(&actions_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  void set(int descriptor, const Stdio& stdio, int pipe_end, int flags) {
    switch (stdio.kind) {
      case Stdio::Kind::pipe: posix_spawn_file_actions_adddup2(&actions_, pipe_end, descriptor); break;
      case Stdio::Kind::closed: posix_spawn_file_actions_addclose(&actions_, descriptor); break;
      case Stdio::Kind::file:
        posix_spawn_file_actions_addopen(&actions_, descriptor, stdio.path.c_str(), flags, 0600);
        break;
    }
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

}  // namespace

Process::Process(std::vector<std::string> words, const Stdio& input, const Stdio& output) {
  start(std::move(words), input, output);
  read_output();
}

Process::Process(Unread, std::vector<std::string> words, const Stdio& input) { start(std::move(words), input, kPipe); }

void Process::start(std::vector<std::string> words, const Stdio& input, const Stdio& output) {
  std::signal(SIGPIPE, SIG_IGN);       // of the test; the child gets the default again
  setenv("TRELLIS_STATE", "none", 0);  // no test knows what another one, or the user, has done before
  Pipe in, out, error;
  Actions actions;
  actions.set(0, input, in.read, O_RDONLY);
  actions.set(1, output, out.write, O_WRONLY | O_CREAT | O_TRUNC);
  actions.set(2, kPipe, error.write, O_WRONLY);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (const int failed = posix_spawnp(&pid_, argv[0], actions.get(), &attributes, argv.data(), environ); failed != 0) {
    ADD_FAILURE() << "cannot start " << words[0] << ": " << std::strerror(failed);
    pid_ = -1;
  }
  posix_spawnattr_destroy(&attributes);
  close_descriptor(in.read);
  close_descriptor(out.write);
  close_descriptor(error.write);
  input_ = in.write;
  if (input.kind != Stdio::Kind::pipe) close_input();
  output_.descriptor = out.read;
  error_.descriptor = error.read;
  error_.reader = std::thread([this] { collect(error_); });
}

Process::~Process() {
  if (pid_ > 0 && status_ < 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  close_input();
  join(output_);
  join(error_);
}

void Process::read_output() {
  if (output_.descriptor >= 0 && !output_.reader.joinable()) output_.reader = std::thread([this] { collect(output_); });
}

void Process::collect(Stream& stream) {
  char bytes[65536];
  for (;;) {
    const ssize_t got = ::read(stream.descriptor, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    const std::lock_guard lock(mutex_);
    if (got > 0)
      stream.text.append(bytes, static_cast<std::size_t>(got));
    else
      stream.ended = true;
    changed_.notify_all();
    if (got <= 0) return;
  }
}

void Process::join(Stream& stream) {
  if (stream.reader.joinable()) stream.reader.join();
  close_descriptor(stream.descriptor);
}

bool Process::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(input_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void Process::close_input() { close_descriptor(input_); }

void Process::close_output() {
  ASSERT_FALSE(output_.reader.joinable()) << "somebody reads it";
  close_descriptor(output_.descriptor);
}

bool Process::wait_text(Stream& stream, std::string_view part) {
  std::unique_lock lock(mutex_);
  const auto there = [&] { return stream.text.find(part) != std::string::npos; };
  changed_.wait_for(lock, kDeadline, [&] { return there() || stream.ended; });
  return there();
}

bool Process::wait_output(std::string_view part) { return wait_text(output_, part); }
bool Process::wait_error(std::string_view part) { return wait_text(error_, part); }

int Process::wait() {
  if (pid_ < 0) return -1;
  if (status_ < 0) {
    pollfd ended{static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)), POLLIN, 0};
    const int reported = ::poll(&ended, 1, static_cast<int>(std::chrono::milliseconds(kDeadline).count()));
    ::close(ended.fd);
    if (reported != 1 || ::waitpid(pid_, &status_, 0) != pid_) return -1;
    join(output_);
    join(error_);
  }
  return WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
}

void Process::signal(int number) const {
  if (pid_ > 0 && status_ < 0) ::kill(pid_, number);
}

std::string Process::output() const {
  const std::lock_guard lock(mutex_);
  return output_.text;
}

std::string Process::error() const {
  const std::lock_guard lock(mutex_);
  return error_.text;
}

std::string program(std::string_view name) { return std::string(TRELLIS_BUILD_DIR) + "/bin/" + std::string(name); }

bool installed(std::string_view name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string file = std::string(rest.substr(0, colon)) + '/' + std::string(name);
    if (::access(file.c_str(), X_OK) == 0) return true;
    rest = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
  }
  return false;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string name = testing::TempDir() + "trellis-XXXXXX";
  path_ = mkdtemp(name.data()) != nullptr ? name : std::string();
  EXPECT_FALSE(path_.empty()) << "cannot make a directory in " << testing::TempDir();
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::write(std::string_view name, std::string_view text) const {
  const std::string file = path_ + '/' + std::string(name);
  std::ofstream(file) << text;
  return file;
}

}  // namespace trellis::test
