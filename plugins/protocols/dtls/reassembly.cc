#include "reassembly.h"

#include <algorithm>

namespace trellis::dtls {

Reassembly::Heard Reassembly::add(std::span<const std::byte> record) {
  Heard heard = Heard::nothing;
  while (const auto header = MessageHeader::read(record)) {
    const Heard piece = add_piece(*header, record.subspan(kMessageHeader, header->piece));
    if (piece == Heard::news || heard == Heard::nothing) heard = piece;
    record = record.subspan(kMessageHeader + header->piece);
  }
  return heard;
}

Reassembly::Heard Reassembly::add_piece(const MessageHeader& header, std::span<const std::byte> bytes) {
  if (header.sequence < next_) return Heard::old;
  Partial* const partial = partial_of(header);
  if (partial == nullptr || partial->complete()) return partial == nullptr ? Heard::nothing : Heard::news;
  if (!note(*partial, header.offset, header.offset + header.piece)) return Heard::nothing;
  std::ranges::copy(bytes, partial->bytes.begin() + static_cast<std::ptrdiff_t>(kMessageHeader + header.offset));
  return Heard::news;
}

// Null: it is too large, too far ahead, or contradicts what came before. There is always room for the next one.
Reassembly::Partial* Reassembly::partial_of(const MessageHeader& header) {
  if (header.length > kMessageMost || header.sequence - next_ > kAhead) return nullptr;
  if (const auto found = partials_.find(header.sequence); found != partials_.end()) {
    const MessageHeader& known = found->second.header;
    return known.type == header.type && known.length == header.length ? &found->second : nullptr;
  }
  const std::size_t size = kMessageHeader + header.length;
  if (header.sequence != next_ && bytes_ + size > kBytesMost) return nullptr;
  Partial& made = partials_[header.sequence];
  made.header = {.type = header.type, .length = header.length, .sequence = header.sequence, .piece = header.length};
  made.bytes.resize(size);
  made.header.write(std::span(made.bytes).first<kMessageHeader>());
  bytes_ += size;
  return &made;
}

// Joins what touches. False: it would be one gap too many.
bool Reassembly::note(Partial& partial, std::uint32_t begin, std::uint32_t end) {
  auto& pieces = partial.pieces;
  if (begin == end) return false;
  auto at = pieces.upper_bound(begin);
  const bool touches_before = at != pieces.begin() && std::prev(at)->second >= begin;
  const bool touches_behind = at != pieces.end() && at->first <= end;
  if (!touches_before && !touches_behind && pieces.size() >= kPiecesMost) return false;
  if (touches_before) {
    --at;
    begin = at->first;
  }
  while (at != pieces.end() && at->first <= end) {
    end = std::max(end, at->second);
    at = pieces.erase(at);
  }
  pieces.emplace(begin, end);
  return true;
}

std::vector<std::byte> Reassembly::next() {
  const auto found = partials_.find(next_);
  if (found == partials_.end() || !found->second.complete()) return {};
  std::vector<std::byte> message = std::move(found->second.bytes);
  bytes_ -= message.size();
  partials_.erase(found);
  ++next_;
  return message;
}

}  // namespace trellis::dtls
