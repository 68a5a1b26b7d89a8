// properties.cc: what a connection and its streams tell and can be told.
#include "../property_name.h"
#include "quic_error.h"
#include "quic_instance.h"

namespace trellis::quic {
namespace {

std::unexpected<Error> wrong(std::string_view name, std::string_view expected) {
  return fail(Reason::invalid_argument, std::string(name) + ": expected " + std::string(expected), 0, kLayer);
}

Result<PropertyValue> fact_of_stream(const Stream& s, std::string_view name) {
  if (same_name(name, kConnPriority.name)) return s.priority;
  if (s.id == kNoId) return fail(Reason::unsupported);
  if (same_name(name, kStreamId.name)) return static_cast<std::uint64_t>(s.id);
  if (same_name(name, "quic.streamKind"))
    return std::string((s.id & kUnidirectional) != 0 ? "unidirectional" : "bidirectional");
  if (same_name(name, "quic.streamInitiator")) return std::string((s.id & kByServer) != 0 ? "server" : "client");
  return fail(Reason::unsupported);
}

std::string version_name(std::uint32_t version) {
  if (version == NGTCP2_PROTO_VER_V1) return "v1";
  return version == NGTCP2_PROTO_VER_V2 ? "v2" : "unknown";
}

Result<PropertyValue> fact_of_handshake(const TlsSession& tls, std::string_view name) {
  const Agreed agreed = tls.agreed();
  if (same_name(name, "tls.version")) return std::string("1.3");
  if (same_name(name, "tls.cipherSuite")) return std::string(agreed.suite);
  if (same_name(name, "tls.group")) return std::string(agreed.group);
  if (same_name(name, "tls.alpn")) return agreed.alpn;
  if (same_name(name, "tls.peer")) return agreed.peer;
  if (same_name(name, "tls.resumed")) return agreed.resumed;
  return fail(Reason::unsupported);
}

}  // namespace

Result<PropertyValue> QuicInstance::get(UpperPort port, std::string_view name) noexcept {
  if (connection_ == nullptr) return fail(Reason::unsupported);
  const Stream* const s = port ? port.mark<Stream>() : nullptr;
  if (s != nullptr && s->is_datagrams() &&
      (same_name(name, kSendMsgMaxLen.name) || same_name(name, kSingularTransmissionMsgMaxLen.name)))
    return std::uint64_t{datagram_most()};
  if (same_name(name, kSendMsgMaxLen.name) || same_name(name, kRecvMsgMaxLen.name)) return UINT64_MAX;
  if (s != nullptr) {
    if (auto fact = fact_of_stream(*s, name)) return fact;
  }
  if (stage_ == Stage::open && name.starts_with("tls.")) return fact_of_handshake(*tls_, name);
  if (same_name(name, "quic.version")) return version_name(ngtcp2_conn_get_negotiated_version(connection_));
  if (!server_ && same_name(name, kPathProperty)) return std::uint64_t{lower_.route().path.id};
  if (same_name(name, "quic.streamsLeft")) return ngtcp2_conn_get_streams_bidi_left(connection_);
  if (same_name(name, "quic.unidirectionalStreamsLeft")) return ngtcp2_conn_get_streams_uni_left(connection_);
  if (same_name(name, "quic.streamsOpen")) return std::uint64_t{streams_.size()};
  if (same_name(name, "quic.idleTimeout")) return effective_idle_timeout();
  if (!same_name(name, kRoundTripTime.name)) return fail(Reason::unsupported);
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(connection_, &info);
  return Duration(static_cast<Duration::rep>(info.smoothed_rtt));
}

// The shorter of both ends' (RFC 9000 section 10.1). QUIC-21, QUIC-78
Duration QuicInstance::effective_idle_timeout() const noexcept {
  const std::uint64_t own = nanoseconds(shared_.settings.idle_timeout);
  const ngtcp2_transport_params* const peer = ngtcp2_conn_get_remote_transport_params(connection_);
  const std::uint64_t theirs = peer != nullptr ? peer->max_idle_timeout : 0;
  const std::uint64_t least = own == 0 || theirs == 0 ? std::max(own, theirs) : std::min(own, theirs);
  return least == 0 ? Duration::max() : Duration(static_cast<Duration::rep>(least));
}

Result<void> QuicInstance::set(UpperPort port, std::string_view name, const PropertyValue& value) noexcept {
  if (connection_ == nullptr) {
    if (!same_name(name, kMultipath.name) || value != PropertyValue(std::string("Disabled")))
      return fail(Reason::unsupported);
    one_path_ = true;  // told to a server before open()
    return {};
  }
  if (same_name(name, kConnPriority.name) && port) {
    const auto* const priority = std::get_if<std::uint64_t>(&value);
    if (priority == nullptr) return wrong(name, "a number");
    Stream& s = *port.mark<Stream>();
    schedule_.remove(s);
    s.priority = *priority;
    schedule(s);
    return {};
  }
  if (same_name(name, kKeepAliveTimeout.name)) {
    const auto* const after = std::get_if<Duration>(&value);
    if (after == nullptr || *after <= Duration::zero()) return wrong(name, "a duration above zero, or Disabled");
    ngtcp2_conn_set_keep_alive_timeout(connection_, *after == Duration::max() ? UINT64_MAX : nanoseconds(*after));
    return {};
  }
  if (same_name(name, kPathProperty)) {
    const auto* const path = std::get_if<std::uint64_t>(&value);
    if (path == nullptr || *path == 0 || *path > UINT32_MAX) return wrong(name, "the id of a path");
    return move_to(static_cast<std::uint32_t>(*path));
  }
  if (!same_name(name, kKeyUpdateProperty)) return fail(Reason::unsupported);
  if (stage_ != Stage::open)
    return fail(Reason::unsupported, "keys can be updated on an open connection only", 0, kLayer);
  if (ngtcp2_conn_initiate_key_update(connection_, now()) == 0) return {};
  return fail(Reason::unsupported, "the peer may not have all of the present keys yet; try again after a round trip", 0,
              kLayer);
}

}  // namespace trellis::quic
