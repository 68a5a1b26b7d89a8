// conformance_test.cc: line over tcp against its own claims.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  return trellis::conformance::run({.plugin = TRELLIS_PLUGIN_FILE, .layer = "line", .below = {"tcp"}, .text = true},
                                   argc, argv);
}
