// locked_pool.cc: how much memory Botan locks, where it is linked statically (framework/decisions/0023).
//
// Botan locks its pool for secrets page by page when it is loaded: 128 pages, some 800 system calls and 3 ms. Each
// program and plugin has a Botan of its own, and what does not fit goes to the heap, where it is wiped as well.
#include <algorithm>
#include <cstddef>

// Names that the linker gives to Botan::OS::get_memory_locking_limit(): the library's function, and ours in its place.
std::size_t librarys_limit() asm("__real__ZN5Botan2OS24get_memory_locking_limitEv");
std::size_t our_limit() asm("__wrap__ZN5Botan2OS24get_memory_locking_limitEv");

std::size_t our_limit() {
  constexpr std::size_t kMost = 8 << 10;
  return std::min(librarys_limit(), kMost);
}
