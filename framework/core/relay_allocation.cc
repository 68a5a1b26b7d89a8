#include "core/relay_allocation.h"

#include <algorithm>
#include <format>
#include <utility>

#include "trellis/address_text.h"

namespace trellis {
namespace {

using std::chrono::seconds;

constexpr std::uint32_t kUdp = 17u << 24;              // REQUESTED-TRANSPORT
constexpr std::uint32_t kIpv6Relay = 2u << 24;         // REQUESTED-ADDRESS-FAMILY; without it: IPv4
constexpr seconds kUsualLifetime(600);                 // RFC 8656 section 3.2
constexpr seconds kEarlier(60);                        // before its end it is refreshed (RFC 8656 section 8)
constexpr seconds kShortest(10), kLongest(24 * 3600);  // that a server is believed

}  // namespace

RelayAllocation::RelayAllocation(Executor& executor, std::unique_ptr<Socket> socket, StunLogin login,
                                 std::function<void(const Error&)> lost)
    : executor_(executor),
      socket_(std::move(socket)),
      exchange_(std::make_unique<StunExchange>(executor, *socket_, *this, std::move(login))),
      lost_(std::move(lost)) {}

RelayAllocation::~RelayAllocation() { release(); }

void RelayAllocation::begin(TimePoint when, Made made) {
  made_ = std::move(made);
  const bool ipv6 = exchange_->server().family == Address::Family::ipv6;
  const auto fill = [ipv6](StunWriter& request) {
    request.add(StunType::requested_transport, kUdp);
    request.add(StunType::lifetime, static_cast<std::uint32_t>(kUsualLifetime.count()));
    if (ipv6) request.add(StunType::requested_address_family, kIpv6Relay);
  };
  exchange_->ask(when, StunMethod::allocate, fill, [this](Result<const StunMessage*> answer) {
    auto hear = std::exchange(made_, {});
    hear(answer ? take(**answer, true) : Result<void>(std::unexpected(std::move(answer).error())));
  });
}

Result<void> RelayAllocation::take(const StunMessage& answer, bool first) {
  const auto lifetime = answer.number(StunType::lifetime);
  const auto relayed = first ? answer.address(StunType::xor_relayed_address) : Result<Address>(relayed_);
  if (!relayed || !lifetime)
    return fail(Reason::protocol_violation,
                "the answer of the TURN server " + to_text(exchange_->server()) + " is malformed: " +
                    (relayed ? "found no LIFETIME, expected one of 4 bytes" : relayed.error().detail),
                0, "stun");
  relayed_ = *relayed;
  const auto lives = std::clamp(seconds(*lifetime), kShortest, kLongest);
  refresh_at_ = executor_.now() + std::max(lives - kEarlier, lives / 2);
  arm(executor_, std::min(refresh_at_, executor_.now() + kStunKeepalive));
  return {};
}

// An allocation belongs to the address that the server sees: when a NAT forgets that, the allocation is lost.
void RelayAllocation::on_alarm() noexcept {
  if (executor_.now() >= refresh_at_) return refresh();
  exchange_->tell(StunMethod::binding, {});
  arm(executor_, std::min(refresh_at_, executor_.now() + kStunKeepalive));
}

void RelayAllocation::refresh() noexcept {
  const auto fill = [](StunWriter& request) {
    request.add(StunType::lifetime, static_cast<std::uint32_t>(kUsualLifetime.count()));
  };
  exchange_->ask(executor_.now(), StunMethod::refresh, fill, [this](Result<const StunMessage*> answer) {
    auto taken = answer ? take(**answer, false) : Result<void>(std::unexpected(std::move(answer).error()));
    if (taken) return;
    taken.error().detail.insert(0, "the relayed address " + to_text(relayed_) + " is lost: ");
    if (lost_) lost_(taken.error());
  });
}

void RelayAllocation::on_ready(Socket& socket, Ready what) noexcept {
  if (exchange_) exchange_->on_ready(socket, what);
}

void RelayAllocation::release() noexcept {
  if (!socket_) return;
  disarm();
  made_ = {};
  // Before a request was signed there can be none.
  if (exchange_->signs())
    exchange_->tell(StunMethod::refresh,
                    [](StunWriter& request) { request.add(StunType::lifetime, std::uint32_t{0}); });
  exchange_.reset();
  socket_.reset();
}

}  // namespace trellis
