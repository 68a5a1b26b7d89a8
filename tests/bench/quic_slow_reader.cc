// quic_slow_reader.cc: how much memory an end of a QUIC connection takes while one sends as fast as it may and the
// other reads slowly. Back-pressure must reach the application that sends: what is held is a window, not what was sent.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "ours.h"
#include "process.h"
#include "rows.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace quic_slow_reader_row {

constexpr std::size_t kTotal = std::size_t{1} << 30;
constexpr std::uint32_t kMessage = 64 << 10;
constexpr std::size_t kRead = 512 << 10;
constexpr Duration kPause = std::chrono::milliseconds(2);
constexpr std::size_t kSamples = 64;  // reads or messages for each look at the memory
constexpr double kMiB = 1 << 20;
constexpr double kWindows = 24;  // MiB, option window-most-bytes by default
constexpr double kBesides = 16;

// Resident memory of this process in MiB.
double resident() {
  long pages = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr || std::fscanf(file, "%*d %ld", &pages) != 1) die("/proc/self/statm");
  std::fclose(file);
  return static_cast<double>(pages * sysconf(_SC_PAGESIZE)) / kMiB;
}

// By how much it has grown, at most.
class Growth {
 public:
  void look() {
    if (++looks_ % kSamples == 0) most_ = std::max(most_, resident() - begin_);
  }
  double most() const { return most_; }

 private:
  double begin_ = resident(), most_ = 0;
  std::size_t looks_ = 0;
};

struct SlowReader final : Alarm {
  SlowReader(Ours& by, Connection& from) : ours(by), connection(from) {}
  void on_alarm() noexcept override {
    connection.receive(kRead, kRead, [this](Result<Message> message) {
      got += expect(std::move(message), "receive").data.size();
      growth.look();
      if (got < kTotal) arm(*ours.loop, ours.loop->now() + kPause);
    });
  }
  Ours& ours;
  Connection& connection;
  Growth growth;
  std::size_t got = 0;
};

void read_slowly(const Outlet& out) {
  Ours ours;
  OurListener listener(ours, quic_stack());
  out.put(listener.port);
  ours.run_until([&] { return !listener.accepted.empty(); });
  SlowReader reader(ours, listener.accepted.front());
  reader.on_alarm();
  ours.run_until([&] { return reader.got == kTotal; });
  out.put(reader.growth.most());
  listener.accepted.front().abort();
  ours.loop->run_once(false);
}

double growth_of_an_end() {
  constexpr auto kDeadline = std::chrono::seconds(kSecondsMax);
  Child receiver(kServerCpu, read_slowly);
  const auto port = receiver.take<std::uint16_t>(kDeadline);
  if (!port) die("the receiving process ended");
  Ours ours;
  Connection connection = dial(ours, quic_stack(), *port);
  Growth growth;
  std::size_t sent = 0;
  bool over = false;
  const auto fill = [&] {
    for (bool room = true; room && sent < kTotal; sent += kMessage) {
      Slice message = connection.allocate(kMessage);
      std::ranges::fill(message.edit(), std::byte{1});  // so that it is resident
      room = connection.send(std::move(message));
      growth.look();
    }
  };
  connection.on_writable(fill);
  connection.on_failed([&over](const Error&) { over = true; });  // the reader has all
  fill();
  ours.run_until([&] { return over; });
  const auto at_reader = receiver.take<double>(kDeadline);
  errno = 0;
  if (sent != kTotal || !at_reader) die("quic-slow-reader: bytes are missing");
  return std::max(growth.most(), *at_reader);
}

}  // namespace quic_slow_reader_row

Row quic_slow_reader() {
  using namespace quic_slow_reader_row;
  return {
      .name = "quic-slow-reader",
      .about = "memory that an end of a QUIC connection grows by while 1 GiB goes to an application that reads slowly",
      .unit = "MiB",
      .better = Better::lower,
      .ours = growth_of_an_end,
      .limit = kWindows + kBesides};
}

}  // namespace trellis::bench
