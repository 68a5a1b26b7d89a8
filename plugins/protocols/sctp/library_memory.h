// library_memory.h: memory for usrsctp, which asks malloc() for several blocks with each packet and gives them back
// soon. A few sizes come again and again, so blocks go around here instead: malloc() was a sixth of its processor time.
#pragma once
#include <cstddef>

namespace trellis::sctp {

/// As malloc(3) and free(3). Every block is one of theirs, so it does not matter which of the two pairs frees it.
void* library_malloc(std::size_t bytes) noexcept;
void library_free(void* block) noexcept;

/// Gives back what this thread keeps for later, at most 4 MiB.
void release_library_memory() noexcept;

}  // namespace trellis::sctp
