// tap.h: a layer that passes everything through, watches how its neighbours keep to the discipline of ports, and
// misbehaves within the contract when its TapPlan says so: cuts chunks, gives little credit, fails, damages bytes.
//
// A stack under examination is  kit-above / SUBJECT / kit-below / layers below.
#pragma once
#include "conformance/scene.h"
#include "trellis/plugin.h"
#include "trellis/protocol.h"

namespace trellis::conformance {

class Tap final : public ProtocolInstance {
 public:
  Tap(const Seat& seat, Place place, Scene& scene);
  ~Tap() override;

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override;
  void on_down(UpperPort, Batch&) noexcept override;
  void on_credit(UpperPort) noexcept override { give_back(); }
  void on_credit(LowerPort) noexcept override { give_back(); }
  void on_deadline() noexcept override;
  void on_wake() noexcept override;

  Place place() const { return place_; }
  Side side() const { return side_; }
  void resume() noexcept { host_.wake(); }  ///< its plan was changed
  /// Between turns: from now on it is a layer that has failed, or whose peer has finished.
  void fail(Error why) noexcept;
  void cut() noexcept;
  std::uint64_t bytes_down() const { return bytes_down_; }

 private:
  struct Way {                // one direction, as this tap sees it
    std::int64_t credit = 0;  // what the pusher has left
    std::size_t left = 0;     // chunks in the batch that were seen before
    bool finished = false;    // was seen
    bool told = false;        // was passed on
  };
  TapPlan& plan() { return scene_.plan(place_, side_); }
  template <class Port>
  void watch(Way& way, Port from, Batch& batch, std::string_view who);
  void inspect_room(const Chunk& chunk);
  Chunk take(Batch& batch, Face face);
  Chunk join(Batch& batch);
  void pass_down(Batch& batch);
  void pass_up(Batch& batch);
  Chunk measured(Chunk chunk);
  bool damage(Chunk& chunk);
  void give_back();
  std::int64_t level(std::size_t onward, bool to_subject);
  void grant_up();
  void grant_down();
  std::string_view neighbour(bool is_above) const;

  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
  Scene& scene_;
  Place place_;
  Side side_ = Side::client;
  SeededRandom random_;
  Way down_, up_;
  std::uint64_t bytes_down_ = 0;
  TimePoint due_ = TimePoint::max();  // when credit goes back that is given back late; max: none does
  bool over_ = false;                 // closed or failed
  bool cut_ = false;                  // says that the peer has finished, whatever comes
};

/// Registers "kit-above" and "kit-below".
void add_taps(Registrar& registrar, SceneHolder& holder);

}  // namespace trellis::conformance
