#include "core/inbox.h"

#include <cstring>

namespace trellis {

void Inbox::add(Batch& batch) {
  if (queue_.empty() || face_ != Face::bytestream) {
    for (const Chunk& chunk : batch) charge_ += cost(chunk);
    return queue_.append(batch);
  }
  while (!batch.empty()) {
    Chunk chunk = batch.pop();
    charge_ += cost(chunk);
    if (!coalesce(chunk)) queue_.add(std::move(chunk));
  }
}

// A peer that sends single bytes to a reader that sleeps would pin a block for each: bytes are put together instead.
bool Inbox::coalesce(const Chunk& chunk) noexcept {
  Slice& last = queue_.back().data;
  const std::uint32_t size = chunk.data.size();
  if (!last.editable() || last.tailroom() < size || queue_.back().info != chunk.info) return false;
  if (size != 0) std::memcpy(last.append(size).data(), chunk.data.bytes().data(), size);
  return true;
}

Chunk Inbox::take() noexcept {
  Chunk chunk = queue_.pop();
  charge_ -= cost(chunk);
  return chunk;
}

void Inbox::take_front(std::size_t at_most, Message& out) {
  Chunk& front = queue_.front();
  out.early = front.info && front.info->early;
  out.ecn = front.ecn;
  if (front.info) {
    out.remote = front.info->remote, out.local = front.info->local;
    if (!front.info->metadata.empty()) out.metadata = front.info->metadata;
  }
  if (front.data.size() <= at_most) {
    out.end = front.end_of_message && face_ != Face::bytestream;
    out.data = take().data;
    return;
  }
  charge_ -= cost(front);
  out.data = front.data.split_front(static_cast<std::uint32_t>(at_most));
  out.end = false;
  charge_ += cost(front);
}

void Inbox::gather(std::size_t bytes, BlockPool& pool, Message& out) {
  out.data = pool.allocate(0, static_cast<std::uint32_t>(bytes), 0);
  std::size_t at = 0;
  out.end = false;
  while (at < bytes || (at == bytes && !queue_.empty() && queue_.front().data.size() == 0)) {
    Message part;
    take_front(bytes - at, part);
    if (part.data.size() != 0) std::memcpy(out.data.edit().data() + at, part.data.bytes().data(), part.data.size());
    at += part.data.size();
    out.early = out.early || part.early;
    out.ecn = part.ecn;
    out.remote = part.remote, out.local = part.local;
    out.metadata.add(part.metadata);
    out.end = part.end;
    if (part.end) break;
  }
}

bool Inbox::next(std::size_t at_least, std::size_t at_most, std::size_t limit, BlockPool& pool, Message& out) {
  if (queue_.empty()) return false;
  const Chunk& front = queue_.front();
  const bool messages = face_ != Face::bytestream;
  if ((messages && front.end_of_message) || front.data.size() >= at_least) {  // the usual case: one chunk, no copy
    take_front(at_most, out);
    return true;
  }
  std::size_t bytes = 0;
  bool complete = false;
  for (const Chunk& chunk : queue_) {
    bytes += chunk.data.size();
    complete = bytes >= at_least || (messages && chunk.end_of_message);
    if (complete) break;
  }
  if (!complete && !ended_ && charge_ < limit) return false;
  if (queue_.size() == 1)
    take_front(at_most, out);
  else
    gather(std::min(bytes, at_most), pool, out);
  return true;
}

}  // namespace trellis
