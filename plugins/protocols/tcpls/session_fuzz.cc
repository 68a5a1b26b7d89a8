// session_fuzz.cc: whole sessions whose peers send any frames: the first byte of each part says who, the second one how
// long the record is. Nothing crashes, and whoever fails has words for it.
#include <algorithm>
#include <cstdlib>

#include "memory_session.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trellis::tcpls;
  MemorySession s;
  if (!s.client.is_ready || !s.server.is_ready) std::abort();
  while (size >= 2) {
    Side& liar = data[0] % 2 == 0 ? s.client : s.server;
    const std::size_t length = std::min<std::size_t>(data[1], size - 2);
    if (!liar.over()) Tampering::send(*liar.session, std::as_bytes(std::span(data + 2, length)));
    data += 2 + length;
    size -= 2 + length;
    s.converse();
  }
  for (const Side* side : {&s.client, &s.server}) {
    if (side->failure && side->failure->detail.empty()) std::abort();
  }
  return 0;
}
