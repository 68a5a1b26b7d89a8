#include "tls_ends.h"

#include <botan/certstor.h>
#include <botan/credentials_manager.h>
#include <botan/data_src.h>
#include <botan/pkcs8.h>
#include <botan/system_rng.h>
#include <botan/tls.h>
#include <botan/tls_session.h>
#include <botan/tls_session_manager_memory.h>
#include <botan/tls_session_manager_noop.h>
#include <botan/tls_session_manager_stateless.h>
#include <botan/x509cert.h>

namespace trellis::bench {
namespace {

using namespace Botan;

const std::string kOptions = "trust='" + kTestPki + "/ca.pem',certificate='" + kTestPki + "/server.pem',key='" +
                             kTestPki +
                             "/server.key',server-name=peer.example,groups=x25519,ciphers=TLS_AES_128_GCM_SHA256";

struct Policy final : TLS::Policy {
  bool allow_tls12() const override { return false; }
  std::vector<std::string> allowed_ciphers() const override { return {"AES-128/GCM"}; }
  std::vector<TLS::Group_Params> key_exchange_groups() const override { return {TLS::Group_Params::X25519}; }
  bool require_cert_revocation_info() const override { return false; }
  std::size_t new_session_tickets_upon_handshake_success() const override { return 2; }
};

struct Credentials final : Credentials_Manager {
  explicit Credentials(bool is_server) : server(is_server), store(X509_Certificate(kTestPki + "/ca.pem")) {
    if (!server) return;
    chain = {X509_Certificate(kTestPki + "/server.pem")};
    DataSource_Stream in(kTestPki + "/server.key");
    key = PKCS8::load_key(in);
  }
  std::vector<Certificate_Store*> trusted_certificate_authorities(const std::string&, const std::string&) override {
    if (server) return {};
    return {&store};
  }
  std::vector<X509_Certificate> find_cert_chain(const std::vector<std::string>&,
                                                const std::vector<AlgorithmIdentifier>&, const std::vector<X509_DN>&,
                                                const std::string&, const std::string&) override {
    return chain;
  }
  std::shared_ptr<Private_Key> private_key_for(const X509_Certificate&, const std::string&,
                                               const std::string&) override {
    return key;
  }
  secure_vector<std::uint8_t> session_ticket_key() override { return secure_vector<std::uint8_t>(32, 7); }

  bool server;
  Certificate_Store_In_Memory store;
  std::vector<X509_Certificate> chain;
  std::shared_ptr<Private_Key> key;
};

}  // namespace

std::string tls_stack(const std::string& more, const std::string& layer) {
  return layer + "(" + kOptions + more + ")/tcp";
}
std::string quic_stack(const std::string& more) { return "quic(" + kOptions + ",alpn=bench" + more + ")/udp"; }

struct ChannelEnd::Calls final : TLS::Callbacks {
  explicit Calls(ChannelEnd& of) : end(of) {}
  void tls_emit_data(std::span<const std::uint8_t> data) override {
    end.output.insert(end.output.end(), data.begin(), data.end());
  }
  void tls_record_received(std::uint64_t, std::span<const std::uint8_t> data) override { end.received += data.size(); }
  void tls_alert(TLS::Alert) override {}
  void tls_session_established(const TLS::Session_Summary& summary) override { end.resumed = summary.was_resumption(); }
  ChannelEnd& end;
};

ChannelEnd::ChannelEnd(bool server, bool resume) : calls_(std::make_shared<Calls>(*this)) {
  static const auto policy = std::make_shared<Policy>();
  static const auto random = std::make_shared<System_RNG>();
  static const auto ours = std::make_shared<Credentials>(true), theirs = std::make_shared<Credentials>(false);
  if (server) {
    const auto sessions = std::make_shared<TLS::Session_Manager_Stateless>(ours, random);
    channel_ = std::make_unique<TLS::Server>(calls_, sessions, ours, policy, random);
  } else {
    static const auto kept = std::make_shared<TLS::Session_Manager_In_Memory>(random, 100);
    std::shared_ptr<TLS::Session_Manager> sessions = kept;
    if (!resume) sessions = std::make_shared<TLS::Session_Manager_Noop>();
    channel_ =
        std::make_unique<TLS::Client>(calls_, sessions, theirs, policy, random,
                                      TLS::Server_Information("peer.example", 1), TLS::Protocol_Version::TLS_V13);
  }
}
ChannelEnd::~ChannelEnd() = default;

void ChannelEnd::feed(std::span<const std::uint8_t> bytes) { channel_->received_data(bytes); }

}  // namespace trellis::bench
