// names_world.h: the plugin `dns` on a simulated host, asking simulated servers.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/option_values.h"
#include "core/ways.h"
#include "dns_resolver.h"
#include "dns_server.h"
#include "loop/sim_network.h"
#include "trellis/address_text.h"

namespace trellis::tests {

using namespace std::chrono_literals;

/// What a lookup said, and when.
struct HeardNames final : AnswerSink {
  explicit HeardNames(VirtualWorld& of) : world(of) {}
  void answer(Answer answer) noexcept override {
    if (first == Duration::max()) first = world.elapsed();
    answers.push_back(std::move(answer));
    if (cancel) lookup.reset();
  }
  void done(Answer::Kind kind, Result<void> how) noexcept override {
    ++times[kind];
    when[kind] = world.elapsed();
    ended.insert_or_assign(kind, std::move(how));
  }
  /// Addresses of a kind, in order, without their port.
  std::vector<std::string> addresses(Answer::Kind kind) const {
    std::vector<std::string> list;
    for (const Answer& a : answers) {
      if (a.kind != kind) continue;
      for (const Endpoint& e : a.endpoints) {
        std::string text = to_text(e.address);
        list.push_back(text.substr(0, text.rfind(':')));
      }
    }
    return list;
  }
  std::string error(Answer::Kind kind) const {
    const auto found = ended.find(kind);
    return found == ended.end() ? "not ended" : found->second ? "" : found->second.error().detail;
  }

  VirtualWorld& world;
  std::vector<Answer> answers;
  std::map<Answer::Kind, Result<void>> ended;
  std::map<Answer::Kind, int> times;
  std::map<Answer::Kind, Duration> when;
  Duration first = Duration::max();
  std::unique_ptr<Resolver::Lookup> lookup;
  bool cancel = false;
};

/// A client with one path to one name server, 5 ms away.
class NamesWorld : public testing::Test {
 protected:
  static constexpr auto kIpv6 = Answer::Kind::ipv6;
  static constexpr auto kIpv4 = Answer::Kind::ipv4;
  static constexpr auto kService = Answer::Kind::service;

  NamesWorld() {
    path.id = 1;
    path.interface_name = "eth0";
    provide({at("192.0.2.53")});
  }
  ~NamesWorld() override { resolver.reset(); }
  static Address at(std::string_view literal, std::uint16_t port = 53) { return parse_address(literal, port).value(); }
  void provide(std::vector<Address> servers, std::vector<std::string> domains = {}) {
    path.provisioning = std::make_shared<const Provisioning>(
        Provisioning{.dns_servers = std::move(servers), .search_domains = std::move(domains), .proxies = {}});
  }
  void option(std::string name, std::string value) {
    std::erase_if(given, [&](const OptionText& o) { return o.name == name; });
    given.push_back({std::move(name), std::move(value)});
    options = OptionValues::check("resolver dns", resolver->options(), given).value();
  }
  std::unique_ptr<HeardNames> ask(std::string host, std::string service = {}, std::uint16_t port = 443,
                                  Families worth = {}, std::string instance = {}) {
    auto heard = std::make_unique<HeardNames>(world);
    const Query query{std::move(host), std::move(service), port, &path, std::move(instance), worth.ipv6, worth.ipv4};
    auto lookup = resolver->resolve(client.loop(), options, query, *heard);
    EXPECT_TRUE(lookup) << (lookup ? "" : lookup.error().detail);
    EXPECT_TRUE(heard->answers.empty() && heard->ended.empty()) << "nothing is answered inside the call";
    if (lookup) heard->lookup = std::move(*lookup);
    return heard;
  }
  std::unique_ptr<HeardNames> resolve(std::string host, std::string service = {}, std::uint16_t port = 443,
                                      Families worth = {}) {
    const std::size_t kinds = service.empty() ? 2 : 3;
    auto heard = ask(std::move(host), std::move(service), port, worth);
    EXPECT_TRUE(world.run_until([&] { return heard->ended.size() == kinds; }, 60s));
    return heard;
  }

  VirtualWorld world{1};
  SimNetwork network{world};
  SimHost& client = network.add_host("client");
  SimHost& far = network.add_host("server");
  SimLink& link = network.link(client.add_interface("eth0", {"192.0.2.1", "2001:db8::1"}),
                               far.add_interface("eth0", {"192.0.2.53", "192.0.2.54", "2001:db8::53"}), {.delay = 5ms});
  std::unique_ptr<dns::DnsResolver> resolver = std::make_unique<dns::DnsResolver>();
  DnsServer server{far.loop(), at("192.0.2.53")};
  std::vector<OptionText> given;
  OptionValues options = OptionValues::check("resolver dns", resolver->options(), {}).value();
  Path path;
};

}  // namespace trellis::tests
