// own_network.h: code of a test in a network namespace of its own, which has a loopback and nothing else.
#pragma once
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <thread>

namespace trellis::test {

/// Runs `body` on a thread in a network of its own, where sysctls may be changed. False: not permitted here.
inline bool in_own_network(const std::function<void()>& body) {
  bool permitted = false;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) return;
    const int any = ::socket(AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    permitted = ioctl(any, SIOCSIFFLAGS, &request) == 0;
    ::close(any);
    if (permitted) body();
  }).join();
  return permitted;
}

}  // namespace trellis::test
