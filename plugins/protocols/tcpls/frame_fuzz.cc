// frame_fuzz.cc: any bytes as the frames of a record, as a ClientHello and as a
// ServerHello.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "heap_pool.h"
#include "join.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trellis;
  const auto bytes = std::as_bytes(std::span(data, size));
  (void)tcpls::read_client_hello(bytes, tcpls::kPrivateUse);
  (void)tcpls::check_server_hello(bytes, 0x1301);
  static tls::HeapPool pool;
  Slice record = pool.allocate(0, static_cast<std::uint32_t>(size), 0);
  if (size > 0) std::memcpy(record.edit().data(), data, size);
  tcpls::FrameReader reader(std::move(record));
  while (true) {
    auto frame = reader.next();
    if (!frame || !*frame) return 0;
  }
}
