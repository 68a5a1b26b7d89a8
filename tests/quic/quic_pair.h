// quic_pair.h: quic/udp between two simulated hosts.
#pragma once
#include <cstring>

#include "stacks/group_fixture.h"

namespace trellis::tests {

/// The stack's text, with more options of quic in front of the credentials: quic("streams=4").
inline std::string quic(const std::string& options = {}, const std::string& above = {}) {
  const std::string pki = TEST_PKI;
  return above + "quic(" + (options.empty() ? "" : options + ",") + "trust='" + pki + "/ca.pem',certificate='" + pki +
         "/server.pem',key='" + pki + "/server.key',server-name=peer.example,alpn=test)/udp";
}

struct Quic : GroupFixture {
  /// Bytes that came to the server on a stream.
  std::size_t arrived(std::uint64_t stream) {
    for (auto& p : pair.peers) {
      if (fact<std::uint64_t>(p->connection, kStreamId.name) == stream) return p->reader->all.size();
    }
    return 0;
  }
  /// A whole Connection, after which the client has a ticket.
  void earn_a_ticket() {
    Talker& t = pair.dial_ready(quic());
    t.send("hello");
    pair.world.run_for(1s);
    t.close();
    ASSERT_TRUE(pair.until([&] { return t.closed.has_value(); }));
    pair.peers.clear();
  }
  /// A Connection with a first message.
  Talker& dial_early(bool replayable) {
    Talker& t = *pair.talkers.emplace_back(std::make_unique<Talker>());
    Message message{.data = pair.client.loop().pool().allocate(0, 5, 0)};
    std::memcpy(message.data.edit().data(), "early", 5);
    message.properties.replayable = replayable;
    t.connection = pair.to_server(quic()).initiate(pair.client.loop(), t.on_ready(), std::move(message));
    t.listen_to_all();
    return t;
  }
};

}  // namespace trellis::tests
