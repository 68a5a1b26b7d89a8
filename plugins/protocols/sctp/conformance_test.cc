// conformance_test.cc: sctp over udp against its own claims.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  return trellis::conformance::run({.plugin = TRELLIS_PLUGIN_FILE,
                                    .layer = "sctp",
                                    .below = {"udp"},
                                    .face = trellis::Face::message,
                                    .directories = {TRELLIS_PLUGINS}},
                                   argc, argv);
}
