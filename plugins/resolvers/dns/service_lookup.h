// service_lookup.h: who offers a service in a domain (DNS-SD, RFC 6763): instances by PTR records, hosts and ports
// by SRV records, told as they come.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "dns_channel.h"
#include "trellis/resolver.h"

namespace trellis::dns {

/// Tells each host and port as an Answer of its own kind, service, without addresses.
class ServiceLookup final : public Resolver::Lookup, Asker, Job {
 public:
  ServiceLookup(std::shared_ptr<DnsChannel> channel, const Query& query, AnswerSink& sink);
  ~ServiceLookup() override;
  void begin();

 private:
  struct Heard {
    ares_dns_rec_type_t type;
    std::string name;
    RecordsRef records;
  };
  void heard(ares_dns_rec_type_t type, const std::string& name, RecordsRef records) noexcept override;
  void run() noexcept override;
  void take_instances(const Records& records);
  void take_hosts(const Heard& one);
  void find(const std::string& instance);
  void tell(const ServiceRecord& host, const Records& from);
  void maybe_over();

  std::shared_ptr<DnsChannel> channel_;
  std::string type_;      // "_ipp._tcp.local"
  std::string instance_;  // "*": any
  AnswerSink& sink_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // hearing an answer may destroy this
  std::deque<Heard> inbox_;
  std::vector<std::string> instances_;  // that were asked for
  std::size_t awaited_ = 0;             // of them
  bool more_ = false;                   // instances may come
  bool told_ = false;                   // some host
  std::string why_;                     // there is none
};

/// The name of an instance as c-ares writes it, so that it can be compared: dots in it are no ends of labels, and what
/// is not ASCII is a number (RFC 1035 section 5.1).
std::string name_of_instance(const std::string& instance, const std::string& type);

}  // namespace trellis::dns
