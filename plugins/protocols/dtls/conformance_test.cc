// conformance_test.cc: dtls over udp against its own claims.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  const std::string pki = TLS_TEST_PKI;
  const std::string options = "trust='" + pki + "/ca.pem',certificate='" + pki + "/server.pem',key='" + pki +
                              "/server.key',server-name=peer.example,groups=x25519";
  return trellis::conformance::run({.plugin = TRELLIS_PLUGIN_FILE,
                                    .layer = "dtls",
                                    .below = {"udp"},
                                    .options = options,
                                    .directories = {TRELLIS_PLUGINS}},
                                   argc, argv);
}
