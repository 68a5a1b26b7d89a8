// fake_protocols.h: protocols that are nothing but their traits, for tests of composition.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/registry.h"
#include "trellis/framer.h"
#include "trellis/protocol.h"

namespace trellis {

/// Offers what the traits say, one LayerTraits for each face.
class FakeProtocol final : public Protocol {
 public:
  explicit FakeProtocol(std::vector<LayerTraits> offers) : offers_(std::move(offers)) {}
  LayerTraits traits(Face above) const noexcept override {
    for (const LayerTraits& one : offers_) {
      if (one.above == above) return one;
    }
    return {.above = Face::none};
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat&) const noexcept override {
    return fail(Reason::unreachable);
  }

 private:
  std::vector<LayerTraits> offers_;
};

class FakeKind final : public ProtocolKind {
 public:
  FakeKind(std::string name, std::vector<LayerTraits> offers) : name_(std::move(name)), offers_(std::move(offers)) {}
  std::string_view name() const noexcept override { return name_; }
  std::span<const OptionSpec> options() const noexcept override {
    static constexpr OptionSpec kOptions[] = {
        {"size", std::int64_t{1}, "How much", 0, 9},
        {"key-file", std::string_view(), "Must exist"},
    };
    return kOptions;
  }
  Result<std::unique_ptr<Protocol>> configure(const Options& options) const noexcept override {
    if (!options.text("key-file").empty()) {
      return fail(Reason::configuration, "found no key in " + std::string(options.text("key-file")));
    }
    return std::make_unique<FakeProtocol>(offers_);
  }

 private:
  std::string name_;
  std::vector<LayerTraits> offers_;
};

class FakeFramerKind final : public FramerKind {
 public:
  explicit FakeFramerKind(std::string name) : name_(std::move(name)) {}
  std::string_view name() const noexcept override { return name_; }
  Result<std::unique_ptr<Framing>> configure(const Options&) const noexcept override {
    struct FakeFraming final : Framing {
      std::uint16_t headroom() const noexcept override { return 4; }
      std::unique_ptr<Framer> make(BlockPool&) const noexcept override { return nullptr; }
    };
    return std::make_unique<FakeFraming>();
  }

 private:
  std::string name_;
};

namespace fakes {

inline const FeatureSet kStream = {Feature::reliability,         Feature::ordering,     Feature::full_integrity_check,
                                   Feature::congestion_control,  Feature::flow_control, Feature::half_close,
                                   Feature::duplicate_protection};
inline const FeatureSet kSecrecy = {Feature::confidentiality, Feature::peer_authentication, Feature::forward_secrecy};

inline const LayerTraits kTcp{.above = Face::bytestream,
                              .below = Face::none,
                              .adds = kStream | FeatureSet{Feature::keepalive},
                              .switchable = {Feature::keepalive},
                              .handshake_rtts = 1,
                              .accepts = Accepts::over_one_lower};
inline const LayerTraits kUdp{
    .above = Face::datagram, .below = Face::none, .adds = {Feature::boundaries}, .accepts = Accepts::over_one_lower};
inline const LayerTraits kTls{.above = Face::bytestream,
                              .below = Face::bytestream,
                              .needs = {Feature::reliability, Feature::ordering},
                              .adds = kSecrecy,
                              .security = {"tls", 0x0304, "webpki"},
                              .headroom = 5,
                              .tailroom = 17,
                              .handshake_rtts = 1};
inline const LayerTraits kQuicStream{
    .above = Face::bytestream,
    .below = Face::datagram,
    .adds = kStream | kSecrecy | FeatureSet{Feature::multistreaming, Feature::zero_rtt},
    .removes = {Feature::boundaries},
    .security = {"quic-tls", 0x0304, "webpki"},
    .headroom = 48,
    .tailroom = 16,
    .handshake_rtts = 1,
    .accepts = Accepts::over_one_lower,
    .one_loop = true};
inline const LayerTraits kQuicDatagram{.above = Face::datagram,
                                       .below = Face::datagram,
                                       .adds = kSecrecy,
                                       .security = {"quic-tls", 0x0304, "webpki"},
                                       .handshake_rtts = 1};
// What core/framer_layer.h says of a framer with four bytes before each message.
inline const LayerTraits kFramer{.above = Face::message,
                                 .below = Face::bytestream,
                                 .needs = {Feature::reliability, Feature::ordering},
                                 .adds = {Feature::boundaries},
                                 .headroom = 4};

inline void add_all(Registrar& registrar) {
  registrar.add(std::make_unique<FakeKind>("tcp", std::vector{kTcp}));
  registrar.add(std::make_unique<FakeKind>("udp", std::vector{kUdp}));
  registrar.add(std::make_unique<FakeKind>("tls", std::vector{kTls}));
  registrar.add(std::make_unique<FakeKind>("quic", std::vector{kQuicStream, kQuicDatagram}));
  registrar.add(std::make_unique<FakeFramerKind>("length-prefix"));
}

}  // namespace fakes
}  // namespace trellis
