#include "tls_session.h"

#include <botan/pk_keys.h>
#include <botan/pkix_types.h>
#include <botan/x509_key.h>
#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <cstring>
#include <format>

#include "algorithm_names.h"
#include "net_path.h"
#include "quic_error.h"
#include "replay_guard.h"
#include "security/key_log.h"
#include "security/peer_check.h"

namespace trellis::quic {
namespace {

constexpr std::size_t kLengthBytes = 4;  // of the session in a stored ticket; the transport parameters follow
constexpr std::size_t kParametersMost = 512;
constexpr unsigned kTicketsKept = 2;
constexpr std::chrono::seconds kTicketLifetimeMost = std::chrono::hours(24 * 7);  // RFC 8446 section 4.6.1
constexpr std::uint32_t kEarlyDataMost = 0xffffffff;                              // RFC 9001 section 4.6.1

std::unexpected<Error> unusable(std::string_view what, int error) {
  return std::unexpected(security::make_error(kLayer, Reason::configuration, Code::internal,
                                              std::format("{}: {}", what, gnutls_strerror(error))));
}

/// Who a chain or a key says it is, in one line.
std::string describe_peer(const std::vector<Der>& shown, bool raw) try {
  if (shown.empty()) return {};
  if (raw) return "key " + Botan::X509::load_key(octets(shown.front()))->fingerprint_public("SHA-256");
  return Botan::X509_Certificate(octets(shown.front()).data(), shown.front().size()).subject_dn().to_string();
} catch (const std::exception&) {
  return "unreadable";
}

std::optional<Error> refusal_of_key(const security::PeerCheck& check, const Der& key) try {
  return security::refusal_of(check, *Botan::X509::load_key(octets(key)));
} catch (const std::exception& thrown) {
  return security::make_error(kLayer, Reason::authentication, Code::bad_certificate,
                              std::format("{}: its key cannot be read: {}", check.name, thrown.what()));
}

}  // namespace

TlsSession::TlsSession(LayerHost& host, const Settings& settings, std::shared_ptr<const Credentials> credentials)
    : host_(host), settings_(settings), credentials_(std::move(credentials)) {
  reference_ = {[](ngtcp2_crypto_conn_ref* r) { return static_cast<TlsSession*>(r->user_data)->connection_; }, this};
}

TlsSession::~TlsSession() {
  if (session_ != nullptr) gnutls_deinit(session_);
}

TlsSession& TlsSession::of(gnutls_session_t session) noexcept {
  return *static_cast<TlsSession*>(static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session))->user_data);
}

Result<void> TlsSession::begin(const OpenArgs& args, ReplayGuard* guard) {
  server_ = args.passive;
  peer_address_ = args.remote.address;
  if (!server_) peer_name_ = security::server_name_of(settings_, host_.security(), args.remote.host);
  unsigned flags = GNUTLS_ENABLE_EARLY_DATA | GNUTLS_NO_END_OF_EARLY_DATA;
  if (server_) flags |= GNUTLS_NO_AUTO_SEND_TICKET;
  if (settings_.raw_public_keys) flags |= GNUTLS_ENABLE_RAWPK;
  if (const int done = gnutls_init(&session_, flags | (server_ ? GNUTLS_SERVER : GNUTLS_CLIENT)); done != 0)
    return unusable("a handshake cannot begin", done);
  gnutls_session_set_ptr(session_, &reference_);
  if (const int done = credentials_->use_in(session_); done != 0) return unusable("a handshake cannot begin", done);
  gnutls_session_set_verify_function(session_, verify);
  if (settings_.key_log) gnutls_session_set_keylog_function(session_, log_secret);
  if (auto done = set_protocols(args); !done) return done;
  return server_ ? begin_server(guard) : begin_client(args);
}

// Several applications share a port, and none of them gets another one's connection. QUIC-63
Result<void> TlsSession::set_protocols(const OpenArgs& args) {
  alpn_.assign(args.alpn.begin(), args.alpn.end());
  if (alpn_.empty()) alpn_ = settings_.alpn;
  if (alpn_.empty()) {
    return fail(Reason::configuration,
                "found no application protocol, which QUIC needs: name one by option alpn or Security::alpn", 0,
                kLayer);
  }
  std::vector<gnutls_datum_t> names;
  for (const std::string& name : alpn_) {
    auto* const text = reinterpret_cast<const std::uint8_t*>(name.data());
    names.push_back({const_cast<std::uint8_t*>(text), static_cast<unsigned>(name.size())});
  }
  const unsigned flags = GNUTLS_ALPN_MANDATORY | (server_ ? unsigned{GNUTLS_ALPN_SERVER_PRECEDENCE} : 0u);
  const int done = gnutls_alpn_set_protocols(session_, names.data(), static_cast<unsigned>(names.size()), flags);
  if (done != 0) return unusable("the application protocols cannot be used", done);
  return {};
}

Result<void> TlsSession::begin_client(const OpenArgs&) {
  if (ngtcp2_crypto_gnutls_configure_client_session(session_) != 0)
    return unusable("a handshake cannot begin", GNUTLS_E_INTERNAL_ERROR);
  std::uint8_t literal[16];
  const bool is_address =
      inet_pton(AF_INET, peer_name_.c_str(), literal) == 1 || inet_pton(AF_INET6, peer_name_.c_str(), literal) == 1;
  if (!is_address && !peer_name_.empty())
    gnutls_server_name_set(session_, GNUTLS_NAME_DNS, peer_name_.data(), peer_name_.size());
  if (settings_.revocation != security::Revocation::off)
    gnutls_ocsp_status_request_enable_client(session_, nullptr, 0, nullptr);
  if (!settings_.resumption) return {};
  gnutls_handshake_set_hook_function(session_, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_POST, ticket_came);
  take_ticket();
  return {};
}

Result<void> TlsSession::begin_server(ReplayGuard* guard) {
  if (ngtcp2_crypto_gnutls_configure_server_session(session_) != 0)
    return unusable("a handshake cannot begin", GNUTLS_E_INTERNAL_ERROR);
  using security::ClientCertificate;
  if (settings_.client_certificate == ClientCertificate::request)
    gnutls_certificate_server_set_request(session_, GNUTLS_CERT_REQUEST);
  if (settings_.client_certificate == ClientCertificate::require)
    gnutls_certificate_server_set_request(session_, GNUTLS_CERT_REQUIRE);
  if (settings_.tickets == 0) return {};
  const gnutls_datum_t key = credentials_->ticket_key();
  if (const int done = gnutls_session_ticket_enable_server(session_, &key); done != 0)
    return unusable("tickets cannot be made", done);
  gnutls_db_set_cache_expiration(
      session_, static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(settings_.ticket_lifetime).count()));
  if (!settings_.early_data || guard == nullptr) return {};
  guard->guard(session_);
  gnutls_record_set_max_early_data_size(session_, kEarlyDataMost);
  return {};
}

// ---- who the peer is

std::string TlsSession::peer_name() const { return peer_name_.empty() ? text_of(peer_address_) : peer_name_; }

int TlsSession::verify(gnutls_session_t session) { return of(session).judge(); }

bool TlsSession::shows_raw_key() const {
  return gnutls_certificate_type_get2(session_, GNUTLS_CTYPE_PEERS) == GNUTLS_CRT_RAWPK;
}

std::vector<Der> TlsSession::shown() const {
  unsigned count = 0;
  const gnutls_datum_t* const list = gnutls_certificate_get_peers(session_, &count);
  std::vector<Der> chain;
  for (unsigned i = 0; list != nullptr && i < count; ++i) {
    const auto bytes = std::as_bytes(std::span(list[i].data, list[i].size));
    chain.emplace_back(bytes.begin(), bytes.end());
  }
  return chain;
}

security::PeerCheck TlsSession::check(std::string_view peer) const {
  return {.layer = kLayer,
          .trust = credentials_->trust(),
          .revocation = settings_.revocation,
          .peer_is_server = !server_,
          .name = peer,
          .now = host_.executor().wall_clock()};
}

// The library's own check is not used: all security protocols judge alike.
int TlsSession::judge() {
  const std::vector<Der> chain = shown();
  const std::string name = peer_name();
  if (chain.empty()) {  // a client that was asked and has nothing to show
    if (settings_.client_certificate != security::ClientCertificate::require) return 0;
    refusal_ = security::no_certificate(check(name));
    return GNUTLS_E_NO_CERTIFICATE_FOUND;
  }
  std::optional<Error> refusal;
  if (shows_raw_key()) {
    refusal = refusal_of_key(check(name), chain.front());
  } else {
    gnutls_datum_t staple{};
    std::span<const std::byte> response;
    if (gnutls_ocsp_status_request_get2(session_, 0, &staple) == 0)
      response = std::as_bytes(std::span(staple.data, staple.size));
    refusal = security::refusal_of(check(name), chain, response);
  }
  peer_shown_ = true;
  peer_valid_ = !refusal;
  if (peer_valid_ || host_.security().verify || !host_.security().must_authenticate()) return 0;
  refusal_ = std::move(refusal);
  return GNUTLS_E_CERTIFICATE_ERROR;
}

std::uint8_t TlsSession::refusal_alert() const { return static_cast<std::uint8_t>(security::alert_for(*refusal_)); }

bool TlsSession::must_ask() {
  if (!host_.security().verify) return false;
  if (gnutls_session_is_resumed(session_) != 0) peer_shown_ = !server_ || !shown().empty();
  return peer_shown_;
}

std::unique_ptr<Security::Question> TlsSession::ask(Security::Answer answer) {
  const std::vector<Der> chain = shown();
  const std::string name = peer_name();
  return host_.security().verify({.chain = chain, .host = name, .valid = peer_valid_}, std::move(answer));
}

int find_preshared_key(gnutls_session_t session, const gnutls_datum_t* name, gnutls_datum_t* key) {
  const std::string_view identity(reinterpret_cast<const char*>(name->data), name->size);
  const PresharedKey* const found = TlsSession::of(session).credentials_->preshared_key(identity);
  if (found == nullptr) return -1;
  key->data = static_cast<std::uint8_t*>(gnutls_malloc(found->key.size()));
  if (key->data == nullptr) return -1;
  key->size = static_cast<unsigned>(found->key.size());
  std::ranges::copy(octets(found->key), key->data);
  return 0;
}

// ---- tickets

std::string TlsSession::ticket_detail() const {
  std::string detail = credentials_->fingerprint() + "/" + peer_name();
  for (const std::string& protocol : alpn_) detail += "/" + protocol;
  return detail;
}

// Taking removes it, so two attempts of a race never show the same one (RFC 8446 appendix C.4).
void TlsSession::take_ticket() {
  const StateValue value = host_.state().take(StateKind::session_ticket, ticket_detail());
  std::uint32_t size = 0;
  if (value.size() < kLengthBytes) return;
  std::memcpy(&size, value.data(), kLengthBytes);
  if (value.size() - kLengthBytes < size) return;
  if (gnutls_session_set_data(session_, value.data() + kLengthBytes, size) != 0) return;  // a full handshake will do
  const auto rest = octets(value).subspan(kLengthBytes + size);
  remembered_.assign(rest.begin(), rest.end());
}

int TlsSession::ticket_came(gnutls_session_t session, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
  of(session).keep_ticket();
  return 0;
}

// A session that only the application has accepted is not remembered as if it had been verified.
void TlsSession::keep_ticket() {
  gnutls_datum_t data{};
  if (!peer_valid_ || tickets_kept_ >= kTicketsKept || gnutls_session_get_data2(session_, &data) != 0) return;
  std::uint8_t parameters[kParametersMost];
  const auto length = ngtcp2_conn_encode_0rtt_transport_params(connection_, parameters, sizeof parameters);
  const std::uint32_t size = data.size;
  StateValue value(kLengthBytes + size + static_cast<std::size_t>(std::max<ngtcp2_ssize>(length, 0)));
  std::memcpy(value.data(), &size, kLengthBytes);
  std::memcpy(value.data() + kLengthBytes, data.data, size);
  if (length > 0) std::memcpy(value.data() + kLengthBytes + size, parameters, static_cast<std::size_t>(length));
  gnutls_free(data.data);
  ++tickets_kept_;
  host_.state().put(StateKind::session_ticket, ticket_detail(), std::move(value),
                    std::min<Duration>(settings_.ticket_lifetime, kTicketLifetimeMost));
}

void TlsSession::send_tickets() noexcept {
  if (settings_.tickets > 0) gnutls_session_ticket_send(session_, settings_.tickets, 0);
}

bool TlsSession::early_data_accepted() const noexcept {
  return (gnutls_session_get_flags(session_) & GNUTLS_SFLAGS_EARLY_DATA) != 0;
}

// ---- after the handshake

int TlsSession::take(ngtcp2_encryption_level level, std::uint64_t offset,
                     std::span<const std::uint8_t> bytes) noexcept {
  if (level == NGTCP2_ENCRYPTION_LEVEL_1RTT) {
    const int error = late_.read(bytes, server_);
    if (error == NGTCP2_ERR_CRYPTO)
      ngtcp2_conn_set_tls_alert(connection_, static_cast<std::uint8_t>(tls::AlertDescription::unexpected_message));
    if (error != 0) return error;
  }
  if (session_ == nullptr) return 0;
  return ngtcp2_crypto_recv_crypto_data_cb(connection_, level, offset, bytes.data(), bytes.size(), nullptr);
}

bool TlsSession::awaits_tickets() const noexcept {
  return !server_ && settings_.resumption && peer_valid_ && tickets_kept_ < kTicketsKept;
}

// The library's session is a quarter of what a connection takes, and ngtcp2 has the keys. In the middle of a message
// nobody but the session knows where it began.
void TlsSession::let_go() noexcept {
  if (session_ == nullptr || awaits_tickets() || !late_.between_messages()) return;
  agreed_ = agreed();
  ngtcp2_conn_set_tls_native_handle(connection_, nullptr);
  gnutls_deinit(std::exchange(session_, nullptr));
  alpn_ = {};
  remembered_ = {};
}

// ---- facts

Agreed TlsSession::agreed() const {
  if (agreed_) return *agreed_;
  Agreed a{.suite = suite_name(session_), .group = group_name(session_), .alpn = {}, .peer = {}};
  gnutls_datum_t protocol{};
  if (gnutls_alpn_get_selected_protocol(session_, &protocol) == 0)
    a.alpn.assign(reinterpret_cast<const char*>(protocol.data), protocol.size);
  a.resumed = gnutls_session_is_resumed(session_) != 0;
  a.peer = describe_peer(shown(), shows_raw_key());
  return a;
}

int TlsSession::log_secret(gnutls_session_t session, const char* label, const gnutls_datum_t* secret) {
  gnutls_datum_t client{}, server{};
  gnutls_session_get_random(session, &client, &server);
  security::log_key(label, {client.data, client.size}, {secret->data, secret->size});
  return 0;
}

}  // namespace trellis::quic
