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
  std::string key = "ECDSA";                    ///< "ECDSA" (P-256), "P-384", "Ed25519", "RSA-2048", "RSA-1024"
  std::chrono::hours from{-1}, until{24 * 30};  ///< from now
  bool client = false;
};

/// What an OCSP response says.
struct StapleWish {
  enum class Status : std::uint8_t { good, revoked, unknown } status = Status::good;
  std::chrono::hours from{-1}, until{24};  ///< from now
};

/// An authority. Certificates are valid around the present of the real clock.
class Pki {
 public:
  explicit Pki(const std::string& name = "Test Authority");
  /// An authority for which another one vouches.
  Pki(const std::string& name, Pki& issuer);
  /// A key and a certificate of this authority, with the authority's own in the chain.
  Identity issue(const CertificateWish& wish = {});
  /// The authority's certificate, as a trust anchor.
  Der anchor() const;
  std::string anchor_pem() const;
  /// A list that revokes the identity's certificate, in PEM.
  std::string revoke(const Identity& identity);
  /// An OCSP response about the identity's certificate, signed by the authority itself, in DER.
  std::string staple(const Identity& identity, const StapleWish& wish = {});

 private:
  std::shared_ptr<Botan::RandomNumberGenerator> random_;
  std::unique_ptr<Botan::Private_Key> key_;
  std::unique_ptr<Botan::X509_Certificate> certificate_;
  std::unique_ptr<Botan::X509_CA> authority_;
};

std::string chain_pem(const Identity& identity);       ///< its certificates, leaf first
std::string key_pem(const Identity& identity);         ///< its private key, PKCS #8
std::string public_key_pem(const Identity& identity);  ///< the public half of its certificate
std::string public_half_pem(const Identity& raw);      ///< the same of a key without a certificate
Der spki(const Identity& identity);                    ///< the public half in DER
/// The same key without a certificate.
Identity raw_key(const Identity& identity);
/// A key that no authority has seen.
Identity new_raw_key(const std::string& kind);

}  // namespace trellis::test
