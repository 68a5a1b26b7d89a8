// samples/echo-server and samples/get together, over every shipped policy and by stack.
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/process.h"
#include "support/raw_socket.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

std::string policy(const std::string& name) { return std::string(TRELLIS_SOURCE_DIR) + "/policies/" + name + ".xml"; }

// The address in the line "listening policy=NAME stack=… address=…".
std::string address_of(Process& server, const std::string& name) {
  const std::string begin = "listening policy=" + name + " ";
  if (!server.wait_output(begin) || !server.wait_output("\n")) return {};
  const std::string text = server.output();
  const std::size_t at = text.find("address=", text.find(begin)) + 8;
  return text.substr(at, text.find('\n', at) - at);
}

struct Fetched {
  int code;
  std::string output, error;
};

Fetched get(std::vector<std::string> words) {
  words.insert(words.begin(), program("get"));
  Process process(words, kClosed);
  const int code = process.wait();
  return {code, process.output(), process.error()};
}

TEST(Samples, EveryPolicyCarriesBytesThereAndBack) {
  Process server({program("echo-server"), "--policy", policy("default"), "--policy", policy("datagram"), "--policy",
                  policy("messages"), "--address", "127.0.0.1"},
                 kClosed);
  const std::pair<const char*, const char*> profiles[] = {
      {"default", "tcp"}, {"datagram", "udp"}, {"messages", "length-prefix/tcp"}};
  for (const auto& [name, stack] : profiles) {
    const std::string address = address_of(server, name);
    ASSERT_NE(address, "") << server.error();
    const Fetched fetched = get({"--policy", policy(name), "--bytes", "300001", address});
    EXPECT_EQ(fetched.code, 0) << fetched.error;
    EXPECT_THAT(fetched.output, HasSubstr("300001 bytes came back unchanged in "));
    EXPECT_THAT(fetched.error, HasSubstr("stack: " + std::string(stack) + " to " + address));
    EXPECT_THAT(fetched.error, HasSubstr("plugins loaded:"));
  }
}

TEST(Samples, AStackMayBeNamed) {
  Process server({program("echo-server"), "--stack", "length-prefix/tcp", "--address", "[::1]"}, kClosed);
  const std::string address = address_of(server, "default");
  ASSERT_NE(address, "") << server.error();
  EXPECT_THAT(address, HasSubstr("[::1]:"));
  const Fetched fetched = get({"--stack", "length-prefix/tcp", address});
  EXPECT_EQ(fetched.code, 0) << fetched.error;
  EXPECT_THAT(fetched.output, HasSubstr("1048576 bytes came back unchanged"));
}

TEST(Samples, TheServerReadsItsPoliciesAgain) {
  const TemporaryDirectory directory;
  const auto write = [&](int most) {
    return directory.write("p.xml",
                           "<policy xmlns='urn:trellis:policy:1' name='p'><stacks><stack name='m'>"
                           "<layer framer='length-prefix'><option name='max-bytes' value='" +
                               std::to_string(most) + "'/></layer><layer protocol='tcp'/></stack></stacks></policy>");
  };
  const std::string file = write(2000000);
  Process server({program("echo-server"), "--policy", file, "--address", "127.0.0.1"}, kClosed);
  const std::string address = address_of(server, "p");
  ASSERT_NE(address, "") << server.error();
  EXPECT_EQ(get({"--policy", file, "--bytes", "1000000", address}).code, 0);
  directory.write("p.xml", "<policy");
  server.signal(SIGHUP);
  ASSERT_TRUE(server.wait_error("; the policies loaded before stay in force\n")) << server.error();
  EXPECT_THAT(server.error(), HasSubstr("echo-server: " + file + ":1: "));
  write(1);
  server.signal(SIGHUP);
  ASSERT_TRUE(server.wait_error("policies loaded anew\n")) << server.error();
  EXPECT_NE(get({"--policy", policy("messages"), "--bytes", "1000000", address}).code, 0)
      << "the server takes one byte in a message now";
}

TEST(Samples, GetNoticesWrongBytes) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process({program("get"), "--bytes", "3", listener.address()}, kClosed);
  const RawSocket peer = listener.accept();
  EXPECT_EQ(peer.read(3), std::string("\0\1\2", 3));
  ASSERT_TRUE(peer.write(std::string("\0\1\3", 3)));
  EXPECT_EQ(process.wait(), 2);
  EXPECT_THAT(process.error(), HasSubstr("differs"));
}

TEST(Samples, GetNoticesMissingBytes) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process({program("get"), "--bytes", "3", listener.address()}, kClosed);
  const RawSocket peer = listener.accept();
  ASSERT_TRUE(peer.write(std::string("\0\1", 2)));
  EXPECT_EQ(peer.read(3).size(), 3u);
  peer.finish();
  EXPECT_EQ(process.wait(), 2);
  EXPECT_THAT(process.error(), HasSubstr("only 2 bytes came back"));
}

TEST(Samples, GetSaysWhyItCannotConnect) {
  std::string address;
  {
    address = RawSocket::tcp_listener().address();
  }
  const Fetched fetched = get({address});
  EXPECT_EQ(fetched.code, 2);
  EXPECT_THAT(fetched.error, HasSubstr("Connection refused"));
}

TEST(Samples, WrongCommandLinesAreExplained) {
  EXPECT_EQ(get({}).code, 1);
  EXPECT_EQ(get({"--bytes"}).code, 1);
  EXPECT_EQ(get({"a:1", "b:2"}).code, 1);
  Process server({program("echo-server"), "--nosuch", "x"}, kClosed);
  EXPECT_EQ(server.wait(), 1);
  EXPECT_THAT(server.error(), HasSubstr("usage:"));
}

// What is no endpoint is refused before anything is tried, not read as another one.
TEST(Samples, EndpointsThatAreNoneAreRefused) {
  for (const char* wrong : {"127.0.0.1:65537", "127.0.0.1", "127.0.0.1:http", "https://user@example.net/"}) {
    const Fetched fetched = get({"--stack", "tcp", wrong});
    EXPECT_EQ(fetched.code, 1) << wrong;
    EXPECT_THAT(fetched.error, HasSubstr("expected")) << wrong;
  }
  Process server({program("echo-server"), "--stack", "tcp", "--port", "70000"}, kClosed);
  EXPECT_EQ(server.wait(), 1);
  EXPECT_THAT(server.error(), HasSubstr("port 70000 is out of range: expected 0 to 65535"));
}

}  // namespace
}  // namespace trellis::test
