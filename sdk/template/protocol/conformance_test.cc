// conformance_test.cc: holds "example" to its claims. `ctest`, or this program with --help.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  return trellis::conformance::run(
      {.plugin = TRELLIS_PLUGIN_FILE, .layer = "example", .below = {"udp"}, .directories = {TRELLIS_PLUGINS}}, argc,
      argv);
}
