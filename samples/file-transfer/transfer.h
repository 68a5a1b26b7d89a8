// transfer.h: one file over one Connection. The sender sends its bytes and ends; the receiver answers with how many
// have come, in decimal, so that the sender knows that nothing is missing.
#pragma once
#include <cstdint>
#include <cstdio>
#include <memory>

#include "trellis/connection.h"

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

/// Sends `size` bytes of the file, with progress on standard error. Errors: the Connection's, the file's, or that the
/// receiver has another number of bytes.
trellis::Task<trellis::Result<void>> send_file(trellis::Connection& connection, std::FILE* file, std::uint64_t size);

/// Writes what comes to the file until the peer ends, and answers. Result: bytes that came.
trellis::Task<trellis::Result<std::uint64_t>> receive_file(trellis::Connection& connection, std::FILE* file);
