#include "extensions.h"

#include <botan/tls_exceptn.h>

#include <vector>

namespace trellis::tcpls {
namespace {

using Botan::TLS::AlertType;
using Botan::TLS::Extension_Code;
using Botan::TLS::Handshake_Type;

class Raw final : public Botan::TLS::Extension {  // an extension that the
                                                  // library does not know
 public:
  Raw(std::uint16_t code, std::vector<std::uint8_t> value) : code_(code), value_(std::move(value)) {}
  Extension_Code type() const override { return static_cast<Extension_Code>(code_); }
  std::vector<std::uint8_t> serialize(Botan::TLS::Connection_Side) const override { return value_; }
  bool empty() const override { return false; }  // else it is not sent
  bool is_implemented() const override { return false; }

 private:
  std::uint16_t code_;
  std::vector<std::uint8_t> value_;
};

}  // namespace

void Extensions::modify(Botan::TLS::Extensions& extensions, Handshake_Type type) {
  const auto announce = static_cast<Extension_Code>(codes_.announce);
  const bool hello = type == Handshake_Type::ClientHello && !server_;
  const bool answer = type == Handshake_Type::EncryptedExtensions && server_ && offered_;
  if ((!hello && !answer) || extensions.has(announce)) return;
  extensions.add(new Raw(codes_.announce, {}));  // the library takes it over
  (hello ? offered_ : answered_) = true;
  if (hello && join_) {
    std::vector<std::uint8_t> value{static_cast<std::uint8_t>(join_->size())};  // opaque token<32> (decision D22)
    for (const std::byte b : *join_) value.push_back(std::to_integer<std::uint8_t>(b));
    extensions.add(new Raw(codes_.join, std::move(value)));
  }
  if (extensions.has(Extension_Code::PresharedKey)) extensions.reorder({Extension_Code::PresharedKey});
}

void Extensions::examine(const Botan::TLS::Extensions& extensions, Handshake_Type type) {
  const auto found = [&](std::uint16_t code) {
    return dynamic_cast<Botan::TLS::Unknown_Extension*>(extensions.get(static_cast<Extension_Code>(code)));
  };
  if (!server_ && found(codes_.join) != nullptr)
    throw Botan::TLS::TLS_Exception(AlertType::IllegalParameter, "tcpls_join came from a server");
  auto* const announce = found(codes_.announce);
  if (announce == nullptr) return;
  if (!announce->value().empty())
    throw Botan::TLS::TLS_Exception(AlertType::DecodeError, "the extension tcpls must be empty");
  if (server_ && type == Handshake_Type::ClientHello) offered_ = true;
  if (!server_ && type == Handshake_Type::EncryptedExtensions) answered_ = true;
}

}  // namespace trellis::tcpls
