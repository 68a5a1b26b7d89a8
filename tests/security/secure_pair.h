// secure_pair.h: a client and a server over a security protocol on one real loop, each with its own Security and
// options.
//
// The tests of this area hold for every security protocol: they are run over each of kSecureStacks.
#pragma once
#include <gmock/gmock.h>

#include <algorithm>

#include "security/peer_error.h"
#include "stacks/world.h"
#include "support/pki.h"

namespace trellis::test {

using security::Code;

/// Every stack whose topmost layer authenticates the peer with certificates. A new protocol is added here.
inline const auto kSecureStacks = testing::Values("tls/tcp");

inline std::uint64_t number(Code code) { return static_cast<std::uint64_t>(code); }
inline std::uint64_t alert(int description) {
  return number(Code::alert_received) + static_cast<unsigned>(description);
}

/// A new id for changed content, as the contract asks.
inline std::shared_ptr<Security> new_security() {
  static std::uint64_t last = 0;
  auto made = std::make_shared<Security>();
  made->id = ++last;
  return made;
}

/// Two ends that are told about one authority, and can be changed before they meet.
class SecureEnds : public testing::Test {
 protected:
  explicit SecureEnds(std::string layers = "tls/tcp") : plain_stack(std::move(layers)) {
    server_security->server_identities.push_back(pki.issue());
    client_security->trusted.push_back(pki.anchor());
  }
  /// The stack's text with options of its topmost layer: stack("tickets=0").
  std::string stack(const std::string& options) const {
    const std::size_t end = plain_stack.find('/');
    return options.empty() ? plain_stack : layer() + "(" + options + ")" + plain_stack.substr(end);
  }
  std::string layer() const { return plain_stack.substr(0, plain_stack.find('/')); }

  /// Listens and connects; comes back when the client is ready or has failed.
  void meet(const std::string& client_options = {}, const std::string& server_options = {}) {
    if (!listener) listen(server_options);
    const std::size_t had = world.accepted.size();
    dial(client_options);
    ASSERT_TRUE(world.run_until([&] { return client_ready.has_value(); }));
    if (!*client_ready || !wait_for_server) return;
    ASSERT_TRUE(world.run_until([&] { return world.accepted.size() > had; }));
    server = std::move(*world.accepted.back());
    world.accepted.pop_back();
  }
  /// Begins to connect.
  void dial(const std::string& options = {}) {
    client_ready.reset();
    client = world.preconnection(stack(options))
                 .security(client_security)
                 .remote({.host = host, .port = listener->local().port, .address = listener->local()})
                 .initiate(*world.loop, [this](Result<void> how) { client_ready = std::move(how); });
  }
  void listen(const std::string& options = {}) {
    listener =
        world.preconnection(stack(options))
            .security(server_security)
            .local({.host = "127.0.0.1"})
            .listen(*world.loop,
                    {.listening = {},
                     .received =
                         [this](Connection c) { world.accepted.push_back(std::make_unique<Connection>(std::move(c))); },
                     .failed = [this](const Error& e) { world.listener_error = e; }});
    ASSERT_TRUE(world.run_until([&] { return listener->local().port != 0 || world.listener_error; }));
  }
  /// What the client was told when it failed.
  Error failure() {
    if (!client_ready || *client_ready) {
      ADD_FAILURE() << "expected the client to fail, but it is ready";
      return {Reason::canceled};
    }
    return client_ready->error();
  }
  /// Sends both ways and compares.
  void expect_conversation() {
    ASSERT_TRUE(client_ready && *client_ready) << (client_ready ? client_ready->error().detail : "not ready");
    tests::Reader at_client(client), at_server(server);
    client.send(tests::slice(client, "from the client"));
    server.send(tests::slice(server, "from the server"));
    EXPECT_TRUE(world.run_until([&] { return at_client.all.size() == 15 && at_server.all.size() == 15; }));
    EXPECT_EQ(at_client.all, "from the server");
    EXPECT_EQ(at_server.all, "from the client");
    client.cancel_receive();
    server.cancel_receive();
  }
  std::string property(Connection& of, std::string_view name) {
    auto value = of.get(name);
    if (!value) return "(" + value.error().detail + ")";
    if (const auto* text = std::get_if<std::string>(&*value)) return *text;
    if (const auto* flag = std::get_if<bool>(&*value)) return *flag ? "true" : "false";
    return "(another type)";
  }

  std::string plain_stack;
  Pki pki;
  std::shared_ptr<Security> client_security = new_security(), server_security = new_security();
  std::string host = "peer.example";
  bool wait_for_server = true;
  tests::World world;
  std::optional<Listener> listener;
  Connection client, server;
  std::optional<Result<void>> client_ready;
};

/// The same over the stack that is the test's parameter.
class SecurePair : public SecureEnds, public testing::WithParamInterface<const char*> {
 protected:
  SecurePair() : SecureEnds(GetParam()) {}
};

inline std::string stack_name(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::ranges::replace(name, '/', '_');
  return name;
}

}  // namespace trellis::test
