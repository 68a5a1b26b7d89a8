// For which names a certificate is good (RFC 9525).
#include <botan/x509cert.h>
#include <gtest/gtest.h>

#include "security/peer_check.h"
#include "support/pki.h"

namespace trellis::test {
namespace {

struct Names : testing::Test {
  static Botan::X509_Certificate certificate(const CertificateWish& wish) {
    static Pki pki;
    const Identity identity = pki.issue(wish);
    return {reinterpret_cast<const std::uint8_t*>(identity.chain.front().data()), identity.chain.front().size()};
  }
};

TEST_F(Names, LettersOfBothCasesAreEqual) {
  const auto one = certificate({.dns = {"Peer.Example"}});
  EXPECT_TRUE(security::is_for(one, "peer.example"));
  EXPECT_TRUE(security::is_for(one, "PEER.EXAMPLE"));
  EXPECT_FALSE(security::is_for(one, "peer.example.org"));
  EXPECT_FALSE(security::is_for(one, "example"));
}

TEST_F(Names, AWildcardIsOneWholeLabel) {
  const auto one = certificate({.dns = {"*.example.org"}});
  EXPECT_TRUE(security::is_for(one, "a.example.org"));
  EXPECT_TRUE(security::is_for(one, "xn--a.Example.org"));
  EXPECT_FALSE(security::is_for(one, "example.org"));
  EXPECT_FALSE(security::is_for(one, ".example.org"));
  EXPECT_FALSE(security::is_for(one, "a.b.example.org"));
  EXPECT_FALSE(security::is_for(one, "a-example.org"));
  const auto parts = certificate({.dns = {"w*.example.org", "a.*.org", "*.org", "*"}});
  for (const char* name : {"www.example.org", "a.b.org", "example.org", "org"}) {
    EXPECT_FALSE(security::is_for(parts, name)) << name;
  }
}

// The common name is for people.
TEST_F(Names, TheSubjectDoesNotCount) {
  EXPECT_FALSE(security::is_for(certificate({.name = "peer.example", .dns = {}}), "peer.example"));
}

TEST_F(Names, AddressesAndNamesAreNotMixed) {
  const auto one = certificate({.dns = {"192.0.2.1", "*.0.2.1"}, .addresses = {"192.0.2.2", "2001:db8::1"}});
  EXPECT_FALSE(security::is_for(one, "192.0.2.1"));
  EXPECT_TRUE(security::is_for(one, "192.0.2.2"));
  EXPECT_TRUE(security::is_for(one, "2001:DB8:0::1"));
  EXPECT_FALSE(security::is_for(one, "2001:db8::2"));
}

}  // namespace
}  // namespace trellis::test
