// http_connect_fuzz.cc: bytes of a peer, in both roles, in pieces of any size.
#include "http_connect.h"
#include "talk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return trellis::proxy::fuzz<trellis::http_connect::Client, trellis::http_connect::Server>(data, size);
}
