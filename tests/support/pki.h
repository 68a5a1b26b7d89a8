// pki.h: certificates made for one test: an authority and whom it vouches for.
#pragma once
#include <botan/certstor.h>
#include <botan/pk_keys.h>
#include <botan/x509_ca.h>
#include <botan/x509cert.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "trellis/security.h"

namespace trellis::test {

/// What a certificate says.
struct CertificateWish {
  std::string name = "peer.example";
  std::vector<std::string> dns{"peer.example"};
  std::vector<std::string> addresses{};         ///< IP literals
  std::string key = "ECDSA";                    ///< "ECDSA", "RSA-2048", "RSA-1024"
  std::chrono::hours from{-1}, until{24 * 30};  ///< from now
  bool client = false;
};

/// An authority. Certificates are valid around the present of the real clock.
class Pki {
 public:
  explicit Pki(const std::string& name = "Test Authority");
  /// A key and a certificate of this authority, with the authority's own in the chain.
  Identity issue(const CertificateWish& wish = {});
  /// The authority's certificate, as a trust anchor.
  Der anchor() const;
  std::string anchor_pem() const;
  /// A list that revokes the identity's certificate, in PEM.
  std::string revoke(const Identity& identity);

 private:
  std::shared_ptr<Botan::RandomNumberGenerator> random_;
  std::unique_ptr<Botan::Private_Key> key_;
  std::unique_ptr<Botan::X509_Certificate> certificate_;
  std::unique_ptr<Botan::X509_CA> authority_;
};

std::string chain_pem(const Identity& identity);       ///< its certificates, leaf first
std::string key_pem(const Identity& identity);         ///< its private key, PKCS #8
std::string public_key_pem(const Identity& identity);  ///< the public half
Der spki(const Identity& identity);                    ///< the public half in DER
/// The same key without a certificate.
Identity raw_key(const Identity& identity);

}  // namespace trellis::test
