// record_cutter.h: a bytestream cut into records (RFC 8446 section 5.1), protected or not.
#pragma once
#include <array>

#include "record/record.h"
#include "trellis/buffer.h"

namespace trellis::tls {

/// Finds the edges of records. A record within one slice stays where it is; one that lies in several slices is copied
/// together, once. Holds at most the part of one record, in a block of that record's size.
class RecordCutter {
 public:
  /// Takes the next record, header included, off the front of `received`. An empty slice: all of `received` was taken
  /// and the next record is not complete. The record may be edited.
  /// Fails with the alert to send: record_overflow, or unexpected_message when this is not TLS. Do not go on then.
  Result<Slice> next(Batch& received, BlockPool& pool) noexcept;
  /// Part of a record is there: if the bytestream ends now, it was truncated.
  bool partial() const noexcept { return filled_ > 0; }

 private:
  Result<Slice> gather(Batch& received, BlockPool& pool) noexcept;

  std::array<std::byte, kRecordHeader> header_{};
  Slice record_;              // of full size once its header is known
  std::uint32_t filled_ = 0;  // bytes of header_, or of record_
};

/// The content type that stands in a record's header. Precondition: the record comes from a RecordCutter.
ContentType outer_type(const Slice& record) noexcept;

}  // namespace trellis::tls
