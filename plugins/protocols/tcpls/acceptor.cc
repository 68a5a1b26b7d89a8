#include "acceptor.h"

#include <algorithm>
#include <cstring>
#include <format>

namespace trellis::tcpls {
namespace {

using tls::AlertDescription;
constexpr std::uint32_t kHelloMax = 16384;  // bytes of a first record

/// Copies the first bytes of a batch without taking them. False: there are not
/// as many.
bool peek(const Batch& batch, std::span<std::byte> out) noexcept {
  std::size_t n = 0;
  for (const Chunk& chunk : batch) {
    const std::size_t more = std::min<std::size_t>(out.size() - n, chunk.data.size());
    if (more > 0) std::memcpy(out.data() + n, chunk.data.bytes().data(), more);
    n += more;
  }
  return n == out.size();
}

TokenTable::Key secret_key(Executor& executor) noexcept {
  TokenTable::Key key;
  executor.secret(key);
  return key;
}

}  // namespace

TcplsAcceptor::TcplsAcceptor(AcceptHost& host, const Shared& shared)
    : host_(host), shared_(shared), tokens_(secret_key(host.executor())) {}

void TcplsAcceptor::open(const OpenArgs& args) noexcept {
  if (host_.executor().loops() > 1) {
    host_.log(Severity::warning,
              "the port is shared by several loops: a connection that joins a "
              "session of another loop is refused");
  }
  host_.listening(args.route.local);
}
void TcplsAcceptor::close(const CloseArgs&) noexcept { host_.closed(); }

void TcplsAcceptor::offered(LowerPort port) noexcept {
  if (waiting_.size() >= shared_.settings.hello_max) return host_.refuse(port);
  port.grant_to(tls::kRecordHeader + kHelloMax);
  waiting_.push_back({port, host_.executor().now() + shared_.settings.hello_timeout});
  arm();
}
void TcplsAcceptor::offered_failed(LowerPort port) noexcept { forget(port); }

void TcplsAcceptor::forget(LowerPort port) noexcept {
  std::erase_if(waiting_, [&](const Waiting& one) { return one.port == port; });
  arm();
}
void TcplsAcceptor::arm() noexcept { host_.deadline(waiting_.empty() ? TimePoint::max() : waiting_.front().until); }

void TcplsAcceptor::on_deadline() noexcept {
  while (!waiting_.empty() && waiting_.front().until <= host_.executor().now()) {
    const LowerPort port = waiting_.front().port;
    forget(port);
    host_.refuse(port);
  }
  arm();
}

void TcplsAcceptor::refuse(LowerPort port, AlertDescription alert) noexcept {
  const auto bytes = plain_alert(alert);
  Slice slice = host_.executor().pool().allocate(0, bytes.size(), 0);
  std::memcpy(slice.edit().data(), bytes.data(), bytes.size());
  port.push(Chunk{.data = std::move(slice)});
  forget(port);
  host_.refuse(port);
}

void TcplsAcceptor::on_up(LowerPort port, Batch& batch) noexcept {
  if (std::ranges::find(waiting_, port, &Waiting::port) == waiting_.end()) return;
  std::byte header[tls::kRecordHeader];
  if (!peek(batch, header)) {
    if (port.finished()) refuse(port, AlertDescription::decode_error);
    return;
  }
  const auto size = std::to_integer<std::uint32_t>(header[3]) << 8 | std::to_integer<std::uint32_t>(header[4]);
  if (header[0] != std::byte{22}) return refuse(port, AlertDescription::unexpected_message);
  if (size > kHelloMax) return refuse(port, AlertDescription::record_overflow);
  const std::span<const std::byte> first = batch.front().data.bytes();
  if (first.size() >= tls::kRecordHeader + size) return judge(port, first.first(tls::kRecordHeader + size));
  std::vector<std::byte> record(tls::kRecordHeader + size);
  if (peek(batch, record)) return judge(port, record);
  if (port.finished()) refuse(port, AlertDescription::decode_error);
}

void TcplsAcceptor::judge(LowerPort port, std::span<const std::byte> record) noexcept {
  auto hello = read_client_hello(record, shared_.settings.codes);
  if (!hello) {
    host_.log(Severity::info, hello.error().detail);
    return refuse(port, static_cast<AlertDescription>(hello.error().code));
  }
  if (hello->join) {
    const auto invited = tokens_.find(*hello->join);
    if (!invited) return refuse(port, AlertDescription::illegal_parameter);
    forget(port);
    return host_.attach(*invited->session, port);
  }
  Seat* const seat = host_.seat(port.route().remote, port);
  if (seat == nullptr) {
    forget(port);
    return host_.refuse(port);
  }
  forget(port);
  host_.seated(seat, std::make_unique<Session>(*seat, shared_, &tokens_));
}

}  // namespace trellis::tcpls
