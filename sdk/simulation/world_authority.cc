#include "simulation/world_authority.h"

#include <botan/ec_group.h>
#include <botan/ecdsa.h>
#include <botan/hmac_drbg.h>
#include <botan/ipv4_address.h>
#include <botan/ipv6_address.h>
#include <botan/pkcs8.h>
#include <botan/pkix_types.h>
#include <botan/x509_ca.h>
#include <botan/x509_ext.h>
#include <botan/x509self.h>

#include <array>

namespace trellis::simulation {
namespace {

constexpr const char* kHash = "SHA-256";
// Around the time at which virtual time begins.
constexpr const char* kFrom = "20200101000000Z";
constexpr const char* kUntil = "20491231235959Z";

template <class Bytes>
Der to_der(const Bytes& bytes) {
  const auto* const begin = reinterpret_cast<const std::byte*>(bytes.data());
  return Der(begin, begin + bytes.size());
}

Botan::X509_Time time(const char* text) { return Botan::X509_Time(text, Botan::ASN1_Type::GeneralizedTime); }

Botan::AlternativeName names_of(const WorldFile& world) {
  Botan::AlternativeName names;
  for (const WorldHost& host : world.hosts) {
    names.add_dns(host.name);
    for (const WorldAddress& address : host.addresses) {
      const std::span ip(address.ip.ip);
      if (address.ip.family == Address::Family::ipv6) {
        names.add_ipv6_address(Botan::IPv6Address(ip.first<16>()));
      } else {
        std::uint32_t value = 0;
        for (const std::uint8_t byte : ip.first<4>()) value = value << 8 | byte;
        names.add_ipv4_address(value);
      }
    }
  }
  return names;
}

Botan::Extensions extensions_for(const WorldFile& world) {
  Botan::Extensions extensions;
  extensions.add(std::make_unique<Botan::Cert_Extension::Basic_Constraints>(false), true);
  extensions.add(std::make_unique<Botan::Cert_Extension::Key_Usage>(
                     Botan::Key_Constraints(Botan::Key_Constraints::DigitalSignature)),
                 true);
  extensions.add(std::make_unique<Botan::Cert_Extension::Extended_Key_Usage>(
      std::vector{Botan::OID::from_string("PKIX.ServerAuth")}));
  extensions.add(std::make_unique<Botan::Cert_Extension::Subject_Alternative_Name>(names_of(world)));
  return extensions;
}

}  // namespace

WorldSecurity make_world_security(const WorldFile& world) {
  constexpr std::array<std::uint8_t, 48> kSeed{0x57};  // not secret: see the header
  Botan::HMAC_DRBG random(kHash);
  random.initialize_with(kSeed);
  const auto group = Botan::EC_Group::from_name("secp256r1");
  const Botan::ECDSA_PrivateKey authority_key(random, group), server_key(random, group);

  Botan::X509_Cert_Options options("Authority of a simulated world/XX/Trellis/Simulation");
  options.CA_key();
  options.start = time(kFrom);
  options.end = time(kUntil);
  const auto root = Botan::X509::create_self_signed_cert(options, authority_key, kHash, random);
  const Botan::X509_CA authority(root, authority_key, kHash, random);

  Botan::X509_DN subject;
  subject.add_attribute("X520.CommonName", "Server of a simulated world");
  const auto request = Botan::PKCS10_Request::create(server_key, subject, extensions_for(world), kHash, random);
  const auto certificate = authority.sign_request(request, random, time(kFrom), time(kUntil));

  auto client = std::make_shared<Security>(), server = std::make_shared<Security>();
  client->trusted = {to_der(root.BER_encode())};
  client->alpn = server->alpn = {"simulation"};
  server->server_identities.push_back({.chain = {to_der(certificate.BER_encode()), to_der(root.BER_encode())},
                                       .private_key = to_der(Botan::PKCS8::BER_encode(server_key)),
                                       .sign = {}});
  return {std::move(client), std::move(server)};
}

}  // namespace trellis::simulation
