#include "mock_stun.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/digest.h"

namespace trellis::tests {
namespace {

using Bytes = MockStun::Bytes;

constexpr std::string_view kRealm = "example.org";

Bytes bytes_of(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

// XOR-MAPPED-ADDRESS and its like, from the text of RFC 8489 section 14.2.
Bytes xored(Address address, const StunId& id) {
  Bytes mask{std::byte{0x21}, std::byte{0x12}, std::byte{0xa4}, std::byte{0x42}};
  mask.insert(mask.end(), id.begin(), id.end());
  const bool ipv4 = address.family == Address::Family::ipv4;
  Bytes out{std::byte{0}, ipv4 ? std::byte{1} : std::byte{2}};
  out.push_back(static_cast<std::byte>(address.port >> 8) ^ mask[0]);
  out.push_back(static_cast<std::byte>(address.port) ^ mask[1]);
  for (std::size_t i = 0; i < (ipv4 ? 4u : 16u); ++i) out.push_back(static_cast<std::byte>(address.ip[i]) ^ mask[i]);
  return out;
}

}  // namespace

MockStun::MockStun(Executor& executor, const Address& at) : executor_(executor) {
  auto socket = executor.sockets().open(
      {.kind = SocketSpec::Kind::datagram, .role = SocketSpec::Role::unconnected, .family = at.family, .local = at});
  EXPECT_TRUE(socket) << socket.error().detail;
  socket_ = std::move(*socket);
  EXPECT_TRUE(socket_->watch(*this, Ready::readable));
}

void MockStun::on_ready(Socket& socket, Ready) noexcept {
  Batch in;
  if (!socket.receive(in, 1 << 20)) return;
  while (!in.empty()) {
    const Chunk chunk = in.pop();
    const auto message = read_stun(chunk.data.bytes());
    EXPECT_TRUE(message) << message.error().detail;
    if (message) request(*message, chunk);
  }
}

void MockStun::request(const StunMessage& message, const Chunk& from) {
  EXPECT_EQ(message.kind, StunClass::request);
  const Address peer = from.info->remote;
  std::string what = message.method == 1 ? "binding" : message.method == 3 ? "allocate" : "refresh";
  if (message.method == 4) what += " " + std::to_string(message.number(StunType::lifetime).value_or(1));
  if (message.find(StunType::username) != nullptr) what += " (signed)";
  log.push_back(what);
  times.push_back(executor_.now());
  peers.push_back(peer);
  if (ignore > 0) {
    --ignore;
    return;
  }
  Bytes bytes = answer(message, peer);
  if (damage) bytes = damage(std::move(bytes));
  Chunk out{.data = executor_.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0), .end_of_message = true};
  std::ranges::copy(bytes, out.data.edit().begin());
  out.info = new_message();
  out.info->remote = peer;
  out.info->local = from.info->local;
  Batch batch;
  batch.add(std::move(out));
  EXPECT_TRUE(socket_->send(batch));
}

Bytes MockStun::key() const {
  return hash_of(modern ? Hash::sha256 : Hash::md5,
                 username + ":" + std::string(kRealm) + ":" + (forged ? "another" : password));
}

bool MockStun::signed_by_user(const StunMessage& message) const {
  return message.text(StunType::username) == username && message.text(StunType::realm) == kRealm &&
         message.signed_with(modern ? Hash::sha256 : Hash::sha1, key());
}

Bytes MockStun::refusal(const StunMessage& message, unsigned code, std::string_view reason) const {
  StunWriter writer(StunClass::refusal, static_cast<StunMethod>(message.method), message.id);
  Bytes value{std::byte{0}, std::byte{0}, static_cast<std::byte>(code / 100), static_cast<std::byte>(code % 100)};
  const auto words = std::as_bytes(std::span(reason));
  value.insert(value.end(), words.begin(), words.end());
  writer.add(StunType::error_code, value);
  if (code == 401 || code == 438) {
    writer.add(StunType::realm, kRealm);
    writer.add(StunType::nonce, (modern ? "obMatJos2gAAA" : "") + std::string("nonce") + std::to_string(log.size()));
    const std::byte both[] = {std::byte{0}, std::byte{1}, std::byte{0}, std::byte{0},
                              std::byte{0}, std::byte{2}, std::byte{0}, std::byte{0}};
    if (modern) writer.add(StunType::password_algorithms, both);
  }
  return bytes_of(writer.bytes());
}

Bytes MockStun::answer(const StunMessage& message, const Address& peer) {
  if (refuse != 0) return refusal(message, refuse, "Server Error");
  if (!username.empty()) {
    if (message.find(StunType::username) == nullptr) return refusal(message, 401, "Unauthorized");
    if (stale > 0 && stale-- > 0) return refusal(message, 438, "Stale Nonce");
    if (!forged && !signed_by_user(message)) return refusal(message, 401, "Unauthorized");
  }
  StunWriter writer(StunClass::success, static_cast<StunMethod>(message.method), message.id);
  if (message.method != 1) {
    if (!relay) return refusal(message, 400, "Bad Request");
    const auto wanted = message.number(StunType::lifetime);
    if (message.method == 3) {
      const bool ipv6 = peer.family == Address::Family::ipv6;
      EXPECT_EQ(message.number(StunType::requested_transport), 17u << 24);
      EXPECT_EQ(message.number(StunType::requested_address_family), ipv6 ? std::optional(2u << 24) : std::nullopt);
      Address& relayed = allocations[peer];
      relayed = relay;
      relayed.port = relay.port++;
      writer.add(StunType::xor_relayed_address, xored(relayed, message.id));
    } else if (!allocations.contains(peer)) {
      return refusal(message, 437, "Allocation Mismatch");
    }
    if (wanted == 0u) allocations.erase(peer);
    writer.add(StunType::lifetime, wanted == 0u ? 0 : lifetime);
  }
  if (message.method != 4) writer.add(StunType::xor_mapped_address, xored(peer, message.id));
  if (!username.empty()) writer.sign(modern ? Hash::sha256 : Hash::sha1, key());
  return bytes_of(writer.bytes());
}

}  // namespace trellis::tests
