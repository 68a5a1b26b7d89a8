// datagram_send.cc: how datagrams go out; what comes in is in datagram_receive.cc.
#include <algorithm>
#include <cerrno>

#include "loop/datagram.h"
#include "loop/datagram_flight.h"
#include "loop/datagram_socket.h"
#include "loop/libevent_loop.h"
#include "loop/socket_address.h"
#include "loop/socket_error.h"

namespace trellis {

namespace {

/// What the kernel accepts in one send that it shall cut (GSO).
constexpr std::size_t kSegments = 64, kSegmentedBytes = 65000;
/// Datagrams that come in a row are joined for GSO up to this size: larger ones hardly fit any path in one piece, and
/// what is cut must not be fragmented.
constexpr std::uint32_t kJoined = 1472;

bool same_course(const Chunk& a, const Chunk& b) noexcept {
  if (a.ecn != b.ecn || a.dscp != b.dscp) return false;
  if (a.info == b.info) return true;
  const MessageInfo &x = properties_of(a), &y = properties_of(b);
  return x.remote == y.remote && x.local == y.local && x.no_fragmentation == y.no_fragmentation;
}

bool is_cut(const Chunk& chunk) noexcept { return chunk.segment_size != 0 && chunk.data.size() > chunk.segment_size; }

/// Errors that say that the kernel will not cut this send, not that it cannot be delivered.
bool refuses_segments(int error) noexcept {
  return error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP;
}

/// How many chunks from `first` on can go as one send that the kernel cuts into the same datagrams again: all of one
/// size but the last, which may be smaller.
std::uint32_t run_length(const Chunk* first, const Chunk* end, std::uint32_t largest) noexcept {
  const std::uint32_t size = first->data.size();
  if (size == 0 || size > largest) return 1;
  const auto most = static_cast<std::ptrdiff_t>(std::min(kSegments, kSegmentedBytes / size));
  std::uint32_t length = 1;
  for (const Chunk* next = first + 1; next != end && next - first < most; ++next) {
    const std::uint32_t bytes = next->data.size();
    if (bytes == 0 || bytes > size || is_cut(*next) || !same_course(*first, *next)) break;
    ++length;
    if (bytes < size) break;
  }
  return length;
}

/// Adds the datagrams of a cut chunk: as few sends as possible with GSO, one by one without. False: the flight is full.
bool add_segments(Flight& flight, const Chunk& chunk, const Course& course, bool gso) {
  const std::uint16_t segment = chunk.segment_size;
  const std::size_t most = gso ? segment * std::min(kSegments, kSegmentedBytes / segment) : segment;
  for (auto rest = chunk.data.bytes(); !rest.empty();) {
    if (!flight.fits(1)) return false;
    const auto part = rest.first(std::min(rest.size(), most));
    rest = rest.subspan(part.size());
    flight.begin_message(course);
    flight.add_piece(part);
    flight.end_message(part.size() > segment ? segment : 0, rest.empty() ? 1 : 0,
                       static_cast<std::uint32_t>(part.size()));
  }
  return true;
}

}  // namespace

void DatagramSocket::forbid_fragments(bool forbid) noexcept {
  if (forbid == (fragments_ != Fragments::allowed) || fragments_ == Fragments::forbidden_by_layer) return;
  static_assert(int{IP_PMTUDISC_DO} == int{IPV6_PMTUDISC_DO});
  const int option = ipv6_ ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER;
  if (forbid) {
    socklen_t length = sizeof fragments_before_;
    getsockopt(descriptor(), level(), option, &fragments_before_, &length);
  }
  set_number(level(), option, forbid ? IP_PMTUDISC_DO : fragments_before_);
  fragments_ = forbid ? Fragments::forbidden : Fragments::allowed;
}

Course DatagramSocket::course_of(const Chunk& chunk) const noexcept {
  const MessageInfo& info = properties_of(chunk);
  Course course{.remote = info.remote, .hop_limit = info.remote.hop_limit, .ipv6 = ipv6_};
  course.remote.hop_limit = 0;
  if (is_connected() && course.remote == peer()) course.remote = {};  // naming the peer would cost a route look-up
  if (raw_) course.remote.port = 0;                                   // IPv6 would take it for the protocol
  const bool many_addresses = !bound_ || is_wildcard(bound_);
  if (many_addresses && info.local && !is_wildcard(info.local)) course.local = info.local;
  if (chunk.dscp != Chunk::kOwnDscp)
    course.traffic_class = (chunk.dscp & 63) << 2 | (chunk.ecn & 3);
  else if (chunk.ecn != 0)
    course.traffic_class = traffic_class_ | (chunk.ecn & 3);
  return course;
}

void DatagramSocket::fill(Flight& flight, const Batch& from) {
  // A property of the socket and not of the datagram in Linux, so a flight has datagrams of one kind.
  const bool forbid = properties_of(*from.begin()).no_fragmentation;
  forbid_fragments(forbid);
  for (const Chunk* chunk = from.begin(); chunk != from.end() && properties_of(*chunk).no_fragmentation == forbid;) {
    const Course course = course_of(*chunk);
    if (is_cut(*chunk)) {
      if (!add_segments(flight, *chunk, course, chunk->segment_size <= largest_segment_)) return;
      ++chunk;
      continue;
    }
    const std::uint32_t length = run_length(chunk, from.end(), std::min<std::uint32_t>(largest_segment_, kJoined));
    if (!flight.fits(length)) return;
    flight.begin_message(course);
    const auto segment = static_cast<std::uint16_t>(length > 1 ? chunk->data.size() : 0);
    for (std::uint32_t i = 0; i < length; ++i, ++chunk) flight.add_piece(chunk->data.bytes());
    flight.end_message(segment, length);
  }
}

Result<Io> DatagramSocket::send(Batch& from) noexcept {
  Io io;
  int doubtful = 0;  // an error of the front datagram, or left by an earlier one
  while (!from.empty()) {
    Flight flight;
    fill(flight, from);
    const int sent = flight.send(descriptor());
    if (sent > 0) {
      io.bytes += flight.settle(static_cast<std::size_t>(sent), from);
      if (doubtful != 0) return failure(doubtful, "an earlier datagram to");
      continue;
    }
    const int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK) {
      if (doubtful != 0) return failure(doubtful, "an earlier datagram to");
      io.blocked = true;
      return io;
    }
    if (const std::uint16_t segment = flight.first().segment; segment != 0 && refuses_segments(error)) {
      // EIO: the interface cannot do checksums. Otherwise a segment is larger than the path takes.
      largest_segment_ = error == EIO ? 0 : static_cast<std::uint16_t>(segment - 1);
      continue;
    }
    // A connected socket also hears of ICMP. Refused is never said of the datagram itself; for other errors a second
    // try tells.
    if (is_connected() && error == ECONNREFUSED) return failure(error, "an earlier datagram to");
    if (is_connected() && doubtful != error) {
      doubtful = error;
      continue;
    }
    doubtful = 0;
    if (auto told = give_up_first(flight, error, from); !told) return fail(std::move(told));
  }
  return io;
}

Result<void> DatagramSocket::give_up_first(const Flight& flight, int error, Batch& from) noexcept {
  const Flight::Part part = flight.first();
  const Address to = properties_of(from.front()).remote;
  const std::size_t size = part.chunks == 0 ? part.bytes : from.front().data.size();
  const Error why =
      socket_error(error, "send a datagram of " + std::to_string(size) + " bytes to " + describe(to ? to : peer()));
  bool somebody_waits = true;
  const auto tell = [&](const MessageRef& info) {
    // A MessageInfo without an ear is shared by many messages, as a rule: it must not be marked as settled.
    if (info && info->tell != nullptr) {
      info->report(Fate::failed, &why);
    } else {
      somebody_waits = false;
    }
  };
  if (part.chunks == 0) {
    tell(from.front().info);
    from.front().data.drop_front(part.bytes);
  }
  for (std::uint32_t i = 0; i < part.chunks; ++i) tell(from.pop().info);
  if (somebody_waits) return {};
  return std::unexpected(why);
}

}  // namespace trellis
