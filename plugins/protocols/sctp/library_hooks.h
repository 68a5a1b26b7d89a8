// library_hooks.h: usrsctp reads the clock and random numbers of the system. Both go to the loop instead, so that it
// lives in virtual time. And it takes the address of a peer for one of its own as well, so it would have to be told of
// each: it then searches all of them for each packet, and a thread of its own does some work for each that goes.
// Packets get one own address instead, whoever they are from. Its memory comes from library_memory.h.
#pragma once
#include <sys/time.h>

#include <cstddef>

namespace trellis::sctp {

/// What usrsctp asks for instead of the system.
struct LibraryHooks {
  void (*time)(timeval& now) noexcept;                     ///< its gettimeofday(2)
  bool (*random)(void* into, std::size_t bytes) noexcept;  ///< its getrandom(2); false: ask the system
  void* own_address;                                       ///< to which every packet comes
};

/// Redirects these calls of usrsctp's shared object, and no other's. False: it is not loaded as a shared object, or
/// does not make these calls.
bool redirect_library(const LibraryHooks& hooks) noexcept;

}  // namespace trellis::sctp
