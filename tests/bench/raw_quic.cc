#include "raw_quic.h"

#include <netinet/udp.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cstring>

#include "raw_quic_tables.h"
#include "raw_sockets.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace {

constexpr int kBuffer = 4 << 20;  // of the socket, as in quic_stack()
constexpr char kPriorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:-CIPHER-ALL:+AES-128-GCM";

ngtcp2_cid random_id(std::size_t size) {
  ngtcp2_cid id;
  id.datalen = size;
  gnutls_rnd(GNUTLS_RND_NONCE, id.data, size);
  return id;
}

}  // namespace

struct RawQuicCalls {
  static RawQuicPeer& of(void* user) { return *static_cast<RawQuicPeer*>(user); }
  static void random(std::uint8_t* out, std::size_t size, const ngtcp2_rand_ctx*) {
    gnutls_rnd(GNUTLS_RND_NONCE, out, size);
  }
  static int new_id(ngtcp2_conn*, ngtcp2_cid* id, std::uint8_t* token, std::size_t size, void* user) {
    *id = random_id(size);
    gnutls_rnd(GNUTLS_RND_RANDOM, token, NGTCP2_STATELESS_RESET_TOKENLEN);
    enroll(of(user), *id);
    return 0;
  }
  static int remove_id(ngtcp2_conn*, const ngtcp2_cid* id, void* user) {
    of(user).owner.tables_->by_id.erase(*id);
    return 0;
  }
  static int completed(ngtcp2_conn* connection, void* user) {
    RawQuicPeer& peer = of(user);
    peer.complete = true;
    if (peer.bytes_to_send > 0) ngtcp2_conn_open_uni_stream(connection, &peer.stream, nullptr);
    return 0;
  }
  static int data(ngtcp2_conn* connection, std::uint32_t flags, std::int64_t id, std::uint64_t,
                  const std::uint8_t* bytes, std::size_t size, void* user, void*) {
    RawQuicPeer& peer = of(user);
    std::memcpy(peer.owner.tables_->sink.data(), bytes, std::min(size, kRawPiece));
    peer.bytes += size;
    peer.finished = peer.finished || (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0;
    ngtcp2_conn_extend_max_stream_offset(connection, id, size);
    ngtcp2_conn_extend_max_offset(connection, size);
    return 0;
  }
  static int closed(ngtcp2_conn*, std::uint32_t, std::int64_t, std::uint64_t, void* user, void*) {
    of(user).finished = true;
    return 0;
  }
  static int datagram(ngtcp2_conn*, std::uint32_t, const std::uint8_t* bytes, std::size_t size, void* user) {
    std::memcpy(of(user).owner.tables_->sink.data(), bytes, std::min(size, kRawPiece));
    ++of(user).datagrams;
    return 0;
  }
  static void enroll(RawQuicPeer& peer, const ngtcp2_cid& id) {
    peer.owner.tables_->by_id[id] = &peer;
    peer.ids.push_back(id);
  }
};

namespace {

ngtcp2_callbacks calls() {
  ngtcp2_callbacks c{};
  c.client_initial = ngtcp2_crypto_client_initial_cb;
  c.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  c.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  c.encrypt = ngtcp2_crypto_encrypt_cb;
  c.decrypt = ngtcp2_crypto_decrypt_cb;
  c.hp_mask = ngtcp2_crypto_hp_mask_cb;
  c.recv_retry = ngtcp2_crypto_recv_retry_cb;
  c.update_key = ngtcp2_crypto_update_key_cb;
  c.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  c.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  c.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  c.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  c.rand = RawQuicCalls::random;
  c.get_new_connection_id = RawQuicCalls::new_id;
  c.remove_connection_id = RawQuicCalls::remove_id;
  c.handshake_completed = RawQuicCalls::completed;
  c.recv_stream_data = RawQuicCalls::data;
  c.stream_close = RawQuicCalls::closed;
  c.recv_datagram = RawQuicCalls::datagram;
  return c;
}

// Those of our layer.
void settle(ngtcp2_settings& settings, ngtcp2_transport_params& parameters) {
  ngtcp2_settings_default(&settings);
  settings.initial_ts = clock_now();
  settings.max_tx_udp_payload_size = kRawQuicPacket;
  settings.pmtud_probes = kRawQuicProbes.data();
  settings.pmtud_probeslen = kRawQuicProbes.size();
  settings.max_window = 24 << 20;
  settings.max_stream_window = 16 << 20;
  ngtcp2_transport_params_default(&parameters);
  parameters.initial_max_stream_data_uni = 256 << 10;
  parameters.initial_max_data = 512 << 10;
  parameters.initial_max_streams_uni = 100;
  parameters.max_idle_timeout = 30 * NGTCP2_SECONDS;
  parameters.active_connection_id_limit = 8;
  parameters.max_datagram_frame_size = 65535;
}

}  // namespace

RawQuicPeer::~RawQuicPeer() {
  if (connection != nullptr) ngtcp2_conn_del(connection);
  if (session != nullptr) gnutls_deinit(session);
}

RawQuic::RawQuic(bool server)
    : server_(server),
      socket_(raw_udp()),
      epoll_(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      local_(local_address(socket_)),
      tables_(std::make_unique<Tables>()) {
  const int on = 1, buffer = kBuffer, whole = IP_PMTUDISC_DO;
  setsockopt(socket_, SOL_UDP, UDP_GRO, &on, sizeof on);
  setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  setsockopt(socket_, IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
  setsockopt(socket_, IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof whole);
  epoll_event event{.events = EPOLLIN, .data = {.fd = socket_}};
  check(epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_, &event), "epoll_ctl");
  for (std::size_t i = 0; i < kRawRead; ++i) tables_->parts[i] = {tables_->in[i].data(), kRawJoined};
  gnutls_certificate_allocate_credentials(&credentials_);
  const std::string pki = kTestPki;
  const int good =
      server ? gnutls_certificate_set_x509_key_file(credentials_, (pki + "/server.pem").c_str(),
                                                    (pki + "/server.key").c_str(), GNUTLS_X509_FMT_PEM)
             : gnutls_certificate_set_x509_trust_file(credentials_, (pki + "/ca.pem").c_str(), GNUTLS_X509_FMT_PEM);
  if (good < 0) fail_raw("the certificate", 0);
}

RawQuic::~RawQuic() {
  peers.clear();
  gnutls_certificate_free_credentials(credentials_);
  ::close(epoll_);
  ::close(socket_);
}

std::uint16_t RawQuic::port() const { return ntohs(local_.sin_port); }

RawQuicPeer& RawQuic::dial(std::uint16_t port) {
  RawQuicPeer& peer = *peers.emplace_back(std::make_unique<RawQuicPeer>(*this));
  peer.remote = raw_address(port);
  begin(peer, nullptr);
  write(peer);
  return peer;
}

void RawQuic::begin(RawQuicPeer& peer, const ngtcp2_pkt_hd* first) {
  static const ngtcp2_callbacks callbacks = calls();
  ngtcp2_settings settings;
  ngtcp2_transport_params parameters;
  settle(settings, parameters);
  const ngtcp2_path path = path_of(local_, peer.remote);
  const ngtcp2_cid ours = random_id(kRawIdBytes);
  RawQuicCalls::enroll(peer, ours);
  int done = 0;
  if (first != nullptr) {
    RawQuicCalls::enroll(peer, first->dcid);
    parameters.original_dcid = first->dcid;
    parameters.original_dcid_present = 1;
    done = ngtcp2_conn_server_new(&peer.connection, &first->scid, &ours, &path, first->version, &callbacks, &settings,
                                  &parameters, nullptr, &peer);
  } else {
    const ngtcp2_cid theirs = random_id(kRawIdBytes);
    done = ngtcp2_conn_client_new(&peer.connection, &theirs, &ours, &path, NGTCP2_PROTO_VER_V1, &callbacks, &settings,
                                  &parameters, nullptr, &peer);
  }
  if (done != 0) fail_raw("a connection", done);
  gnutls_init(&peer.session, (server_ ? GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_CLIENT));
  gnutls_priority_set_direct(peer.session, kPriorities, nullptr);
  gnutls_credentials_set(peer.session, GNUTLS_CRD_CERTIFICATE, credentials_);
  if (server_)
    ngtcp2_crypto_gnutls_configure_server_session(peer.session);
  else
    ngtcp2_crypto_gnutls_configure_client_session(peer.session);
  if (!server_) gnutls_session_set_verify_cert(peer.session, "peer.example", 0);
  if (!server_) gnutls_server_name_set(peer.session, GNUTLS_NAME_DNS, "peer.example", sizeof "peer.example" - 1);
  char name[] = "bench";
  const gnutls_datum_t alpn{reinterpret_cast<unsigned char*>(name), sizeof name - 1};
  gnutls_alpn_set_protocols(peer.session, &alpn, 1, GNUTLS_ALPN_MANDATORY);
  peer.reference = {[](ngtcp2_crypto_conn_ref* r) { return static_cast<RawQuicPeer*>(r->user_data)->connection; },
                    &peer};
  gnutls_session_set_ptr(peer.session, &peer.reference);
  ngtcp2_conn_set_tls_native_handle(peer.connection, peer.session);
}

void RawQuic::close(RawQuicPeer& peer) {
  if (!peer.over) {
    ngtcp2_path_storage path;
    ngtcp2_path_storage_zero(&path);
    ngtcp2_pkt_info info{};
    ngtcp2_ccerr why;
    ngtcp2_ccerr_default(&why);
    const ngtcp2_ssize n = ngtcp2_conn_write_connection_close(peer.connection, &path.path, &info, tables_->out.data(),
                                                              1200, &why, clock_now());
    if (n > 0) send(peer, static_cast<std::size_t>(n), static_cast<std::size_t>(n), 0);
  }
  for (const ngtcp2_cid& id : peer.ids) tables_->by_id.erase(id);
  std::erase_if(peers, [&](const auto& one) { return one.get() == &peer; });
}

}  // namespace trellis::bench
