// A descriptor without the function that it promises.
#include "zoo.h"

extern "C" TRELLIS_EXPORT const trellis::PluginDescriptor trellis_plugin_descriptor;
[[gnu::section(".trellis_plugin"), gnu::used]] constinit const trellis::PluginDescriptor trellis_plugin_descriptor =
    trellis::describe({.name = "no-register",
                       .version = "1.2.3",
                       .license = "MIT",
                       .provides = "protocol:no-register",
                       .summary = "Has no registration function"});
