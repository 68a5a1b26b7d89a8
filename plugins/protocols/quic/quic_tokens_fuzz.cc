// quic_tokens_fuzz.cc: address tokens and first packets of anybody. Only what we have made ourselves proves an address.
#include <cstdlib>
#include <cstring>

#include "address_tokens.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trellis;
  using namespace trellis::quic;
  constexpr std::uint8_t kKey[32] = {4};
  static const Secrets secrets(kKey);
  static AddressTokens tokens(secrets);
  const Address from{.family = Address::Family::ipv4, .port = 4433, .ip = {192, 0, 2, 1}};
  const WallClock now = WallClock(std::chrono::hours(24 * 365 * 50));
  if (size < 2) return 0;
  FirstFlight first{};
  first.header.version = NGTCP2_PROTO_VER_V1;
  first.header.dcid.datalen = data[0] % (NGTCP2_MAX_CIDLEN + 1);
  // One of ours, that they have changed, or one of theirs.
  Token token = data[1] % 3 == 0 ? tokens.for_next_time(from, now) : Token();
  if (data[1] % 3 == 1) token = tokens.for_retry(first.header, first.header.dcid, from, now);
  const bool own = !token.empty();
  bool same = own;
  for (std::size_t i = 2; i < size; ++i) {
    if (!own) {
      token.push_back(data[i]);
    } else if (!token.empty()) {
      same = same && data[i] == 0;
      token[i % token.size()] ^= data[i];
    }
  }
  const Token before = token;
  first.header.token = token.data();
  first.header.tokenlen = token.size();
  const bool goes_on = tokens.judge(first, from, now);
  if (token != before) std::abort();
  if (same && !(goes_on && first.validated)) std::abort();
  if (!own && first.validated) std::abort();
  ngtcp2_pkt_hd header;
  ngtcp2_accept(&header, data, size);
  return 0;
}
