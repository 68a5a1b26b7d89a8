// A shared object that is no plugin, with the right function in it.
#include "zoo.h"

extern "C" TRELLIS_EXPORT void trellis_plugin_register(trellis::Registrar& registrar) {
  registrar.add(zoo::protocol("no-section"));
}
