// sim_options.cc: the table of known options with Linux's defaults.
#include "loop/sim_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace trellis {

struct SimOptions::Known {
  int level;
  int option;
  int initial;           // of numbers
  std::size_t size = 0;  // of the value; 0: a number, given as int (or as one byte where Linux takes that)
};

namespace {

constexpr int kUdpLite = 136;  // SOL_UDPLITE
constexpr int kUdpLiteSendCoverage = 10;
constexpr int kUdpLiteReceiveCoverage = 11;
constexpr std::size_t kAnySize = SIZE_MAX;

}  // namespace

constexpr SimOptions::Known SimOptions::kKnown[] = {
    {SOL_SOCKET, SO_SNDBUF, 0},
    {SOL_SOCKET, SO_RCVBUF, 0},
    {SOL_SOCKET, SO_KEEPALIVE, 0},
    {SOL_SOCKET, SO_LINGER, 0, sizeof(linger)},
    {SOL_SOCKET, SO_REUSEADDR, 0},
    {SOL_SOCKET, SO_REUSEPORT, 0},
    {SOL_SOCKET, SO_PRIORITY, 0},
    {SOL_SOCKET, SO_MARK, 0},
    {SOL_SOCKET, SO_BINDTODEVICE, 0, kAnySize},
    {SOL_SOCKET, SO_NO_CHECK, 0},
    {SOL_SOCKET, SO_RXQ_OVFL, 0},
    {SOL_SOCKET, SO_BUSY_POLL, 0},
    {SOL_SOCKET, SO_INCOMING_CPU, -1},
    {SOL_SOCKET, SO_ZEROCOPY, 0},
    {SOL_SOCKET, SO_MAX_PACING_RATE, 0, kAnySize},
    {IPPROTO_TCP, TCP_NODELAY, 0},
    {IPPROTO_TCP, TCP_CORK, 0},
    {IPPROTO_TCP, TCP_MAXSEG, 0},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0},
    {IPPROTO_TCP, TCP_KEEPIDLE, 7200},
    {IPPROTO_TCP, TCP_KEEPINTVL, 75},
    {IPPROTO_TCP, TCP_KEEPCNT, 9},
    {IPPROTO_TCP, TCP_SYNCNT, 6},
    {IPPROTO_TCP, TCP_LINGER2, 60},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, 0},
    {IPPROTO_TCP, TCP_QUICKACK, 1},
    {IPPROTO_TCP, TCP_CONGESTION, 0, kAnySize},
    {IPPROTO_TCP, TCP_FASTOPEN, 0},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, 0},
    {IPPROTO_IP, IP_TOS, 0},
    {IPPROTO_IP, IP_TTL, 64},
    {IPPROTO_IP, IP_MULTICAST_TTL, 1},
    {IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT},
    {IPPROTO_IP, IP_RECVTOS, 0},
    {IPPROTO_IP, IP_PKTINFO, 0},
    {IPPROTO_IP, IP_RECVERR, 0},
    {IPPROTO_IP, IP_RECVTTL, 0},
    {IPPROTO_IP, IP_FREEBIND, 0},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0},
    {IPPROTO_IPV6, IPV6_V6ONLY, 1},
    {IPPROTO_IPV6, IPV6_TCLASS, 0},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT},
    {IPPROTO_IPV6, IPV6_DONTFRAG, 0},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 0},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, 0},
    {IPPROTO_IPV6, IPV6_RECVERR, 0},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0},
    {IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, 0},
    {IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 1},
    {IPPROTO_UDP, UDP_CORK, 0},
    {IPPROTO_UDP, UDP_SEGMENT, 0},
    {IPPROTO_UDP, UDP_GRO, 0},
    {IPPROTO_UDP, UDP_NO_CHECK6_TX, 0},
    {IPPROTO_UDP, UDP_NO_CHECK6_RX, 0},
    {kUdpLite, kUdpLiteSendCoverage, 0},
    {kUdpLite, kUdpLiteReceiveCoverage, 0},
};

const SimOptions::Known* SimOptions::find(int level, int option) const noexcept {
  if (level != SOL_SOCKET && level != IPPROTO_IP && level != IPPROTO_IPV6 && level != protocol_) return nullptr;
  if (level == IPPROTO_IPV6 && family_ != Address::Family::ipv6) return nullptr;
  const auto* found =
      std::ranges::find_if(kKnown, [&](const Known& known) { return known.level == level && known.option == option; });
  return found == std::end(kKnown) ? nullptr : found;
}

int SimOptions::set(int level, int option, std::span<const std::byte> value) {
  const Known* known = find(level, option);
  if (known == nullptr) return ENOPROTOOPT;
  if (known->size == 0) {
    int number = 0;
    if (value.size() == 1 && level == IPPROTO_IP) {
      number = std::to_integer<int>(value[0]);
    } else if (value.size() >= sizeof number) {
      std::memcpy(&number, value.data(), sizeof number);
    } else {
      return EINVAL;
    }
    const auto bytes = option_value(number);
    values_[{level, option}].assign(bytes.begin(), bytes.end());
    return 0;
  }
  if (known->size != kAnySize && value.size() < known->size) return EINVAL;
  values_[{level, option}].assign(value.begin(), value.end());
  return 0;
}

std::optional<std::vector<std::byte>> SimOptions::get(int level, int option) const {
  const Known* known = find(level, option);
  if (known == nullptr) return std::nullopt;
  const auto found = values_.find({level, option});
  if (found != values_.end()) return found->second;
  if (known->size != 0) return std::vector<std::byte>(known->size == kAnySize ? 0 : known->size);
  const auto bytes = option_value(known->initial);
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

int SimOptions::number(int level, int option) const {
  const auto value = get(level, option);
  int number = 0;
  if (value && value->size() >= sizeof number) std::memcpy(&number, value->data(), sizeof number);
  return number;
}

}  // namespace trellis
