#include "door.h"

namespace trellis::dtls {

Result<void> Door::open(const Shared& shared, const Security& security) noexcept {
  auto credentials = shared.credentials_of(security, true);
  if (!credentials) return fail(std::move(credentials));
  credentials_ = std::move(*credentials);
  lower_.grant_to(kWindow);
  return {};
}

std::optional<FirstHello> Door::judge(std::span<const std::byte> datagram, const Flow& from,
                                      Executor& executor) noexcept {
  if (!credentials_) return std::nullopt;
  auto judged = judge_stranger(datagram, from.remote, executor.wall_clock(), *credentials_, executor.pool());
  if (judged.reply.size() > 0 && lower_.credit() > 0)
    lower_.push(Chunk{.data = std::move(judged.reply), .info = from.as_info(), .end_of_message = true});
  return std::move(judged.hello);
}

}  // namespace trellis::dtls
