// The life of a TLS connection behind its handshake, and the ways in which it does not come to be.
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "security/secure_pair.h"
#include "support/process.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

class TlsConnection : public SecureEnds {
 protected:
  /// A server that speaks no TLS: it does what `then` says to each peer.
  void plain_server(std::function<void(Connection&)> then) {
    plain = world.preconnection("tcp")
                .local({.host = "127.0.0.1"})
                .listen(*world.loop, {.listening = {},
                                      .received =
                                          [this, then](Connection c) {
                                            world.accepted.push_back(std::make_unique<Connection>(std::move(c)));
                                            then(*world.accepted.back());
                                          },
                                      .failed = {}});
    ASSERT_TRUE(world.run_until([&] { return plain.local().port != 0; }));
  }
  Error dial_plain(const std::string& options = {}) {
    client = world.preconnection(stack(options))
                 .security(client_security)
                 .remote({.host = host, .port = plain.local().port, .address = plain.local()})
                 .initiate(*world.loop, [this](Result<void> how) { client_ready = std::move(how); });
    EXPECT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
    return failure();
  }
  Listener plain;
};

TEST_F(TlsConnection, AServerThatSaysNothing) {
  plain_server([](Connection&) {});
  const Error error = dial_plain("handshake-timeout-ms=100");
  EXPECT_EQ(error.reason, Reason::timed_out);
  EXPECT_EQ(error.code, number(Code::handshake_timeout));
  EXPECT_EQ(error.detail, "the handshake with peer.example was not complete after 100 ms");
}

TEST_F(TlsConnection, AServerThatSpeaksSomethingElse) {
  plain_server([](Connection& c) { c.send(tests::slice(c, "220 mail.example ESMTP ready\r\n")); });
  const Error error = dial_plain();
  EXPECT_EQ(error.reason, Reason::protocol_violation) << error.detail;
  EXPECT_THAT(error.detail, HasSubstr("peer.example"));
}

TEST_F(TlsConnection, AServerThatLeaves) {
  plain_server([](Connection& c) { c.close({}); });
  const Error error = dial_plain();
  EXPECT_EQ(error.reason, Reason::reset) << error.detail;
}

TEST_F(TlsConnection, AServerThatSendsAnAlert) {
  plain_server([](Connection& c) { c.send(tests::slice(c, std::string("\x15\x03\x03\x00\x02\x02\x46", 7))); });
  const Error error = dial_plain();
  EXPECT_EQ(error.reason, Reason::unsupported) << error.detail;
  EXPECT_EQ(error.code, alert(70)) << error.detail;
  EXPECT_THAT(error.detail, HasSubstr("protocol_version"));
}

// A stream that ends without close_notify may have lost its end: that is told, after what has arrived.
// API-96, API-197, API-291
TEST_F(TlsConnection, Truncation) {
  meet();
  tests::Reader reader(client);
  server.send(tests::slice(server, "the beginning"));
  ASSERT_TRUE(world.run_until([&] { return reader.all == "the beginning"; }));
  server.abort();
  ASSERT_TRUE(world.run_until([&] { return reader.error.has_value(); }));
  EXPECT_EQ(reader.error->reason, Reason::reset) << reader.error->detail;
  EXPECT_FALSE(reader.ended);
}

TEST_F(TlsConnection, HalfClose) {
  meet();
  tests::Reader at_server(server);
  client.send(tests::slice(client, "a question"));
  client.finish();
  ASSERT_TRUE(world.run_until([&] { return at_server.ended; }));
  tests::Reader at_client(client);
  server.send(tests::slice(server, "an answer"));
  ASSERT_TRUE(world.run_until([&] { return at_client.all == "an answer"; }));
  server.finish();
  ASSERT_TRUE(world.run_until([&] { return at_client.ended; }));
}

TEST_F(TlsConnection, KeysChangeInTheMiddle) {
  meet();
  tests::Reader at_client(client), at_server(server);
  std::string sent;
  for (int i = 0; i < 20; ++i) {
    const std::string part = "part " + std::to_string(i) + ", ";
    sent += part;
    client.send(tests::slice(client, part));
    server.send(tests::slice(server, part));
    Connection& updating = i % 2 == 0 ? client : server;
    const auto done = updating.set("tls.keyUpdate", i % 3 == 0);
    ASSERT_TRUE(done) << done.error().detail;
    world.spin(3);
  }
  EXPECT_TRUE(
      world.run_until([&] { return at_client.all.size() >= sent.size() && at_server.all.size() >= sent.size(); }));
  EXPECT_EQ(at_client.all, sent);
  EXPECT_EQ(at_server.all, sent);
  EXPECT_FALSE(client.set("tls.keyUpdate", std::string("yes")));
}

TEST_F(TlsConnection, MegabytesBothWays) {
  meet("records-per-key=5", "records-per-key=7");
  const std::string pattern = [] {
    std::string text;
    for (int i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i) + " ";
    return text;
  }();
  tests::Reader at_client(client), at_server(server);
  client.send(tests::slice(client, pattern));
  server.send(tests::slice(server, pattern));
  client.close({});
  EXPECT_TRUE(world.run_until([&] { return at_server.ended; }));
  EXPECT_TRUE(at_server.all == pattern);
}

TEST_F(TlsConnection, KeyLogOnlyWhereTheOptionSaysSo) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/keys";
  ::setenv("SSLKEYLOGFILE", path.c_str(), 1);
  meet();
  expect_conversation();
  EXPECT_FALSE(std::ifstream(path).is_open()) << "secrets were written although nobody allowed it";
  meet("key-log=true");
  expect_conversation();
  ::unsetenv("SSLKEYLOGFILE");
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_THAT(text, HasSubstr("CLIENT_TRAFFIC_SECRET_0 "));
  EXPECT_THAT(text, HasSubstr("SERVER_HANDSHAKE_TRAFFIC_SECRET "));
}

// There is no early data: what an application gives early is sent when the handshake is complete, once.
TEST_F(TlsConnection, EarlyDataWaitsForTheHandshake) {
  listen();
  for (int i = 0; i < 2; ++i) {  // the second resumes
    Slice hello = world.loop->pool().allocate(0, 5, 0);
    std::memcpy(hello.edit().data(), "early", 5);
    Message early{.data = std::move(hello)};
    early.properties.replayable = true;
    client_ready.reset();
    std::optional<bool> accepted;
    client = world.preconnection(stack({}))
                 .security(client_security)
                 .remote({.host = host, .port = listener->local().port, .address = listener->local()})
                 .initiate(*world.loop, [this](Result<void> how) { client_ready = std::move(how); }, std::move(early));
    client.on_notice([&](Notice notice, const Error&) {
      if (notice == Notice::early_accepted || notice == Notice::early_refused) accepted = true;
    });
    ASSERT_TRUE(world.run_until([&] { return client_ready && !world.accepted.empty(); }));
    ASSERT_TRUE(*client_ready) << failure().detail;
    server = std::move(*world.accepted.back());
    world.accepted.pop_back();
    tests::Reader at_server(server);
    EXPECT_TRUE(world.run_until([&] { return at_server.all.size() >= 5; }));
    EXPECT_EQ(at_server.all, "early");
    EXPECT_FALSE(accepted) << "nothing was early";
    EXPECT_EQ(property(client, "tls.resumed"), i == 0 ? "false" : "true");
    server.cancel_receive();
    server.send(tests::slice(server, "x"));
    tests::Reader at_client(client);
    EXPECT_TRUE(world.run_until([&] { return at_client.all == "x"; }));
    client.cancel_receive();
  }
}

// ---- options

class TlsOptions : public SecureEnds {
 protected:
  std::string refusal(const std::string& options) {
    client_ready.reset();
    client = world.preconnection(stack(options))
                 .remote({.host = host, .port = 1, .address = Address{.family = Address::Family::ipv4, .port = 1}})
                 .initiate(*world.loop, [this](Result<void> how) { client_ready = std::move(how); });
    world.run_until([&] { return client_ready.has_value(); });
    EXPECT_EQ(failure().reason, Reason::configuration) << options;
    return failure().detail;
  }
};

TEST_F(TlsOptions, BadFilesAreErrorsThatNameThem) {
  const TemporaryDirectory directory;
  const std::string empty = directory.write("empty", ""), text = directory.write("text", "hello\n");
  const std::string good = directory.write("good.pem", chain_pem(server_security->server_identities[0]));
  const std::string other = directory.write("other.key", key_pem(pki.issue()));
  EXPECT_THAT(refusal("trust=/nowhere"), HasSubstr("trust='/nowhere', which cannot be opened"));
  EXPECT_THAT(refusal("trust='" + empty + "'"), HasSubstr("which is empty"));
  EXPECT_THAT(refusal("trust='" + text + "'"), HasSubstr("expected PEM"));
  EXPECT_THAT(refusal("certificate='" + good + "'"), HasSubstr("expected option key as well"));
  EXPECT_THAT(refusal("certificate='" + good + "',key='" + other + "'"),
              HasSubstr("does not belong to the certificate"));
  EXPECT_THAT(refusal("groups='x25519 x448'"), HasSubstr("found key exchange group 'x448', expected one of x25519"));
  EXPECT_THAT(refusal("ticket-key='" + text + "'"), HasSubstr("which has 6 bytes, expected 32"));
}

// The library signs with RSA and ECDSA only.
TEST_F(TlsOptions, AnEd25519KeyIsRefusedAtOnce) {
  const TemporaryDirectory directory;
  const Identity identity = new_raw_key("Ed25519");
  const std::string half = directory.write("ed25519.pub", public_half_pem(identity));
  const std::string key = directory.write("ed25519.key", key_pem(identity));
  EXPECT_THAT(refusal("raw-public-keys=true,certificate='" + half + "',key='" + key + "'"),
              HasSubstr("an Ed25519 key, expected RSA or ECDSA"));
}

// ---- tls over other layers than tcp

class TlsOverTls : public SecureEnds {
 protected:
  TlsOverTls() : SecureEnds("tls/tls/tcp") {}
};

TEST_F(TlsOverTls, Conversation) {
  for (int i = 0; i < 2; ++i) {
    meet();
    expect_conversation();
    client.close({});
  }
}

}  // namespace
}  // namespace trellis::test
