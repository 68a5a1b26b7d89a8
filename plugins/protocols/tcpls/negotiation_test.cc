// The first handshake against peers that speak TLS by the library alone: what they see of TCPLS, what they do to it.
#include <botan/certstor.h>
#include <botan/credentials_manager.h>
#include <botan/data_src.h>
#include <botan/pkcs8.h>
#include <botan/system_rng.h>
#include <botan/tls.h>
#include <botan/tls_extensions.h>
#include <botan/tls_session_manager_noop.h>
#include <botan/x509cert.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "memory_session.h"

namespace trellis::tcpls {
namespace {

using Botan::TLS::Extension_Code;
using Botan::TLS::Handshake_Type;
using tls::AlertDescription;
using Value = std::vector<std::uint8_t>;

class AnyExtension final : public Botan::TLS::Extension {
 public:
  AnyExtension(std::uint16_t code, Value value) : code_(code), value_(std::move(value)) {}
  Extension_Code type() const override { return static_cast<Extension_Code>(code_); }
  Value serialize(Botan::TLS::Connection_Side) const override { return value_; }
  bool empty() const override { return false; }
  bool is_implemented() const override { return false; }

 private:
  std::uint16_t code_;
  Value value_;
};

struct OldOrNew final : Botan::TLS::Policy {
  explicit OldOrNew(bool is_old) : old(is_old) {}
  bool allow_tls12() const override { return old; }
  bool allow_tls13() const override { return !old; }
  bool require_cert_revocation_info() const override { return false; }
  bool old;
};

struct TestCertificate final : Botan::Credentials_Manager {
  std::vector<Botan::Certificate_Store*> trusted_certificate_authorities(const std::string&,
                                                                         const std::string&) override {
    return {&store};
  }
  std::vector<Botan::X509_Certificate> find_cert_chain(const std::vector<std::string>&,
                                                       const std::vector<Botan::AlgorithmIdentifier>&,
                                                       const std::vector<Botan::X509_DN>&, const std::string&,
                                                       const std::string&) override {
    return {Botan::X509_Certificate(TLS_TEST_PKI "/server.pem")};
  }
  std::shared_ptr<Botan::Private_Key> private_key_for(const Botan::X509_Certificate&, const std::string&,
                                                      const std::string&) override {
    Botan::DataSource_Stream in(TLS_TEST_PKI "/server.key");
    return Botan::PKCS8::load_key(in);
  }
  Botan::Certificate_Store_In_Memory store{Botan::X509_Certificate(TLS_TEST_PKI "/ca.pem")};
};

/// The library's own end: adds extensions to one of its messages, and notes those that come.
struct Plain final : Botan::TLS::Callbacks {
  using Seen = std::map<std::uint16_t, Value>;
  static std::shared_ptr<Plain> make(bool server, Seen adds = {}, bool old = false) {
    auto made = std::make_shared<Plain>();
    const std::shared_ptr<Plain> hears(std::shared_ptr<Plain>(), made.get());  // its channel does not own it
    made->added = std::move(adds);
    made->message = server ? Handshake_Type::EncryptedExtensions : Handshake_Type::ClientHello;
    const auto random = std::make_shared<Botan::System_RNG>();
    const auto policy = std::make_shared<OldOrNew>(old);
    const auto sessions = std::make_shared<Botan::TLS::Session_Manager_Noop>();
    const auto credentials = std::make_shared<TestCertificate>();
    if (server)
      made->channel = std::make_unique<Botan::TLS::Server>(hears, sessions, credentials, policy, random);
    else
      made->channel = std::make_unique<Botan::TLS::Client>(hears, sessions, credentials, policy, random,
                                                           Botan::TLS::Server_Information("peer.example", 443),
                                                           Botan::TLS::Protocol_Version::TLS_V13);
    return made;
  }
  void tls_emit_data(std::span<const std::uint8_t> data) override {
    const auto bytes = std::as_bytes(data);
    output.insert(output.end(), bytes.begin(), bytes.end());
  }
  void tls_record_received(std::uint64_t, std::span<const std::uint8_t>) override {}
  void tls_alert(Botan::TLS::Alert alert) override { heard = static_cast<int>(alert.type()); }
  void tls_modify_extensions(Botan::TLS::Extensions& list, Botan::TLS::Connection_Side, Handshake_Type type) override {
    if (type != message) return;
    for (const auto& [code, value] : added) list.add(new AnyExtension(code, value));
  }
  void tls_examine_extensions(const Botan::TLS::Extensions& list, Botan::TLS::Connection_Side,
                              Handshake_Type type) override {
    for (const Extension_Code code : list.extension_types()) {
      auto* const unknown = dynamic_cast<Botan::TLS::Unknown_Extension*>(list.get(code));
      if (unknown != nullptr) seen[type][static_cast<std::uint16_t>(code)] = unknown->value();
    }
  }
  std::vector<std::byte> take() { return std::exchange(output, {}); }
  void feed(std::span<const std::byte> bytes) {
    try {
      channel->received_data({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    } catch (const std::exception& e) {
      failure = e.what();
    }
  }

  Seen added;
  Handshake_Type message{};
  std::map<Handshake_Type, Seen> seen;
  int heard = -1;
  std::string failure;
  std::vector<std::byte> output;
  std::unique_ptr<Botan::TLS::Channel> channel;
};

template <class Ours, class Theirs>
void talk(Ours& ours, Theirs& theirs) {
  for (bool moved = true; moved;) {
    moved = false;
    if (const auto bytes = ours.take(); !bytes.empty()) theirs.feed(bytes), moved = true;
    if (const auto bytes = theirs.take(); !bytes.empty()) ours.feed(bytes), moved = true;
  }
}

struct Negotiation : testing::Test {
  /// Our client against a server that sends these extensions; the error of our client.
  std::uint64_t refusal(Plain::Seen extensions, const Shared& shared = MemorySession::shared()) {
    const auto server = Plain::make(true, std::move(extensions));
    Side client(shared, false);
    talk(client, *server);
    EXPECT_FALSE(client.is_ready);
    EXPECT_TRUE(client.failure);
    if (!client.failure) return 0;
    EXPECT_EQ(server->heard, static_cast<int>(client.failure->code)) << "the server heard why";
    return client.failure->code;
  }
};

// TCPLS-7, TCPLS-8, TCPLS-117: an empty extension with our number, and no other one.
TEST_F(Negotiation, WhatAClientOffers) {
  const auto server = Plain::make(true);
  Side client(MemorySession::shared(), false);
  talk(client, *server);
  EXPECT_TRUE(client.is_ready) << "as plain TLS";
  EXPECT_EQ(server->seen[Handshake_Type::ClientHello].at(0xFF64), Value{});
  EXPECT_FALSE(server->seen[Handshake_Type::ClientHello].contains(0xFF65));
}

// TCPLS-117, TCPLS-141, TCPLS-146: the numbers are a matter of configuration.
TEST_F(Negotiation, WhatAClientOffersToPrototypes) {
  const Shared prototypes = MemorySession::shared_with({{"code-points", std::string_view("prototypes")}});
  const auto server = Plain::make(true);
  Side client(prototypes, false);
  talk(client, *server);
  EXPECT_EQ(server->seen[Handshake_Type::ClientHello].at(100), Value{});
  EXPECT_FALSE(server->seen[Handshake_Type::ClientHello].contains(0xFF64));
}

// TCPLS-7: the answer is empty as well.
TEST_F(Negotiation, WhatAServerAnswers) {
  const auto client = Plain::make(false, {{0xFF64, {}}});
  Side server(MemorySession::shared(), true);
  talk(server, *client);
  EXPECT_TRUE(server.is_ready);
  EXPECT_EQ(client->seen[Handshake_Type::EncryptedExtensions].at(0xFF64), Value{});
}

// TCPLS-8, TCPLS-9: who did not ask has no answer.
TEST_F(Negotiation, AServerDoesNotAnswerWhoDoesNotAsk) {
  const auto client = Plain::make(false);
  Side server(MemorySession::shared(), true);
  talk(server, *client);
  EXPECT_TRUE(server.is_ready) << "as plain TLS";
  EXPECT_FALSE(client->seen[Handshake_Type::EncryptedExtensions].contains(0xFF64));
}

// TCPLS-9
TEST_F(Negotiation, AnAnswerWithoutAQuestion) {
  const Shared prototypes = MemorySession::shared_with({{"code-points", std::string_view("prototypes")}});
  EXPECT_EQ(refusal({{0xFF64, {}}}, prototypes), static_cast<std::uint64_t>(AlertDescription::unsupported_extension));
}

// TCPLS-10
TEST_F(Negotiation, AnAnswerWithSomethingInIt) {
  EXPECT_EQ(refusal({{0xFF64, {1}}}), static_cast<std::uint64_t>(AlertDescription::decode_error));
}
TEST_F(Negotiation, AnOfferWithSomethingInIt) {
  const auto client = Plain::make(false, {{0xFF64, {1}}});
  Side server(MemorySession::shared(), true);
  talk(server, *client);
  ASSERT_TRUE(server.failure);
  EXPECT_EQ(server.failure->code, static_cast<std::uint64_t>(AlertDescription::decode_error));
  EXPECT_EQ(client->heard, static_cast<int>(AlertDescription::decode_error));
}

// TCPLS-59: the library itself refuses what was not asked for.
TEST_F(Negotiation, AJoinFromAServer) {
  EXPECT_EQ(refusal({{0xFF64, {}}, {0xFF65, Value(33, 32)}}),
            static_cast<std::uint64_t>(AlertDescription::unsupported_extension));
}

// TCPLS-6: there is no TCPLS, and no connection at all, with who has no TLS 1.3.
TEST_F(Negotiation, AServerOfTls12) {
  const auto server = Plain::make(true, {}, true);
  Side client(MemorySession::shared(), false);
  talk(client, *server);
  EXPECT_FALSE(client.is_ready);
  ASSERT_TRUE(client.failure);
  EXPECT_THAT(client.failure->detail, testing::HasSubstr("protocol_version"));
}
TEST_F(Negotiation, NoOlderVersionCanBeConfigured) {  // TCPLS-6
  const auto settings = Settings::from(tls::Given(tcpls_options(), {{"minimum-version", std::string_view("1.2")}}));
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().reason, Reason::configuration);
}

}  // namespace
}  // namespace trellis::tcpls
