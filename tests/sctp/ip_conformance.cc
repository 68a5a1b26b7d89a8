// ip_conformance.cc: sctp/ip against its own claims: ports and packets are those of a raw socket.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  return trellis::conformance::run({.plugin = TRELLIS_BUILD_DIR "/plugins/sctp.so",
                                    .layer = "sctp",
                                    .below = {"ip"},
                                    .face = trellis::Face::message,
                                    .directories = {TRELLIS_BUILD_DIR "/plugins"}},
                                   argc, argv);
}
