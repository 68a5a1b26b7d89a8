// sctp_conformance.cc: sctp over dtls over udp (RFC 8261) against all that both claim.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  const std::string pki = TLS_TEST_PKI;
  const std::string dtls = "dtls(trust='" + pki + "/ca.pem',certificate='" + pki + "/server.pem',key='" + pki +
                           "/server.key',server-name=peer.example,groups=x25519)";
  return trellis::conformance::run({.plugin = TRELLIS_BUILD_DIR "/plugins/sctp.so",
                                    .layer = "sctp",
                                    .below = {dtls, "udp"},
                                    .face = trellis::Face::message,
                                    .directories = {TRELLIS_BUILD_DIR "/plugins"}},
                                   argc, argv);
}
