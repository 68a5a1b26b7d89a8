#include "quic_instance.h"

#include <format>

#include "callbacks.h"
#include "net_path.h"
#include "quic_acceptor.h"
#include "quic_error.h"

namespace trellis::quic {
namespace {

constexpr std::size_t kInputWindow = 1 << 20;  // bytes of datagrams: all that came is read in the turn it came in
constexpr std::size_t kHeldMost = 64;          // chunks
constexpr std::size_t kFirstIdBytes = 18;      // of the id that a client invents for the server
constexpr unsigned kSeatRounds = 8;            // more than it takes to tell a Connection that it is ready
constexpr Duration kRetryPause = std::chrono::milliseconds(1);
constexpr std::uint64_t kDatagramFrameMost = 65535;  // QUIC-94: the recommended value
constexpr std::uint64_t kIdsMost = 8;                // of the peer's that we keep, for migration

}  // namespace

QuicInstance::QuicInstance(const Seat& seat, const Shared& shared)
    : host_(seat.host), first_(seat.upper), lower_(seat.lower), shared_(shared) {}

QuicInstance::QuicInstance(const Seat& seat, const Shared& shared, QuicAcceptor& acceptor, const FirstFlight& first)
    : QuicInstance(seat, shared) {
  acceptor_ = &acceptor;
  first_flight_ = first;
  server_ = true;
}

QuicInstance::~QuicInstance() {
  if (connection_ != nullptr) ngtcp2_conn_del(connection_);
}

// ---- the beginning

void QuicInstance::open(const OpenArgs& args) noexcept {
  args_ = &args;
  if (auto made = make_connection(args); !made) return end(std::move(made.error()));
  if (!server_) {
    lower_.grant_to(kInputWindow);
    if (first_) add_first_stream();
    offer_early();
  }
  on_wake();
}

void QuicInstance::add_first_stream() {
  const bool datagrams = first_.face() == Face::datagram;
  Stream& s = add_stream(first_, {.face = first_.face(), .direction = datagrams ? Direction::both : args_->direction});
  if (!s.is_datagrams()) unnamed_.push_back(&s);
}

Result<void> QuicInstance::make_connection(const OpenArgs& args) {
  auto credentials = shared_.credentials.get(host_.security(), server_);
  if (!credentials) return fail(std::move(credentials));
  tls_.emplace(host_, shared_.settings, std::move(*credentials));
  if (auto begun = tls_->begin(args, &shared_.replays); !begun) return begun;
  ngtcp2_settings settings;
  ngtcp2_transport_params parameters;
  settle(settings, parameters);
  auto made = server_ ? make_server(settings, parameters) : make_client(args, settings, parameters);
  if (!made) return made;
  tls_->serve(connection_);
  ngtcp2_conn_set_tls_native_handle(connection_, tls_->native());
  if (shared_.settings.keep_alive > Duration::zero())
    ngtcp2_conn_set_keep_alive_timeout(connection_, nanoseconds(shared_.settings.keep_alive));
  return {};
}

void QuicInstance::settle(ngtcp2_settings& settings, ngtcp2_transport_params& parameters) const noexcept {
  const Settings& own = shared_.settings;
  ngtcp2_settings_default(&settings);
  settings.original_version = original_version_;
  settings.initial_ts = now();
  settings.cc_algo = own.congestion;
  settings.max_tx_udp_payload_size = own.packet_most;
  settings.pmtud_probes = own.packet_sizes.data();
  settings.pmtud_probeslen = own.packet_sizes.size();
  settings.no_pmtud = own.packet_sizes.empty();
  settings.max_window = own.window_most;
  settings.max_stream_window = own.stream_window_most;
  settings.handshake_timeout = nanoseconds(own.handshake_timeout);
  settings.preferred_versions = own.versions.data();
  settings.preferred_versionslen = own.versions.size();
  settings.available_versions = own.versions.data();
  settings.available_versionslen = own.versions.size();
  ngtcp2_transport_params_default(&parameters);
  parameters.initial_max_stream_data_bidi_local = own.stream_window;
  parameters.initial_max_stream_data_bidi_remote = own.stream_window;
  parameters.initial_max_stream_data_uni = own.stream_window;
  parameters.initial_max_data = own.window;
  parameters.initial_max_streams_bidi = own.streams_bidi;
  parameters.initial_max_streams_uni = own.streams_uni;
  parameters.max_idle_timeout = nanoseconds(own.idle_timeout);
  parameters.active_connection_id_limit = kIdsMost;
  parameters.disable_active_migration = !own.migration || one_path_;  // QUIC-74
  parameters.max_datagram_frame_size = own.datagrams ? kDatagramFrameMost : 0;
  parameters.grease_quic_bit = 1;
}

Result<void> QuicInstance::make_client(const OpenArgs& args, ngtcp2_settings& settings,
                                       ngtcp2_transport_params& parameters) {
  ngtcp2_cid theirs;
  theirs.datalen = kFirstIdBytes;
  host_.executor().secret(std::as_writable_bytes(std::span(theirs.data, kFirstIdBytes)));
  const ngtcp2_cid ours = new_id();
  const StateValue token = host_.state().take(StateKind::address_token);
  if (!token.empty()) {
    settings.token = octets(token).data();
    settings.tokenlen = token.size();
    settings.token_type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }
  log_to(settings, theirs);
  const NetPath path(args.route.local, args.route.remote);
  const ngtcp2_callbacks callbacks = library_callbacks(false);
  const std::uint32_t version = offered_version_ != 0 ? offered_version_ : shared_.settings.versions.front();
  const int done = ngtcp2_conn_client_new(&connection_, &theirs, &ours, path.get(), version, &callbacks, &settings,
                                          &parameters, nullptr, this);
  if (done == 0) return {};
  return fail(Reason::configuration, std::format("a connection cannot be made: {}", ngtcp2_strerror(done)), 0, kLayer);
}

Result<void> QuicInstance::make_server(ngtcp2_settings& settings, ngtcp2_transport_params& parameters) {
  const ngtcp2_pkt_hd& first = first_flight_->header;
  const ngtcp2_cid ours = new_id();
  parameters.original_dcid = first_flight_->original.value_or(first.dcid);
  parameters.original_dcid_present = 1;
  if (first_flight_->original) {
    parameters.retry_scid = first.dcid;
    parameters.retry_scid_present = 1;
  }
  parameters.stateless_reset_token_present = 1;
  write_reset_token(parameters.stateless_reset_token, ours);
  offer_own_address(parameters);
  if (first_flight_->validated) {
    settings.token = first.token;
    settings.tokenlen = first.tokenlen;
    settings.token_type = first_flight_->original ? NGTCP2_TOKEN_TYPE_RETRY : NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  }
  log_to(settings, parameters.original_dcid);
  const MessageInfo& from = *held_.front().info.get();
  const NetPath path(from.local, from.remote);
  const ngtcp2_callbacks callbacks = library_callbacks(true);
  const int done = ngtcp2_conn_server_new(&connection_, &first.scid, &ours, path.get(), first.version, &callbacks,
                                          &settings, &parameters, nullptr, this);
  if (done != 0)
    return fail(Reason::configuration, std::format("a connection cannot be made: {}", ngtcp2_strerror(done)), 0,
                kLayer);
  enroll(ours);
  if (parameters.preferred_addr_present != 0) enroll(parameters.preferred_addr.cid);
  return {};
}

void QuicInstance::log_to(ngtcp2_settings& settings, const ngtcp2_cid& original) noexcept {
  qlog_ = Qlog::open(shared_.log_directory, original, server_);
  if (!qlog_) return;
  settings.qlog_write = [](void* self, std::uint32_t, const void* text, std::size_t size) {
    static_cast<QuicInstance*>(self)->qlog_->write({static_cast<const std::byte*>(text), size});
  };
}

// The server has none of the versions that we began with, and has named others. That nobody else has named them is
// proved in the handshake (RFC 9368 section 4). False: there is none that we have too, or this was the second time.
bool QuicInstance::begin_again() noexcept {
  if (offered_version_ == 0 || original_version_ != 0) return false;
  original_version_ = shared_.settings.versions.front();
  ngtcp2_conn_del(std::exchange(connection_, nullptr));
  forget_names();
  if (std::exchange(early_, false)) host_.notify(Notice::early_refused);
  if (auto made = make_connection(*args_); !made) end(std::move(made.error()));
  return true;
}

ngtcp2_cid QuicInstance::new_id() noexcept {
  ngtcp2_cid id;
  id.datalen = kIdBytes;
  host_.executor().secret(std::as_writable_bytes(std::span(id.data, kIdBytes)));
  if (acceptor_ != nullptr) acceptor_->name_loop(id);
  return id;
}

// A client resets nobody statelessly: nobody can tell its tokens.
void QuicInstance::write_reset_token(std::uint8_t* token, const ngtcp2_cid& id) noexcept {
  const std::span<std::uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> out(token, NGTCP2_STATELESS_RESET_TOKENLEN);
  if (acceptor_ == nullptr) return host_.executor().secret(std::as_writable_bytes(out));
  acceptor_->reset_tokens().write(out, std::span<const std::uint8_t, kIdBytes>(id.data, kIdBytes));
}

void QuicInstance::enroll(const ngtcp2_cid& id) {
  if (acceptor_ != nullptr) acceptor_->enroll(id, *this);
}

// A server that we have been to lets us speak at once, within what it promised then.
void QuicInstance::offer_early() noexcept {
  const auto promised = tls_->remembered();
  if (promised.empty() ||
      ngtcp2_conn_decode_and_set_0rtt_transport_params(connection_, promised.data(), promised.size()) != 0)
    return;
  early_ = true;
  host_.early();
  name_streams();
}

// ---- input

void QuicInstance::on_up(LowerPort from, Batch& batch) noexcept {
  while (!batch.empty()) {
    Chunk chunk = batch.pop();
    if (speaks() && stage_ != Stage::asking) {
      read(chunk, from.route().local, from.route().remote);
    } else if (stage_ == Stage::asking && held_.size() < kHeldMost) {
      held_.add(std::move(chunk));
    }
  }
  if (speaks() && stage_ != Stage::asking) hand_up_all();
  from.grant_to(kInputWindow);
}

void QuicInstance::input(Chunk&& chunk) noexcept {
  if (connection_ != nullptr && speaks() && stage_ != Stage::asking) {
    read(chunk, chunk.info->local, chunk.info->remote);
    if (!speaks()) return;
    hand_up_all();
    host_.wake();  // for flush()
  } else if (stage_ == Stage::handshake || stage_ == Stage::asking) {
    if (held_.size() < kHeldMost) held_.add(std::move(chunk));
  }
}

void QuicInstance::read(const Chunk& chunk, const Address& local, const Address& remote) noexcept {
  const NetPath path(local, remote);
  const ngtcp2_pkt_info info{.ecn = chunk.ecn};
  auto bytes = octets(chunk.data.bytes());
  const std::size_t segment = chunk.segment_size != 0 ? chunk.segment_size : std::max<std::size_t>(bytes.size(), 1);
  while (!bytes.empty() && speaks()) {
    const auto packet = bytes.first(std::min(segment, bytes.size()));
    input_left_ = bytes.size();
    bytes = bytes.subspan(packet.size());
    const int done = ngtcp2_conn_read_pkt(connection_, path.get(), &info, packet.data(), packet.size(), now());
    if (done != 0) library_failed(done);
  }
  if (heard_ || server_ || chunk.data.size() == 0) return;
  heard_ = true;
  if (stage_ == Stage::handshake) host_.answered(0);
}

void QuicInstance::on_wake() noexcept {
  if (std::exchange(due_, false)) on_deadline();
  if (stage_ == Stage::asking) {
    if (const auto answer = question_.take()) answered(*answer);
  }
  while (!held_.empty() && speaks() && stage_ != Stage::asking) {
    const Chunk chunk = held_.pop();
    const bool addressed = chunk.info && chunk.info->remote;
    read(chunk, addressed ? chunk.info->local : lower_.route().local,
         addressed ? chunk.info->remote : lower_.route().remote);
  }
}

// ---- the peer is judged

void QuicInstance::established() noexcept {
  if (!server_ && early_ && !tls_->early_data_accepted()) {
    ngtcp2_conn_tls_early_data_rejected(connection_);
    early_ = false;
  } else if (!server_ && early_) {
    host_.notify(Notice::early_accepted);
  }
  if (server_) {
    tls_->send_tickets();
    give_token();
  }
  if (tls_->must_ask()) return ask();
  become_ready();
}

// The client's next connection needs no Retry.
void QuicInstance::give_token() noexcept {
  const Address remote = address_of(ngtcp2_conn_get_path(connection_)->remote);
  const Token token = acceptor_->tokens().for_next_time(remote, host_.executor().wall_clock());
  if (!token.empty()) ngtcp2_conn_submit_new_token(connection_, token.data(), token.size());
}

// Nothing of ours leaves before the application has answered, so the peer sees neither our certificate nor
// our Finished.
void QuicInstance::ask() noexcept {
  stage_ = Stage::asking;
  host_.deadline(host_.executor().now() + shared_.settings.answer_timeout);
  if (question_.ask(host_, [this](auto answer) { return tls_->ask(std::move(answer)); })) return;
  question_.answer(fail(Reason::authentication, "it has given no Question to wait for"));
}

void QuicInstance::answered(const Result<void>& answer) noexcept {
  stage_ = Stage::handshake;
  if (answer) return become_ready();
  refuse_peer(security::refusal_error(kLayer, tls_->peer_name(), answer.error().detail));
}

void QuicInstance::unanswered() noexcept {
  stage_ = Stage::handshake;
  refuse_peer(security::unanswered_error(kLayer, tls_->peer_name(), shared_.settings.answer_timeout));
}

void QuicInstance::refuse_peer(Error error) noexcept {
  constexpr std::uint8_t kBadCertificate = 42;
  ngtcp2_ccerr why;
  ngtcp2_ccerr_default(&why);
  ngtcp2_ccerr_set_tls_alert(&why, kBadCertificate, nullptr, 0);
  say_goodbye(why);
  end(std::move(error));
}

void QuicInstance::become_ready() noexcept {
  if (stage_ != Stage::handshake) return;
  stage_ = Stage::open;
  if (acceptor_ != nullptr) acceptor_->knows_peer(*this);
  if (!server_ || !early_) host_.ready();
  name_streams();
  for (const auto& s : streams_) {
    stir(*s);
    schedule(*s);
  }
  if (!server_) seat_rounds_ = kSeatRounds;
  seat_waiting(server_);
}

// ---- time

void QuicInstance::on_deadline() noexcept {
  if (stage_ == Stage::asking) return unanswered();
  if (!speaks()) return;
  if (const int done = ngtcp2_conn_handle_expiry(connection_, now()); done != 0) library_failed(done);
}

void QuicInstance::watch_time(ngtcp2_tstamp expiry) noexcept {
  TimePoint at = path_work_at();
  if (expiry != UINT64_MAX) at = std::min(at, TimePoint{Duration(static_cast<Duration::rep>(expiry))});
  const TimePoint now = host_.executor().now();
  // What is due waits for room below: on_credit() tells of that, and asking again at once would spin.
  if (lower_.credit() == 0 && at != TimePoint::max()) at = std::max(at, now + kRetryPause);
  if (at > now) return host_.deadline(at);
  due_ = true;  // between two bursts of a fast sender: a timer would cost more
  host_.wake();
}

void QuicInstance::flush() noexcept {
  if (stage_ == Stage::asking || stage_ == Stage::over) return;
  if (seat_rounds_ != 0) seat_waiting(--seat_rounds_ == 0);
  hand_up_all();
  if (stage_ == Stage::lingering) end_if_taken();
  if (!speaks()) return;
  watch_paths();
  std::size_t budget = std::max<std::size_t>(ngtcp2_conn_get_send_quantum(connection_), 1);
  while (write_burst(budget)) {
  }
  if (!speaks()) return;
  // Pacing says when more may leave. While there is nothing more, a timer for it would be a turn for nothing.
  const ngtcp2_tstamp unpaced = ngtcp2_conn_get_expiry(connection_);
  ngtcp2_conn_update_pkt_tx_time(connection_, now());
  if (stage_ == Stage::open && (server_ || confirmed_)) tls_->let_go();
  if (stage_ == Stage::closing) try_goodbye();
  if (speaks()) watch_time(budget > 0 ? unpaced : ngtcp2_conn_get_expiry(connection_));
}

// ---- the end

void QuicInstance::close(const CloseArgs& args) noexcept {
  question_.withdraw();
  if (!speaks()) return say_end();
  if (!args.abort && stage_ == Stage::open) {
    stage_ = Stage::closing;  // flush() says it
    return;
  }
  ngtcp2_ccerr why;
  ngtcp2_ccerr_default(&why);
  ngtcp2_ccerr_set_application_error(&why, args.abort ? args.code : shared_.settings.close_code,
                                     reinterpret_cast<const std::uint8_t*>(args.reason.data()), args.reason.size());
  say_goodbye(why);
  end_error_.reset();
  say_end();
}

// Everything that was taken must have arrived, or the peer would drop it (RFC 9000 section 10.2). QUIC-77
void QuicInstance::try_goodbye() noexcept {
  for (const auto& s : streams_) {
    if (!s->all_sent() || (!s->gone && !s->stopped && !s->out.empty())) return;
  }
  ngtcp2_ccerr why;
  ngtcp2_ccerr_default(&why);
  ngtcp2_ccerr_set_application_error(&why, shared_.settings.close_code, nullptr, 0);
  if (!say_goodbye(why)) return;
  end_error_.reset();
  say_end();
}

// False: there is no room for it now.
bool QuicInstance::say_goodbye(const ngtcp2_ccerr& why) noexcept {
  constexpr std::uint32_t kMost = 1452;
  if (draining_) return true;
  if (lower_.credit() == 0) return false;
  draining_ = true;
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  Slice packet = host_.executor().pool().allocate(0, kMost, 0);
  auto* const out = reinterpret_cast<std::uint8_t*>(packet.edit().data());
  const auto n = ngtcp2_conn_write_connection_close(connection_, &path.path, &info, out, kMost, &why, now());
  if (n <= 0) return true;
  packet.drop_back(kMost - static_cast<std::uint32_t>(n));
  if (acceptor_ != nullptr) last_words = packet.share();
  push(std::move(packet), static_cast<std::size_t>(n), path.path, info);
  return true;
}

Duration QuicInstance::linger() const noexcept {
  return Duration(static_cast<Duration::rep>(3 * ngtcp2_conn_get_pto(connection_)));  // RFC 9000 section 10.2
}

void QuicInstance::library_failed(int error) noexcept {
  if (error == NGTCP2_ERR_CLOSING || error == NGTCP2_ERR_DISCARD_PKT) return;
  if (error == NGTCP2_ERR_RECV_VERSION_NEGOTIATION && begin_again()) return;
  const std::string peer = tls_->peer_name();
  if (error == NGTCP2_ERR_DRAINING) {
    draining_ = true;
    if (lost_) return end(lost_error(peer));
    const ngtcp2_ccerr& said = *ngtcp2_conn_get_ccerr(connection_);
    const bool fine = said.type == NGTCP2_CCERR_TYPE_APPLICATION && said.error_code == shared_.settings.close_code;
    if (fine && ended_well()) return end(std::nullopt);
    return end(close_error(said, peer));
  }
  if (error == NGTCP2_ERR_IDLE_CLOSE) {
    draining_ = true;
    if (ended_well()) return end(std::nullopt);
    return end(library_error(error, 0, peer));
  }
  if (error == NGTCP2_ERR_HANDSHAKE_TIMEOUT) {
    draining_ = !heard_;
    auto why = security::timeout_error(kLayer, peer, shared_.settings.handshake_timeout);
    ngtcp2_ccerr said;
    describe(said, NGTCP2_ERR_INTERNAL, 0);
    say_goodbye(said);
    return end(std::move(why));
  }
  const bool silent =
      error == NGTCP2_ERR_DROP_CONN || error == NGTCP2_ERR_RETRY || error == NGTCP2_ERR_RECV_VERSION_NEGOTIATION;
  const auto& refusal = tls_->refusal();
  const std::uint8_t alert = refusal ? tls_->refusal_alert() : ngtcp2_conn_get_tls_alert(connection_);
  ngtcp2_ccerr said;
  describe(said, error, alert);
  if (silent)
    draining_ = true;
  else
    say_goodbye(said);
  end(refusal ? *refusal : library_error(error, alert, peer));
}

// The peer has said all that it had to say and knows all that we had to say.
bool QuicInstance::ended_well() const noexcept {
  return stage_ == Stage::closing || (stage_ == Stage::open && std::ranges::all_of(streams_, [](const auto& s) {
                                        return s->is_datagrams() || s->gone ||
                                               ((s->deaf || s->peer_finished) && s->all_sent());
                                      }));
}

// What has come goes up first, as far as the layers above take it.
void QuicInstance::end(std::optional<Error> error) noexcept {
  if (stage_ == Stage::over || stage_ == Stage::lingering) return;
  const bool closing = stage_ == Stage::closing;
  stage_ = Stage::lingering;
  question_.withdraw();
  held_.clear();
  host_.deadline(TimePoint::max());
  end_error_ = std::move(error);
  hand_up_all();
  if (closing)
    say_end();
  else
    end_if_taken();
}

// A failure does not wait for somebody who does not read.
void QuicInstance::end_if_taken() noexcept {
  const auto taken = [](const auto& s) {
    return !s->port || s->deaf || (s->in.empty() && s->port.link().up.batch.empty());
  };
  if (end_error_ || std::ranges::all_of(streams_, taken)) say_end();
}

void QuicInstance::say_end() noexcept {
  if (stage_ == Stage::over) return;
  stage_ = Stage::over;
  waits_for_room = false;
  question_.withdraw();
  if (end_error_)
    host_.failed(std::move(*end_error_));
  else
    host_.closed();
}

}  // namespace trellis::quic
