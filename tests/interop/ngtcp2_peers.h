// ngtcp2_peers.h: the programs that come with ngtcp2, ours that they talk to, and a page that goes between them.
#pragma once
#include <chrono>
#include <format>
#include <fstream>
#include <iterator>
#include <thread>

#include "interop/nginx_server.h"
#include "interop/tls_peers.h"

namespace trellis::test {

class Ngtcp2Peers : public TlsPeers {
 protected:
  using Words = std::vector<std::string>;
  using Clock = std::chrono::steady_clock;

  void SetUp() override {
    find_servers();
    if (!installed("gtlsclient") || !installed("gtlsserver"))
      GTEST_SKIP() << "ngtcp2-client and ngtcp2-server are not installed: run sdk/setup interop";
    text = write_pages(directory);
  }
  /// The words of a command line that runs a program where the servers are, and where the clients are.
  virtual Words at_server(Words words) { return words; }
  virtual Words at_client(Words words) { return words; }

  /// samples/http3; its port.
  std::string serve(const Words& more = {}) {
    Words words{program("http3-server"), "--cert", server_pem, "--key", server_key, "--address", address, pages};
    words.insert(words.end(), more.begin(), more.end());
    server = std::make_unique<Process>(at_server(words), kClosed);
    EXPECT_TRUE(server->wait_output("\n")) << server->error();
    const std::string line = server->output();
    return line.substr(line.rfind(':') + 1, line.find('\n') - line.rfind(':') - 1);
  }
  /// Starts their client for a download from our server.
  std::unique_ptr<Process> start_download(const std::string& port, Words options) {
    std::remove(copy.c_str());
    options.insert(options.begin(), {"gtlsclient", "--no-quic-dump", "--no-http-dump", "--exit-on-all-streams-close",
                                     "--download=" + directory.path()});
    options.insert(options.end(), {address, port, "https://peer.example/page.txt"});
    return std::make_unique<Process>(at_client(options), kClosed);
  }
  /// What it says of the download, which it must get right.
  std::string finish_download(Process& client) {
    EXPECT_EQ(client.wait(), 0) << server->error();
    std::ifstream file(copy);
    const std::string got{std::istreambuf_iterator<char>(file), {}};
    EXPECT_TRUE(got == text) << got.size() << " bytes instead of " << text.size();
    return client.output() + client.error();
  }
  std::string download(const std::string& port, const Words& options) {
    return finish_download(*start_download(port, options));
  }

  /// Their server; its port. `at`: this one; empty: one that was free a moment ago.
  std::string serve_by_theirs(const Words& options, const std::string& at = {}) {
    const std::string port = at.empty() ? std::to_string(RawSocket::udp().port()) : at;
    Words words{"gtlsserver", "--no-quic-dump", "--no-http-dump", "--htdocs=" + pages};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {address, port, server_key, server_pem});
    server = std::make_unique<Process>(at_server(words), kClosed);
    EXPECT_TRUE(has_socket(server->pid(), port)) << server->error();
    return port;
  }
  /// Starts samples/get.
  std::unique_ptr<Process> start_get(const std::string& port, const std::string& options = {}) {
    const std::string stack = "quic(trust='" + ca + "'" + options + ")/udp";
    const std::string host = address.contains(':') ? "[" + address + "]" : address;  // IPv6
    const std::string url = "https://" + host + ":" + port + "/page.txt";
    const std::string patient = TRELLIS_SOURCE_DIR "/policies/bulk.xml";  // it waits a minute: packets get lost here
    return std::make_unique<Process>(at_client({program("get"), "--policy", patient, "--stack", stack, url}), kClosed);
  }
  /// The page must come to it.
  void finish_get(Process& client) {
    EXPECT_EQ(client.wait(), 0) << client.error() << server->error();
    const std::string got = client.output();
    EXPECT_TRUE(got == text) << got.size() << " bytes instead of " << text.size();
    EXPECT_THAT(client.error(), testing::HasSubstr("HTTP/3 200"));
  }
  void get(const std::string& port, const std::string& options = {}) { finish_get(*start_get(port, options)); }

  /// Whether there is one with this port where the process is, within the deadline: their server does not tell.
  static bool has_socket(pid_t process, const std::string& port) {
    const std::string wanted = std::format(":{:04X} ", std::stoi(port));
    for (const auto end = Clock::now() + kDeadline; Clock::now() < end;) {
      for (const char* table : {"udp", "udp6"}) {
        std::ifstream file(std::format("/proc/{}/net/{}", process, table));
        if (std::string(std::istreambuf_iterator<char>(file), {}).contains(wanted)) return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  std::string address = "127.0.0.1";  // of the servers
  std::string pages = directory.path() + "/pages", copy = directory.path() + "/page.txt", text;
  std::unique_ptr<Process> server;
};

}  // namespace trellis::test
