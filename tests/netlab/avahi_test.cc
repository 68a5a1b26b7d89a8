// Avahi as the neighbour that answers: its names and its services are found on the link and connected to.
#include "path_races.h"

#include <filesystem>

namespace trellis::netlab {
namespace {

using testing::HasSubstr;

constexpr char kDaemon[] = "/usr/sbin/avahi-daemon";

class Avahi : public PathRaces {
 protected:
  void SetUp() override {
    PathRaces::SetUp();
    if (!std::filesystem::exists(kDaemon)) GTEST_SKIP() << "avahi-daemon is not installed: run sdk/setup interop";
  }
  void TearDown() override {
    daemon.reset();
    PathRaces::TearDown();
  }
  /// In the server, with settings and services of its own, which it wants in places that are fixed.
  void start() {
    begin({kNear},
          policy(R"(<paths provider="interfaces"/>)", kOneAfterTheOther, R"(<names><resolver name="dns"/></names>)"));
    names.reset();
    const std::string settings = files.write(
        "avahi.conf", "[server]\nhost-name=office\nallow-interfaces=net0\nallow-point-to-point=yes\nenable-dbus=no\n");
    const auto service = [](const std::string& name, const std::string& type, std::uint16_t port) {
      return std::format(R"(<?xml version="1.0"?><!DOCTYPE service-group SYSTEM "avahi-service.dtd"><service-group>)"
                         R"(<name>{}</name><service><type>{}</type><port>{}</port></service></service-group>)",
                         name, type, port);
    };
    // A group file holds one service each; the second one is where nobody listens.
    std::filesystem::create_directory(files.path() + "/services");
    files.write("services/printer.service", service("Büro printer", "_ipp._tcp", kPort));
    files.write("services/dead.service", service("Hall", "_lab._tcp", kPort + 1));
    files.write("services/good.service", service("Office", "_lab._tcp", kPort));
    const std::string script = "mount --bind \"$1\" /etc/avahi/services && mount -t tmpfs none /run && exec " +
                               std::string(kDaemon) + " --no-drop-root --no-chroot --no-rlimits -f \"$2\"";
    daemon = std::make_unique<test::Process>(
        lab->server.command({"unshare", "-m", "sh", "-c", script, "sh", files.path() + "/services", settings}),
        test::kClosed);
    for (const char* file : {"printer", "dead", "good"})
      ASSERT_TRUE(daemon->wait_error(std::string(file) + ".service) successfully established")) << daemon->error();
  }
  /// Whether it is connected to the server, over either family.
  bool there() const {
    const auto is_at = [&](Family family) {
      return parse_address(lab->path(0).address(End::second, family), kPort) == connection.remote();
    };
    return is_at(Family::ipv4) || is_at(Family::ipv6);
  }

  std::unique_ptr<test::Process> daemon;
};

// A name of the link: its address comes from who has it (RFC 6762).
TEST_F(Avahi, ANameOfTheLink) {
  start();
  const Inside inside(lab->client);
  connect("office.local");
  finish();
  EXPECT_TRUE(there()) << to_text(connection.remote());
  connect("nobody.local");
  ASSERT_TRUE(until([this] { return over(); }));
  ASSERT_FALSE(*how);
  EXPECT_THAT(how->error().detail, HasSubstr("nobody on the link has answered"));
}

// A service by its name, with letters that no host name has, and by its type alone: of two instances one is dead
// (RFC 6763). RACE-2, RACE-26, RACE-32
TEST_F(Avahi, ServicesOfTheLink) {
  start();
  const Inside inside(lab->client);
  connect({.host = "local", .service = "ipp", .instance = "Büro printer"});
  finish();
  EXPECT_TRUE(there()) << to_text(connection.remote());
  connect({.host = "local", .service = "lab", .instance = "*"});
  finish();
  EXPECT_TRUE(there()) << to_text(connection.remote());
  const auto hosts = std::ranges::count_if(
      report.nodes, [](const RaceNode& node) { return node.remote.host == "office.local" && !node.remote.address; });
  EXPECT_EQ(hosts, 2) << "each instance is a branch of its own";
  connect({.host = "local", .service = "none", .instance = "*"});
  ASSERT_TRUE(until([this] { return over(); }));
  ASSERT_FALSE(*how);
  EXPECT_THAT(how->error().detail, HasSubstr("nobody offers *._none._tcp.local"));
}

}  // namespace
}  // namespace trellis::netlab
