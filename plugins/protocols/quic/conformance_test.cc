// conformance_test.cc: quic over udp against its own claims.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  const std::string pki = TEST_PKI;
  const std::string options = "trust='" + pki + "/ca.pem',certificate='" + pki + "/server.pem',key='" + pki +
                              "/server.key',server-name=peer.example,alpn=conformance";
  return trellis::conformance::run(
      {.plugin = TRELLIS_PLUGIN_FILE,
       .layer = "quic",
       .below = {"udp"},
       .options = options,
       .face = trellis::Face::bytestream,
       .not_applicable = {"V3: the security library draws its own random numbers, so packets differ in content"},
       .directories = {TRELLIS_PLUGINS}},
      argc, argv);
}
