#include "security/peer_trust.h"

#include <botan/certstor_system.h>
#include <botan/hash.h>
#include <botan/hex.h>
#include <botan/x509cert.h>

#include <algorithm>
#include <format>

#include "security/peer_error.h"

namespace trellis::security {
namespace {

std::unexpected<Error> unusable(const char* layer, std::string detail) {
  return std::unexpected(make_error(layer, Reason::configuration, Code::identity, std::move(detail)));
}

/// The anchors of this system, read once per process when a connection first needs them.
Result<Botan::Certificate_Store*> system_anchors(const char* layer) try {
  static Botan::System_Certificate_Store store;
  return &store;
} catch (const std::exception& thrown) {
  return unusable(layer, std::format("the system's trust anchors cannot be read: {}", thrown.what()));
}

Result<std::shared_ptr<Botan::Certificate_Store_In_Memory>> parse(const std::vector<Der>& anchors,
                                                                  const char* layer) try {
  auto store = std::make_shared<Botan::Certificate_Store_In_Memory>();
  for (const Der& der : anchors) store->add_certificate(Botan::X509_Certificate(octets(der).data(), der.size()));
  return store;
} catch (const std::exception& thrown) {
  return unusable(layer, std::format("a trust anchor cannot be read as a certificate: {}", thrown.what()));
}

}  // namespace

Result<PeerTrust> PeerTrust::make(const CredentialSettings& settings, const Security& parameters, bool server,
                                  const char* layer) {
  PeerTrust made;
  made.pinned_ = parameters.pinned.empty() ? settings.pinned : parameters.pinned;
  made.anchors_name_ = settings.anchors_name;
  if (!parameters.trusted.empty()) {
    auto store = parse(parameters.trusted, layer);
    if (!store) return fail(std::move(store));
    made.of_application_ = std::move(*store);
    made.anchors_.push_back(made.of_application_.get());
  } else if (settings.store) {
    made.anchors_.push_back(settings.store.get());
  }
  made.anchors_are_given_ = !made.anchors_.empty();
  if (!made.anchors_are_given_ && (!server || settings.client_certificate != ClientCertificate::none)) {
    auto system = system_anchors(layer);
    if (!system) return fail(std::move(system));
    made.anchors_.push_back(*system);
  }
  if (settings.crls) made.anchors_.push_back(settings.crls.get());
  return made;
}

bool PeerTrust::pins_fit(std::span<const std::uint8_t> key) const {
  return pinned_.empty() ||
         std::ranges::any_of(pinned_, [key](const Der& pin) { return std::ranges::equal(octets(pin), key); });
}

std::string PeerTrust::fingerprint(const Security& parameters, std::span<const Der> own_keys) const {
  const auto hash = Botan::HashFunction::create_or_throw("SHA-256");
  const auto add = [&](std::span<const std::byte> bytes) {
    hash->update_be(static_cast<std::uint64_t>(bytes.size()));
    hash->update(octets(bytes));
  };
  const auto add_all = [&](std::span<const Der> list) {
    hash->update_be(static_cast<std::uint64_t>(list.size()));
    for (const Der& der : list) add(der);
  };
  add(std::as_bytes(std::span(anchors_name_)));
  add_all(parameters.trusted);
  add_all(pinned_);
  add_all(own_keys);
  hash->update(parameters.verify ? 1 : 0);
  return Botan::hex_encode(hash->final(), false).substr(0, 16);
}

}  // namespace trellis::security
