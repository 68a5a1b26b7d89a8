// quic_pair.h: quic/udp between two simulated hosts.
#pragma once
#include "stacks/group_fixture.h"

namespace trellis::tests {

/// The stack's text, with more options of quic in front of the credentials: quic("streams=4").
inline std::string quic(const std::string& options = {}, const std::string& above = {}) {
  const std::string pki = TEST_PKI;
  return above + "quic(" + (options.empty() ? "" : options + ",") + "trust='" + pki + "/ca.pem',certificate='" + pki +
         "/server.pem',key='" + pki + "/server.key',server-name=peer.example,alpn=test)/udp";
}

struct Quic : GroupFixture {};

}  // namespace trellis::tests
