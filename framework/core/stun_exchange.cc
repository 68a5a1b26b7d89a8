#include "core/stun_exchange.h"

#include <algorithm>
#include <format>
#include <utility>

#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::size_t kReadAtOnce = 64 << 10;  // bytes
constexpr unsigned kChallengesMost = 3;        // of one request: credentials, and nonces that are too old
constexpr unsigned kUnauthenticated = 401, kStaleNonce = 438, kTryAlternate = 300;

}  // namespace

StunExchange::StunExchange(Executor& executor, Socket& socket, SocketEvents& events, StunLogin login)
    : executor_(executor), socket_(socket), events_(events), server_(socket.remote()), login_(std::move(login)) {}

StunExchange::~StunExchange() = default;

// ---- asking

void StunExchange::ask(TimePoint when, StunMethod method, Fill fill, Answered answered) {
  method_ = method;
  fill_ = std::move(fill);
  answered_ = std::move(answered);
  challenges_ = 0;
  ignored_.clear();
  make_request();
  arm(executor_, when);
}

// RFC 8489 section 6: another request has another id.
void StunExchange::make_request() {
  executor_.secret(id_);
  StunWriter writer(StunClass::request, method_, id_);
  if (fill_) fill_(writer);
  login_.sign(writer);
  request_.assign(writer.bytes().begin(), writer.bytes().end());
  sent_ = 0;
  wait_ = kStunRto;
}

void StunExchange::tell(StunMethod method, const Fill& fill) noexcept {
  method_ = method;
  fill_ = fill;
  answered_ = {};
  disarm();
  make_request();
  transmit();
}

// False: it cannot be sent, and that was said.
bool StunExchange::transmit() noexcept {
  Chunk chunk{.data = executor_.pool().allocate(0, static_cast<std::uint32_t>(request_.size()), 0),
              .end_of_message = true};
  std::ranges::copy(request_, chunk.data.edit().begin());
  Batch out;
  out.add(std::move(chunk));
  ++sent_;
  if (const auto sent = socket_.send(out); !sent) {
    if (answered_)
      give_up({sent.error().reason, sent.error().code, "stun",
               "the STUN server " + to_text(server_) + " cannot be reached: " + sent.error().detail});
    return false;
  }
  return true;  // where there is no room now, it counts as lost
}

void StunExchange::on_alarm() noexcept {
  if (sent_ == kStunRequests) return give_up(silence());
  if (!transmit()) return;
  arm(executor_, executor_.now() + (sent_ == kStunRequests ? kStunLastWait * kStunRto : wait_));
  wait_ *= 2;
  if (auto watched = socket_.watch(events_, Ready::readable); !watched) give_up(std::move(watched).error());
}

Error StunExchange::silence() const {
  std::string text = std::format("the STUN server {} does not answer: {} requests were sent", to_text(server_), sent_);
  if (!ignored_.empty()) text += "; what came from there last was no answer: " + ignored_;
  return {Reason::timed_out, 0, "stun", text};
}

// ---- answers

void StunExchange::on_ready(Socket& socket, Ready) noexcept {
  Batch in;
  const auto received = socket.receive(in, kReadAtOnce);
  if (!received) {  // ICMP: it ends the attempt (RFC 8489 section 6.2.1)
    if (answered_)
      give_up({received.error().reason, received.error().code, "stun",
               "the STUN server " + to_text(server_) + " cannot be reached: " + received.error().detail});
    return;
  }
  while (!in.empty()) {
    const Chunk chunk = in.pop();
    if (!heard(chunk.data.bytes())) return;
  }
}

bool StunExchange::ignore(std::string what) {
  ignored_ = std::move(what);
  return true;
}

// False: it was the answer, and this may be gone.
bool StunExchange::heard(std::span<const std::byte> bytes) noexcept {
  if (!answered_) return true;
  const auto read = read_stun(bytes);
  if (!read) return ignore(read.error().detail);
  const StunMessage& answer = *read;
  const bool answers = answer.kind == StunClass::success || answer.kind == StunClass::refusal;
  if (!answers || answer.method != static_cast<std::uint16_t>(method_) || answer.id != id_)
    return ignore("found a message that belongs to no request of ours");
  if (answer.kind == StunClass::refusal) return refused(answer);
  if (login_.known() && !login_.fits(answer)) return ignore("found an answer that is not signed with the password");
  // Of no use then (RFC 8489 section 6.3).
  const auto strange = std::ranges::find_if_not(answer.attributes, is_known, &StunMessage::Attribute::type);
  if (strange != answer.attributes.end()) {
    give_up({Reason::protocol_violation, 0, "stun",
             std::format("the answer of the STUN server {} is malformed: found an attribute 0x{:04x}, expected those "
                         "of RFC 8489 and RFC 8656",
                         to_text(server_), static_cast<unsigned>(strange->type))});
    return false;
  }
  disarm();
  auto hear = std::exchange(answered_, {});
  hear(&answer);
  return false;
}

bool StunExchange::refused(const StunMessage& answer) noexcept {
  const auto refusal = answer.refusal();
  const std::string server = "the STUN server " + to_text(server_);
  if (!refusal) {
    give_up({Reason::protocol_violation, 0, "stun",
             "the answer of " + server + " is malformed: " + refusal.error().detail});
    return false;
  }
  std::string said = std::format("{} refuses: {} {}", server, refusal->code, refusal->reason);
  const bool wants_login = refusal->code == kUnauthenticated || refusal->code == kStaleNonce;
  // A second 401 says that the password is wrong (RFC 8489 section 9.2.5).
  const bool wrong = refusal->code == kUnauthenticated && login_.known();
  if (wants_login && login_.given() && !wrong && challenges_++ < kChallengesMost) {
    if (auto taken = login_.challenged(answer); !taken) {
      give_up({taken.error().reason, 0, "stun", "the answer of " + server + " is of no use: " + taken.error().detail});
      return false;
    }
    make_request();
    on_alarm();
    return false;
  }
  if (refusal->code == kTryAlternate) {
    const auto other = answer.address(StunType::alternate_server);
    if (other) said += ", and names " + to_text(*other);
  }
  if (wants_login && !login_.given()) said += "; it wants a username and a password";
  if (wants_login && login_.given()) said += "; username or password are wrong";
  give_up({wants_login ? Reason::authentication : Reason::prohibited, refusal->code, "stun", std::move(said)});
  return false;
}

void StunExchange::give_up(Error why) noexcept {
  disarm();
  auto hear = std::exchange(answered_, {});
  hear(std::unexpected(std::move(why)));
}

}  // namespace trellis
