// conformance_test.cc: ip against its own claims.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  return trellis::conformance::run({.plugin = TRELLIS_PLUGIN_FILE, .layer = "ip"}, argc, argv);
}
