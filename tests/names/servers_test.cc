// The plugin `dns` and whole connections with name servers of other people: knot answers for a zone, unbound resolves,
// validates nothing and translates (DNS64). On the loopback, on ports of their own.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <format>

#include "core/option_values.h"
#include "dns_resolver.h"
#include "support/process.h"
#include "trellis/address_text.h"
#include "trellis/loop.h"

namespace trellis::tests {
namespace {

using test::Process;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using testing::UnorderedElementsAre;

/// A port that is free over UDP and TCP.
int free_port() {
  for (;;) {
    const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    socklen_t size = sizeof at;
    bool free = bind(tcp, reinterpret_cast<sockaddr*>(&at), size) == 0 &&
                getsockname(tcp, reinterpret_cast<sockaddr*>(&at), &size) == 0;
    free = free && bind(udp, reinterpret_cast<sockaddr*>(&at), size) == 0;
    close(tcp);
    close(udp);
    if (free) return ntohs(at.sin_port);
  }
}

constexpr const char* kZone = R"($ORIGIN example.
$TTL 300
@ SOA ns admin 1 3600 600 86400 30
@ NS ns
ns A 127.0.0.1
@ HTTPS 0 web
web HTTPS 1 . alpn=h3,h2 port=8443 ipv4hint=127.0.0.1
web A 127.0.0.1
web AAAA ::1
alias CNAME web
_chat._tcp SRV 1 10 5222 web
_chat._tcp SRV 2 10 5223 ns
only4 A 192.0.2.33
)";

struct Heard final : AnswerSink {
  void answer(Answer answer) noexcept override { answers.push_back(std::move(answer)); }
  void done(Answer::Kind kind, Result<void> how) noexcept override { errors[kind] = how ? "" : how.error().detail; }
  std::vector<std::string> addresses(Answer::Kind kind) const {
    std::vector<std::string> list;
    for (const Answer& a : answers) {
      for (const Endpoint& e : a.endpoints) {
        if (a.kind == kind) list.push_back(to_text(e.address));
      }
    }
    return list;
  }
  std::vector<Answer> answers;
  std::map<Answer::Kind, std::string> errors;
};

class ForeignServers : public testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("PATH");
    ::setenv("PATH", (std::string(path != nullptr ? path : "") + ":/usr/sbin").c_str(), 1);
    if (!test::installed("knotd")) GTEST_SKIP() << "knot is not installed: run sdk/setup interop";
    std::string zone = kZone;
    for (int i = 0; i < 200; ++i) zone += std::format("many A 10.0.{}.{}\n", i / 100, i % 100 + 1);
    folder.write("example.zone", zone);
    folder.write("arpa.zone",
                 "$ORIGIN ipv4only.arpa.\n@ 60 SOA ns admin 1 3600 600 86400 30\n@ 60 NS ns\nns 60 A 127.0.0.1\n"
                 "@ 60 A 192.0.0.170\n@ 60 A 192.0.0.171\n");
    knot_port = free_port();
    const std::string configuration = folder.write(
        "knot.conf",
        std::format("server:\n  rundir: \"{0}\"\n  listen: 127.0.0.1@{1}\n  udp-workers: 1\n  tcp-workers: 1\n"
                    "  background-workers: 1\ndatabase:\n  storage: \"{0}\"\n"
                    "log:\n  - target: stderr\n    any: info\n"
                    "template:\n  - id: default\n    storage: \"{0}\"\n    journal-content: none\n"
                    "zone:\n  - domain: example\n    file: example.zone\n"
                    "  - domain: ipv4only.arpa\n    file: arpa.zone\n",
                    folder.path(), knot_port));
    knot = std::make_unique<Process>(std::vector<std::string>{"knotd", "-c", configuration});
    ASSERT_TRUE(knot->wait_error("server started")) << knot->error();
  }
  void TearDown() override {
    resolver.forget(*loop);
    if (unbound) unbound->signal(SIGTERM);
    if (knot) knot->signal(SIGTERM);
  }
  void use(int port) {
    options = OptionValues::check("resolver dns", resolver.options(),
                                  std::vector<OptionText>{{"servers", std::format("127.0.0.1:{}", port)}})
                  .value();
  }
  Heard resolve(const std::string& host, const std::string& service = {}, std::uint16_t port = 443) {
    Heard heard;
    const auto lookup = resolver.resolve(*loop, options, {host, service, port, nullptr}, heard).value();
    const auto end = std::chrono::steady_clock::now() + test::kDeadline;
    while (heard.errors.size() < (service.empty() ? 2u : 3u) && std::chrono::steady_clock::now() < end)
      loop->run_once(true);
    return heard;
  }
  test::TemporaryDirectory folder;
  int knot_port = 0;
  std::unique_ptr<Process> knot, unbound;
  std::unique_ptr<Loop> loop = make_loop();
  dns::DnsResolver resolver;
  OptionValues options;
};

TEST_F(ForeignServers, KnotAnswersForAZone) {
  use(knot_port);
  const Heard web = resolve("web.example");
  EXPECT_THAT(web.addresses(Answer::Kind::ipv4), ElementsAre("127.0.0.1:443"));
  EXPECT_THAT(web.addresses(Answer::Kind::ipv6), ElementsAre("[::1]:443"));
  EXPECT_THAT(resolve("alias.example").addresses(Answer::Kind::ipv4), ElementsAre("127.0.0.1:443"));
  EXPECT_EQ(resolve("missing.example").errors[Answer::Kind::ipv4], "the name does not exist");
  const Heard many = resolve("many.example");
  EXPECT_THAT(many.addresses(Answer::Kind::ipv4), SizeIs(64)) << "over TCP, because UDP is truncated";
  EXPECT_EQ(many.answers[0].source, std::format("127.0.0.1:{}", knot_port));
}

TEST_F(ForeignServers, KnotTellsServices) {
  use(knot_port);
  const Heard heard = resolve("example", "https");
  std::vector<Answer> services;
  for (const Answer& a : heard.answers) {
    if (a.kind == Answer::Kind::service) services.push_back(a);
  }
  ASSERT_FALSE(services.empty());
  EXPECT_THAT(services[0].alpn, ElementsAre("h3", "h2", ""));
  EXPECT_EQ(services[0].port, 8443);
  EXPECT_EQ(services[0].target, "web.example");
  EXPECT_THAT(heard.addresses(Answer::Kind::service),
              UnorderedElementsAre("127.0.0.1:8443", "127.0.0.1:8443", "[::1]:8443"));
  const Heard chat = resolve("example", "chat", 0);
  EXPECT_THAT(chat.addresses(Answer::Kind::service),
              UnorderedElementsAre("127.0.0.1:5222", "[::1]:5222", "127.0.0.1:5223"));
}

TEST_F(ForeignServers, UnboundResolves) {
  if (!test::installed("unbound")) GTEST_SKIP() << "unbound is not installed: run sdk/setup interop";
  const int port = free_port();
  const std::string configuration = folder.write(
      "unbound.conf",
      std::format(
          "server:\n  directory: \"{0}\"\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"{0}/unbound.pid\"\n"
          "  interface: 127.0.0.1@{1}\n  do-daemonize: no\n  use-syslog: no\n  logfile: \"\"\n  verbosity: 1\n"
          "  do-not-query-localhost: no\n  module-config: \"dns64 iterator\"\n  dns64-prefix: 2001:db8:64::/96\n"
          "  local-zone: \"example.\" nodefault\n  local-zone: \"arpa.\" nodefault\n"
          "stub-zone:\n  name: \"example\"\n  stub-addr: 127.0.0.1@{2}\n  stub-prime: no\n"
          "stub-zone:\n  name: \"ipv4only.arpa\"\n  stub-addr: 127.0.0.1@{2}\n  stub-prime: no\n",
          folder.path(), port, knot_port));
  unbound = std::make_unique<Process>(std::vector<std::string>{"unbound", "-d", "-c", configuration});
  ASSERT_TRUE(unbound->wait_error("start of service")) << unbound->error();
  use(port);
  const Heard old = resolve("only4.example");
  EXPECT_THAT(old.addresses(Answer::Kind::ipv4), ElementsAre("192.0.2.33:443"));
  EXPECT_THAT(old.addresses(Answer::Kind::ipv6), ElementsAre("[2001:db8:64::c000:221]:443")) << "DNS64";
  const Heard known = resolve("ipv4only.arpa");
  EXPECT_THAT(known.addresses(Answer::Kind::ipv6),
              UnorderedElementsAre("[2001:db8:64::c000:aa]:443", "[2001:db8:64::c000:ab]:443"));
  EXPECT_EQ(resolve("missing.example").errors[Answer::Kind::ipv6], "the name does not exist");
}

}  // namespace
}  // namespace trellis::tests
