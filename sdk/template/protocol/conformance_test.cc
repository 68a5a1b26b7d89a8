// conformance_test.cc: my-protocol against its own claims, over TCP.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  return trellis::conformance::run(
      {.plugin = TRELLIS_PLUGIN_FILE, .layer = "my-protocol", .below = {"tcp"}, .directories = {TRELLIS_PLUGINS}}, argc,
      argv);
}
