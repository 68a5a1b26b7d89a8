// world.h: two simulated hosts with one link between them, the subject's stack on both, and an application at each end.
//
// A run ends with judge(): what the probes saw, what is left behind. A run that spins or hangs is ended and says so.
#pragma once
#include <concepts>
#include <functional>
#include <string>
#include <vector>

#include "conformance/check.h"
#include "conformance/party.h"
#include "conformance/tap.h"
#include "loop/sim_network.h"
#include "trellis/preconnection.h"

namespace trellis::conformance {

/// How the world is.
struct Weather {
  LinkConditions link{.delay = std::chrono::milliseconds(10)};
  HostOptions host{.send_buffer = 64 * 1024, .receive_buffer = 64 * 1024};
  bool raw_client = false;  ///< has only what is below the subject: its application can say anything to the subject
  bool raw_server = false;  ///< as above
};

class World {
 public:
  static constexpr std::uint16_t kPort = 4433;

  explicit World(Trial& trial, const Weather& weather = {});
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Preconnection preconnection(Side side);  ///< of the stack that this side has
  /// Who takes the listener's Connections; null: the first is the server's, the others are held.
  std::function<void(Connection)> on_peer;
  void listen();
  void connect();
  void start() { listen(), connect(); }  ///< both

  /// Runs until `done`; false: it did not come within this time, or the run is over because a rule was broken.
  template <std::predicate F>
  bool run_until(F&& done, Duration within = std::chrono::minutes(2)) {
    const TimePoint deadline = time_.now() + within;
    const std::uint64_t turns = time_.turns();
    while (!done()) {
      if (broken() || !time_.step(deadline)) return done();
      if (time_.turns() - turns > kTurnsMost) {
        spins();
        return false;
      }
    }
    return true;
  }
  void run_for(Duration duration);
  /// Runs this many turns of either loop; false: the world came to rest before.
  bool run_turns(std::uint64_t count);
  /// Until both scripts are played; false: they are not after this time.
  bool run_scripts(Duration within = std::chrono::minutes(2));
  bool played() const;  ///< both applications have closed or failed

  Party& party(Side side) { return side == Side::client ? client : server; }
  SimHost& host(Side side) { return side == Side::client ? left_ : right_; }
  void plan(Place place, Side side, const TapPlan& plan);  ///< changes what the taps of a place do, and tells them
  std::vector<Tap*> taps(Place place, Side side);
  void stop_listening() { listener_ = {}; }
  const std::optional<Error>& listen_error() const { return listen_error_; }
  bool failure_told() const { return client.error() || server.error() || listen_error_; }
  bool broken() const { return scene.verdict().has_value(); }
  std::size_t memory() { return left_.loop().pool().live_bytes() + right_.loop().pool().live_bytes(); }
  std::size_t memory(Side side) { return host(side).loop().pool().live_bytes(); }
  std::string state() const { return client.state() + "; " + server.state(); }
  VirtualWorld& time() { return time_; }
  SimNetwork& network() { return network_; }
  SimLink& link() { return *link_; }
  const Address& server_address() const { return server_address_; }

  /// Drops what is left and says what was wrong, first to the trial. Further calls do nothing.
  void judge();

 private:
  static constexpr std::uint64_t kTurnsMost = 200'000;
  void spins();
  void end_of_everything();

  Trial& trial_;
  Weather weather_;
  VirtualWorld time_;
  SimNetwork network_;
  SimHost& left_;
  SimHost& right_;
  SimLink* link_ = nullptr;

 public:
  Scene scene;
  Party client, server;

 private:
  Listener listener_;
  std::vector<Connection> extra_;  // further peers of the listener
  std::optional<Error> listen_error_;
  Address server_address_;
  bool judged_ = false;
};

/// Messages or writes that fit the face: a handful, small and large, empty ones among them.
std::vector<std::uint32_t> some_sizes(const Facts& facts, SeededRandom& random, unsigned count = 6);
/// The largest message of a few that every face carries whole.
std::uint32_t size_most(const Facts& facts);

}  // namespace trellis::conformance
