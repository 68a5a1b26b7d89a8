#include <format>

#include "netlab.h"

namespace trellis::netlab {
namespace {

constexpr std::size_t kLinksMost = 200;
constexpr char kServer4[] = "10.77.255.1", kServer6[] = "2001:db8:77:ff::1";
constexpr std::size_t kFirstTable = 100;  // of the client's routing tables, one for each path

}  // namespace

Lab::Lab() {
  become_root();  // before the forwarder's thread
  forwarder_ = std::make_unique<Forwarder>();
}

std::string Lab::why_not() {
  try {
    Lab lab;
    lab.connect(lab.add_host("first"), lab.add_host("second"), {.up = false});
    return {};
  } catch (const LabError& error) {
    return std::string("no network lab here: ") + error.what();
  }
}

Host& Lab::add_host(std::string name) { return *hosts_.emplace_back(std::make_unique<Host>(std::move(name))); }

Link& Lab::connect(const Host& first, const Host& second, const LinkOptions& options) {
  if (links_.size() == kLinksMost) throw LabError(std::format("a lab has {} links at most", kLinksMost));
  const auto number = static_cast<unsigned>(links_.size());
  return *links_.emplace_back(std::make_unique<Link>(first, second, number, options, *forwarder_));
}

ClientServer::ClientServer(const std::vector<LinkOptions>& paths)
    : client(add_host("client")), server(add_host("server")) {
  server.ip(std::format("addr add {}/32 dev lo\naddr add {}/128 dev lo nodad", kServer4, kServer6));
  std::string rules4, rules6;  // packets from the address of a path go by that path
  for (const LinkOptions& options : paths) {
    Link& link = connect(client, server, options);
    const std::size_t table = kFirstTable + links().size() - 1;
    std::string routes;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      const std::string route =
          std::format("route replace default via {} dev {} ", link.address(End::second, family), link.interface());
      routes += std::format("{0}metric {1}\n{0}table {1}\n", route, table);
      (family == Family::ipv4 ? rules4 : rules6) +=
          std::format("rule add from {} table {}\n", link.address(End::first, family), table);
    }
    link.keep(End::first, routes);
  }
  client.ip(rules4, "-4");
  client.ip(rules6, "-6");
}

std::string ClientServer::address(Family family) { return family == Family::ipv4 ? kServer4 : kServer6; }

}  // namespace trellis::netlab
