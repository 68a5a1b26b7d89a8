#include "callbacks.h"

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include "quic_acceptor.h"
#include "quic_error.h"
#include "quic_instance.h"

namespace trellis::quic {

/// Each is called from within a call to the library, which must not be called to write from here.
struct Callbacks {
  static QuicInstance& of(void* user) noexcept { return *static_cast<QuicInstance*>(user); }

  static void random(std::uint8_t* out, std::size_t size, const ngtcp2_rand_ctx*) {
    gnutls_rnd(GNUTLS_RND_RANDOM, out, size);
  }
  static int crypto_data(ngtcp2_conn*, ngtcp2_encryption_level level, std::uint64_t offset, const std::uint8_t* data,
                         std::size_t size, void* user) {
    return of(user).tls_->take(level, offset, {data, size});
  }
  static int new_id(ngtcp2_conn*, ngtcp2_cid* id, std::uint8_t* token, std::size_t, void* user) {
    *id = of(user).new_id();
    of(user).write_reset_token(token, *id);
    of(user).enroll(*id);
    return 0;
  }
  static int remove_id(ngtcp2_conn*, const ngtcp2_cid* id, void* user) {
    if (QuicAcceptor* const acceptor = of(user).acceptor_) acceptor->retire(*id, of(user));
    return 0;
  }
  static int handshake_completed(ngtcp2_conn*, void* user) {
    of(user).established();
    return 0;
  }
  static int handshake_confirmed(ngtcp2_conn*, void* user) {
    of(user).confirmed_ = true;
    of(user).ways_.server_asks =
        ngtcp2_conn_get_remote_transport_params(of(user).connection_)->preferred_addr_present != 0;
    return 0;
  }
  static int path_judged(ngtcp2_conn*, std::uint32_t, const ngtcp2_path* path, const ngtcp2_path*,
                         ngtcp2_path_validation_result result, void* user) {
    of(user).path_judged(*path, result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS);
    return 0;
  }
  static int early_refused(ngtcp2_conn*, void* user) {
    of(user).early_refused();
    return 0;
  }
  static int versions_came(ngtcp2_conn*, const ngtcp2_pkt_hd*, const std::uint32_t* theirs, std::size_t count,
                           void* user) {
    const auto& ours = of(user).shared_.settings.versions;
    of(user).offered_version_ = ngtcp2_select_version(ours.data(), ours.size(), theirs, count);
    return 0;
  }
  static int reset_came(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user) {
    of(user).lost_ = true;
    return 0;
  }
  static int new_token(ngtcp2_conn*, const std::uint8_t* token, std::size_t size, void* user) {
    const auto bytes = std::as_bytes(std::span(token, size));
    of(user).host_.state().put(StateKind::address_token, {}, StateValue(bytes.begin(), bytes.end()),
                               std::chrono::hours(24));
    return 0;
  }

  static int stream_data(ngtcp2_conn*, std::uint32_t flags, std::int64_t id, std::uint64_t, const std::uint8_t* data,
                         std::size_t size, void* user, void* stream) {
    return of(user).stream_data(flags, id, {data, size}, static_cast<Stream*>(stream));
  }
  static int stream_opened(ngtcp2_conn*, std::int64_t id, void* user) {
    of(user).stream_of_peer(id);
    return 0;
  }
  static int acknowledged(ngtcp2_conn*, std::int64_t, std::uint64_t offset, std::uint64_t size, void*, void* stream) {
    if (stream != nullptr) static_cast<Stream*>(stream)->out.acknowledged(offset + size);
    return 0;
  }
  static int stream_closed(ngtcp2_conn* connection, std::uint32_t, std::int64_t id, std::uint64_t, void* user,
                           void* stream) {
    if (ngtcp2_conn_is_local_stream(connection, id) == 0) {
      if ((id & kUnidirectional) != 0)
        ngtcp2_conn_extend_max_streams_uni(connection, 1);
      else
        ngtcp2_conn_extend_max_streams_bidi(connection, 1);
    }
    if (stream == nullptr) return 0;
    auto& s = *static_cast<Stream*>(stream);
    s.gone = true;
    of(user).schedule_.remove(s);
    s.out.drop({Reason::reset, 0, kLayer, "the stream has ended"});
    of(user).stir(s);
    return 0;
  }
  static int stream_reset(ngtcp2_conn*, std::int64_t, std::uint64_t, std::uint64_t code, void* user, void* stream) {
    if (stream == nullptr) return 0;
    QuicInstance& q = of(user);
    auto& s = *static_cast<Stream*>(stream);
    if (s.deaf || s.told_finished) return 0;
    s.deaf = true;
    q.consumed(s, s.in.drop());
    if (s.port) {
      q.host_.streams().stream_aborted(s.port, Direction::receiving,
                                       {Reason::reset, code, kLayer, "the peer has abandoned the stream"});
    }
    return 0;
  }
  static int more_stream_data(ngtcp2_conn*, std::int64_t, std::uint64_t, void* user, void* stream) {
    if (stream == nullptr) return 0;
    auto& s = *static_cast<Stream*>(stream);
    s.blocked = false;
    of(user).schedule(s);
    return 0;
  }
  static int more_streams(ngtcp2_conn*, std::uint64_t, void* user) {
    of(user).name_streams();
    return 0;
  }

  static int datagram(ngtcp2_conn*, std::uint32_t flags, const std::uint8_t* data, std::size_t size, void* user) {
    return of(user).datagram_data(flags, {data, size});
  }
  static int datagram_acknowledged(ngtcp2_conn*, std::uint64_t id, void* user) {
    auto& tracked = of(user).tracked_;
    const auto found = tracked.find(id);
    if (found == tracked.end()) return 0;
    found->second->report(Fate::acknowledged);
    tracked.erase(found);
    return 0;
  }
  static int datagram_lost(ngtcp2_conn*, std::uint64_t id, void* user) {
    of(user).tracked_.erase(id);
    return 0;
  }
};

ngtcp2_callbacks library_callbacks(bool server) noexcept {
  ngtcp2_callbacks c{};
  if (server) {
    c.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  } else {
    c.client_initial = ngtcp2_crypto_client_initial_cb;
    c.recv_version_negotiation = Callbacks::versions_came;
    c.recv_retry = ngtcp2_crypto_recv_retry_cb;
    c.recv_new_token = Callbacks::new_token;
    c.handshake_confirmed = Callbacks::handshake_confirmed;
    c.tls_early_data_rejected = Callbacks::early_refused;
  }
  c.recv_crypto_data = Callbacks::crypto_data;
  c.encrypt = ngtcp2_crypto_encrypt_cb;
  c.decrypt = ngtcp2_crypto_decrypt_cb;
  c.hp_mask = ngtcp2_crypto_hp_mask_cb;
  c.update_key = ngtcp2_crypto_update_key_cb;
  c.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  c.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  c.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  c.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  c.rand = Callbacks::random;
  c.get_new_connection_id = Callbacks::new_id;
  c.remove_connection_id = Callbacks::remove_id;
  c.handshake_completed = Callbacks::handshake_completed;
  c.path_validation = Callbacks::path_judged;
  c.recv_stateless_reset = Callbacks::reset_came;
  c.recv_stream_data = Callbacks::stream_data;
  c.stream_open = Callbacks::stream_opened;
  c.acked_stream_data_offset = Callbacks::acknowledged;
  c.stream_close = Callbacks::stream_closed;
  c.stream_reset = Callbacks::stream_reset;
  c.extend_max_stream_data = Callbacks::more_stream_data;
  c.extend_max_local_streams_bidi = Callbacks::more_streams;
  c.extend_max_local_streams_uni = Callbacks::more_streams;
  c.recv_datagram = Callbacks::datagram;
  c.ack_datagram = Callbacks::datagram_acknowledged;
  c.lost_datagram = Callbacks::datagram_lost;
  return c;
}

}  // namespace trellis::quic
