// library_hooks.h: usrsctp reads the clock and random numbers of the system. Both go to the loop instead, so that it
// lives in virtual time.
#pragma once
#include <sys/time.h>

#include <cstddef>

namespace trellis::sctp {

/// What usrsctp asks for instead of the system.
struct LibraryHooks {
  void (*time)(timeval& now) noexcept;                     ///< its gettimeofday(2)
  bool (*random)(void* into, std::size_t bytes) noexcept;  ///< its getrandom(2); false: ask the system
};

/// Redirects both calls of usrsctp's shared object, and no other's. False: it is not loaded as a shared object, or does
/// not make these calls; it then goes on with the system's.
bool redirect_library(const LibraryHooks& hooks) noexcept;

}  // namespace trellis::sctp
