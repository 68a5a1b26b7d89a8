// dtls_properties.cc: what can be asked.
#include "../property_name.h"
#include "dtls_instance.h"
#include "trellis/lowers.h"

namespace trellis::dtls {
namespace {

constexpr std::uint64_t kLargestOverUdp = 65535 - 20 - 8;

}  // namespace

// The peers of a listener share what is below, which cannot be asked for them: the path's MTU is all that is known.
std::uint64_t DtlsInstance::below_most(std::string_view name) noexcept {
  if (auto below = host_.lowers().ask(lower_, name)) {
    if (const auto* const most = std::get_if<std::uint64_t>(&*below)) return *most;
  }
  if (name != kSingularTransmissionMsgMaxLen.name || route_ == nullptr) return kLargestOverUdp;
  return Association::datagram_most(route_->path);
}

Result<PropertyValue> DtlsInstance::get(UpperPort, std::string_view name) noexcept {
  for (const std::string_view size : {kSendMsgMaxLen.name, kSingularTransmissionMsgMaxLen.name, kRecvMsgMaxLen.name}) {
    if (same_name(name, size)) return Association::content_most(below_most(size));
  }
  if (trunk_ || !association_.is_open() || !name.starts_with("dtls.")) return fail(Reason::unsupported);
  const tls::Agreed& agreed = association_.agreed();
  if (name == "dtls.version") return std::string("1.2");
  if (name == "dtls.cipherSuite") return agreed.suite_name;
  if (name == "dtls.alpn") return agreed.alpn;
  if (name == "dtls.peer") return agreed.peer;
  if (name == "dtls.forgedRecords") return association_.forged();
  if (name == "dtls.replayedRecords") return association_.replayed();
  return fail(Reason::unsupported);
}

}  // namespace trellis::dtls
