// http_connect_fuzz.cc: bytes of a peer, in both roles, in pieces of any size.
// Nothing is consumed that did not come.
#include <cstdlib>

#include "http_connect.h"

namespace {

void talk(trellis::proxy::Handshake& side, std::string_view bytes, std::size_t cut) {
  std::string received;
  for (const std::string_view piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
    received += piece;
    for (bool more = true; more;) {
      const auto step = side.read(received);
      if (!step || step->refusal) return;
      if (step->consumed > received.size()) std::abort();
      received.erase(0, step->consumed);
      if (step->done) return;
      more = step->consumed > 0;
    }
  }
}

}  // namespace

// The first byte says which role is examined, the second where the input is
// cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trellis;
  if (size < 2) return 0;
  proxy::ProxySettings settings;
  if ((data[0] & 2) != 0) settings.user = settings.password = "a";
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::size_t cut = std::min<std::size_t>(data[1], bytes.size());
  if ((data[0] & 1) != 0) {
    http_connect::Server server(settings);
    talk(server, bytes, cut);
  } else {
    http_connect::Client client(settings);
    if (!client.begin({.host = "a", .port = 1, .address = {}})) std::abort();
    talk(client, bytes, cut);
  }
  return 0;
}
