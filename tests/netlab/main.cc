// main.cc: trellis-netlab, a command in a network of its own.
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <format>
#include <fstream>
#include <optional>
#include <thread>

#include "netlab.h"

extern char** environ;

namespace trellis::netlab {
namespace {

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

constexpr char kHelp[] =
    R"(Usage: trellis-netlab [--path SHAPE[/SHAPE]]… [--server COMMAND] [--at SECONDS CHANGE]… [--] COMMAND [WORD…]

Runs COMMAND in a host of its own, joined to a second host, the server, by one to four paths. Nothing of it is seen
outside, and nothing remains. The exit code is that of COMMAND; 1: no lab can be made here, 2: usage.

  --path SHAPE[/SHAPE]   a path to the server: delay=20ms, jitter=1ms, loss=0.5%, corruption=1%,
                         duplication=1%, rate=25mbit, queue=64k, mtu=1280, blackhole=on, with commas between them;
                         after a slash, for the way back (default: the same)
  --server COMMAND       what the server runs, a line for sh; COMMAND starts when it has a socket
  --at SECONDS CHANGE    so long after COMMAND has started: 'PATH SHAPE[/SHAPE]', 'PATH down', 'PATH up', 'PATH unplug',
                         'PATH plug'. Paths are numbered from 0

Path N leads from 10.77.N.1 to 10.77.N.2, and from 2001:db8:77:N::1 to ::2, by interface netN. All paths lead to
$LAB_SERVER and $LAB_SERVER6.

  trellis-netlab --path delay=10ms --path delay=25ms,loss=1% --at 2 '0 blackhole=on' \
    --server 'trellis listen --echo --stack tcp 7000' -- sh -c 'trellis connect --stack tcp $LAB_SERVER:7000'
)";

constexpr int kNoLab = 1, kUsage = 2, kSignal = 128;
constexpr std::size_t kPathsMost = 4;
constexpr auto kServerPatience = std::chrono::seconds(10);
constexpr auto kServerPoll = std::chrono::milliseconds(10);

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Change {
  Clock::duration when;
  std::size_t path;
  std::string what;
};

struct Wishes {
  std::vector<LinkOptions> paths;
  std::string server;
  std::vector<Change> changes;
  Words command;
};

void apply_or_complain(std::string_view text, Shape& shape) {
  if (const auto wrong = apply(text, shape)) throw UsageError(*wrong);
}

// "delay=1ms" for both directions, "delay=1ms/delay=2ms" for each.
void apply_both(std::string_view text, Shape& forth, Shape& back) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  apply_or_complain(text.substr(0, slash), forth);
  apply_or_complain(slash < text.size() ? text.substr(slash + 1) : text, back);
}

template <class T>
T number(const std::string& text, T most, const char* what) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > most)
    throw UsageError(std::format("'{}' is no {}", text, what));
  return value;
}

Change parse_change(const std::string& seconds, const std::string& text) {
  const std::size_t space = text.find(' ');
  if (space == std::string::npos) throw UsageError("'" + text + "' is no change; expected PATH and what happens to it");
  const std::chrono::duration<double> when(number(seconds, 1e6, "number of seconds"));
  Change change{std::chrono::duration_cast<Clock::duration>(when),
                number(text.substr(0, space), kPathsMost - 1, "number of a path"), text.substr(space + 1)};
  static constexpr std::string_view kVerbs[] = {"down", "up", "unplug", "plug"};
  Shape forth, back;
  if (std::ranges::find(kVerbs, change.what) == std::end(kVerbs)) apply_both(change.what, forth, back);
  return change;
}

Wishes parse(Words words) {
  Wishes wishes;
  std::size_t at = 0;
  const auto next = [&](const std::string& option) {
    if (at == words.size()) throw UsageError("option " + option + " needs a value");
    return words[at++];
  };
  while (at < words.size() && words[at].starts_with('-')) {
    const std::string option = words[at++];
    if (option == "--") break;
    if (option == "--path") {
      LinkOptions& added = wishes.paths.emplace_back();
      apply_both(next(option), added.forth, added.back);
    } else if (option == "--server") {
      wishes.server = next(option);
    } else if (option == "--at") {
      const std::string seconds = next(option);
      wishes.changes.push_back(parse_change(seconds, next(option)));
    } else {
      throw UsageError("unknown option " + option);
    }
  }
  wishes.command.assign(words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
  if (wishes.command.empty()) throw UsageError("no command is given");
  if (wishes.paths.empty()) wishes.paths.emplace_back();
  if (wishes.paths.size() > kPathsMost) throw UsageError(std::format("there are {} paths at most", kPathsMost));
  for (const Change& change : wishes.changes) {
    if (change.path >= wishes.paths.size()) throw UsageError(std::format("there is no path {}", change.path));
  }
  std::ranges::stable_sort(wishes.changes, {}, &Change::when);
  return wishes;
}

pid_t start(Words words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  errno = posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ);
  if (errno != 0) refuse("cannot start " + words[0]);
  return pid;
}

// Any socket of TCP or UDP: the tables have a line of headings.
bool has_socket(const Host& host) {
  const Inside inside(host);
  for (const char* table : {"tcp", "tcp6", "udp", "udp6"}) {
    std::ifstream file(std::string("/proc/thread-self/net/") + table);
    std::string line;
    if (std::getline(file, line) && std::getline(file, line)) return true;
  }
  return false;
}

void make(const Change& change, ClientServer& lab) {
  Link& path = lab.path(change.path);
  if (change.what == "down") return path.take_down(End::first);
  if (change.what == "up") return path.bring_up(End::first);
  if (change.what == "unplug" || change.what == "plug") return path.unplug(change.what == "unplug");
  Shape forth = path.shape(Way::forth), back = path.shape(Way::back);
  apply_both(change.what, forth, back);
  path.set(Way::forth, forth);
  path.set(Way::back, back);
}

// Waits for the child until then. Its exit code; nothing while it runs.
std::optional<int> wait_until(pid_t child, const Descriptor& ended, Clock::time_point when) {
  pollfd readable{ended.get(), POLLIN, 0};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - Clock::now());
  const int limit = when == Clock::time_point::max() ? -1 : static_cast<int>(std::max<std::int64_t>(left.count(), 0));
  if (poll(&readable, 1, limit) == 0) return std::nullopt;
  int status = 0;
  if (waitpid(child, &status, 0) != child) refuse("cannot wait for the command");
  return WIFSIGNALED(status) ? kSignal + WTERMSIG(status) : WEXITSTATUS(status);
}

int run(const Wishes& wishes) {
  ClientServer lab(wishes.paths);
  setenv("LAB_SERVER", ClientServer::address().c_str(), 1);
  setenv("LAB_SERVER6", ClientServer::address(Family::ipv6).c_str(), 1);
  if (!wishes.server.empty()) {
    // In a process namespace of its own, so that whatever the shell starts ends too.
    start(lab.server.command({"unshare", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", wishes.server}));
    const Clock::time_point late = Clock::now() + kServerPatience;
    while (!has_socket(lab.server)) {
      if (Clock::now() > late) throw LabError("the server has opened no socket in time");
      std::this_thread::sleep_for(kServerPoll);
    }
  }
  const pid_t child = start(lab.client.command(wishes.command));
  const Descriptor ended(static_cast<int>(syscall(SYS_pidfd_open, child, 0)), "cannot watch the command");
  const Clock::time_point begun = Clock::now();
  for (const Change& change : wishes.changes) {
    if (const auto code = wait_until(child, ended, begun + change.when)) return *code;
    make(change, lab);
  }
  return *wait_until(child, ended, Clock::time_point::max());
}

}  // namespace
}  // namespace trellis::netlab

int main(int argc, char** argv) {
  using namespace trellis::netlab;
  const Words words(argv + 1, argv + argc);
  if (words.size() == 1 && (words[0] == "--help" || words[0] == "-h")) return std::fputs(kHelp, stdout) < 0 ? 1 : 0;
  try {
    return run(parse(words));
  } catch (const UsageError& error) {
    std::fprintf(stderr, "trellis-netlab: %s (see trellis-netlab --help)\n", error.what());
    return kUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trellis-netlab: %s\n", error.what());
    return kNoLab;
  }
}
