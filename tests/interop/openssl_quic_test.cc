// OpenSSL's QUIC server as a peer of our client: openssl_quic/server.cc, which echoes each stream.
#include <filesystem>

#include "interop/tls_peers.h"
#include "stacks/world.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A Connection with what comes on it.
struct EchoedStream {
  Connection connection;
  std::optional<Result<void>> ready;
  std::unique_ptr<tests::Reader> reader;
  auto on_ready() {
    return [this](Result<void> how) { ready = std::move(how); };
  }
  void send(std::string_view content) {
    reader = std::make_unique<tests::Reader>(connection);
    connection.send(Message{.data = tests::slice(connection, content), .final = true});
  }
  bool over() const { return reader && (reader->ended || reader->error); }
};

class OpenSslQuicServer : public TlsPeers {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(program("openssl-quic-server")))
      GTEST_SKIP() << "openssl-quic-server was not built: OpenSSL 3.5 has QUIC servers";
    server = std::make_unique<Process>(
        std::vector<std::string>{program("openssl-quic-server"), server_pem, server_key, "echo"}, kClosed);
    ASSERT_TRUE(server->wait_output("\n")) << server->error();
    const std::string line = server->output();
    port = static_cast<std::uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
  }
  void TearDown() override { first = {}; }
  void begin(const std::string& alpn, const std::string& options = {}) {
    first.ready.reset();
    first.connection = world
                           .preconnection("quic(alpn=" + alpn + ",server-name=peer.example,close-code=7,trust='" + ca +
                                          "'" + options + ")/udp")
                           .remote({.host = "127.0.0.1", .port = port})
                           .initiate(*world.loop, first.on_ready());
  }
  void connect(const std::string& options = {}) {
    begin("echo", options);
    ASSERT_TRUE(world.run_until([&] { return first.ready.has_value(); })) << server->output();
    ASSERT_TRUE(*first.ready) << first.ready->error().detail << server->output();
  }
  /// Until the server says so. Our side runs meanwhile: what makes it say that may have to leave us first.
  void expect_server_says(const std::string& text) {
    EXPECT_TRUE(world.run_until([&] { return server->output().contains(text); })) << server->output();
  }
  void expect(EchoedStream& stream, const std::string& content) {
    EXPECT_TRUE(world.run_until([&] { return stream.over(); })) << stream.reader->all.size() << server->output();
    EXPECT_FALSE(stream.reader->error) << stream.reader->error->detail;
    EXPECT_TRUE(stream.reader->all == content) << stream.reader->all.size() << " instead of " << content.size();
  }
  void close() {
    bool closed = false;
    first.connection.close_group([&](const Result<void>& how) {
      closed = true;
      EXPECT_TRUE(how) << how.error().detail;
    });
    EXPECT_TRUE(world.run_until([&] { return closed; }));
    expect_server_says("closed by the peer, application's code 7");
  }
  static std::string content_of(std::size_t bytes, unsigned seed) {
    std::string content(bytes, 0);
    for (std::size_t i = 0; i < bytes; ++i) content[i] = static_cast<char>((i * 2654435761u + seed) >> 13);
    return content;
  }

  tests::World world;
  std::unique_ptr<Process> server;
  std::uint16_t port = 0;
  EchoedStream first;
};

// QUIC-77, QUIC-86: its server sends a Retry first. A page, and the goodbye with the application's code.
TEST_F(OpenSslQuicServer, TransfersAndCloses) {
  connect();
  if (HasFatalFailure()) return;
  expect_server_says("handshake: echo, TLS_AES_128_GCM_SHA256");
  const std::string page = content_of(1 << 20, 0);
  first.send(page);
  expect(first, page);
  expect_server_says("stream 0: 1048576 bytes");
  close();
}

// QUIC-26, QUIC-27
TEST_F(OpenSslQuicServer, SeveralStreams) {
  connect();
  if (HasFatalFailure()) return;
  constexpr std::size_t kBytes = 100'000;
  std::vector<std::unique_ptr<EchoedStream>> more;
  for (unsigned i = 1; i <= 10; ++i) {
    EchoedStream& stream = *more.emplace_back(std::make_unique<EchoedStream>());
    stream.connection = first.connection.clone(stream.on_ready());
    stream.send(content_of(kBytes, i));
  }
  first.send("the first one");
  for (unsigned i = 1; i <= 10; ++i) expect(*more[i - 1], content_of(kBytes, i));
  expect(first, "the first one");
  close();
}

TEST_F(OpenSslQuicServer, CipherSuites) {
  for (const char* suite : {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    connect(std::string(",ciphers=") + suite);
    if (HasFatalFailure()) return;
    expect_server_says(std::string("handshake: echo, ") + suite);
    first.send("hello");
    expect(first, "hello");
    close();
  }
}

// QUIC-63: no_application_protocol. OpenSSL 3.5.9 means to send it, but nothing leaves after its acknowledgement of the
// ClientHello, so that its own word is what there is.
TEST_F(OpenSslQuicServer, RefusesOtherApplicationProtocols) {
  begin("other");
  EXPECT_TRUE(world.run_until([&] { return first.ready || server->output().contains("closed by"); }));
  EXPECT_THAT(server->output(), HasSubstr("closed by us, transport's code 376"));
  EXPECT_FALSE(first.ready && *first.ready);
  EXPECT_THAT(server->output(), Not(HasSubstr("handshake")));
}

}  // namespace
}  // namespace trellis::test
