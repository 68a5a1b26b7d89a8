// dtls_fuzz.cc: datagrams of a peer that has not proved anything yet: to the judge of strangers, and to a client in its
// handshake.
#include <cstdlib>

#include "memory_end.h"

namespace {

using namespace trellis;
using namespace trellis::dtls;

const Shared& shared() {
  static const auto made = test_shared();
  return *made;
}

}  // namespace

// The first byte says who is examined, the second where the input is cut in datagrams.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto bytes = std::as_bytes(std::span(data + 2, size - 2));
  const std::size_t cut = std::min<std::size_t>(data[1], bytes.size());
  if ((data[0] & 1) == 0) {
    End client(shared());
    client.open();
    client.feed(bytes.first(cut));
    client.feed(bytes.subspan(cut));
    client.wait();
    if (client.is_open) std::abort();  // without a certificate of our authority nobody gets that far
    return 0;
  }
  static const auto credentials = *shared().credentials_of(Security{}, true);
  tls::HeapPool pool;
  const auto now = std::chrono::sys_days(std::chrono::year(2026) / 1 / 1);
  const auto judged = judge_stranger(bytes, {.port = 7}, now, *credentials, pool);
  if (judged.hello) std::abort();                        // nobody guesses a cookie
  if (judged.reply.size() > bytes.size()) std::abort();  // nobody is answered with more than was sent
  return 0;
}
