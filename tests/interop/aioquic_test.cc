// aioquic, a QUIC of Python, as a peer of quic/udp: what works is said by aioquic_peer.py.
#include "interop/tls_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

class Aioquic : public TlsPeers {
 protected:
  void SetUp() override {
    Process probe({kPython, "-c", "import aioquic"}, kClosed);
    if (probe.wait() != 0) GTEST_SKIP() << "python3-aioquic is not installed: run sdk/setup interop";
  }
  static std::vector<std::string> peer(std::vector<std::string> words) {
    words.insert(words.begin(), {kPython, TRELLIS_SOURCE_DIR "/tests/interop/aioquic_peer.py"});
    return words;
  }
  /// Its port.
  std::string serve(const std::vector<std::string>& options = {}) {
    std::vector<std::string> words{"server", "--certificate", server_pem, "--key", server_key};
    words.insert(words.end(), options.begin(), options.end());
    server = std::make_unique<Process>(peer(words), kClosed);
    EXPECT_TRUE(server->wait_output("\n")) << server->error();
    const std::string line = server->output();
    return line.substr(line.find('=') + 1, line.find('\n') - line.find('=') - 1);
  }
  Outcome connect_quic(const std::string& port, const std::string& input) {
    return run({"connect", "-v", "--wait", "5", "--stack", "quic(alpn=test)/udp", "--cafile", ca, "--servername",
                "peer.example", "127.0.0.1:" + port},
               input);
  }
  /// What it says of our server.
  std::string client_at(const std::string& retry, const std::vector<std::string>& options) {
    Listen ours(
        {"--echo", "--stack", "quic(alpn=test,retry=" + retry + ")/udp", "--cert", server_pem, "--key", server_key});
    std::vector<std::string> words{"client", "--ca", ca, "--port", port_of(ours.address())};
    words.insert(words.end(), options.begin(), options.end());
    Process client(peer(words), kClosed);
    EXPECT_EQ(client.wait(), 0) << client.error() << ours.error();
    return client.output();
  }
  static constexpr const char* kPython = "/usr/bin/python3";
  std::unique_ptr<Process> server;
};

// A handshake, a million bytes, fifty streams at once, an update of the keys, another id, another address, and a second
// connection with early data. QUIC-27
TEST_F(Aioquic, AtOurServer) {
  const std::string at_first = "echo True\nstreams True\nkey update True\nnew id True\nrebinding True\n";
  EXPECT_EQ(client_at("never", {"--resume"}), at_first + "early echo True\nresumed True early True\n");
  // It does not say again what it said early, before it was sent away once: so it comes only once.
  EXPECT_EQ(client_at("always", {}), at_first);
}

TEST_F(Aioquic, AtOurClient) {
  for (const bool retry : {false, true}) {
    const std::string port = serve(retry ? std::vector<std::string>{"--retry"} : std::vector<std::string>{});
    const std::string text(200'000, 'x');
    const Outcome once = connect_quic(port, text);
    EXPECT_EQ(once.code, 0) << once.error << server->error();
    EXPECT_TRUE(once.output == text);
    EXPECT_THAT(server->output(), HasSubstr("resumed=False"));
  }
}

}  // namespace
}  // namespace trellis::test
