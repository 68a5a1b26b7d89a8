// The programs that come with ngtcp2, at samples/http3 and for samples/get: the scenarios of the QUIC interop runner
// that they can play. The library is ours too, but everything around it is theirs.
#include "interop/ngtcp2_peers.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;

struct Ngtcp2 : Ngtcp2Peers {};

// QUIC-65
TEST_F(Ngtcp2, ClientAtOurServer) {
  const std::string port = serve();
  EXPECT_THAT(download(port, {}), HasSubstr("Negotiated ALPN is h3"));
  EXPECT_THAT(download(port, {"--version=v2"}), HasSubstr("the negotiated version is 0x6b3343cf"));
  EXPECT_THAT(download(port, {"--ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305"}),
              HasSubstr("Negotiated cipher suite is CHACHA20-POLY1305"));
  EXPECT_THAT(download(port, {"--key-update=1ms"}), HasSubstr("Initiate key update"));
}

// QUIC-86
TEST_F(Ngtcp2, ClientIsSentAwayOnce) { EXPECT_THAT(download(serve({"--retry"}), {}), HasSubstr("type=Retry")); }

// QUIC-71
TEST_F(Ngtcp2, ClientMoves) {
  const std::string port = serve();
  EXPECT_THAT(download(port, {"--change-local-addr=1ms"}), HasSubstr("path has been validated"));
  download(port, {"--change-local-addr=1ms", "--nat-rebinding"});
}

TEST_F(Ngtcp2, ClientResumes) {
  const std::string port = serve(), session = directory.path() + "/session", parameters = directory.path() + "/tp";
  const Words keep{"--session-file=" + session, "--tp-file=" + parameters};
  Words first = keep;
  first.push_back("--wait-for-ticket");
  download(port, first);
  EXPECT_THAT(download(port, keep), HasSubstr("type=0RTT"));
}

// Handshakes and transfers with losses in both directions: handshakeloss, transferloss.
TEST_F(Ngtcp2, ClientWithLosses) {
  const std::string port = serve();
  for (const char* loss : {"0.01", "0.05", "0.1"}) {
    for (int i = 0; i < 3; ++i) download(port, {std::string("--tx-loss=") + loss, std::string("--rx-loss=") + loss});
  }
}

TEST_F(Ngtcp2, ServerForOurClient) {
  for (const Words& options : {Words{}, Words{"--validate-addr"}, Words{"--preferred-versions=v2,v1"},
                               Words{"--tx-loss=0.05", "--rx-loss=0.05"}}) {
    get(serve_by_theirs(options));
  }
}

}  // namespace
}  // namespace trellis::test
