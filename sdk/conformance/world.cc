#include "conformance/world.h"

#include <algorithm>
#include <format>

namespace trellis::conformance {
namespace {

constexpr std::uint32_t kDatagramMost = 1100;  // fits the smallest path below a few headers
constexpr std::uint32_t kMessageMost = 20'000;
constexpr std::uint32_t kWriteMost = 40'000;

}  // namespace

std::uint32_t size_most(const Facts& facts) {
  switch (facts.stack.face) {
    case Face::datagram: return kDatagramMost;
    case Face::message: return kMessageMost;
    default: return kWriteMost;
  }
}

std::vector<std::uint32_t> some_sizes(const Facts& facts, SeededRandom& random, unsigned count) {
  std::vector<std::uint32_t> sizes;
  for (unsigned i = 0; i < count; ++i) {
    const std::uint32_t most = size_most(facts) >> (2 * random.below(5));
    sizes.push_back(static_cast<std::uint32_t>(random.below(std::uint64_t{most} + 1)));
  }
  if (facts.stack.face == Face::datagram || facts.stack.face == Face::message) sizes[random.below(count)] = 0;
  return sizes;
}

World::World(Trial& trial, const Weather& weather)
    : trial_(trial),
      weather_(weather),
      time_(mix(trial.seed() + 0x7e11)),
      network_(time_),
      left_(network_.add_host("client", weather.host)),
      right_(network_.add_host("server", weather.host)),
      scene(time_, network_.faults(), trial.verbose()),
      client(Side::client, scene, trial.facts(), trial.seed()),
      server(Side::server, scene, trial.facts(), trial.seed()) {
  link_ = &network_.link(left_.add_interface("eth0", {"10.0.0.1", "2001:db8::1"}),
                         right_.add_interface("eth0", {"10.0.0.2", "2001:db8::2"}), weather.link);
  server_address_ = ip(trial.seed() % 3 == 0 ? "2001:db8::2" : "10.0.0.2", kPort);
  client.peer = &server;
  server.peer = &client;
  trial.lab().holder().scene = &scene;
  trial.lab().framework().core().state.clear();  // tickets of the world before would make this one another
  trial.lab().framework().core().history.clear();
  if (trial.verbose()) {
    time_.observe([this](const TraceEvent& event) {
      if (event.what != "turn") scene.say("network", to_string(event, VirtualWorld::kStart));
    });
  }
}

World::~World() {
  judge();
  trial_.lab().holder().scene = nullptr;
}

Preconnection World::preconnection(Side side) {
  const bool raw = side == Side::client ? weather_.raw_client : weather_.raw_server;
  Preconnection made(trial_.lab().framework());
  made.stack(raw ? trial_.lab().below() : trial_.lab().examined());
  made.set(kSafelyReplayable.name, true);  // what it does to messages is what is to be found out
  if (!trial_.facts().has(Feature::full_integrity_check)) made.set(kMsgChecksumLen.name, std::uint64_t{0});
  if (!raw) made.face(trial_.facts().stack.face);
  const auto& security =
      side == Side::client ? trial_.lab().subject().client_security : trial_.lab().subject().server_security;
  if (security) made.security(security);
  return made;
}

void World::listen() {
  ListenerEvents events;
  events.received = [this](Connection connection) {
    if (on_peer) return on_peer(std::move(connection));
    if (server.ready()) return extra_.push_back(std::move(connection));  // a second peer: held, not used
    server.on_ready({});
    server.play(std::move(connection));
  };
  events.failed = [this](const Error& error) {
    scene.say("server", "listener failed: " + error.detail);
    listen_error_ = error;
  };
  listener_ = preconnection(Side::server).local({.host = {}, .port = kPort}).listen(right_.loop(), std::move(events));
}

void World::connect() {
  Preconnection to = preconnection(Side::client);
  to.remote({.host = {}, .port = kPort, .address = server_address_});
  client.play(to.initiate(left_.loop(), [this](Result<void> how) { client.on_ready(std::move(how)); }));
}

void World::run_for(Duration duration) {
  run_until([] { return false; }, duration);
}

bool World::run_turns(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count && !broken(); ++i) {
    if (!time_.run_once()) return false;
  }
  return true;
}

bool World::played() const { return client.ended() && (server.ended() || !server.ready()); }

bool World::run_scripts(Duration within) {
  return run_until([this] { return played(); }, within);
}

void World::spins() {
  scene.broken("V1",
               std::format("the loops had {} turns within {} ms of virtual time and came to no rest: a layer wakes "
                           "itself or arms its deadline in the past without end ({})",
                           kTurnsMost, time_.elapsed() / std::chrono::milliseconds(1), state()));
}

std::vector<Tap*> World::taps(Place place, Side side) {
  std::vector<Tap*> found;
  std::ranges::copy_if(scene.taps, std::back_inserter(found),
                       [&](Tap* tap) { return tap->place() == place && tap->side() == side; });
  return found;
}

void World::plan(Place place, Side side, const TapPlan& plan) {
  scene.plan(place, side) = plan;
  for (Tap* tap : taps(place, side)) tap->resume();
}

void World::judge() {
  if (std::exchange(judged_, true)) return;
  client.drop();
  server.drop();
  extra_.clear();
  listener_ = {};
  if (!broken()) run_for(std::chrono::seconds(1));  // what was aborted says so to its peer
  scene.judge_end();
  end_of_everything();
  if (broken() && !trial_.failed()) trial_.fail(*scene.verdict());
}

// Destroys what the engine still holds; then nothing of the subject may be left.
void World::end_of_everything() {
  FrameworkCore& core = trial_.lab().framework().core();
  for (const Side side : {Side::client, Side::server}) {
    VirtualLoop& loop = host(side).loop();
    core.forget(loop);
    if (host(side).sockets() > 0) {
      scene.broken(
          "V2", std::format("{} sockets of the {} were left open at the end", host(side).sockets(), to_string(side)));
    }
    if (loop.alarms() > 0) {
      scene.broken("V2", std::format("{} alarms of the {} were left armed at the end", loop.alarms(), to_string(side)));
    }
    if (loop.pool().live_blocks() > 0 && scene.taps.empty()) {
      scene.broken("V2", std::format("{} blocks of {} bytes of the {}'s memory were left at the end",
                                     loop.pool().live_blocks(), loop.pool().live_bytes(), to_string(side)));
    }
  }
}

}  // namespace trellis::conformance
