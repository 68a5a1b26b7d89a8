// handshake_fuzz.cc: bytes of a peer that has not proved anything yet, in both roles, in pieces of any size.
#include "memory_pair.h"

namespace {

using namespace trellis;
using namespace trellis::tls;

const Shared& shared() {
  static const std::string pki = TLS_TEST_PKI;
  static const std::string anchor = pki + "/ca.pem", certificate = pki + "/server.pem", key = pki + "/server.key";
  static const Shared made(*Settings::from(Given(tls_options(), {{"trust", std::string_view(anchor)},
                                                                 {"certificate", std::string_view(certificate)},
                                                                 {"key", std::string_view(key)},
                                                                 {"groups", std::string_view("x25519")}})));
  return made;
}

}  // namespace

// The first byte says which role is examined, the second where the input is cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static TestState state;
  static const Security security;
  End end(shared(), security, state, (data[0] & 1) != 0);
  const auto bytes = std::as_bytes(std::span(data + 2, size - 2));
  const std::size_t cut = std::min<std::size_t>(data[1], bytes.size());
  end.feed(bytes.first(cut));
  end.feed(bytes.subspan(cut));
  end.take();
  if (end.is_ready) std::abort();  // without our key or a certificate of our authority nobody gets that far
  return 0;
}
