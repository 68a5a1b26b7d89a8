// conformance_test.cc: ping over udp against its own claims.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  return trellis::conformance::run(
      {.plugin = TRELLIS_PLUGIN_FILE, .layer = "ping", .below = {"udp"}, .directories = {TRELLIS_PLUGINS}}, argc, argv);
}
