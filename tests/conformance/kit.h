// kit.h: a layer that does everything right by doing nothing, to be broken in one way at a time, and the words in which
// tests say which check must notice.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "conformance/runner.h"
#include "trellis/protocol.h"

namespace trellis::tests {

/// Passes everything through.
class Relay : public ProtocolInstance {
 public:
  explicit Relay(const Seat& seat) : host_(seat.host), upper_(seat.upper), lower_(seat.lower) {}

  void open(const OpenArgs&) noexcept override {
    host_.ready();
    grant();
  }
  void close(const CloseArgs&) noexcept override { host_.closed(); }
  void on_down(UpperPort from, Batch& batch) noexcept override {
    while (!batch.empty() && lower_.credit() > 0) down(batch.pop());
    if (batch.empty() && from.finished()) finish_down();
    grant();
  }
  void on_up(LowerPort from, Batch& batch) noexcept override {
    while (!batch.empty() && upper_.credit() > 0) up(batch.pop());
    if (batch.empty() && from.finished()) finish_up();
    grant();
  }
  void on_credit(UpperPort) noexcept override { grant(); }
  void on_credit(LowerPort) noexcept override { grant(); }

 protected:
  virtual void down(Chunk chunk) noexcept { lower_.push(std::move(chunk)); }
  virtual void up(Chunk chunk) noexcept { upper_.push(std::move(chunk)); }
  virtual void finish_down() noexcept { lower_.finish(); }
  virtual void finish_up() noexcept { upper_.finish(); }
  virtual void grant() noexcept {
    if (upper_.empty()) upper_.grant_to(lower_.credit());
    if (lower_.empty()) lower_.grant_to(upper_.credit());
  }
  Slice allocate(std::uint32_t size) { return host_.executor().pool().allocate(0, size, 0); }

  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
};

/// The protocol of a Relay or of something derived from it.
template <class Layer, class Claims>
class RelayProtocol final : public Protocol {
 public:
  static Result<std::unique_ptr<Protocol>> make(const Options&) { return std::make_unique<RelayProtocol>(); }
  LayerTraits traits(Face above) const noexcept override {
    LayerTraits traits{.above = above, .below = above};
    if (above != Face::none) Claims::claim(traits);
    return traits;
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<Layer>(seat);
  }
};

struct NoClaims {
  static void claim(LayerTraits&) {}
};

/// A layer over `below`, as a subject of the kit.
template <class Layer, class Claims = NoClaims>
conformance::Subject subject(std::string below) {
  return {.layer = "broken",
          .below = {std::move(below)},
          .directories = {TRELLIS_BUILD_DIR "/plugins"},
          .linked = [](Registrar& registrar) { registrar.add(kind<RelayProtocol<Layer, Claims>>("broken")); }};
}

/// What a check says about a subject.
inline conformance::Outcome outcome_of(const conformance::Subject& subject, const std::string& check,
                                       std::uint64_t seeds = 10) {
  const conformance::Settings settings{.seeds = seeds, .checks = {check}};
  auto outcomes = conformance::examine(subject, settings, [](const conformance::Outcome&) {});
  EXPECT_EQ(outcomes.size(), 1u) << check;
  return outcomes.empty() ? conformance::Outcome{} : outcomes.front();
}

/// The check notices, says something that holds `words`, and says the same when its seed and case are run alone.
inline void expect_caught(const conformance::Subject& subject, const std::string& check, const std::string& words) {
  const conformance::Outcome outcome = outcome_of(subject, check);
  ASSERT_EQ(outcome.kind, conformance::Outcome::Kind::failed) << check << " did not notice: " << outcome.text;
  EXPECT_NE(outcome.text.find(words), std::string::npos) << check << " said: " << outcome.text;
  EXPECT_GT(outcome.seed, 0u);
  // In a process of its own too, because some of these layers bring their process down.
  const conformance::Settings again{
      .first_seed = outcome.seed, .seeds = 1, .checks = {check}, .only_case = outcome.label};
  const auto repeated = conformance::examine(subject, again, [](const conformance::Outcome&) {});
  ASSERT_EQ(repeated.size(), 1u);
  EXPECT_EQ(repeated[0].kind, conformance::Outcome::Kind::failed)
      << "seed " << outcome.seed << ", case " << outcome.label;
  EXPECT_EQ(repeated[0].text, outcome.text);
}

}  // namespace trellis::tests
