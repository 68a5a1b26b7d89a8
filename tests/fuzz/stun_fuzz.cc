// Messages of a STUN server: any bytes. What is accepted lies within them, and is read without surprises.
#include <cstdlib>

#include "core/stun_login.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trellis;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto message = read_stun(bytes);
  if (!message) {
    if (message.error().detail.empty()) std::abort();
    return 0;
  }
  for (const auto& attribute : message->attributes) {
    if (attribute.at + 4 + attribute.value.size() > size) std::abort();
  }
  for (const auto type : {StunType::mapped_address, StunType::xor_mapped_address, StunType::xor_relayed_address,
                          StunType::alternate_server}) {
    const auto address = message->address(type);
    if (address && !*address) std::abort();
  }
  if (const auto refusal = message->refusal(); refusal && refusal->reason.size() > 128) std::abort();
  (void)message->number(StunType::lifetime);
  StunLogin login("user", "password");
  if (login.challenged(*message)) {
    StunWriter request(StunClass::request, StunMethod::binding, message->id);
    login.sign(request);
    const auto ours = read_stun(request.bytes());
    if (!ours || !login.fits(*ours)) std::abort();
  }
  return 0;
}
