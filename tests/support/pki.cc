#include "support/pki.h"

#include <botan/auto_rng.h>
#include <botan/ec_group.h>
#include <botan/ecdsa.h>
#include <botan/ipv4_address.h>
#include <botan/ipv6_address.h>
#include <botan/pem.h>
#include <botan/pkcs8.h>
#include <botan/pkix_types.h>
#include <botan/rsa.h>
#include <botan/x509_crl.h>
#include <botan/x509_ext.h>
#include <botan/x509_key.h>
#include <botan/x509self.h>

namespace trellis::test {
namespace {

template <class Bytes>
Der to_der(const Bytes& bytes) {
  const auto* const begin = reinterpret_cast<const std::byte*>(bytes.data());
  return Der(begin, begin + bytes.size());
}

std::vector<std::uint8_t> octets(const Der& der) {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(der.data());
  return {begin, begin + der.size()};
}

std::unique_ptr<Botan::Private_Key> make_key(const std::string& kind, Botan::RandomNumberGenerator& random) {
  if (kind.starts_with("RSA-")) return std::make_unique<Botan::RSA_PrivateKey>(random, std::stoul(kind.substr(4)));
  return std::make_unique<Botan::ECDSA_PrivateKey>(random, Botan::EC_Group::from_name("secp256r1"));
}

Botan::X509_Certificate leaf(const Identity& identity) {
  return Botan::X509_Certificate(octets(identity.chain.front()));
}

}  // namespace

Pki::Pki(const std::string& name) : random_(std::make_shared<Botan::AutoSeeded_RNG>()) {
  key_ = make_key("ECDSA", *random_);
  Botan::X509_Cert_Options options(name + "/XX/Trellis/Tests");
  options.CA_key();
  certificate_ = std::make_unique<Botan::X509_Certificate>(
      Botan::X509::create_self_signed_cert(options, *key_, "SHA-256", *random_));
  authority_ = std::make_unique<Botan::X509_CA>(*certificate_, *key_, "SHA-256", *random_);
}

Identity Pki::issue(const CertificateWish& wish) {
  const auto key = make_key(wish.key, *random_);
  Botan::AlternativeName names;
  for (const std::string& dns : wish.dns) names.add_dns(dns);
  for (const std::string& address : wish.addresses) {
    if (const auto ipv6 = Botan::IPv6Address::from_string(address)) names.add_ipv6_address(*ipv6);
    if (const auto ipv4 = Botan::IPv4Address::from_string(address)) names.add_ipv4_address(*ipv4);
  }
  Botan::X509_DN subject;
  subject.add_attribute("X520.CommonName", wish.name);
  Botan::Extensions extensions;
  extensions.add(std::make_unique<Botan::Cert_Extension::Basic_Constraints>(false), true);
  extensions.add(std::make_unique<Botan::Cert_Extension::Key_Usage>(
                     Botan::Key_Constraints(Botan::Key_Constraints::DigitalSignature)),
                 true);
  extensions.add(std::make_unique<Botan::Cert_Extension::Extended_Key_Usage>(
      std::vector{Botan::OID::from_string(wish.client ? "PKIX.ClientAuth" : "PKIX.ServerAuth")}));
  extensions.add(std::make_unique<Botan::Cert_Extension::Subject_Alternative_Name>(names));
  const auto now = std::chrono::system_clock::now();
  const auto request = Botan::PKCS10_Request::create(*key, subject, extensions, "SHA-256", *random_);
  const auto certificate = authority_->sign_request(request, *random_, Botan::X509_Time(now + wish.from),
                                                    Botan::X509_Time(now + wish.until));
  return {.chain = {to_der(certificate.BER_encode()), anchor()},
          .private_key = to_der(Botan::PKCS8::BER_encode(*key)),
          .sign = {}};
}

Der Pki::anchor() const { return to_der(certificate_->BER_encode()); }
std::string Pki::anchor_pem() const { return certificate_->PEM_encode(); }

std::string Pki::revoke(const Identity& identity) {
  const auto none = authority_->new_crl(*random_);
  const Botan::CRL_Entry entry(leaf(identity), Botan::CRL_Code::KeyCompromise);
  return authority_->update_crl(none, {entry}, *random_).PEM_encode();
}

std::string chain_pem(const Identity& identity) {
  std::string text;
  for (const Der& der : identity.chain) text += Botan::X509_Certificate(octets(der)).PEM_encode();
  return text;
}
std::string key_pem(const Identity& identity) {
  const auto der = octets(identity.private_key);
  return Botan::PEM_Code::encode(der, "PRIVATE KEY");
}
Der spki(const Identity& identity) { return to_der(leaf(identity).subject_public_key_info()); }
std::string public_key_pem(const Identity& identity) {
  return Botan::PEM_Code::encode(octets(spki(identity)), "PUBLIC KEY");
}
Identity raw_key(const Identity& identity) {
  return {.chain = {spki(identity)}, .private_key = identity.private_key, .sign = {}};
}

}  // namespace trellis::test
