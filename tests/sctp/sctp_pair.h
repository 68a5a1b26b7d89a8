// sctp_pair.h: sctp/udp between two simulated hosts.
#pragma once
#include <gmock/gmock.h>

#include "stacks/virtual_pair.h"

namespace trellis::tests {

/// The stack's text, with options.
inline std::string sctp(const std::string& options = {}) {
  return options.empty() ? "sctp/udp" : "sctp(" + options + ")/udp";
}

struct Sctp : testing::Test {
  VirtualPair pair;
  SimLink& link = pair.link;

  template <class T>
  static T fact(Connection& of, std::string_view name) {
    auto value = of.get(name);
    if (!value) {
      ADD_FAILURE() << name << ": " << value.error().detail;
      return {};
    }
    return std::get<T>(*value);
  }
  /// The Connection at the server that has received this.
  Talker* peer_with(std::string_view content) {
    for (auto& p : pair.peers) {
      if (p->reader && p->reader->all == content) return p.get();
    }
    return nullptr;
  }
  /// Connects; the listener's Connection for the first stream is pair.peers[0].
  Talker& connected(const std::string& options = {}) {
    pair.listen(sctp(options));
    Talker& client = pair.dial_ready(sctp(options));
    EXPECT_TRUE(pair.until([&] { return pair.peers.size() == 1; }));
    return client;
  }
  std::vector<std::string>& received() { return pair.peers[0]->reader->messages; }
};

}  // namespace trellis::tests
