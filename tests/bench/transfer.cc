#include "transfer.h"

#include "rows.h"

namespace trellis::bench {

Transfer transfer(std::size_t bytes, const std::function<void(const Outlet&)>& receive,
                  const std::function<Used(std::uint16_t port)>& send) {
  constexpr auto kDeadline = std::chrono::seconds(kSecondsMax);
  Child receiver(kServerCpu, receive);
  const auto port = receiver.take<std::uint16_t>(kDeadline);
  if (!port) die("the receiving process ended");
  const Used sent = send(*port);
  const auto received = receiver.take<Used>(kDeadline);
  if (!received) die("the receiving process ended");
  const double gibibytes = static_cast<double>(bytes) / (std::size_t{1} << 30);
  return {(sent.cpu + received->cpu) / gibibytes, gibibytes / received->seconds};
}

}  // namespace trellis::bench
