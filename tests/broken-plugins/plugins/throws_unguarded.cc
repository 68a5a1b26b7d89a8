// A registration function that was not made by TRELLIS_PLUGIN and lets an exception out.
#include <stdexcept>

#include "zoo.h"

extern "C" TRELLIS_EXPORT const trellis::PluginDescriptor trellis_plugin_descriptor;
[[gnu::section(".trellis_plugin"), gnu::used]] constinit const trellis::PluginDescriptor trellis_plugin_descriptor =
    trellis::describe({.name = "throws-unguarded",
                       .version = "1.2.3",
                       .license = "MIT",
                       .provides = "protocol:throws-unguarded",
                       .summary = "Throws through the interface"});

extern "C" TRELLIS_EXPORT void trellis_plugin_register(trellis::Registrar&) { throw std::runtime_error("no manners"); }
