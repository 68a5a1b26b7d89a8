// quic_state_fuzz.cc: what the store of a client gives back may be anything: transport parameters of earlier, tickets
// and tokens. The first byte says which of them; the connection comes to be all the same, or fails with words.
#include "memory_quic.h"

namespace {

using namespace trellis;
using namespace trellis::quic;

struct Stored {
  std::string name;
  StateValue ticket;        // whole
  std::size_t session = 0;  // bytes of it; the transport parameters follow
};

// From a connection that went well.
const Stored& stored() {
  static const Stored kept = [] {
    tls::TestState state;
    MemoryQuic pair(state);
    for (auto& [name, list] : state.entries) {
      std::uint32_t size = 0;
      if (name.empty() || list.empty()) continue;
      std::memcpy(&size, list.front().data(), sizeof size);
      return Stored{name, list.front(), sizeof size + size};
    }
    std::abort();
  }();
  return kept;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  const Stored& known = stored();
  StateValue value(bytes.begin(), bytes.end());
  tls::TestState state;
  if (data[0] % 4 == 0) {
    state.entries[""].push_back(value);
  } else if (data[0] % 4 == 1) {
    state.entries[known.name].push_back(value);
  } else {
    StateValue ticket = known.ticket;
    ticket.resize(known.session);
    ticket.insert(ticket.end(), value.begin(), value.end());
    state.entries[known.name].push_back(std::move(ticket));
  }
  MemoryQuic pair(state);
  for (int i = 0; i < 3; ++i) {
    pair.client.send(0, bytes, i == 2);
    pair.converse();
  }
  if (!pair.client.is_ready && pair.client.failure == nullptr) std::abort();
  return 0;
}
