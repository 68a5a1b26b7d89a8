// tls_peers.h: an authority, a server's and a client's identity as files, for foreign TLS programs and for ours.
#pragma once
#include <csignal>
#include <memory>

#include "cli/tool.h"
#include "support/pki.h"

namespace trellis::test {

class TlsPeers : public testing::Test {
 protected:
  /// Starts `trellis listen` with the server's identity; `options` of the stack's tls layer.
  std::unique_ptr<Listen> listen(const std::string& options = {}, std::vector<std::string> words = {"--echo"}) {
    for (const std::string& word : {std::string("--stack"), stack(options), std::string("--cert"), server_pem,
                                    std::string("--key"), server_key}) {
      words.push_back(word);
    }
    return std::make_unique<Listen>(words);
  }
  /// Runs `trellis connect` to a port of this host.
  Outcome connect(const std::string& port, std::string_view input, const std::string& options = {},
                  std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"connect", "--stack", stack(options), "--servername", "peer.example", "--wait", "5"});
    if (options.find("trust=") == std::string::npos) words.insert(words.begin() + 1, {"--cafile", ca});
    words.push_back("127.0.0.1:" + port);
    return run(words, input);
  }
  static std::string stack(const std::string& options) {
    return options.empty() ? "tls/tcp" : "tls(" + options + ")/tcp";
  }
  static std::string free_port() { return std::to_string(RawSocket::tcp_listener().port()); }
  static std::string port_of(const std::string& address) { return address.substr(address.rfind(':') + 1); }

  TemporaryDirectory directory;
  Pki pki;
  Identity server_identity = pki.issue({.dns = {"peer.example", "localhost"}, .addresses = {"127.0.0.1"}});
  Identity client_identity = pki.issue({.name = "the client", .client = true});
  std::string ca = directory.write("ca.pem", pki.anchor_pem());
  std::string server_pem = directory.write("server.pem", chain_pem(server_identity));
  std::string server_key = directory.write("server.key", key_pem(server_identity));
  std::string client_pem = directory.write("client.pem", chain_pem(client_identity));
  std::string client_key = directory.write("client.key", key_pem(client_identity));
};

}  // namespace trellis::test
