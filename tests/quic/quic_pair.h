// quic_pair.h: quic/udp between two simulated hosts.
#pragma once
#include <gmock/gmock.h>

#include "stacks/virtual_pair.h"

namespace trellis::tests {

/// The stack's text, with more options of quic in front of the credentials: quic("streams=4").
inline std::string quic(const std::string& options = {}, const std::string& above = {}) {
  const std::string pki = TEST_PKI;
  return above + "quic(" + (options.empty() ? "" : options + ",") + "trust='" + pki + "/ca.pem',certificate='" + pki +
         "/server.pem',key='" + pki + "/server.key',server-name=peer.example,alpn=test)/udp";
}

struct Quic : testing::Test {
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
};

}  // namespace trellis::tests
