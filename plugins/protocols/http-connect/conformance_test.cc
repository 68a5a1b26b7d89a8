// conformance_test.cc: http-connect over tcp against its own claims; the server
// plays the proxy and the target.
#include "conformance/conformance.h"

int main(int argc, char** argv) {
  return trellis::conformance::run({.plugin = TRELLIS_PLUGIN_FILE,
                                    .layer = "http-connect",
                                    .below = {"tcp"},
                                    .options = "host='10.0.0.2',port=4433",
                                    .directories = {TRELLIS_PLUGINS}},
                                   argc, argv);
}
