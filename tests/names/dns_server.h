// dns_server.h: a small DNS server for tests, on any executor: it answers what it was told to, late, wrongly or not at
// all, and remembers what it was asked.
#pragma once
#include <ares.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "trellis/executor.h"

namespace trellis::tests {

using DnsBytes = std::vector<std::byte>;

/// What the server does with the questions for one name and type.
struct DnsRule {
  std::vector<std::string> records =
      {};                              ///< "192.0.2.1", "1 . alpn=h3 port=8443", "0 5 443 target."; a CNAME: "> name"
  std::vector<std::string> more = {};  ///< additional records, each with type and name: "A one.local 192.0.2.1"
  ares_dns_rcode_t code = ARES_RCODE_NOERROR;
  unsigned ttl = 60;
  unsigned negative_ttl = 0;  ///< of an SOA beside an empty answer; 0: there is none
  Duration after{};
  int ignore = 0;                                 ///< so many questions are not answered
  bool truncate = false;                          ///< over UDP
  bool other_id = false;                          ///< an answer with another id, then nothing
  std::function<DnsBytes(DnsBytes)> damage = {};  ///< changes the answer's bytes
};

class DnsServer final : SocketEvents {
 public:
  /// Port 0: any. Every executor will do.
  DnsServer(Executor& executor, const Address& at);
  ~DnsServer();
  DnsRule& on(std::string_view type, std::string_view name);  ///< "AAAA", "a.example"; unknown names do not exist
  /// Hears multicast DNS of an interface too; for servers without an address of their own.
  void join(unsigned interface_index);
  Address address() const { return at_; }
  std::size_t asked(std::string_view type, std::string_view name) const;  ///< how often
  std::vector<std::string> log;                                           ///< "AAAA a.example udp", in order

 private:
  struct Peer;
  struct Late;
  using Reply = std::function<void(DnsBytes)>;
  void on_ready(Socket& socket, Ready what) noexcept override;
  void accept();
  void question(std::span<const std::byte> bytes, bool udp, Reply reply);
  DnsBytes answer(const ares_dns_record_t& question, const DnsRule& rule, bool truncated, bool known) const;

  Executor& executor_;
  Address at_;
  std::unique_ptr<Socket> udp_, tcp_;
  std::map<std::string, DnsRule> rules_;  // "AAAA a.example"
  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<std::unique_ptr<Late>> late_;
};

}  // namespace trellis::tests
