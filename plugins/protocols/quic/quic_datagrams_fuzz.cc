// quic_datagrams_fuzz.cc: frames and datagrams of a peer that keeps to no rule, to a client and to a server. Each part
// of the input: what to do, how long the rest of the part is, the rest.
#include "memory_quic.h"

namespace {

using namespace trellis;
using namespace trellis::quic;
using Bytes = std::span<const std::byte>;

void act(MemoryQuic& pair, unsigned what, Bytes bytes) {
  const std::size_t first = bytes.empty() ? 0 : std::to_integer<std::size_t>(bytes[0]);
  QuicEnd* const server = pair.server.ends.empty() ? nullptr : pair.server.ends.front().get();
  switch (what % 12) {
    case 0:
    case 1: return pair.server.feed(pair.forge(pair.id_of_server, bytes), pair.at);
    case 2:
    case 3: return pair.feed_client(pair.forge(pair.id_of_client, bytes));
    case 4: return pair.server.feed(bytes, MemoryQuic::address(3, 1));
    case 5: return pair.feed_client(bytes);
    case 6: return pair.client.send(first, bytes, first > 200);
    case 7: return server != nullptr ? server->send(first, bytes, first > 200) : void();
    case 8: return pair.client.open_stream(first % 4 == 0 ? Face::datagram : Face::bytestream, first % 2 == 0);
    case 9: return pair.client.abort_stream(first, static_cast<Direction>(first % 3), first);
    case 10: pair.at.port = static_cast<std::uint16_t>(pair.at.port + 1); return;  // its NAT forgets it
    default: pair.loop.time += std::chrono::milliseconds(first * first);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tls::TestState state;
  MemoryQuic pair(state);
  if (!pair.client.is_ready || pair.server.ends.size() != 1 || !pair.server.ends[0]->is_ready) std::abort();
  while (size >= 2) {
    const std::size_t length = std::min<std::size_t>(data[1], size - 2);
    act(pair, data[0], std::as_bytes(std::span(data + 2, length)));
    data += 2 + length;
    size -= 2 + length;
    pair.converse();
  }
  return 0;
}
