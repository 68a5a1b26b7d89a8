// secure.h: the options of `connect` and `listen` that say who we are and whom we trust.
#pragma once
#include <memory>

#include "arguments.h"
#include "trellis/security.h"

namespace trellis::tool {

/// Adds the options to a command.
void declare_security(Arguments& arguments);
/// Reads the files that they name. Null: none was given. `listening`: our certificate is a server's, else a client's.
/// Errors: invalid_argument, with what is wrong with which file.
Result<std::shared_ptr<const Security>> read_security(const Arguments& arguments, bool listening);

}  // namespace trellis::tool
