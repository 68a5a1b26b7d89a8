// ice_agent.h: connectivity checks between the candidates of two peers (RFC 8445): one stream with one component, over
// UDP, with regular nomination. Whoever learns that a pair works both ways, and is chosen, hears of it once.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/ice_message.h"
#include "trellis/resolved.h"

namespace trellis {

class IceAgent final : SocketEvents, Alarm {
 public:
  /// The pair that is to be used. Called once, and never inside a call to the agent.
  using Chosen = std::move_only_function<void(const Address& local, const Address& remote)>;
  IceAgent(Executor& executor, IceSession session, bool controlling, Chosen chosen);
  /// Takes over the port of the candidate. Candidates of one base are one. Errors: it cannot be bound.
  Result<void> add_local(const LocalCandidate& candidate);
  /// Errors: there are too many.
  Result<void> add_remote(const Address& remote);
  bool controlling() const noexcept { return controlling_; }
  /// After the choice: answers go on until something comes by the pair that is no check.
  void on_data(std::function<void()> hear) { data_ = std::move(hear); }
  /// What became of each pair, for people.
  std::string story() const;

 private:
  struct Base {
    Address local;
    std::unique_ptr<Socket> socket;
  };
  struct Remote {
    Address address;
    std::uint32_t priority;
  };
  struct Pair {
    enum class State : std::uint8_t { waiting, in_progress, succeeded, failed };
    std::size_t base, remote;
    State state = State::waiting;
    bool triggered = false;   // goes before those that wait
    bool heard = false;       // the peer has checked it
    bool nominated = false;   // by the controlling side
    bool nominating = false;  // the check in progress says so
    bool as_controlling = false;
    StunId id{};
    unsigned sent = 0;
    TimePoint due{};
    Duration wait{};
    std::string why{};  // it does not work, as far as known
  };
  void on_ready(Socket& socket, Ready what) noexcept override;
  void on_alarm() noexcept override;
  void heard(std::size_t base, const Chunk& chunk);
  void heard_request(std::size_t base, const Address& from, const StunMessage& request);
  void heard_answer(std::size_t base, const Address& from, const StunMessage& answer);
  bool settle_roles(std::size_t base, const Address& from, const StunMessage& request);
  void pair_up(std::size_t base, std::size_t remote);
  Pair& pair_of(std::size_t base, const Address& from, std::uint32_t priority);
  std::uint64_t priority(const Pair& pair) const noexcept;
  Pair* next_pair() noexcept;
  void begin_check(Pair& pair, bool nominating);
  void transmit(Pair& pair);
  void send(std::size_t base, const Address& to, std::span<const std::byte> bytes);
  void nominate();
  void choose(const Pair& pair);
  void switch_to(bool controlling) noexcept;
  void arm_next() noexcept;

  Executor& executor_;
  const IceSession session_;
  std::uint64_t tie_breaker_ = 0;
  bool controlling_;
  Chosen chosen_;  // empty: it was told
  std::function<void()> data_;
  std::vector<Base> bases_;
  std::vector<Remote> remotes_;
  std::vector<Pair> pairs_;
  TimePoint next_check_{};  // RFC 8445 section 6.1.4.2: paced
  TimePoint nominate_at_ = TimePoint::max();
  Address chosen_remote_{};
};

}  // namespace trellis
