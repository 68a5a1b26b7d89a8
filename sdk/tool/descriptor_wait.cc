#include "descriptor_wait.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace trellis::tool {

StopSwitch::StopSwitch() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (event_ >= 0) return;
  std::perror("trellis: eventfd");
  std::abort();
}

StopSwitch::~StopSwitch() { ::close(event_); }

void StopSwitch::stop() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_, &one, sizeof one);
}

bool StopSwitch::stopped() const noexcept {
  pollfd self{event_, POLLIN, 0};
  return ::poll(&self, 1, 0) > 0;
}

bool StopSwitch::wait(int fd, short events) const noexcept {
  pollfd both[] = {{event_, POLLIN, 0}, {fd, events, 0}};
  for (;;) {
    if (::poll(both, 2, -1) < 0) continue;  // a signal
    if (both[0].revents != 0) return false;
    if (both[1].revents != 0) return true;
  }
}

}  // namespace trellis::tool
