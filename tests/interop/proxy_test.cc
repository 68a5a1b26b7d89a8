// Real proxies: microsocks by SOCKS 5 and tinyproxy by CONNECT, with and without passwords, refusing, and away.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <format>
#include <fstream>
#include <iterator>
#include <memory>
#include <thread>

#include "interop/tls_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using testing::Not;

bool somebody_listens(const std::string& port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool there = connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(descriptor);
  return there;
}

class RealProxies : public TlsPeers {
 protected:
  /// `words` go into its command line: "-u", "-P".
  std::unique_ptr<Process> microsocks(std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"microsocks", "-i", "127.0.0.1", "-p", socks_port});
    auto proxy = std::make_unique<Process>(words, kClosed);
    const auto until = std::chrono::steady_clock::now() + kDeadline;  // it does not say when it is ready
    while (!somebody_listens(socks_port) && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return proxy;
  }
  /// `lines` go into its configuration: "BasicAuth ann secret".
  std::unique_ptr<Process> tinyproxy(const std::string& lines = {}) {
    const std::string configuration =
        std::format("Port {}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nLogLevel Info\nPidFile \"{}/pid\"\n{}\n",
                    http_port, directory.path(), lines);
    auto proxy = std::make_unique<Process>(
        std::vector<std::string>{"tinyproxy", "-d", "-c", directory.write("tinyproxy.conf", configuration)}, kClosed);
    EXPECT_TRUE(proxy->wait_output("Accepting connections")) << proxy->output() << proxy->error();
    return proxy;
  }
  Outcome by(const std::string& stack, const std::string& target) {
    return run({"connect", "-v", "--state", "none", "--stack", stack, target}, "hello\n");
  }
  // These proxies end both directions when one ends, so ours ends when all is there.
  Outcome talk(std::vector<std::string> words, std::string_view text) {
    words.insert(words.begin(), {"connect", "-v", "--state", "none"});
    Process process(trellis(std::move(words)));
    process.write(text);
    process.wait_output(text.substr(text.size() - std::min<std::size_t>(text.size(), 32)));
    process.close_input();
    const int code = process.wait();
    return {code, process.output(), process.error()};
  }
  std::string socks5(const std::string& options = {}) const {
    return "socks5(host=127.0.0.1,port=" + socks_port + options + ")/tcp";
  }
  std::string http_connect(const std::string& options = {}) const {
    return "http-connect(host=127.0.0.1,port=" + http_port + options + ")/tcp";
  }
  std::string user(const std::string& password) const {
    return ",user=ann,password-file='" + directory.write("password", password + "\n") + "'";
  }
  // Bytes in both directions, more than any buffer on the way has room for.
  void expect_carried(const std::string& stack, const std::string& target) {
    std::string text;
    for (int i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i) + ' ';
    const Outcome outcome = talk({"--stack", stack, target}, text);
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_TRUE(outcome.output == text);
    EXPECT_THAT(outcome.error, HasSubstr("stack=" + stack.substr(0, stack.find('('))));
  }

  Listen echo{{"--echo", "--stack", "tcp"}};
  const std::string target = echo.address(), target_port = port_of(target);
  const std::string socks_port = free_port(), http_port = free_port();
};

class Microsocks : public RealProxies {
 protected:
  void SetUp() override {
    if (!installed("microsocks")) GTEST_SKIP() << "microsocks is not installed: run sdk/setup interop";
  }
};
class Tinyproxy : public RealProxies {
 protected:
  void SetUp() override {
    if (!installed("tinyproxy")) GTEST_SKIP() << "tinyproxy is not installed: run sdk/setup interop";
  }
};

// RACE-5, RACE-25
TEST_F(Microsocks, CarriesToAddressesAndNames) {
  const auto proxy = microsocks();
  expect_carried(socks5(), target);
  expect_carried(socks5(), "localhost:" + target_port);
}

TEST_F(Microsocks, LetsInWhoHasThePassword) {
  const auto proxy = microsocks({"-u", "ann", "-P", "secret"});
  expect_carried(socks5(user("secret")), target);
  const Outcome wrong = by(socks5(user("secrets")), target);
  EXPECT_EQ(wrong.code, 4) << wrong.error;
  EXPECT_THAT(wrong.error, HasSubstr("refuses the password of user 'ann'"));
  EXPECT_THAT(wrong.error, Not(HasSubstr("secrets")));
  const Outcome none = by(socks5(), target);
  EXPECT_EQ(none.code, 4) << none.error;
  EXPECT_THAT(none.error, HasSubstr("options user and password-file give it"));
}

TEST_F(Microsocks, SaysThatTheTargetRefuses) {
  const auto proxy = microsocks();
  const Outcome outcome = by(socks5(), "127.0.0.1:" + free_port());
  EXPECT_EQ(outcome.code, 2) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("the connection was refused"));
}

// The proxy is in the middle and is not the peer: TLS above it authenticates the target.
TEST_F(Microsocks, CarriesTlsToItsTarget) {
  const auto proxy = microsocks();
  auto server = listen();
  const std::vector<std::string> words{"connect",         "-v",       "--state", "none", "--stack",
                                       "tls/" + socks5(), "--cafile", ca};
  const auto dial = [&](const std::string& name) {
    auto all = words;
    all.insert(all.end(), {"--servername", name, "127.0.0.1:" + port_of(server->address())});
    return trellis(std::move(all));
  };
  Process right(dial("peer.example"));
  right.write("hello\n");
  EXPECT_TRUE(right.wait_output("hello\n")) << right.error();
  EXPECT_THAT(right.error(), HasSubstr("stack=tls/socks5/tcp"));
  Process wrong(dial("proxy.example"));
  wrong.close_input();
  EXPECT_EQ(wrong.wait(), 4) << wrong.error();
}

// RACE-5, RACE-25
TEST_F(Tinyproxy, CarriesToAddressesAndNames) {
  const auto proxy = tinyproxy();
  expect_carried(http_connect(), target);
  expect_carried(http_connect(), "localhost:" + target_port);
}

TEST_F(Tinyproxy, LetsInWhoHasThePassword) {
  const auto proxy = tinyproxy("BasicAuth ann secret");
  expect_carried(http_connect(user("secret")), target);
  const Outcome wrong = by(http_connect(user("secrets")), target);
  EXPECT_EQ(wrong.code, 4) << wrong.error;
  EXPECT_THAT(wrong.error, Not(HasSubstr("secrets")));
  const Outcome none = by(http_connect(), target);
  EXPECT_EQ(none.code, 4) << none.error;
  EXPECT_THAT(none.error, HasSubstr("options user and password-file give it"));
}

TEST_F(Tinyproxy, RefusesByItsRules) {
  const auto proxy = tinyproxy("ConnectPort 443");
  const Outcome outcome = by(http_connect(), target);
  EXPECT_EQ(outcome.code, 2) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("HTTP/1.1 403"));
}

TEST_F(Tinyproxy, SaysThatTheTargetRefuses) {
  const auto proxy = tinyproxy();
  const Outcome outcome = by(http_connect(), "127.0.0.1:" + free_port());
  EXPECT_EQ(outcome.code, 2) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("HTTP/1.1 500"));
}

// RACE-37, RACE-38, RACE-63: the shipped policy goes by the first proxy that carries it, else directly.
TEST_F(RealProxies, TheShippedPolicyTakesOneAfterTheOther) {
  if (!installed("microsocks") || !installed("tinyproxy"))
    GTEST_SKIP() << "microsocks and tinyproxy are not both installed: run sdk/setup interop";
  std::ifstream in(TRELLIS_SOURCE_DIR "/policies/proxy.xml");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  for (const auto& [usual, ours] : {std::pair("\"1080\"", socks_port), std::pair("\"8080\"", http_port)}) {
    const std::size_t at = text.find(usual);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, 6, '"' + ours + '"');
  }
  const std::string policy = directory.write("proxy.xml", text);
  const auto expect_stack = [&](const std::string& stack) {
    const Outcome outcome = talk({"--policy", policy, target}, "hello\n");
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_EQ(outcome.output, "hello\n");
    EXPECT_EQ(value_of(outcome.error, "stack"), stack) << outcome.error;
  };
  auto by_socks = microsocks();
  auto by_http = tinyproxy();
  expect_stack("socks5/tcp");
  by_socks = microsocks({"-u", "ann", "-P", "secret"});  // it wants what the policy does not give
  expect_stack("http-connect/tcp");
  by_socks.reset();
  expect_stack("http-connect/tcp");
  by_http.reset();
  by_http = tinyproxy("ConnectPort 443");
  expect_stack("tcp");
  by_http.reset();
  expect_stack("tcp");
}

}  // namespace
}  // namespace trellis::test
