#include "support/pki.h"

#include <botan/auto_rng.h>
#include <botan/der_enc.h>
#include <botan/ec_group.h>
#include <botan/ecdsa.h>
#include <botan/ed25519.h>
#include <botan/ipv4_address.h>
#include <botan/ipv6_address.h>
#include <botan/ocsp.h>
#include <botan/pem.h>
#include <botan/pkcs8.h>
#include <botan/pkix_types.h>
#include <botan/pubkey.h>
#include <botan/rsa.h>
#include <botan/x509_crl.h>
#include <botan/x509_ext.h>
#include <botan/x509_key.h>
#include <botan/x509self.h>

#include <format>

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
  if (kind == "Ed25519") return std::make_unique<Botan::Ed25519_PrivateKey>(random);
  return std::make_unique<Botan::ECDSA_PrivateKey>(
      random, Botan::EC_Group::from_name(kind == "P-384" ? "secp384r1" : "secp256r1"));
}

Botan::X509_Time moment(std::chrono::system_clock::time_point at) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  return {std::format("{:%Y%m%d%H%M%S}Z", seconds), Botan::ASN1_Type::GeneralizedTime};
}

// CertStatus (RFC 6960 section 4.2.1).
void encode(Botan::DER_Encoder& to, StapleWish::Status status) {
  using enum StapleWish::Status;
  if (status == revoked) {
    to.start_context_specific(1).encode(moment(std::chrono::system_clock::now())).end_cons();
  } else {
    to.add_object(status == good ? Botan::ASN1_Type(0) : Botan::ASN1_Type(2), Botan::ASN1_Class::ContextSpecific,
                  std::vector<std::uint8_t>());
  }
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

Pki::Pki(const std::string& name, Pki& issuer) : random_(issuer.random_) {
  key_ = make_key("ECDSA", *random_);
  Botan::X509_DN subject;
  subject.add_attribute("X520.CommonName", name);
  Botan::Extensions extensions;
  extensions.add(std::make_unique<Botan::Cert_Extension::Basic_Constraints>(true, 0), true);
  extensions.add(std::make_unique<Botan::Cert_Extension::Key_Usage>(
                     Botan::Key_Constraints(Botan::Key_Constraints::KeyCertSign | Botan::Key_Constraints::CrlSign)),
                 true);
  const auto now = std::chrono::system_clock::now();
  const auto request = Botan::PKCS10_Request::create(*key_, subject, extensions, "SHA-256", *random_);
  certificate_ = std::make_unique<Botan::X509_Certificate>(
      issuer.authority_->sign_request(request, *random_, Botan::X509_Time(now - std::chrono::hours(1)),
                                      Botan::X509_Time(now + std::chrono::hours(24 * 30))));
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

// OCSPResponse with a BasicOCSPResponse inside.
std::string Pki::staple(const Identity& identity, const StapleWish& wish) {
  const auto now = std::chrono::system_clock::now();
  const auto serial = Botan::BigInt::from_bytes(leaf(identity).serial_number());
  std::vector<std::uint8_t> data;
  Botan::DER_Encoder response_data(data);
  response_data.start_sequence()
      .start_context_specific(1)
      .encode(certificate_->subject_dn())
      .end_cons()
      .encode(moment(now))
      .start_sequence()
      .start_sequence()
      .encode(Botan::OCSP::CertID(*certificate_, serial));
  encode(response_data, wish.status);
  response_data.encode(moment(now + wish.from))
      .start_context_specific(0)
      .encode(moment(now + wish.until))
      .end_cons()
      .end_cons()
      .end_cons()
      .end_cons();
  Botan::PK_Signer signer(*key_, *random_, "SHA-256", Botan::Signature_Format::DerSequence);
  const auto signature = signer.sign_message(data, *random_);
  std::vector<std::uint8_t> basic, whole;
  Botan::DER_Encoder(basic)
      .start_sequence()
      .raw_bytes(data)
      .encode(signer.algorithm_identifier())
      .encode(signature, Botan::ASN1_Type::BitString)
      .end_cons();
  const std::uint8_t successful = 0;
  Botan::DER_Encoder(whole)
      .start_sequence()
      .add_object(Botan::ASN1_Type::Enumerated, Botan::ASN1_Class::Universal, &successful, 1)
      .start_context_specific(0)
      .start_sequence()
      .encode(Botan::OID("1.3.6.1.5.5.7.48.1.1"))
      .encode(basic, Botan::ASN1_Type::OctetString)
      .end_cons()
      .end_cons()
      .end_cons();
  return {whole.begin(), whole.end()};
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
std::string public_half_pem(const Identity& raw) {
  return Botan::PEM_Code::encode(octets(raw.chain.front()), "PUBLIC KEY");
}
Identity raw_key(const Identity& identity) {
  return {.chain = {spki(identity)}, .private_key = identity.private_key, .sign = {}};
}
Identity new_raw_key(const std::string& kind) {
  Botan::AutoSeeded_RNG random;
  const auto key = make_key(kind, random);
  return {
      .chain = {to_der(key->subject_public_key())}, .private_key = to_der(Botan::PKCS8::BER_encode(*key)), .sign = {}};
}

}  // namespace trellis::test
