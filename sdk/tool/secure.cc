#include "secure.h"

#include <cctype>
#include <cstdint>
#include <format>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "core/text.h"

namespace trellis::tool {
namespace {

constexpr std::uint64_t kOnly = 1;  // a command has one set of parameters

std::unexpected<Error> refuse(std::string_view option, const std::string& path, std::string_view what) {
  return fail(Reason::invalid_argument, std::format("--{}: {} {}", option, in_quotes(path), what));
}

/// One block of a PEM file.
struct Block {
  std::string label;
  Der der;
};

std::optional<std::uint32_t> sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return std::nullopt;
}

/// What base64 of any number of lines stands for; nothing where it is none.
Der decode(const std::string& base64) {
  Der der;
  std::uint32_t bits = 0;
  std::size_t letters = 0, padding = 0;
  for (const char c : base64) {
    if (std::isspace(static_cast<unsigned char>(c)) != 0) continue;
    const auto six = c == '=' ? 0 : sextet(c);
    if (!six || (padding > 0 && c != '=')) return {};
    padding += c == '=' ? 1 : 0;
    bits = bits << 6 | *six;
    if (++letters % 4 != 0) continue;
    for (const int shift : {16, 8, 0}) der.push_back(static_cast<std::byte>(bits >> shift & 0xff));
  }
  if (letters % 4 != 0 || padding > 2) return {};
  der.resize(der.size() - padding);
  return der;
}

// Text between the blocks is a comment (RFC 7468 section 2).
Result<std::vector<Block>> read_pem(std::string_view option, const std::string& path) {
  constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ", kDashes = "-----";
  std::ifstream in(path);
  if (!in) return refuse(option, path, "cannot be read");
  std::vector<Block> blocks;
  std::string line, label, body;
  while (std::getline(in, line)) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.starts_with(kBegin) && line.ends_with(kDashes)) {
      label = line.substr(kBegin.size(), line.size() - kBegin.size() - kDashes.size());
      body.clear();
    } else if (line.starts_with(kEnd) && !label.empty()) {
      blocks.push_back({std::exchange(label, {}), decode(body)});
      if (blocks.back().der.empty()) return refuse(option, path, "holds a block that is not base64");
    } else if (!label.empty()) {
      body += line + '\n';
    }
  }
  if (blocks.empty()) return refuse(option, path, "holds no PEM block (-----BEGIN …)");
  return blocks;
}

Result<std::vector<Der>> read_certificates(std::string_view option, const std::string& path) {
  auto blocks = read_pem(option, path);
  if (!blocks) return fail(std::move(blocks));
  std::vector<Der> list;
  for (Block& block : *blocks) {
    if (block.label == "CERTIFICATE") list.push_back(std::move(block.der));
  }
  if (list.empty()) return refuse(option, path, "holds no CERTIFICATE");
  return list;
}

Result<Der> read_key(const std::string& path) {
  auto blocks = read_pem("key", path);
  if (!blocks) return fail(std::move(blocks));
  std::string found;
  for (Block& block : *blocks) {
    if (block.label == "PRIVATE KEY") return std::move(block.der);
    found += (found.empty() ? "" : ", ") + block.label;
  }
  return refuse("key", path,
                std::format("holds {}, expected PRIVATE KEY: convert it with `openssl pkcs8 -topk8 -nocrypt`", found));
}

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  for (std::istringstream in(text); std::getline(in, word, ',');) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

}  // namespace

void declare_security(Arguments& arguments) {
  arguments.value("cafile", "FILE", "trust the authorities of this PEM file (default: the policy's, or the system's)")
      .value("cert", "FILE", "show this PEM certificate chain, leaf first; needs --key")
      .value("key", "FILE", "our private key, PEM in PKCS #8")
      .value("alpn", "NAMES", "application protocols, best first, with commas between: h2,http/1.1")
      .value("servername", "NAME", "whom the server's certificate must name (default: HOST)");
}

Result<std::shared_ptr<const Security>> read_security(const Arguments& arguments, bool listening) {
  bool given = false;
  for (const char* option : {"cafile", "cert", "key", "alpn", "servername"}) {
    if (!arguments.has(option)) continue;
    given = true;
    if (arguments.text(option).empty()) {
      return fail(Reason::invalid_argument, std::string("--") + option + " needs a value");
    }
  }
  if (!given) return nullptr;
  auto security = std::make_shared<Security>();
  security->id = kOnly;
  if (arguments.has("cafile")) {
    auto anchors = read_certificates("cafile", arguments.text("cafile"));
    if (!anchors) return fail(std::move(anchors));
    security->trusted = std::move(*anchors);
  }
  if (arguments.has("cert") != arguments.has("key")) {
    return fail(Reason::invalid_argument, "--cert and --key belong together, found only one of them");
  }
  if (arguments.has("cert")) {
    auto chain = read_certificates("cert", arguments.text("cert"));
    if (!chain) return fail(std::move(chain));
    auto key = read_key(arguments.text("key"));
    if (!key) return fail(std::move(key));
    auto& identities = listening ? security->server_identities : security->client_identities;
    identities.push_back({.chain = std::move(*chain), .private_key = std::move(*key), .sign = {}});
  }
  security->alpn = words_of(arguments.text("alpn"));
  security->server_name = arguments.text("servername");
  return security;
}

}  // namespace trellis::tool
