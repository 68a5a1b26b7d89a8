#include "security/credential_files.h"

#include <botan/data_src.h>
#include <botan/hex.h>
#include <botan/pem.h>
#include <botan/pkcs8.h>
#include <botan/x509_crl.h>
#include <botan/x509_key.h>
#include <botan/x509cert.h>

#include <format>
#include <fstream>
#include <iterator>
#include <ranges>
#include <sstream>

namespace trellis::security {

/// One PEM block.
struct CredentialFile::Block {
  std::string label;
  std::vector<std::uint8_t> der;
  bool is_certificate() const { return label.ends_with("CERTIFICATE"); }
};

std::unexpected<Error> CredentialFile::refuse(std::string_view why) const {
  return fail(Reason::configuration, std::format("found {}='{}', {}", option_, path_, why), 0, layer_);
}

Result<std::string> CredentialFile::bytes() const {
  std::ifstream in{std::string(path_), std::ios::binary};
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open()) return refuse("which cannot be opened");
  if (text.empty()) return refuse("which is empty");
  return text;
}

Result<std::vector<CredentialFile::Block>> CredentialFile::pem() const try {
  auto text = bytes();
  if (!text) return fail(std::move(text));
  Botan::DataSource_Memory source(*text);
  std::vector<Block> blocks;
  while (!source.end_of_data() && Botan::PEM_Code::matches(source, "", text->size())) {
    Block block;
    const auto der = Botan::PEM_Code::decode(source, block.label);
    block.der.assign(der.begin(), der.end());
    blocks.push_back(std::move(block));
  }
  if (blocks.empty()) return refuse("expected PEM (-----BEGIN …)");
  return blocks;
} catch (const std::exception& thrown) {
  return refuse(std::format("which is no good PEM: {}", thrown.what()));
}

Result<std::vector<Der>> CredentialFile::certificates() const try {
  auto blocks = pem();
  if (!blocks) return fail(std::move(blocks));
  std::vector<Der> all;
  for (const Block& block : *blocks) {
    if (!block.is_certificate()) return refuse("expected CERTIFICATE, found " + block.label);
    all.push_back(to_der(Botan::X509_Certificate(block.der).BER_encode()));
  }
  return all;
} catch (const std::exception& thrown) {
  return refuse(std::format("with a certificate that cannot be read: {}", thrown.what()));
}

Result<std::vector<Der>> CredentialFile::public_keys() const try {
  auto blocks = pem();
  if (!blocks) return fail(std::move(blocks));
  std::vector<Der> keys;
  for (const Block& block : *blocks) {
    if (block.is_certificate()) {
      keys.push_back(to_der(Botan::X509_Certificate(block.der).subject_public_key_info()));
    } else if (block.label == "PUBLIC KEY") {
      keys.push_back(to_der(block.der));
    } else {
      return refuse("expected PUBLIC KEY or CERTIFICATE, found " + block.label);
    }
  }
  return keys;
} catch (const std::exception& thrown) {
  return refuse(std::format("with a certificate that cannot be read: {}", thrown.what()));
}

Result<Identity> CredentialFile::identity(std::string_view key) const try {
  auto blocks = pem();
  if (!blocks) return fail(std::move(blocks));
  Identity identity;
  std::unique_ptr<Botan::Public_Key> shown;
  for (const Block& block : *blocks) {
    if (block.is_certificate()) {
      const Botan::X509_Certificate parsed(block.der);
      if (!shown) shown = parsed.subject_public_key();
    } else if (block.label == "PUBLIC KEY" && blocks->size() == 1) {
      shown = Botan::X509::load_key(block.der);
    } else {
      return refuse("expected CERTIFICATE or one PUBLIC KEY, found " + block.label);
    }
    identity.chain.push_back(to_der(block.der));
  }
  const CredentialFile keys(layer_, "key", key);
  auto text = keys.bytes();
  if (!text) return fail(std::move(text));
  Botan::DataSource_Memory source(*text);
  const auto secret = Botan::PKCS8::load_key(source);
  if (secret->subject_public_key() != shown->subject_public_key()) {
    return keys.refuse(std::format("which does not belong to the certificate in '{}'", path_));
  }
  identity.private_key = to_der(Botan::PKCS8::BER_encode(*secret));
  return identity;
} catch (const std::exception& thrown) {
  return CredentialFile(layer_, "key", key).refuse(std::format("or '{}' cannot be read: {}", path_, thrown.what()));
}

Result<std::shared_ptr<Botan::Certificate_Store_In_Memory>> CredentialFile::revocation_lists() const try {
  auto blocks = pem();
  if (!blocks) return fail(std::move(blocks));
  auto lists = std::make_shared<Botan::Certificate_Store_In_Memory>();
  for (const Block& block : *blocks) lists->add_crl(Botan::X509_CRL(block.der));
  return lists;
} catch (const std::exception& thrown) {
  return refuse(std::format("with a list that cannot be read: {}", thrown.what()));
}

Result<std::vector<PresharedKey>> CredentialFile::preshared_keys() const {
  auto text = bytes();
  if (!text) return fail(std::move(text));
  std::vector<PresharedKey> keys;
  std::istringstream lines(*text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    const auto words = words_of(line);
    if (words.empty()) continue;
    const auto bad = [&](std::string_view what) { return refuse(std::format("line {}: {}", number, what)); };
    if (words.size() != 3) return bad("expected IDENTITY SHA-256|SHA-384 HEX");
    if (words[1] != "SHA-256" && words[1] != "SHA-384") return bad("expected SHA-256 or SHA-384 as the second word");
    try {
      const auto key = Botan::hex_decode(words[2], false);
      if (key.size() < 16) return bad("expected a key of at least 16 bytes");
      keys.push_back({.identity = words[0], .hash = words[1], .key = to_der(key)});
    } catch (const std::exception&) {
      return bad("expected the key in hexadecimal");
    }
  }
  return keys;
}

Result<Botan::secure_vector<std::uint8_t>> CredentialFile::secret(std::size_t size) const {
  auto text = bytes();
  if (!text) return fail(std::move(text));
  if (text->size() != size) return refuse(std::format("which has {} bytes, expected {}", text->size(), size));
  return Botan::secure_vector<std::uint8_t>(text->begin(), text->end());
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> list;
  for (const auto word : std::views::split(text, ' ')) {
    if (!word.empty()) list.emplace_back(word.begin(), word.end());
  }
  return list;
}

}  // namespace trellis::security
