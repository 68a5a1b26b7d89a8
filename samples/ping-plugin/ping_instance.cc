#include "ping_instance.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "trellis/lowers.h"

namespace ping {
namespace {

using namespace trellis;

constexpr const char* kLayer = "ping";
constexpr std::size_t kWindow = 65536;    // bytes from below at a time, whatever the application asks for: probes too
constexpr std::size_t kWaitingMost = 64;  // datagrams that wait for the application; more are lost, as in a kernel
constexpr Duration kKeepAliveMost = std::chrono::hours(24);

// The byte goes in front in place, where traits() has asked for room. If there is none, or if somebody else still holds
// the bytes, the datagram is copied.
void put_in_front(BlockPool& pool, Slice& data, std::byte type) {
  if (data.headroom() == 0) {
    Slice copy = pool.allocate(1, data.size(), 0);
    std::ranges::copy(data.bytes(), copy.edit().begin());
    data = std::move(copy);
  }
  data.prepend(1)[0] = type;
}

bool is_length(std::string_view name) {
  return name == kSendMsgMaxLen.name || name == kRecvMsgMaxLen.name || name == kSingularTransmissionMsgMaxLen.name;
}

}  // namespace

PingInstance::PingInstance(const Seat& seat, const Settings& settings)
    : host_(seat.host), upper_(seat.upper), lower_(seat.lower), settings_(settings) {}

void PingInstance::open(const OpenArgs& args) noexcept {
  grant();
  if (!args.passive) probe();  // the accepting side has been probed already: that is why it exists
}

void PingInstance::close(const CloseArgs&) noexcept {
  over_ = true;
  send(Type::goodbye);
  host_.closed();
}

void PingInstance::on_down(UpperPort, Batch& batch) noexcept {
  while (ready_ && !batch.empty() && lower_.credit() > 0) {
    Chunk chunk = batch.pop();
    put_in_front(host_.executor().pool(), chunk.data, static_cast<std::byte>(Type::data));
    lower_.push(std::move(chunk));
  }
  grant();
}

void PingInstance::on_up(LowerPort from, Batch& batch) noexcept {
  while (!over_ && !batch.empty()) receive(batch.pop());
  if (over_) return;
  if (from.finished()) upper_.finish();
  grant();
}

// Anybody can send anything: what is not known is dropped.
void PingInstance::receive(Chunk chunk) noexcept {
  const auto bytes = chunk.data.bytes();
  if (bytes.empty() || bytes[0] > static_cast<std::byte>(Type::goodbye)) return;
  const Type type = static_cast<Type>(bytes[0]);
  if (type == Type::goodbye) return peer_left();
  heard();
  if (type == Type::probe) send(Type::echo);
  if (type != Type::data) return;
  chunk.data.drop_front(1);
  deliver(std::move(chunk));
}

void PingInstance::deliver(Chunk chunk) noexcept {
  if (waiting_.empty() && upper_.credit() > 0) return upper_.push(std::move(chunk));
  if (waiting_.size() < kWaitingMost) waiting_.add(std::move(chunk));
}

void PingInstance::on_credit(UpperPort) noexcept {
  while (!waiting_.empty() && upper_.credit() > 0) upper_.push(waiting_.pop());
}

// What came before the goodbye is delivered, whatever the demand: the engine gives it out before it tells the end.
void PingInstance::peer_left() noexcept {
  over_ = true;
  if (!waiting_.empty()) upper_.push(waiting_);
  if (ready_) return host_.closed();
  host_.failed({Reason::reset, 0, kLayer, "the peer said goodbye before it had answered a probe"});
}

void PingInstance::heard() noexcept {
  in_vain_ = 0;
  watch();
  if (std::exchange(ready_, true)) return;
  host_.ready();
  grant();
}

void PingInstance::watch() noexcept {
  const bool never = settings_.keep_alive == Duration::max();
  host_.deadline(never ? TimePoint::max() : host_.executor().now() + settings_.keep_alive);
}

void PingInstance::on_deadline() noexcept {
  if (ready_ && in_vain_ == settings_.probes) {
    over_ = true;
    return host_.failed(
        {Reason::timed_out, 0, kLayer, "the peer has not answered " + std::to_string(in_vain_) + " probes"});
  }
  probe();
}

void PingInstance::probe() noexcept {
  send(Type::probe);
  if (ready_) {
    ++in_vain_;
    watch();
  } else {
    host_.deadline(host_.executor().now() + settings_.probe_interval);
  }
}

// What has no room below is not sent: the next probe will do.
void PingInstance::send(Type type) noexcept {
  if (lower_.credit() == 0) return;
  Chunk chunk{.data = host_.executor().pool().allocate(0, 1, 0), .end_of_message = true};
  chunk.data.edit()[0] = static_cast<std::byte>(type);
  lower_.push(std::move(chunk));
}

// Downwards there is room for what the layer below takes; what waits in the batch has been paid for already.
void PingInstance::grant() noexcept {
  if (ready_ && upper_.empty()) upper_.grant_to(lower_.credit());
  lower_.grant_to(kWindow);
}

Result<PropertyValue> PingInstance::get(UpperPort, std::string_view name) noexcept {
  if (name == kKeepAliveTimeout.name) return settings_.keep_alive;
  if (!is_length(name)) return fail(Reason::unsupported);
  auto below = host_.lowers().ask(lower_, name);
  if (below && std::holds_alternative<std::uint64_t>(*below)) std::get<std::uint64_t>(*below) -= 1;
  return below;
}

Result<void> PingInstance::set(UpperPort, std::string_view name, const PropertyValue& value) noexcept {
  if (name != kKeepAliveTimeout.name) return fail(Reason::unsupported);
  const auto* const time = std::get_if<Duration>(&value);
  const bool disabled = time != nullptr && *time == Duration::max();
  if (time == nullptr || *time <= Duration::zero() || (*time > kKeepAliveMost && !disabled)) {
    return fail(Reason::invalid_argument, "keepAliveTimeout must be above 0 and 24 h at most, or Disabled", 0, kLayer);
  }
  settings_.keep_alive = *time;
  if (ready_ && !over_) watch();
  return {};
}

}  // namespace ping
