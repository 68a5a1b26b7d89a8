#include "raw_quic.h"

#include <netinet/udp.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>

#include <gnutls/crypto.h>

#include "process.h"
#include "raw_sockets.h"
#include "rows.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace {

constexpr int kBuffer = 4 << 20;          // of the socket, as in quic_stack()
constexpr std::size_t kRead = 16;         // datagrams, or what was joined of them, in one call
constexpr std::size_t kJoined = 1 << 16;  // bytes of one
constexpr std::size_t kBurst = 65'000;    // bytes that the kernel cuts
constexpr std::size_t kSegments = 64;     // into so many
constexpr std::size_t kSource = 4 << 20;  // what is sent stays valid until it is acknowledged
constexpr std::size_t kPiece = 64 << 10;
constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kWord = 16;
constexpr char kPriorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:-CIPHER-ALL:+AES-128-GCM";

ngtcp2_tstamp clock_now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<ngtcp2_tstamp>(t.tv_sec) * NGTCP2_SECONDS + static_cast<ngtcp2_tstamp>(t.tv_nsec);
}

[[noreturn]] void fail(const char* what, int error) {
  errno = 0;
  die(std::string("raw QUIC, ") + what + ": " + (error < 0 ? ngtcp2_strerror(error) : ""));
}

ngtcp2_cid random_id(std::size_t size) {
  ngtcp2_cid id;
  id.datalen = size;
  gnutls_rnd(GNUTLS_RND_NONCE, id.data, size);
  return id;
}

struct LessId {
  bool operator()(const ngtcp2_cid& a, const ngtcp2_cid& b) const {
    return std::lexicographical_compare(a.data, a.data + a.datalen, b.data, b.data + b.datalen);
  }
};

template <class T>
void add_note(msghdr& header, int level, int type, T value) {
  auto* const note = reinterpret_cast<cmsghdr*>(static_cast<char*>(header.msg_control) + header.msg_controllen);
  note->cmsg_level = level;
  note->cmsg_type = type;
  note->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(note), &value, sizeof value);
  header.msg_controllen += CMSG_SPACE(sizeof value);
}

}  // namespace

// What there is once for a socket.
struct RawQuic::Tables {
  std::map<ngtcp2_cid, RawQuicPeer*, LessId> by_id;
  std::array<std::array<std::uint8_t, kJoined>, kRead> in;
  std::array<std::array<char, 128>, kRead> notes;
  std::array<sockaddr_in, kRead> from;
  std::array<iovec, kRead> parts;
  std::array<mmsghdr, kRead> messages;
  std::array<std::uint8_t, kBurst> out;
  std::array<std::uint8_t, kSource> source;
  std::array<std::uint8_t, kPiece> sink;
};

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
    std::memcpy(peer.owner.tables_->sink.data(), bytes, std::min(size, kPiece));
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
    std::memcpy(of(user).owner.tables_->sink.data(), bytes, std::min(size, kPiece));
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

ngtcp2_path path_of(sockaddr_in& local, sockaddr_in& remote) {
  return {{reinterpret_cast<ngtcp2_sockaddr*>(&local), sizeof local},
          {reinterpret_cast<ngtcp2_sockaddr*>(&remote), sizeof remote},
          nullptr};
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
  for (std::size_t i = 0; i < kRead; ++i) tables_->parts[i] = {tables_->in[i].data(), kJoined};
  gnutls_certificate_allocate_credentials(&credentials_);
  const std::string pki = kTestPki;
  const int good =
      server ? gnutls_certificate_set_x509_key_file(credentials_, (pki + "/server.pem").c_str(),
                                                    (pki + "/server.key").c_str(), GNUTLS_X509_FMT_PEM)
             : gnutls_certificate_set_x509_trust_file(credentials_, (pki + "/ca.pem").c_str(), GNUTLS_X509_FMT_PEM);
  if (good < 0) fail("the certificate", 0);
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
  const ngtcp2_cid ours = random_id(kIdBytes);
  RawQuicCalls::enroll(peer, ours);
  int done = 0;
  if (first != nullptr) {
    RawQuicCalls::enroll(peer, first->dcid);
    parameters.original_dcid = first->dcid;
    parameters.original_dcid_present = 1;
    done = ngtcp2_conn_server_new(&peer.connection, &first->scid, &ours, &path, first->version, &callbacks, &settings,
                                  &parameters, nullptr, &peer);
  } else {
    const ngtcp2_cid theirs = random_id(kIdBytes);
    done = ngtcp2_conn_client_new(&peer.connection, &theirs, &ours, &path, NGTCP2_PROTO_VER_V1, &callbacks, &settings,
                                  &parameters, nullptr, &peer);
  }
  if (done != 0) fail("a connection", done);
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

// ---- in

void RawQuic::turn() {
  ngtcp2_tstamp next = UINT64_MAX;
  for (const auto& peer : peers) {
    if (!peer->over) next = std::min(next, ngtcp2_conn_get_expiry(peer->connection));
  }
  const ngtcp2_tstamp now = clock_now();
  const ngtcp2_duration left = next > now ? next - now : 0;
  const timespec wait{static_cast<time_t>(left / NGTCP2_SECONDS), static_cast<long>(left % NGTCP2_SECONDS)};
  epoll_event event;
  const int ready = epoll_pwait2(epoll_, &event, 1, next == UINT64_MAX ? nullptr : &wait, nullptr);
  if (ready < 0 && errno != EINTR) die("epoll_pwait2");
  if (ready > 0) read_all();
  for (const auto& peer : peers) {
    if (peer->over) continue;
    const ngtcp2_tstamp at = clock_now();
    if (ngtcp2_conn_get_expiry(peer->connection) <= at) {
      if (const int done = ngtcp2_conn_handle_expiry(peer->connection, at); done != 0)
        fail(server_ ? "a timer of a server" : "a timer of a client", done);
    }
    write(*peer);
  }
}

void RawQuic::read_all() {
  Tables& t = *tables_;
  for (int got = kRead; got == kRead;) {
    for (std::size_t i = 0; i < kRead; ++i) {
      t.messages[i].msg_hdr = {.msg_name = &t.from[i],
                               .msg_namelen = sizeof t.from[i],
                               .msg_iov = &t.parts[i],
                               .msg_iovlen = 1,
                               .msg_control = t.notes[i].data(),
                               .msg_controllen = t.notes[i].size(),
                               .msg_flags = 0};
    }
    got = recvmmsg(socket_, t.messages.data(), kRead, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < got; ++i) {
      const auto n = static_cast<std::size_t>(i);
      std::size_t left = t.messages[n].msg_len, segment = left;
      std::uint8_t ecn = 0;
      msghdr& header = t.messages[n].msg_hdr;
      for (cmsghdr* note = CMSG_FIRSTHDR(&header); note != nullptr; note = CMSG_NXTHDR(&header, note)) {
        if (note->cmsg_level == SOL_UDP && note->cmsg_type == UDP_GRO) {
          int value;
          std::memcpy(&value, CMSG_DATA(note), sizeof value);
          segment = static_cast<std::size_t>(value);
        } else if (note->cmsg_level == IPPROTO_IP && note->cmsg_type == IP_TOS) {
          ecn = *CMSG_DATA(note) & 3;
        }
      }
      for (const std::uint8_t* at = t.in[n].data(); left > 0;) {
        const std::size_t size = std::min(left, segment);
        take(at, size, t.from[n], ecn);
        at += size;
        left -= size;
      }
    }
  }
}

RawQuicPeer* RawQuic::find(const ngtcp2_version_cid& header) {
  ngtcp2_cid id;
  ngtcp2_cid_init(&id, header.dcid, header.dcidlen);
  const auto found = tables_->by_id.find(id);
  return found == tables_->by_id.end() ? nullptr : found->second;
}

void RawQuic::take(const std::uint8_t* packet, std::size_t size, const sockaddr_in& from, std::uint8_t ecn) {
  ngtcp2_version_cid header;
  if (ngtcp2_pkt_decode_version_cid(&header, packet, size, kIdBytes) != 0) return;
  RawQuicPeer* peer = find(header);
  if (peer == nullptr) {
    ngtcp2_pkt_hd first;
    if (!server_ || ngtcp2_accept(&first, packet, size) != 0) return;
    peer = peers.emplace_back(std::make_unique<RawQuicPeer>(*this)).get();
    peer->remote = from;
    begin(*peer, &first);
  }
  if (peer->over) return;
  const ngtcp2_path path = path_of(local_, peer->remote);
  const ngtcp2_pkt_info info{.ecn = ecn};
  const int done = ngtcp2_conn_read_pkt(peer->connection, &path, &info, packet, size, clock_now());
  if (done == NGTCP2_ERR_DRAINING || done == NGTCP2_ERR_CLOSING)
    peer->over = true;
  else if (done != 0)
    fail("a packet", done);
}

// ---- out

void RawQuic::write(RawQuicPeer& peer) {
  const std::size_t quantum = ngtcp2_conn_get_send_quantum(peer.connection);
  std::uint8_t* const out = tables_->out.data();
  for (std::size_t left = std::max<std::size_t>(quantum, 1); left > 0;) {
    const std::size_t usual = ngtcp2_conn_get_path_max_tx_udp_payload_size(peer.connection);
    const std::size_t most = std::max(std::min({left, kBurst, usual * kSegments}), std::size_t{kRawQuicPacket});
    std::size_t used = 0, segment = 0;
    std::uint8_t ecn = 0;
    bool more = true;
    while (more) {
      ngtcp2_pkt_info info{};
      const std::size_t room = used == 0 ? kRawQuicPacket : usual;
      const ngtcp2_ssize n = write_packet(peer, info, out + used, room);
      if (n < 0) fail("writing", static_cast<int>(n));
      if (n == 0) {
        left = 0;
        break;
      }
      const auto size = static_cast<std::size_t>(n);
      if (used > 0 && (size > segment || info.ecn != ecn)) {
        send(peer, used, segment, ecn);
        std::memmove(out, out + used, size);
        used = 0;
      }
      if (used == 0) segment = size;
      ecn = static_cast<std::uint8_t>(info.ecn);
      used += size;
      more = size == segment && size <= usual && most - used >= usual;
    }
    if (used > 0) send(peer, used, segment, ecn);
    left -= std::min(left, used);
  }
  ngtcp2_conn_update_pkt_tx_time(peer.connection, clock_now());
}

ngtcp2_ssize RawQuic::write_packet(RawQuicPeer& peer, ngtcp2_pkt_info& info, std::uint8_t* out, std::size_t size) {
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  const ngtcp2_tstamp now = clock_now();
  if (peer.complete && peer.datagrams_to_send > 0) {
    const ngtcp2_vec piece{tables_->source.data(), kRawDatagram};
    int accepted = 0;
    const ngtcp2_ssize n = ngtcp2_conn_writev_datagram(peer.connection, &path.path, &info, out, size, &accepted,
                                                       NGTCP2_WRITE_DATAGRAM_FLAG_NONE, 0, &piece, 1, now);
    if (accepted != 0) --peer.datagrams_to_send;
    return n;
  }
  const bool sends = peer.stream >= 0 && peer.sent < peer.bytes_to_send;
  if (!sends) return ngtcp2_conn_write_pkt(peer.connection, &path.path, &info, out, size, now);
  const std::size_t at = peer.sent % kSource;
  const ngtcp2_vec piece{&tables_->source[at], std::min({kPiece, kSource - at, peer.bytes_to_send - peer.sent})};
  const bool last = piece.len == peer.bytes_to_send - peer.sent;
  ngtcp2_ssize taken = 0;
  ngtcp2_ssize n = ngtcp2_conn_writev_stream(
      peer.connection, &path.path, &info, out, size, &taken,
      last ? std::uint32_t{NGTCP2_WRITE_STREAM_FLAG_FIN} : std::uint32_t{NGTCP2_WRITE_STREAM_FLAG_NONE}, peer.stream,
      &piece, 1, now);
  if (taken > 0) peer.sent += static_cast<std::size_t>(taken);
  if (n == NGTCP2_ERR_STREAM_DATA_BLOCKED)
    n = ngtcp2_conn_write_pkt(peer.connection, &path.path, &info, out, size, now);
  return n;
}

void RawQuic::send(const RawQuicPeer& peer, std::size_t size, std::size_t segment, std::uint8_t ecn) {
  std::array<char, 128> notes{};
  iovec part{tables_->out.data(), size};
  sockaddr_in to = peer.remote;
  msghdr header{.msg_name = &to,
                .msg_namelen = sizeof to,
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = notes.data(),
                .msg_controllen = 0,
                .msg_flags = 0};
  if (ecn != 0) add_note(header, IPPROTO_IP, IP_TOS, int{ecn});
  if (size > segment) add_note(header, SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(segment));
  check(sendmsg(socket_, &header, 0), "sendmsg");
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
