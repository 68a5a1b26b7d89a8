// dtls_fuzz.cc: datagrams of a peer that has not proved anything yet: to strangers' judge, to a client in its handshake,
// and to the pieces of messages.
#include "association.h"
#include "memory_loop.h"
#include "trellis/lowers.h"

namespace {

using namespace trellis;
using namespace trellis::dtls;

const Shared& shared() {
  static const std::string pki = TLS_TEST_PKI;
  static const std::string anchor = pki + "/ca.pem", certificate = pki + "/server.pem", key = pki + "/server.key";
  static const Shared made(*Settings::from(tls::Given({{"trust", std::string_view(anchor)},
                                                       {"certificate", std::string_view(certificate)},
                                                       {"key", std::string_view(key)},
                                                       {"groups", std::string_view("x25519")}},
                                                      dtls_options())));
  return made;
}

class End final : public LayerHost, public AssociationOwner {
 public:
  End() : route_{}, args_{remote_, route_, security_.alpn, false} {
    schedule_.begin = [](Schedule&) noexcept {};
    below_.schedule = &schedule_;
    below_.face = Face::datagram;
    below_.down.credit = 1 << 30;
    association.open(args_, nullptr, 1232);
  }
  void feed(std::span<const std::uint8_t> bytes) {
    Slice slice = loop.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
    std::ranges::copy(std::as_bytes(bytes), slice.edit().begin());
    association.take(std::move(slice));
  }
  Executor& executor() noexcept override { return loop; }
  State& state() noexcept override { return state_; }
  const Security& security() noexcept override { return security_; }
  void log(Severity, std::string_view) noexcept override {}
  void deadline(TimePoint) noexcept override {}
  void wake() noexcept override {}
  void answered(unsigned) noexcept override {}
  void early() noexcept override {}
  void ready() noexcept override {}
  void closed() noexcept override {}
  void failed(Error) noexcept override {}
  void notify(Notice, Error) noexcept override {}
  StreamHost& streams() noexcept override { std::abort(); }
  LowerHost& lowers() noexcept override { std::abort(); }
  void* extension(std::string_view) noexcept override { return nullptr; }
  void arrived(Association&, Slice&&) noexcept override { std::abort(); }
  // Without a certificate of our authority nobody gets that far.
  void opened(Association&) noexcept override { std::abort(); }
  void ended(Association&, std::optional<Error>) noexcept override {}
  void deadline(Association&, TimePoint) noexcept override {}
  void heard(Association&, unsigned) noexcept override {}

  tls::TestLoop loop;

 private:
  tls::TestState state_;
  Security security_;
  Schedule schedule_;
  Link below_;
  Endpoint remote_{.host = "peer.example", .port = 443};
  Route route_;
  OpenArgs args_;

 public:
  Association association{*this, LowerPort(below_), shared(), *this, {}};
};

}  // namespace

// The first byte says who is examined, the second where the input is cut in datagrams.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::span bytes(data + 2, size - 2);
  const std::size_t cut = std::min<std::size_t>(data[1], bytes.size());
  if ((data[0] & 1) == 0) {
    End client;
    client.feed(bytes.first(cut));
    client.feed(bytes.subspan(cut));
    client.loop.time += std::chrono::seconds(2);
    client.association.on_deadline();
    return 0;
  }
  static const auto credentials = *shared().credentials_of(Security{}, true);
  tls::HeapPool pool;
  const auto judged = judge_stranger(std::as_bytes(bytes), {.port = 7},
                                     std::chrono::sys_days(std::chrono::year(2026) / 1 / 1), *credentials, pool);
  if (judged.hello) std::abort();                        // nobody guesses a cookie
  if (judged.reply.size() > bytes.size()) std::abort();  // nobody is answered with more than was sent
  return 0;
}
