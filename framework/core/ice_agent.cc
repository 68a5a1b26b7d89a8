#include "core/ice_agent.h"

#include <algorithm>
#include <format>
#include <tuple>
#include <utility>

#include "core/stun_exchange.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::size_t kBasesAtMost = 32, kRemotesAtMost = 64;
constexpr std::size_t kReadAtOnce = 64 << 10;                        // bytes
constexpr Duration kBetterMayCome = std::chrono::milliseconds(200);  // after the first pair that works
constexpr unsigned kHost = 126, kPeerReflexive = 110;                // RFC 8445 section 5.1.2.2

// RFC 8445 section 5.1.2.1; what was named first is preferred, and there is one component.
std::uint32_t candidate_priority(unsigned type, std::size_t place) noexcept {
  return type << 24 | static_cast<std::uint32_t>(0xffff - std::min<std::size_t>(place, 0xffff)) << 8 | 255u;
}

Address plain(Address address) noexcept {
  address.hop_limit = 0;
  return address;
}

}  // namespace

IceAgent::IceAgent(Executor& executor, IceSession session, bool controlling, Chosen chosen)
    : executor_(executor), session_(std::move(session)), controlling_(controlling), chosen_(std::move(chosen)) {
  executor_.secret(std::as_writable_bytes(std::span(&tie_breaker_, 1)));
}

// ---- candidates and pairs

Result<void> IceAgent::add_local(const LocalCandidate& candidate) {
  if (std::ranges::contains(bases_, candidate.base, &Base::local)) return {};
  if (bases_.size() == kBasesAtMost)
    return fail(Reason::invalid_argument, std::format("found more than {} local candidates", kBasesAtMost), 0, "ice");
  if (candidate.held) candidate.held->release();  // the port is bound anew, in the same turn
  auto socket = executor_.sockets().open({.kind = SocketSpec::Kind::datagram,
                                          .role = SocketSpec::Role::unconnected,
                                          .family = candidate.base.family,
                                          .local = candidate.base,
                                          .interface_name = candidate.interface_name});
  if (!socket) return fail(std::move(socket));
  if (auto watched = (*socket)->watch(*this, Ready::readable); !watched) return watched;
  const Address local = (*socket)->local();
  bases_.push_back({local, std::move(*socket)});
  for (std::size_t remote = 0; remote < remotes_.size(); ++remote) pair_up(bases_.size() - 1, remote);
  return {};
}

Result<void> IceAgent::add_remote(const Address& remote) {
  if (std::ranges::contains(remotes_, remote, &Remote::address)) return {};
  if (remotes_.size() == kRemotesAtMost)
    return fail(Reason::invalid_argument, std::format("found more than {} remote candidates", kRemotesAtMost), 0,
                "ice");
  remotes_.push_back({remote, candidate_priority(kHost, remotes_.size())});
  for (std::size_t base = 0; base < bases_.size(); ++base) pair_up(base, remotes_.size() - 1);
  return {};
}

// RFC 8445 section 6.1.2.2: of one family and scope.
void IceAgent::pair_up(std::size_t base, std::size_t remote) {
  if (bases_[base].local.family != remotes_[remote].address.family) return;
  pairs_.push_back({.base = base, .remote = remote});
  arm(executor_, executor_.now());  // begins, or looks at it too
}

// That of a check which came; its source may be new to us (RFC 8445 section 7.3.1.3).
IceAgent::Pair& IceAgent::pair_of(std::size_t base, const Address& from, std::uint32_t priority) {
  const auto find = [&] {
    return std::ranges::find_if(
        pairs_, [&](const Pair& pair) { return pair.base == base && remotes_[pair.remote].address == from; });
  };
  if (find() == pairs_.end()) {
    const auto known = std::ranges::find(remotes_, from, &Remote::address);
    const auto remote = static_cast<std::size_t>(known - remotes_.begin());
    if (remote == remotes_.size()) remotes_.push_back({from, priority});
    pairs_.push_back({.base = base, .remote = remote});
  }
  return *find();
}

// RFC 8445 section 6.1.2.3
std::uint64_t IceAgent::priority(const Pair& pair) const noexcept {
  const std::uint64_t own = candidate_priority(kHost, pair.base), other = remotes_[pair.remote].priority;
  const std::uint64_t first = controlling_ ? own : other, second = controlling_ ? other : own;
  return (std::min(first, second) << 32) + 2 * std::max(first, second) + (first > second ? 1 : 0);
}

IceAgent::Pair* IceAgent::next_pair() noexcept {
  Pair* best = nullptr;
  for (Pair& pair : pairs_) {
    if (!pair.triggered && pair.state != Pair::State::waiting) continue;
    if (best == nullptr || std::pair(pair.triggered, priority(pair)) > std::pair(best->triggered, priority(*best)))
      best = &pair;
  }
  return best;
}

// ---- asking

void IceAgent::on_alarm() noexcept {
  const TimePoint now = executor_.now();
  for (Pair& pair : pairs_) {
    if (pair.state != Pair::State::in_progress || pair.due > now) continue;
    if (pair.sent < kStunRequests) {
      transmit(pair);
      continue;
    }
    pair.state = Pair::State::failed;
    if (pair.why.empty()) pair.why = std::format("{} checks were not answered", pair.sent);
  }
  if (Pair* const next = next_check_ <= now ? next_pair() : nullptr) {
    begin_check(*next, false);
    next_check_ = now + kStunPace;
  }
  nominate();
  arm_next();
}

void IceAgent::arm_next() noexcept {
  if (!chosen_) return disarm();
  TimePoint next = nominate_at_;
  if (next_pair() != nullptr) next = std::min(next, std::max(next_check_, executor_.now()));
  for (const Pair& pair : pairs_) {
    if (pair.state == Pair::State::in_progress) next = std::min(next, pair.due);
  }
  arm(executor_, next);
}

void IceAgent::begin_check(Pair& pair, bool nominating) {
  executor_.secret(pair.id);
  pair.state = Pair::State::in_progress;
  pair.triggered = false;
  pair.nominating = nominating;
  pair.as_controlling = controlling_;
  pair.sent = 0;
  // RFC 8445 section 14.3: no faster than all of them together may send.
  pair.wait = std::max(kStunRto, kStunPace * static_cast<int>(pairs_.size()));
  transmit(pair);
}

void IceAgent::transmit(Pair& pair) {
  const auto request = session_.request(pair.id, candidate_priority(kPeerReflexive, pair.base), pair.as_controlling,
                                        tie_breaker_, pair.nominating);
  send(pair.base, remotes_[pair.remote].address, request);
  ++pair.sent;
  pair.due = executor_.now() + (pair.sent == kStunRequests ? kStunLastWait * kStunRto : pair.wait);
  pair.wait *= 2;
}

// What cannot be sent now counts as lost.
void IceAgent::send(std::size_t base, const Address& to, std::span<const std::byte> bytes) {
  Chunk chunk{.data = executor_.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0),
              .end_of_message = true};
  std::ranges::copy(bytes, chunk.data.edit().begin());
  chunk.info = new_message();
  chunk.info->remote = to;
  Batch out;
  out.add(std::move(chunk));
  std::ignore = bases_[base].socket->send(out);
}

// ---- what comes

void IceAgent::on_ready(Socket& socket, Ready) noexcept {
  const auto base = static_cast<std::size_t>(
      std::ranges::find(bases_, &socket, [](const Base& b) { return b.socket.get(); }) - bases_.begin());
  Batch in;
  if (!socket.receive(in, kReadAtOnce)) return;  // ICMP: a NAT may open later
  while (!in.empty()) heard(base, in.pop());
  nominate();
  arm_next();
}

void IceAgent::heard(std::size_t base, const Chunk& chunk) {
  const Address from = plain(chunk.info->remote);
  const auto message = read_stun(chunk.data.bytes());
  const bool check = message && message->method == static_cast<std::uint16_t>(StunMethod::binding);
  if (!check && data_ && from == chosen_remote_) data_();
  if (!check || !message->fingerprinted()) return;
  if (message->kind == StunClass::request) heard_request(base, from, *message);
  if (message->kind == StunClass::success || message->kind == StunClass::refusal) heard_answer(base, from, *message);
}

// RFC 8445 section 7.3
void IceAgent::heard_request(std::size_t base, const Address& from, const StunMessage& request) {
  if (const unsigned code = session_.judge(request); code != 0) {
    const char* const reason = code == kBadRequest         ? "Bad Request"
                               : code == kWrongCredentials ? "Unauthenticated"
                                                           : "Unknown Attribute";
    return send(base, from, session_.refusal(request, code, reason));
  }
  if (!settle_roles(base, from, request)) return;
  send(base, from, session_.success(request, from));
  if (!chosen_) return;
  const bool known = std::ranges::contains(remotes_, from, &Remote::address);
  if (!known && remotes_.size() >= kRemotesAtMost) return;
  Pair& pair = pair_of(base, from, request.number(StunType::priority).value_or(candidate_priority(kPeerReflexive, 0)));
  pair.heard = true;
  if (!controlling_ && request.find(StunType::use_candidate) != nullptr) pair.nominated = true;
  switch (pair.state) {
    case Pair::State::succeeded:
      if (pair.nominated) choose(pair);
      break;
    case Pair::State::in_progress:  // what was sent before may have met a closed NAT
      if (pair.sent < kStunRequests) pair.due = std::min(pair.due, executor_.now() + kStunPace);
      break;
    case Pair::State::waiting:
    case Pair::State::failed: pair.state = Pair::State::waiting; pair.triggered = true;
  }
}

// RFC 8445 section 7.3.1.1: the larger number controls. False: the other one was told to give way.
bool IceAgent::settle_roles(std::size_t base, const Address& from, const StunMessage& request) {
  const auto theirs = request.long_number(controlling_ ? StunType::ice_controlling : StunType::ice_controlled);
  if (!theirs || !chosen_) return true;
  const bool ours_is_larger = tie_breaker_ >= *theirs;
  if (ours_is_larger == controlling_) {
    send(base, from, session_.refusal(request, kRoleConflict, "Role Conflict"));
    return false;
  }
  switch_to(!controlling_);
  return true;
}

void IceAgent::switch_to(bool controlling) noexcept {
  controlling_ = controlling;
  nominate_at_ = TimePoint::max();
  for (Pair& pair : pairs_) pair.nominated = false;
}

// RFC 8445 section 7.2.5
void IceAgent::heard_answer(std::size_t base, const Address& from, const StunMessage& answer) {
  const auto found = std::ranges::find_if(pairs_, [&](const Pair& pair) {
    return pair.base == base && pair.state == Pair::State::in_progress && pair.id == answer.id;
  });
  if (found == pairs_.end() || !chosen_) return;
  Pair& pair = *found;
  const auto refusal = answer.kind == StunClass::refusal ? answer.refusal() : Result<StunMessage::Refusal>();
  if (!session_.from_peer(answer)) {  // anybody may have sent it: it ends nothing
    if (answer.kind == StunClass::refusal && refusal)
      pair.why = std::format("it was refused: {} {}: are ufrag and password those of the peer?", refusal->code,
                             refusal->reason);
    else
      pair.why = "found an answer that is not signed with the peer's password";
    return;
  }
  if (answer.kind == StunClass::refusal) {
    pair.why = refusal ? std::format("it was refused: {} {}", refusal->code, refusal->reason) : refusal.error().detail;
    const bool conflict = refusal && refusal->code == kRoleConflict;
    pair.state = conflict ? Pair::State::waiting : Pair::State::failed;
    pair.triggered = conflict;
    if (conflict && controlling_ == pair.as_controlling) switch_to(!controlling_);
    return;
  }
  if (from != remotes_[pair.remote].address) {
    pair.state = Pair::State::failed;
    pair.why = "the answer came from " + to_text(from);
    return;
  }
  pair.state = Pair::State::succeeded;
  pair.why.clear();
  if (pair.nominated || (controlling_ && pair.nominating)) choose(pair);
}

// ---- the choice

// RFC 8445 section 8.1.1: the best pair that works, when nothing better can be expected soon.
void IceAgent::nominate() {
  const auto is_nominated = [](const Pair& pair) { return pair.nominating && pair.state == Pair::State::in_progress; };
  if (!controlling_ || !chosen_ || std::ranges::any_of(pairs_, is_nominated)) return;
  Pair* best = nullptr;
  for (Pair& pair : pairs_) {
    if (pair.state == Pair::State::succeeded && (best == nullptr || priority(pair) > priority(*best))) best = &pair;
  }
  if (best == nullptr) return;
  const bool better_may_come = std::ranges::any_of(pairs_, [&](const Pair& pair) {
    return (pair.state == Pair::State::waiting || pair.state == Pair::State::in_progress) &&
           priority(pair) > priority(*best);
  });
  if (nominate_at_ == TimePoint::max()) nominate_at_ = executor_.now() + kBetterMayCome;
  // The peer takes what we send there once its own check has come back.
  if ((better_may_come || !best->heard) && executor_.now() < nominate_at_) return;
  nominate_at_ = TimePoint::max();
  begin_check(*best, true);
}

void IceAgent::choose(const Pair& pair) {
  chosen_remote_ = remotes_[pair.remote].address;
  auto hear = std::exchange(chosen_, {});
  hear(bases_[pair.base].local, chosen_remote_);
}

std::string IceAgent::story() const {
  std::string text;
  for (const Pair& pair : pairs_) {
    text += std::format("{}{} to {}: ", text.empty() ? "" : "; ", to_text(bases_[pair.base].local),
                        to_text(remotes_[pair.remote].address));
    if (!pair.why.empty())
      text += pair.why;
    else if (pair.state == Pair::State::succeeded)
      text += controlling_ ? "it works" : "it works, and the controlling side has not chosen it";
    else
      text += pair.sent == 0 ? "not checked yet" : std::format("{} checks were not answered", pair.sent);
  }
  return text.empty() ? "no pair has candidates of one family" : text;
}

}  // namespace trellis
