// allocation_count.h: malloc of the whole process, counted. Linking allocation_count.cc puts the counters in place;
// plugins that are loaded later are counted too. They are off at first, so that they do not slow what is measured.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace trellis::bench {

/// Since counting began. Exact while one thread allocates.
struct AllocationCount {
  std::uint64_t calls = 0;     ///< of malloc and its relatives, new among them
  std::size_t live_bytes = 0;  ///< not freed, with what malloc itself adds to each block
};
AllocationCount allocation_count();

/// What these libraries allocate is not a call any more: names as in "libngtcp2". Those that are loaded by now.
void overlook_calls_of(std::initializer_list<std::string_view> libraries);

/// Begins to count. False in builds with sanitizers, which need malloc for themselves: nothing is counted there.
bool count_allocations();

}  // namespace trellis::bench
