#include "simulation/simulated_world.h"

#include <algorithm>

#include "loop/sim_address.h"

namespace trellis::simulation {

namespace {

bool has(const SeededRandom& random, const Range& chance) {
  return random.fork("has").chance(chance.draw_share(random.fork("chance")));
}

}  // namespace

SimulatedWorld::SimulatedWorld(const WorldFile& file, std::uint64_t seed)
    : file_(file),
      time_(seed),
      network_(time_),
      client_(network_.add_host("client")),
      router_(network_.add_host("router", {.forwards = true})),
      server_(network_.add_host("server")) {
  for (std::size_t i = 0; i < file.paths.size(); ++i) add_path(file.paths[i], i);
  for (const WorldHost& host : file.hosts) {
    for (const WorldAddress& address : host.addresses) add_address(address, addresses_.size());
  }
  for (std::size_t i = 0; i < file.paths.size() && file.name_servers; ++i) add_name_servers(i);
}

// Each thing draws from a stream of its own, so that a knob turned at one place changes nothing elsewhere.
SeededRandom SimulatedWorld::random(std::string_view what, std::size_t index) const {
  return time_.random(what).fork(std::string_view(reinterpret_cast<const char*>(&index), 1));
}

void SimulatedWorld::add_path(const WorldPath& path, std::size_t index) {
  const SeededRandom draw = random("path", index);
  SimInterface& near = client_.add_interface(path.interface_name);
  if (path.ipv6) near.add_address(client_address(index, Address::Family::ipv6));
  if (path.ipv4) near.add_address(client_address(index, Address::Family::ipv4));
  LinkConditions conditions;
  conditions.delay = path.delay.draw_ms(draw.fork("delay"));
  conditions.jitter = path.jitter.draw_ms(draw.fork("jitter"));
  conditions.loss = path.loss.draw_share(draw.fork("loss"));
  conditions.rate = std::uint64_t{path.rate_kbps} * 1000;
  conditions.mtu = path.mtu;
  ways_.push_back({&near, &network_.link(near, router_.add_interface(path.interface_name), conditions), {}});
}

// They are at the other end of the path's link.
void SimulatedWorld::add_name_servers(std::size_t path) {
  SimInterface& far = router_.interface(file_.paths[path].interface_name);
  for (const Address& server : name_servers(file_.paths[path].interface_name)) {
    far.add_address(server);
    name_servers_.push_back(std::make_unique<WorldNameServer>(
        router_.loop(), server, [this, path](const std::string& host) { return told(path, host); }));
  }
}

std::vector<Address> SimulatedWorld::name_servers(std::string_view interface_name) const {
  std::vector<Address> servers;
  for (std::size_t i = 0; i < file_.paths.size() && file_.name_servers; ++i) {
    const WorldPath& path = file_.paths[i];
    if (path.interface_name != interface_name) continue;
    if (path.ipv6) servers.push_back(name_server_address(i, Address::Family::ipv6));
    if (path.ipv4) servers.push_back(name_server_address(i, Address::Family::ipv4));
  }
  return servers;
}

void SimulatedWorld::add_address(const WorldAddress& address, std::size_t index) {
  const std::string name = "a" + std::to_string(index);
  SimInterface& far = server_.add_interface(name);
  far.add_address(address.ip);
  LinkConditions conditions;
  conditions.delay = address.delay.draw_ms(random("address", index).fork("delay"));
  conditions.mtu = 65'535;
  addresses_.push_back({&far, &network_.link(router_.add_interface(name), far, conditions), {}});
}

void SimulatedWorld::begin() {
  for (std::size_t i = 0; i < ways_.size(); ++i) {
    const SeededRandom draw = random("path", i);
    begin_blocks(ways_[i], file_.paths[i].blocks, draw);
    begin_outages(file_.paths[i], ways_[i], draw);
    begin_changes(file_.paths[i], ways_[i], draw);
  }
  std::size_t index = 0;
  for (const WorldHost& host : file_.hosts) {
    for (const WorldAddress& address : host.addresses) {
      begin_blocks(addresses_[index], address.blocks, random("address", index));
      ++index;
    }
  }
}

void SimulatedWorld::begin_blocks(Way& way, const std::vector<WorldBlock>& blocks, const SeededRandom& random) {
  way.filters.reserve(blocks.size());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const WorldBlock& block = blocks[i];
    const SeededRandom draw = random.fork("block " + std::to_string(i));
    if (!has(draw, block.chance)) continue;
    const Duration from = block.from.draw_ms(draw.fork("from"));
    const std::size_t place = way.filters.size();
    way.filters.push_back({block.packets, from == Duration{}});
    const auto turn = [&way, place](bool on) {
      return [&way, place, on] {
        way.filters[place].on = on;
        way.apply();
      };
    };
    if (from > Duration{}) time_.after(from, turn(true));
    if (block.until) time_.after(block.until->draw_ms(draw.fork("until")), turn(false));
  }
  if (!way.filters.empty()) way.apply();
}

// The interface and not the link: its address is away too, so that nothing comes in for it by another path.
void SimulatedWorld::set_down(Way& way, bool down) { way.near->set_up(!down); }

void SimulatedWorld::begin_outages(const WorldPath& path, Way& way, const SeededRandom& random) {
  for (std::size_t i = 0; i < path.outages.size(); ++i) {
    const WorldOutage& outage = path.outages[i];
    const SeededRandom draw = random.fork("down " + std::to_string(i));
    if (!has(draw, outage.chance)) continue;
    const Duration from = outage.from.draw_ms(draw.fork("from"));
    if (from == Duration{}) {
      set_down(way, true);
    } else {
      time_.after(from, [this, &way] { set_down(way, true); });
    }
    if (outage.until) time_.after(outage.until->draw_ms(draw.fork("until")), [this, &way] { set_down(way, false); });
  }
}

void SimulatedWorld::begin_changes(const WorldPath& path, Way& way, const SeededRandom& random) {
  for (std::size_t i = 0; i < path.changes.size(); ++i) {
    const SeededRandom draw = random.fork("change " + std::to_string(i));
    time_.after(path.changes[i].at.draw_ms(draw.fork("at")), [&change = path.changes[i], &way, draw] {
      for (SimLinkDirection* direction : {&way.link->forth(), &way.link->back()}) {
        LinkConditions& conditions = direction->conditions;
        if (change.delay) conditions.delay = change.delay->draw_ms(draw.fork("delay"));
        if (change.jitter) conditions.jitter = change.jitter->draw_ms(draw.fork("jitter"));
        if (change.loss) conditions.loss = change.loss->draw_share(draw.fork("loss"));
        if (change.rate_kbps) conditions.rate = std::uint64_t{*change.rate_kbps} * 1000;
      }
    });
  }
}

SimRecords SimulatedWorld::records(const WorldHost& host, Address::Family family, Duration lookup,
                                   const SeededRandom& random) const {
  const WorldRecords& said = family == Address::Family::ipv6 ? host.ipv6 : host.ipv4;
  SimRecords records;
  if (has(random, said.chance)) records.outcome = said.outcome;
  records.after = lookup + said.after.draw_ms(random.fork("after"));
  if (records.outcome != SimRecords::Outcome::answer) return records;
  for (const WorldAddress& address : host.addresses) {
    if (address.ip.family == family) records.addresses.push_back(address.ip);
  }
  return records;
}

SimAnswers SimulatedWorld::answers(const Query& query) {
  const SimRecords nothing{.outcome = SimRecords::Outcome::ignore};
  const auto usable = [&](const Way& way) {
    const std::size_t index = static_cast<std::size_t>(&way - ways_.data());
    const std::string& wanted = query.path->interface_name;
    return way.near->up() && (wanted.empty() || wanted == file_.paths[index].interface_name);
  };
  const auto way = std::ranges::find_if(ways_, usable);
  if (way == ways_.end()) return {nothing, nothing};
  const auto index = static_cast<std::size_t>(way - ways_.begin());
  if (auto said = told(index, query.host)) return std::move(*said);
  const Duration lookup = file_.paths[index].lookup.draw_ms(random("lookup", index).fork(query.host));
  return {{.after = lookup}, {.after = lookup}};
}

std::optional<SimAnswers> SimulatedWorld::told(std::size_t path, const std::string& name) const {
  const SeededRandom draw = random("lookup", path).fork(name);
  const Duration lookup = file_.paths[path].lookup.draw_ms(draw);
  const auto host = std::ranges::find(file_.hosts, name, &WorldHost::name);
  if (host == file_.hosts.end()) return std::nullopt;
  return SimAnswers{records(*host, Address::Family::ipv6, lookup, draw.fork("ipv6")),
                    records(*host, Address::Family::ipv4, lookup, draw.fork("ipv4"))};
}

}  // namespace trellis::simulation
