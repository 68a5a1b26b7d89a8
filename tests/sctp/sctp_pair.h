// sctp_pair.h: sctp/udp between two simulated hosts.
#pragma once
#include "stacks/group_fixture.h"

namespace trellis::tests {

/// The stack's text, with options.
inline std::string sctp(const std::string& options = {}) {
  return options.empty() ? "sctp/udp" : "sctp(" + options + ")/udp";
}

struct Sctp : GroupFixture {
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
