// dtls/udp and sctp/dtls/udp over the real loopback of this host, on a real loop.
#include "security/secure_pair.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

struct Datagrams : SecureEnds {
  Datagrams() : SecureEnds("dtls/udp") {}
};

// IMPL-4, API-241: what is agreed where nobody has said anything.
TEST_F(Datagrams, BothWaysAndWhatWasAgreed) {
  meet();
  expect_conversation();
  EXPECT_EQ(property(client, "dtls.version"), "1.2");
  EXPECT_EQ(property(client, "dtls.cipherSuite"), "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
  EXPECT_THAT(property(client, "dtls.peer"), HasSubstr("peer.example"));
}

TEST_F(Datagrams, TheOtherSuitesAndKeys) {
  for (const char* suite : {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    for (const char* key : {"P-384", "RSA-2048"}) {
      SCOPED_TRACE(std::string(suite) + " " + key);
      server_security = new_security();
      server_security->server_identities = {pki.issue({.key = key})};
      listener.reset();
      meet(std::string("ciphers=") + suite);
      expect_conversation();
    }
  }
}

TEST_F(Datagrams, ApplicationProtocols) {
  meet("alpn='coap webrtc'", "alpn='webrtc coap'");
  EXPECT_EQ(property(client, "dtls.alpn"), "webrtc");
  EXPECT_EQ(property(server, "dtls.alpn"), "webrtc");
}

TEST_F(Datagrams, NoApplicationProtocolInCommon) {
  wait_for_server = false;
  meet("alpn=coap", "alpn=webrtc");
  EXPECT_EQ(failure().reason, Reason::unsupported) << failure().detail;
  EXPECT_EQ(failure().code, alert(120));
}

// API-230: the identity of a client.
TEST_F(Datagrams, ClientCertificates) {
  server_security->trusted.push_back(pki.anchor());
  client_security->client_identities = {pki.issue({.name = "the client", .dns = {"client.example"}, .client = true})};
  meet({}, "client-certificate=require");
  expect_conversation();
  EXPECT_THAT(property(server, "dtls.peer"), HasSubstr("the client"));
}

TEST_F(Datagrams, AClientWithoutTheCertificateThatIsRequired) {
  server_security->trusted.push_back(pki.anchor());
  wait_for_server = false;
  meet({}, "client-certificate=require");
  EXPECT_EQ(failure().code, alert(40)) << failure().detail;
  EXPECT_TRUE(world.accepted.empty());
}

// A floor that the application asks for is never undercut: DTLS 1.3 is not there.
TEST_F(Datagrams, AFloorAbove12IsRefused) {
  client_security->version_floor = 0x0304;
  meet();
  EXPECT_EQ(failure().reason, Reason::unsupported);
  EXPECT_EQ(failure().layer, std::string("dtls"));
  EXPECT_THAT(failure().detail, HasSubstr("the newest of datagrams is DTLS 1.2"));
}

// API-150, API-151, API-187: what the path takes in one piece, less what sealing adds; one byte more fails alone.
TEST_F(Datagrams, TheLargestMessage) {
  meet();
  const auto most = client.get(kSendMsgMaxLen.name);
  ASSERT_TRUE(most);
  ASSERT_EQ(std::get<std::uint64_t>(*most), 16384u);
  tests::Reader at_server(server);
  std::optional<Error> why;
  client.send(Message{.data = tests::slice(client, std::string(16385, 'x'))}, [&](Fate fate, const Error* error) {
    if (fate == Fate::failed) why = *error;
  });
  client.send(tests::slice(client, std::string(16384, 'y')));
  ASSERT_TRUE(world.run_until([&] { return why && at_server.messages.size() == 1; }));
  EXPECT_EQ(why->reason, Reason::too_large);
  EXPECT_EQ(why->detail, "found a message of 16385 bytes, expected 16384 at most");
  EXPECT_EQ(at_server.messages[0], std::string(16384, 'y'));
  server.cancel_receive();
}

TEST_F(Datagrams, TheEndIsTold) {
  meet();
  tests::Reader at_server(server);
  client.close([](Result<void>) {});
  EXPECT_TRUE(world.run_until([&] { return at_server.ended || at_server.error; }));
  EXPECT_FALSE(at_server.error) << at_server.error->detail;
}

TEST_F(Datagrams, AnAbortIsTold) {
  meet();
  tests::Reader at_server(server);
  client.abort();
  ASSERT_TRUE(world.run_until([&] { return at_server.ended || at_server.error; }));
  ASSERT_TRUE(at_server.error);
  EXPECT_EQ(at_server.error->code, alert(90)) << at_server.error->detail;
}

struct SecureMessages : SecureEnds {
  SecureMessages() : SecureEnds("sctp/dtls/udp") { plain_stack = "sctp/dtls/udp"; }
  /// The options are of the layer in the middle.
  void meet_over(const std::string& client_options, const std::string& server_options) {
    const auto with = [](const std::string& options) {
      return options.empty() ? "sctp/dtls/udp" : "sctp/dtls(" + options + ")/udp";
    };
    plain_stack = with(server_options);
    listen();
    plain_stack = with(client_options);
    meet();
  }
};

// IMPL-4, IMPL-156 (RFC 8261): messages of any size, kept apart, over DTLS.
TEST_F(SecureMessages, MessagesBothWaysAndAGoodEnd) {
  meet();
  ASSERT_TRUE(*client_ready) << client_ready->error().detail;
  tests::Reader at_server(server), at_client(client);
  client.send(tests::slice(client, std::string(300'000, 'l')));
  client.send(tests::slice(client, "small"));
  server.send(tests::slice(server, "answer"));
  ASSERT_TRUE(world.run_until([&] { return at_server.messages.size() == 2 && at_client.messages.size() == 1; }));
  EXPECT_EQ(at_server.messages[0].size(), 300'000u);
  EXPECT_EQ(at_client.messages[0], "answer");
  EXPECT_THAT(property(client, "dtls.peer"), HasSubstr("peer.example"));
  std::optional<Result<void>> closed;
  client.close([&](Result<void> how) { closed = std::move(how); });
  ASSERT_TRUE(world.run_until([&] { return closed && at_server.ended; }));
  EXPECT_TRUE(*closed) << closed->error().detail;
}

TEST_F(SecureMessages, SeveralPeersAndStreams) {
  listen();
  std::vector<Connection> clients;
  int ready = 0;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(world.preconnection(plain_stack)
                          .security(client_security)
                          .remote({.host = host, .port = listener->local().port, .address = listener->local()})
                          .initiate(*world.loop, [&](Result<void> how) { ready += how.has_value(); }));
  }
  ASSERT_TRUE(world.run_until([&] { return ready == 8 && world.accepted.size() == 8; })) << ready;
  std::vector<std::unique_ptr<tests::Reader>> readers;
  for (auto& one : world.accepted) readers.push_back(std::make_unique<tests::Reader>(*one));
  for (int i = 0; i < 8; ++i) clients[static_cast<std::size_t>(i)].send(tests::slice(clients[0], std::to_string(i)));
  ASSERT_TRUE(world.run_until(
      [&] { return std::ranges::all_of(readers, [](const auto& r) { return r->messages.size() == 1; }); }));
  std::set<std::string> all;
  for (const auto& r : readers) all.insert(r->messages[0]);
  EXPECT_EQ(all.size(), 8u);
  readers.clear();
}

TEST_F(SecureMessages, AnotherName) {
  server_security = new_security();
  server_security->server_identities = {pki.issue({.dns = {"other.example"}})};
  wait_for_server = false;
  meet();
  EXPECT_EQ(failure().reason, Reason::authentication);
  EXPECT_EQ(failure().code, number(Code::wrong_name));
  EXPECT_TRUE(world.accepted.empty());
}

TEST_F(SecureMessages, AClientThatMustShowACertificate) {
  server_security->trusted.push_back(pki.anchor());
  client_security->client_identities = {pki.issue({.client = true})};
  meet_over({}, "client-certificate=require");
  ASSERT_TRUE(*client_ready) << client_ready->error().detail;
  tests::Reader at_server(server);
  client.send(tests::slice(client, "it is me"));
  EXPECT_TRUE(world.run_until([&] { return at_server.messages.size() == 1; }));
  server.cancel_receive();
}

}  // namespace
}  // namespace trellis::test
