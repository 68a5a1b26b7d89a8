// memory_end.h: one side of an association in memory, for tests and the fuzzer: the network and the layer above are the
// test's.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "association.h"
#include "memory_loop.h"

namespace trellis::dtls {

/// A layer's settings with the test authority, the server's certificate and these options besides.
inline std::unique_ptr<Shared> test_shared(std::map<std::string, OptionValue> more = {}) {
  static const std::string pki = TLS_TEST_PKI;
  static const std::string anchor = pki + "/ca.pem", certificate = pki + "/server.pem", key = pki + "/server.key";
  more.insert({{"trust", std::string_view(anchor)},
               {"certificate", std::string_view(certificate)},
               {"key", std::string_view(key)},
               {"groups", std::string_view("x25519")}});
  return std::make_unique<Shared>(*Settings::from(tls::Given(dtls_options(), std::move(more))));
}

class End final : public tls::TestHost, public AssociationOwner {
 public:
  explicit End(const Shared& shared) : TestHost(state_, security_) {
    schedule_.begin = [](Schedule&) noexcept {};
    below_.schedule = &schedule_;
    below_.face = Face::datagram;
    below_.down.credit = 1 << 30;
    association = std::make_unique<Association>(*this, LowerPort(below_), shared, *this, MessageRef());
  }
  void open(const FirstHello* hello = nullptr) {
    args_.emplace(OpenArgs{remote_, route_, security_.alpn, hello != nullptr});
    association->open(*args_, hello, 1232);
  }
  void feed(std::span<const std::byte> datagram) {
    Slice slice = loop.pool().allocate(0, static_cast<std::uint32_t>(datagram.size()), 0);
    std::ranges::copy(datagram, slice.edit().begin());
    association->take(Chunk{.data = std::move(slice)});
  }
  /// What it has sent.
  std::vector<std::vector<std::byte>> take() {
    std::vector<std::vector<std::byte>> all;
    while (!below_.down.batch.empty()) {
      const Chunk chunk = below_.down.batch.pop();
      all.emplace_back(chunk.data.bytes().begin(), chunk.data.bytes().end());
    }
    return all;
  }
  void send(std::string_view text) {
    Slice slice = loop.pool().allocate(kHeadroom, static_cast<std::uint32_t>(text.size()), kTailroom);
    std::ranges::copy(std::as_bytes(std::span(text)), slice.edit().begin());
    association->send(Chunk{.data = std::move(slice)});
  }
  /// Lets the time of its deadline come.
  void wait() {
    loop.time = at;
    association->on_deadline();
  }

  void arrived(Association&, Slice&& content, std::uint8_t) noexcept override {
    received.emplace_back(reinterpret_cast<const char*>(content.bytes().data()), content.size());
  }
  void opened(Association&) noexcept override { is_open = true; }
  void ended(Association&, std::optional<Error> why) noexcept override {
    is_over = true;
    error = std::move(why);
  }
  using TestHost::deadline;
  void deadline(Association&, TimePoint when) noexcept override { at = when; }
  void heard(Association&, unsigned rtts_left) noexcept override { left = rtts_left; }

  std::unique_ptr<Association> association;
  std::vector<std::string> received;
  std::optional<Error> error;
  TimePoint at = TimePoint::max();
  unsigned left = 9;
  bool is_open = false, is_over = false;

 private:
  tls::TestState state_;
  Security security_;
  Schedule schedule_;
  Link below_;
  Endpoint remote_{.host = "peer.example", .port = 443};
  Route route_{};
  std::optional<OpenArgs> args_;
};

}  // namespace trellis::dtls
