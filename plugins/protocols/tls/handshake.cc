#include "handshake.h"

#include <arpa/inet.h>
#include <botan/ec_group.h>
#include <botan/ocsp.h>
#include <botan/tls_client.h>
#include <botan/tls_exceptn.h>
#include <botan/tls_messages.h>
#include <botan/tls_messages_12.h>
#include <botan/tls_messages_13.h>
#include <botan/tls_server.h>
#include <botan/tls_session.h>
#include <botan/tls_session_manager_noop.h>

#include <algorithm>
#include <format>
#include <tuple>

#include "security/key_log.h"
#include "tls_error.h"

namespace trellis::tls {
namespace {

using Botan::TLS::AlertType;

constexpr std::size_t kTicketsKept = 2;  // of one connection; servers send that many

std::string name_of(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "the peer";
  const int family = address.family == Address::Family::ipv6 ? AF_INET6 : AF_INET;
  if (address) inet_ntop(family, address.ip.data(), text, sizeof text);
  return text;
}

std::uint64_t count_records(std::span<const std::uint8_t> bytes) {
  std::uint64_t count = 0;
  while (bytes.size() >= kRecordHeader) {
    const std::size_t size = kRecordHeader + (std::size_t{bytes[3]} << 8 | bytes[4]);
    if (size > bytes.size()) break;
    bytes = bytes.subspan(size);
    ++count;
  }
  return count;
}

std::string_view suite_name(std::uint16_t suite) {
  switch (suite) {
    case 0x1301: return "TLS_AES_128_GCM_SHA256";
    case 0x1302: return "TLS_AES_256_GCM_SHA384";
    case 0x1303: return "TLS_CHACHA20_POLY1305_SHA256";
    default: return {};
  }
}

// The library computes a curve's tables, as long as a signature takes, when it first meets the curve. Most certificates
// are of this one; it meets it while the server's answer is awaited. Each handshake asks, so that all do the same.
void prepare_curve(Executor& executor) {
  static constexpr std::string_view kCurve = "secp256r1";
  if (!Botan::EC_Group::supports_named_group(kCurve)) return;
  executor.post([] { std::ignore = Botan::EC_Group::from_name(kCurve); });
}

/// What went wrong, by the alert that the library sends for it.
std::pair<Reason, Code> kind_of(AlertType alert) {
  switch (alert) {
    case AlertType::HandshakeFailure:
    case AlertType::ProtocolVersion:
    case AlertType::NoApplicationProtocol:
    case AlertType::MissingExtension: return {Reason::unsupported, Code::nothing_in_common};
    case AlertType::InsufficientSecurity: return {Reason::authentication, Code::weak_key};
    case AlertType::CertificateRequired: return {Reason::authentication, Code::no_certificate};
    case AlertType::DecryptError:
    case AlertType::UnknownPSKIdentity:
    case AlertType::InappropriateFallback: return {Reason::authentication, Code::bad_signature};
    case AlertType::BadCertificate:
    case AlertType::UnsupportedCertificate:
    case AlertType::CertificateUnknown: return {Reason::authentication, Code::bad_certificate};
    case AlertType::InternalError: return {Reason::unsupported, Code::internal};
    default: return {Reason::protocol_violation, static_cast<Code>(alert)};
  }
}

/// The RFC's name of the scheme that the library describes in its own words.
std::string scheme_name(std::string_view algorithm, std::string_view padding) {
  for (const auto& scheme : Botan::TLS::Signature_Scheme::all_available_schemes()) {
    if (scheme.algorithm_name() == algorithm && scheme.padding_string() == padding) return scheme.to_string();
  }
  return std::format("{}/{}", algorithm, padding);
}

}  // namespace

Handshake::Handshake(LayerHost& host, const Settings& settings, std::shared_ptr<Credentials> credentials,
                     HandshakeExtras* extras)
    : host_(host),
      settings_(settings),
      credentials_(std::move(credentials)),
      extras_(extras),
      random_(host.executor()) {}
Handshake::~Handshake() = default;

Result<void> Handshake::begin(const OpenArgs& args, std::string client_address) try {
  client_address_ = std::move(client_address);
  server_ = args.passive;
  alpn_.assign(args.alpn.begin(), args.alpn.end());
  if (alpn_.empty()) alpn_ = settings_.alpn;
  peer_name_ = server_ ? args.remote.host : security::server_name_of(settings_, host_.security(), args.remote.host);
  if (peer_name_.empty()) peer_name_ = name_of(args.remote.address);
  // Not owning: the channel does not outlive this object.
  const std::shared_ptr<Botan::TLS::Callbacks> self(std::shared_ptr<void>(), this);
  const std::shared_ptr<Botan::RandomNumberGenerator> random(std::shared_ptr<void>(), &random_);
  if (server_) {
    std::shared_ptr<Botan::TLS::Session_Manager> sessions =
        std::make_shared<SealedSessions>(credentials_->ticket_seal(), random);
    if (settings_.tickets == 0) sessions = std::make_shared<Botan::TLS::Session_Manager_Noop>();
    channel_ = std::make_unique<Botan::TLS::Server>(self, sessions, credentials_, credentials_->policy(), random,
                                                    settings_.datagrams, std::size_t{0});
    return {};
  }
  std::shared_ptr<Botan::TLS::Session_Manager> sessions = std::make_shared<Botan::TLS::Session_Manager_Noop>();
  if (settings_.resumption) {
    std::string detail = credentials_->fingerprint() + "/" + peer_name_;
    for (const std::string& protocol : alpn_) detail += "/" + protocol;
    store_ = std::make_shared<TicketStore>(host_.state(), std::move(detail), random);
    sessions = store_;
  }
  const auto version =
      settings_.datagrams ? Botan::TLS::Protocol_Version::DTLS_V12 : Botan::TLS::Protocol_Version::TLS_V13;
  channel_ = std::make_unique<Botan::TLS::Client>(self, sessions, credentials_, credentials_->policy(), random,
                                                  Botan::TLS::Server_Information(peer_name_, args.remote.port), version,
                                                  alpn_, std::size_t{0});
  const bool goes_on =
      store_ != nullptr && !store_->peer().empty();  // where an earlier one ended: no certificate comes
  if (!goes_on) prepare_curve(host_.executor());
  return {};
} catch (const std::exception& thrown) {
  return std::unexpected(make_error(Reason::configuration, Code::internal,
                                    std::format("the handshake with {} cannot begin: {}", peer_name_, thrown.what())));
}

Result<void> Handshake::feed(std::span<const std::uint8_t> record) noexcept {
  const bool was_complete = complete();
  const std::size_t before = output_.size();
  if (auto done = run(record); !done) return done;
  if (was_complete || !complete()) return {};
  agreed_.alpn = channel_->application_protocol();
  if (server_ && !settings_.datagrams) tickets_sent_ = count_records(std::span(output_).subspan(before));
  return {};
}

Result<void> Handshake::run(std::span<const std::uint8_t> record) noexcept try {
  channel_->received_data(record);
  if (alert_) return std::unexpected(*alert_);
  return {};
} catch (const Botan::TLS::TLS_Exception& thrown) {
  if (refusal_) return std::unexpected(*refusal_);
  const auto [reason, code] = kind_of(thrown.type());
  return std::unexpected(
      make_error(reason, code,
                 std::format("the handshake with {} failed ({}): {}", peer_name_,
                             to_string(static_cast<AlertDescription>(thrown.type())), thrown.what())));
} catch (const std::exception& thrown) {
  return std::unexpected(make_error(Reason::protocol_violation, Code::internal,
                                    std::format("the handshake with {} failed: {}", peer_name_, thrown.what())));
}

bool Handshake::must_ask() const { return peer_shown_ && host_.security().verify; }

std::unique_ptr<Security::Question> Handshake::ask(Security::Answer answer) {
  peer_shown_ = false;
  std::vector<Der> chain;
  chain.reserve(peer_certificates_.size());
  for (const auto& certificate : peer_certificates_) chain.push_back(to_der(certificate.BER_encode()));
  return host_.security().verify({.chain = chain, .host = peer_name_, .valid = peer_valid_}, std::move(answer));
}

bool Handshake::wants_tickets() const noexcept {
  return store_ != nullptr && agreed_.version == 0x0304 && store_->stored() < kTicketsKept;
}

Result<TrafficSecret> Handshake::secret_of(const Secret& secret) const {
  return TrafficSecret::make(static_cast<CipherSuite>(agreed_.suite), std::as_bytes(std::span(secret)));
}

// The channel knows nothing of the records behind the handshake. So it is given the server's messages as if they came
// next: sealed again, with numbers of its own.
Result<void> Handshake::tickets(Slice&& payload) noexcept {
  if (to_channel_ == nullptr) {
    auto secret = receiving();
    if (!secret) return fail(std::move(secret));
    auto key = RecordKey::derive(*secret, Direction::seal);
    if (!key) return fail(std::move(key));
    to_channel_ = std::make_unique<RecordSealer>(std::move(*key));
  }
  Batch sealed;
  auto done = to_channel_->seal(ContentType::handshake, std::move(payload), sealed, host_.executor().pool());
  while (done && !sealed.empty()) done = run(octets(sealed.pop().data.bytes()));
  return done;
}

void Handshake::repeat() noexcept try { channel_->timeout_check(); } catch (const std::exception&) {
  output_.clear();  // nothing that could be said again
}

// What we would say next is protected by the first secret that has not been used for sending yet.
void Handshake::refuse() noexcept {
  output_.clear();
  if (settings_.datagrams) return;  // in clear, by whoever numbers the records
  const Secret& secret = server_ ? server_secret_ : client_handshake_;
  auto made = TrafficSecret::make(suite_, std::as_bytes(std::span(secret)));
  if (!made) return;
  auto key = RecordKey::derive(*made, Direction::seal);
  Batch sealed;
  if (!key || !RecordSealer(std::move(*key)).seal(AlertDescription::bad_certificate, sealed, host_.executor().pool()))
    return;
  const auto bytes = octets(sealed.front().data.bytes());
  output_.assign(bytes.begin(), bytes.end());
}

Result<void> Handshake::send(std::span<const std::uint8_t> data) noexcept try {
  channel_->send(data);
  return {};
} catch (const std::exception& thrown) {
  return std::unexpected(make_error(Reason::protocol_violation, Code::internal,
                                    std::format("sending to {} failed: {}", peer_name_, thrown.what())));
}

void Handshake::close() noexcept try { channel_->close(); } catch (const std::exception&) {
  output_.clear();  // nothing to say any more
}

// ---- what the library asks and tells

void Handshake::tls_emit_data(std::span<const std::uint8_t> data) {
  output_.insert(output_.end(), data.begin(), data.end());
}

void Handshake::tls_record_received(std::uint64_t, std::span<const std::uint8_t> data) {
  received_.insert(received_.end(), data.begin(), data.end());
}

void Handshake::tls_alert(Botan::TLS::Alert alert) {
  if (alert.type() == AlertType::CloseNotify) {
    peer_closed_ = true;
    if (channel_ == nullptr || !channel_->is_handshake_complete()) {
      alert_ = make_error(Reason::reset, Code::alert_received,
                          std::format("{} closed the connection during the handshake", peer_name_));
    }
  } else if (alert.is_fatal() || agreed_.version != 0x0303) {
    alert_ = security::alert_error(kLayer, static_cast<AlertDescription>(alert.type()), peer_name_);
  }
}

void Handshake::tls_session_established(const Botan::TLS::Session_Summary& summary) {
  agreed_.version = summary.version().version_code();
  agreed_.suite = summary.ciphersuite_code();
  agreed_.suite_name = suite_name(agreed_.suite);
  if (agreed_.suite_name.empty()) agreed_.suite_name = summary.ciphersuite().to_string();
  agreed_.group = public_name(summary.kex_parameters().value_or(summary.kex_algo()));
  agreed_.resumed = summary.was_resumption();
  if (summary.external_psk_identity()) agreed_.peer = *summary.external_psk_identity();
  if (!summary.peer_certs().empty()) agreed_.peer = summary.peer_certs().front().subject_dn().to_string();
  if (!agreed_.resumed || summary.external_psk_identity()) return;
  if (store_) agreed_.peer = store_->peer();
  if (!host_.security().verify) return;
  peer_certificates_ = store_ ? store_->peer_certificates() : summary.peer_certs();
  peer_shown_ = !peer_certificates_.empty();
}

// A session that only the application has accepted is not remembered as if it had been verified.
bool Handshake::tls_should_persist_resumption_information(const Botan::TLS::Session& session) {
  return session.lifetime_hint() > std::chrono::seconds(0) && peer_valid_;
}

security::PeerCheck Handshake::check() const {
  return {.layer = kLayer,
          .trust = credentials_->trust(),
          .revocation = settings_.revocation,
          .peer_is_server = !server_,
          .name = peer_name_,
          .now = host_.executor().wall_clock()};
}

void Handshake::judge(std::optional<Error> refusal) {
  peer_shown_ = true;
  peer_valid_ = !refusal;
  if (peer_valid_ || host_.security().verify || !host_.security().must_authenticate()) return;
  refusal_ = std::move(refusal);
  throw Botan::TLS::TLS_Exception(security::alert_for(*refusal_), refusal_->detail);
}

void Handshake::tls_verify_cert_chain(const std::vector<Botan::X509_Certificate>& chain,
                                      const std::vector<std::optional<Botan::OCSP::Response>>& ocsp,
                                      const std::vector<Botan::Certificate_Store*>&, Botan::Usage_Type,
                                      std::string_view, const Botan::TLS::Policy&) {
  peer_certificates_ = chain;
  judge(security::refusal_of(check(), chain, ocsp));
}

void Handshake::tls_verify_raw_public_key(const Botan::Public_Key& key, Botan::Usage_Type, std::string_view,
                                          const Botan::TLS::Policy&) {
  agreed_.peer = "key " + key.fingerprint_public("SHA-256");
  judge(security::refusal_of(check(), key));
}

std::vector<std::uint8_t> Handshake::tls_provide_cert_status(const std::vector<Botan::X509_Certificate>&,
                                                             const Botan::TLS::Certificate_Status_Request&) {
  return settings_.ocsp_response;
}

std::vector<std::uint8_t> Handshake::tls_sign_message(const Botan::Private_Key& key,
                                                      Botan::RandomNumberGenerator& random, std::string_view padding,
                                                      Botan::Signature_Format format,
                                                      const std::vector<std::uint8_t>& message) {
  const Credentials::Own* const own = credentials_->signer(key);
  if (own == nullptr) return Callbacks::tls_sign_message(key, random, padding, format, message);
  auto made = own->sign(scheme_name(key.algo_name(), padding), std::as_bytes(std::span(message)));
  if (!made) throw Botan::TLS::TLS_Exception(AlertType::InternalError, "our key did not sign: " + made.error().detail);
  const auto bytes = octets(*made);
  return {bytes.begin(), bytes.end()};
}

std::string Handshake::tls_server_choose_app_protocol(const std::vector<std::string>& offered) {
  if (alpn_.empty()) return {};
  for (const std::string& mine : alpn_) {
    if (std::ranges::contains(offered, mine)) return mine;
  }
  throw Botan::TLS::TLS_Exception(AlertType::NoApplicationProtocol,
                                  "the client offers none of our application protocols");
}

std::chrono::system_clock::time_point Handshake::tls_current_timestamp() { return host_.executor().wall_clock(); }

void Handshake::tls_modify_extensions(Botan::TLS::Extensions& extensions, Botan::TLS::Connection_Side,
                                      Botan::TLS::Handshake_Type type) {
  if (extras_ != nullptr) extras_->modify(extensions, type);
}
void Handshake::tls_examine_extensions(const Botan::TLS::Extensions& extensions, Botan::TLS::Connection_Side,
                                       Botan::TLS::Handshake_Type type) {
  if (extras_ != nullptr) extras_->examine(extensions, type);
}

void Handshake::tls_inspect_handshake_msg(const Botan::TLS::Handshake_Message& message) {
  const auto* const hello = dynamic_cast<const Botan::TLS::Server_Hello*>(&message);
  if (hello != nullptr) suite_ = static_cast<CipherSuite>(hello->ciphersuite());
  const auto* const old = dynamic_cast<const Botan::TLS::Server_Hello_12*>(&message);
  if (old != nullptr) master_secret_.server_random = old->random();
  const auto* const shown = dynamic_cast<const Botan::TLS::Certificate_13*>(&message);
  if (shown == nullptr || !shown->has_certificate_chain()) return;
  auto chain = shown->cert_chain();
  const bool own = !chain.empty() && credentials_->private_key_for(chain.front(), "", "") != nullptr;
  if (!own) peer_certificates_ = std::move(chain);
}

void Handshake::tls_ssl_key_log_data(std::string_view label, std::span<const std::uint8_t> client_random,
                                     std::span<const std::uint8_t> secret) const {
  if (label == "CLIENT_TRAFFIC_SECRET_0") client_secret_.assign(secret.begin(), secret.end());
  if (label == "SERVER_TRAFFIC_SECRET_0") server_secret_.assign(secret.begin(), secret.end());
  if (label == "CLIENT_HANDSHAKE_TRAFFIC_SECRET") client_handshake_.assign(secret.begin(), secret.end());
  if (label == "CLIENT_RANDOM") {
    master_secret_.secret.assign(secret.begin(), secret.end());
    master_secret_.client_random.assign(client_random.begin(), client_random.end());
  }
  if (settings_.key_log) security::log_key(label, client_random, secret);
}

}  // namespace trellis::tls
