// peer_question.h: the application's word about a peer, which may come at once, later, or when nobody waits any more.
#pragma once
#include <memory>
#include <optional>
#include <utility>

#include "trellis/protocol.h"
#include "trellis/security.h"

namespace trellis::security {

/// A layer's question to the application; see Security::verify.
class PeerQuestion {
 public:
  PeerQuestion() = default;
  PeerQuestion(const PeerQuestion&) = delete;
  PeerQuestion& operator=(const PeerQuestion&) = delete;
  ~PeerQuestion() { withdraw(); }

  /// `ask` puts the question with the Answer that it is given. The layer is woken when the answer is there: a question
  /// cannot be destroyed by its own answer. False: there is no Question to wait for. `host` outlives this.
  template <class Ask>
  bool ask(LayerHost& host, const Ask& ask) {
    waits_ = std::make_shared<Waits>(host);
    question_ = ask([waits = std::weak_ptr(waits_)](Result<void> answer) {
      const auto asked = waits.lock();
      if (asked == nullptr || asked->answer) return;  // the question was withdrawn, or answered
      asked->answer = std::move(answer);
      asked->host.wake();
    });
    return question_ != nullptr;
  }
  /// Answers in the application's place, whatever it has said. Precondition: it was asked.
  void answer(Result<void> own) {
    waits_->answer = std::move(own);
    waits_->host.wake();
  }
  /// The answer, once: the question is over then.
  std::optional<Result<void>> take() noexcept {
    if (waits_ == nullptr || !waits_->answer) return std::nullopt;
    auto answer = std::move(waits_->answer);
    withdraw();
    return answer;
  }
  /// Nobody waits any more.
  void withdraw() noexcept {
    waits_.reset();
    question_.reset();
  }

 private:
  struct Waits {
    explicit Waits(LayerHost& to_wake) : host(to_wake) {}
    LayerHost& host;
    std::optional<Result<void>> answer;
  };
  std::shared_ptr<Waits> waits_;  // an answer that comes after the question has gone finds nothing
  std::unique_ptr<Security::Question> question_;
};

}  // namespace trellis::security
