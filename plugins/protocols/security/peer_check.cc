#include "security/peer_check.h"

#include <botan/ipv4_address.h>
#include <botan/ipv6_address.h>
#include <botan/tls_exceptn.h>
#include <botan/tls_policy.h>
#include <botan/x509path.h>

#include <algorithm>
#include <format>

#include "security/peer_error.h"

namespace trellis::security {
namespace {

using Botan::Certificate_Status_Code;

constexpr std::size_t kSubjectsShown = 5;

std::string names_in(const Botan::X509_Certificate& certificate) {
  std::string text;
  const auto add = [&text](const std::string& name) {
    if (text.size() < 100) text += (text.empty() ? "" : ", ") + printable(name);
  };
  for (const auto& name : certificate.subject_alt_name().dns()) add(name);
  for (const auto& ip : certificate.subject_alt_name().ipv6_address()) add(ip.to_string());
  for (const auto ip : certificate.subject_alt_name().ipv4_address()) add(Botan::IPv4Address(ip).to_string());
  return text.empty() ? "none" : text;
}

/// A certificate of the chain that is out of its time, for the message.
std::string validity(const std::vector<Botan::X509_Certificate>& chain, std::chrono::system_clock::time_point now) {
  const Botan::X509_Time here(now);
  for (const auto& one : chain) {
    if (one.not_before() > here || one.not_after() < here) {
      return std::format("{} is valid from {} to {}, and it is {}", printable(one.subject_dn().to_string()),
                         one.not_before().readable_string(), one.not_after().readable_string(), here.readable_string());
    }
  }
  return std::format("it is {}", here.readable_string());
}

struct Finding {
  Code code;
  std::string text;
};

Finding finding_of(Certificate_Status_Code status, const PeerCheck& check,
                   const std::vector<Botan::X509_Certificate>& chain) {
  switch (status) {
    case Certificate_Status_Code::CERT_HAS_EXPIRED:
      return {Code::certificate_expired, "the certificate has expired: " + validity(chain, check.now)};
    case Certificate_Status_Code::CERT_NOT_YET_VALID:
      return {Code::certificate_not_yet_valid, "the certificate is not yet valid: " + validity(chain, check.now)};
    case Certificate_Status_Code::CERT_ISSUER_NOT_FOUND:
    case Certificate_Status_Code::CANNOT_ESTABLISH_TRUST:
    case Certificate_Status_Code::CHAIN_LACKS_TRUST_ROOT:
    case Certificate_Status_Code::CERT_CHAIN_LOOP:
      return {Code::unknown_issuer, std::format("no trust anchor leads to its certificate; the last issuer is {}",
                                                printable(chain.back().issuer_dn().to_string()))};
    case Certificate_Status_Code::CERT_IS_REVOKED: return {Code::revoked, "the certificate has been revoked"};
    case Certificate_Status_Code::SIGNATURE_METHOD_TOO_WEAK:
    case Certificate_Status_Code::UNTRUSTED_HASH:
      return {Code::weak_key, "a key or a signature of its certificate is too weak"};
    case Certificate_Status_Code::NO_REVOCATION_DATA:
    case Certificate_Status_Code::OCSP_HAS_EXPIRED:
    case Certificate_Status_Code::OCSP_NOT_YET_VALID:
    case Certificate_Status_Code::OCSP_IS_TOO_OLD:
    case Certificate_Status_Code::OCSP_CERT_NOT_LISTED:
    case Certificate_Status_Code::OCSP_BAD_STATUS:
    case Certificate_Status_Code::OCSP_SIGNATURE_ERROR:
    case Certificate_Status_Code::OCSP_ISSUER_NOT_FOUND:
    case Certificate_Status_Code::OCSP_ISSUER_NOT_TRUSTED:
    case Certificate_Status_Code::OCSP_RESPONSE_MISSING_KEYUSAGE:
    case Certificate_Status_Code::OCSP_RESPONSE_INVALID:
    case Certificate_Status_Code::NO_MATCHING_CRLDP:
    case Certificate_Status_Code::CRL_BAD_SIGNATURE:
    case Certificate_Status_Code::CRL_HAS_EXPIRED:
    case Certificate_Status_Code::CRL_NOT_YET_VALID:
      return {Code::no_revocation_status,
              std::format("nothing says whether its certificate is revoked ({})", Botan::to_string(status))};
    case Certificate_Status_Code::CERT_NAME_NOMATCH:
      return {Code::wrong_name, std::format("the certificate is for other names: {}", names_in(chain.front()))};
    default: break;
  }
  const char* const words = Botan::to_string(status);
  return {Code::bad_certificate,
          std::format("the certificate is not acceptable: {}", words == nullptr ? "unknown reason" : words)};
}

const Botan::TLS::Policy kLimits;  // the library's, for keys and signatures of peers

// The library itself reports a key that is too weak without saying whose it is.
std::optional<std::string> weakness_of(const Botan::Public_Key& key) try {
  kLimits.check_peer_key_acceptable(key);
  return std::nullopt;
} catch (const Botan::TLS::TLS_Exception& thrown) {
  return thrown.what();
}

bool same_letters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// A wildcard stands for the whole leftmost label and nothing else (RFC 9525 section 6.3), and not right before a
// top-level domain.
bool fits(std::string_view presented, std::string_view name) {
  if (!presented.starts_with("*.")) return same_letters(presented, name);
  const std::string_view domain = presented.substr(1);
  const std::size_t label = name.find('.');
  return label != 0 && label != std::string_view::npos && domain.find('.', 1) != std::string_view::npos &&
         same_letters(domain, name.substr(label));
}

Error refused(const PeerCheck& check, Code code, std::string_view what,
              const std::vector<Botan::X509_Certificate>& chain) {
  return make_error(check.layer, Reason::authentication, code,
                    std::format("{}: {}; chain: {}", check.name, what, subjects(chain)));
}

Certificate_Status_Code validate(const PeerCheck& check, const std::vector<Botan::X509_Certificate>& chain,
                                 const std::vector<std::optional<Botan::OCSP::Response>>& ocsp) {
  const bool needs_status = check.revocation == Revocation::required && check.peer_is_server;
  const Botan::Path_Validation_Restrictions restrictions(needs_status, kLimits.minimum_signature_strength());
  const auto usage = check.peer_is_server ? Botan::Usage_Type::TLS_SERVER_AUTH : Botan::Usage_Type::TLS_CLIENT_AUTH;
  const auto result = Botan::x509_path_validate(chain, restrictions, check.trust.anchors(), "", usage, check.now,
                                                std::chrono::milliseconds(0), ocsp);
  if (!result.successful_validation()) return result.result();
  return Certificate_Status_Code::OK;
}

}  // namespace

// Names in certificates are the peer's words: printable only, and not too many of them.
std::string printable(std::string text) {
  constexpr std::size_t kMost = 120;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  if (text.size() > kMost) text.replace(kMost, std::string::npos, "…");
  return text;
}

std::string subjects(const std::vector<Botan::X509_Certificate>& chain) {
  std::string text;
  for (std::size_t i = 0; i < chain.size() && i < kSubjectsShown; ++i) {
    text += (i == 0 ? "" : " < ") + printable(chain[i].subject_dn().to_string());
  }
  if (chain.size() > kSubjectsShown) text += std::format(" < {} more", chain.size() - kSubjectsShown);
  return text;
}

// Only subjectAltName counts (RFC 9525 section 2). A name of digits and dots is an address.
bool is_for(const Botan::X509_Certificate& certificate, std::string_view name) {
  const auto& names = certificate.subject_alt_name();
  if (const auto ip = Botan::IPv6Address::from_string(name)) return names.ipv6_address().contains(*ip);
  if (const auto ip = Botan::IPv4Address::from_string(name)) {
    return names.ipv4_address().contains(ip->value());
  }
  return std::ranges::any_of(names.dns(), [name](std::string_view one) { return fits(one, name); });
}

std::optional<Error> refusal_of(const PeerCheck& check, const std::vector<Botan::X509_Certificate>& chain,
                                const std::vector<std::optional<Botan::OCSP::Response>>& ocsp) {
  const auto status = validate(check, chain, ocsp);
  if (status != Certificate_Status_Code::OK) {
    auto found = finding_of(status, check, chain);
    return refused(check, found.code, found.text, chain);
  }
  if (check.peer_is_server && !is_for(chain.front(), check.name)) {
    auto found = finding_of(Certificate_Status_Code::CERT_NAME_NOMATCH, check, chain);
    return refused(check, found.code, found.text, chain);
  }
  // Only RSA keys can be too short and still sign a handshake; decoding other keys once more would be in vain.
  if (chain.front().subject_public_key_algo().oid().human_name_or_empty().starts_with("RSA")) {
    if (auto weakness = weakness_of(*chain.front().subject_public_key())) {
      return refused(check, Code::weak_key, *weakness, chain);
    }
  }
  if (!check.trust.pins_fit(chain.front().subject_public_key_info())) {
    return refused(check, Code::not_pinned, "the certificate is valid, but its key is none of those that were pinned",
                   chain);
  }
  return std::nullopt;
}

std::optional<Error> refusal_of(const PeerCheck& check, std::span<const Der> chain,
                                std::span<const std::byte> staple) try {
  std::vector<Botan::X509_Certificate> parsed;
  parsed.reserve(chain.size());
  for (const Der& der : chain) parsed.emplace_back(octets(der).data(), der.size());
  if (parsed.empty()) return no_certificate(check);
  std::vector<std::optional<Botan::OCSP::Response>> status;
  if (!staple.empty()) status.emplace_back(Botan::OCSP::Response(octets(staple).data(), staple.size()));
  return refusal_of(check, parsed, status);
} catch (const std::exception& thrown) {
  return make_error(check.layer, Reason::authentication, Code::bad_certificate,
                    std::format("{}: its certificate cannot be read: {}", check.name, printable(thrown.what())));
}

Error no_certificate(const PeerCheck& check) {
  return make_error(check.layer, Reason::authentication, Code::no_certificate,
                    std::format("{}: a certificate is required, and it has shown none", check.name));
}

std::optional<Error> refusal_of(const PeerCheck& check, const Botan::Public_Key& key) {
  if (auto weakness = weakness_of(key)) {
    return make_error(check.layer, Reason::authentication, Code::weak_key,
                      std::format("{}: {}", check.name, *weakness));
  }
  if (check.trust.has_pins() && check.trust.pins_fit(key.subject_public_key())) return std::nullopt;
  return make_error(check.layer, Reason::authentication, Code::not_pinned,
                    std::format("{}: it shows a {} key without a certificate, which is none of those that were pinned "
                                "(fingerprint {})",
                                check.name, key.algo_name(), key.fingerprint_public("SHA-256")));
}

Botan::TLS::AlertType alert_for(const Error& refusal) {
  using Botan::TLS::AlertType;
  switch (static_cast<Code>(refusal.code)) {
    case Code::certificate_expired:
    case Code::certificate_not_yet_valid: return AlertType::CertificateExpired;
    case Code::unknown_issuer: return AlertType::UnknownCA;
    case Code::revoked: return AlertType::CertificateRevoked;
    case Code::no_revocation_status: return AlertType::BadCertificateStatusResponse;
    case Code::wrong_name:
    case Code::not_pinned:
    case Code::refused: return AlertType::CertificateUnknown;
    case Code::weak_key: return AlertType::InsufficientSecurity;
    default: return AlertType::BadCertificate;
  }
}

}  // namespace trellis::security
