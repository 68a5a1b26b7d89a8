// socks5_fuzz.cc: bytes of a peer, in both roles, in pieces of any size.
#include "socks5.h"
#include "talk.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return trellis::proxy::fuzz<trellis::socks5::Client, trellis::socks5::Server>(data, size);
}
