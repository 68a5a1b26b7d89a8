// conformance_test.cc: length-prefix over tcp against its own claims.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  return trellis::conformance::run({.plugin = TRELLIS_PLUGIN_FILE, .layer = "length-prefix", .below = {"tcp"}}, argc,
                                   argv);
}
