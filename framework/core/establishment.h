// establishment.h: from what was asked to the stack that is ready: names to addresses, then one attempt after the other.
//
// Stacks are tried best first, each on all addresses, and every attempt gets an equal share of the time that is left.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/connection_core.h"
#include "core/framework_core.h"
#include "trellis/resolver.h"

namespace trellis {

class Establishment final : public TurnMember, public StackOwner, public Alarm, public AnswerSink {
 public:
  Establishment(FrameworkCore& framework, Turn& turn, Plan plan, ConnectionCore& connection);
  void begin() noexcept;
  void cancel() noexcept;  // the Connection wants it no more; retires

  void advance() noexcept override;
  void on_alarm() noexcept override;  // an attempt took too long
  void answer(Answer) noexcept override;
  void done(Answer::Kind, Result<void>) noexcept override;

  void on_up(Batch&, bool) noexcept override {}
  void on_credit() noexcept override {}
  void stack_ready() noexcept override;
  void stack_failed(Error) noexcept override;
  void stack_closed() noexcept override;
  void stack_noticed(Notice, Error) noexcept override {}

 private:
  void resolve() noexcept;
  void add(const Endpoint& remote);
  bool fits(const Address& address) const noexcept;
  void attempt() noexcept;
  void attempt_failed(Error) noexcept;
  void give_up() noexcept;
  void finish() noexcept;
  Route route_to(const Endpoint& remote) const;
  Result<void> apply_properties(Stack& stack) const noexcept;
  std::size_t attempts_left() const noexcept;
  std::string node() const;

  FrameworkCore& framework_;
  Turn& turn_;
  Plan plan_;
  ConnectionCore* connection_;
  std::unique_ptr<Resolver::Lookup> lookup_;
  std::vector<Endpoint> remotes_;
  Stack* stack_ = nullptr;  // of the attempt that runs
  std::vector<Error> failures_;
  std::unique_ptr<Error> resolution_failure_;
  TimePoint deadline_{};
  std::size_t next_stack_ = 0, next_remote_ = 0;
  int kinds_pending_ = 0;
  bool resolve_failed_now_ = false;
};

}  // namespace trellis
