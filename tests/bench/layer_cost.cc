// layer_cost.cc: what a layer costs that only passes on what it gets.
//
// A bottom layer gives messages in batches, as a socket would. They rise to a Connection through one layer and through
// five; a fourth of the difference is the cost of a layer.
#include <vector>

#include "core/framework_core.h"
#include "laps.h"
#include "ours.h"
#include "process.h"
#include "rows.h"

namespace trellis::bench {
namespace layer_cost_row {

constexpr std::size_t kBatch = 32;
constexpr int kChunks = 1280;  // in a lap
constexpr std::size_t kLaps = 500;
constexpr int kRepetitions = 15;
constexpr double kNanoseconds = 1e9;
constexpr int kLayersMore = 4;

// Pushes a batch whenever the layer above has asked for one, without end.
class Source final : public ProtocolInstance {
 public:
  explicit Source(const Seat& seat) : host_(seat.host), upper_(seat.upper) {}
  void open(const OpenArgs&) noexcept override { host_.ready(); }
  void close(const CloseArgs&) noexcept override { host_.closed(); }
  void on_up(LowerPort, Batch&) noexcept override {}
  void on_down(UpperPort, Batch& batch) noexcept override { batch.clear(); }
  void on_credit(UpperPort) noexcept override { host_.wake(); }
  void on_wake() noexcept override {
    if (upper_.credit() < kBatch * kLeastCharge) return;
    BlockPool& pool = host_.executor().pool();
    for (std::size_t i = 0; i < kBatch; ++i) batch_.add({.data = pool.allocate(0, 64, 0), .end_of_message = true});
    upper_.push(batch_);
    host_.wake();
  }

 private:
  LayerHost& host_;
  UpperPort upper_;
  Batch batch_;
};

// Hands every batch and all credit on, as a layer does that has nothing to say.
class Pass final : public ProtocolInstance {
 public:
  explicit Pass(const Seat& seat) : host_(seat.host), upper_(seat.upper), lower_(seat.lower) {}
  void open(const OpenArgs&) noexcept override { host_.ready(); }
  void close(const CloseArgs&) noexcept override { host_.closed(); }
  void on_up(LowerPort, Batch& batch) noexcept override { upper_.push(batch); }
  void on_down(UpperPort, Batch& batch) noexcept override { lower_.push(batch); }
  void on_credit(UpperPort) noexcept override {
    if (upper_.credit() > lower_.granted()) lower_.grant(upper_.credit() - lower_.granted());
  }

 private:
  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
};

template <class Instance, Face kBelow>
class Layering final : public Protocol {
 public:
  static Result<std::unique_ptr<Protocol>> make(const Options&) { return std::make_unique<Layering>(); }
  LayerTraits traits(Face above) const noexcept override {
    return {.above = above == Face::message ? Face::message : Face::none, .below = kBelow};
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<Instance>(seat);
  }
};

struct Counter {
  Connection& connection;
  Laps laps{2 * kLaps};
  int got = 0;
  void receive() {
    connection.receive(kWholeMessage, SIZE_MAX, [this](Result<Message> message) {
      expect(std::move(message), "receive");
      if (++got % kChunks == 0) laps.lap();
      receive();
    });
  }
};

double seconds_per_chunk(Ours& ours, const char* stack) {
  Connection connection = dial(ours, stack, 1);
  Counter counter{connection};
  counter.laps.begin();
  counter.receive();
  ours.run_until([&] { return counter.laps.count() >= kLaps; });
  connection.abort();
  return counter.laps.typical() / kChunks;
}

double ours() {
  Ours ours;
  const auto linked = ours.framework->core().registry.link("bench-layers", [](Registrar& registrar) {
    registrar.add(kind<Layering<Source, Face::none>>("source"));
    registrar.add(kind<Layering<Pass, Face::message>>("pass"));
  });
  expect(linked, "link");
  std::vector<double> differences;
  for (int i = 0; i < kRepetitions; ++i) {
    const double one = seconds_per_chunk(ours, "pass/source");
    const double five = seconds_per_chunk(ours, "pass/pass/pass/pass/pass/source");
    differences.push_back((five - one) / kLayersMore);
  }
  return median(std::move(differences)) * kNanoseconds;
}

}  // namespace layer_cost_row

Row layer_cost() {
  using namespace layer_cost_row;
  return {.name = "layer-cost",
          .about = "what each chunk costs in a layer that passes batches of 32 on",
          .unit = "ns",
          .better = Better::lower,
          .ours = ours,
          .limit = 10};
}

}  // namespace trellis::bench
