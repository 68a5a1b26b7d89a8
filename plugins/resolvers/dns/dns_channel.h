// dns_channel.h: the name servers of one path on one loop: a c-ares channel, what it was asked, and what it answered as
// long as that may be kept.
#pragma once
#include <ares.h>

#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ares_sockets.h"
#include "link_question.h"
#include "records.h"
#include "trellis/executor.h"

namespace trellis::dns {

/// What a channel is made of. Two lookups with the same network share one.
struct Network {
  std::string servers;             ///< "192.0.2.53:53,[2001:db8::53]:53"; empty: those of /etc/resolv.conf
  AresSockets::Binding binding{};  ///< what its sockets are bound to
  std::uint32_t timeout_ms = 2000;
  std::uint32_t tries = 3;
  std::uint32_t cache_entries = 512;
  bool multicast = true;  ///< names of the link are asked for there (RFC 6762)
  bool operator==(const Network& o) const noexcept {
    return servers == o.servers && binding.interface_name == o.binding.interface_name &&
           binding.local == o.binding.local && timeout_ms == o.timeout_ms && tries == o.tries &&
           cache_entries == o.cache_entries && multicast == o.multicast;
  }
};

using RecordsRef = std::shared_ptr<const Records>;

/// Who asks. Destroying it forgets its questions.
class Asker {
 public:
  /// An answer; maybe inside DnsChannel::ask(): note it, nothing else. Records::more: others follow.
  virtual void heard(ares_dns_rec_type_t type, const std::string& name, RecordsRef records) noexcept = 0;

 protected:
  ~Asker() = default;
};

/// A server as c-ares reads it: "192.0.2.53:53", "[2001:db8::53]:53", "[fe80::1%eth0]:53". `port`: where it has none.
std::string server_text(const Address& address, std::uint16_t port, const std::string& interface_name);

class DnsChannel final : SocketOwner, Alarm, LinkQuestion::Owner {
 public:
  /// Errors: the servers make no sense, or c-ares cannot be set up.
  static Result<std::unique_ptr<DnsChannel>> make(Executor& executor, const Network& network);
  ~DnsChannel();
  /// Asks, or joins whoever has asked that already. What is known still is told at once.
  void ask(const std::string& name, ares_dns_rec_type_t type, Asker& who);
  /// What was answered before and may be kept still; null: nothing.
  RecordsRef known(const std::string& name, ares_dns_rec_type_t type) noexcept { return kept({type, name}); }
  /// The asker hears nothing more. Its questions go on for kDrain, for the cache (RACE-120).
  void forget(Asker& who) noexcept;

  const Network& network() const noexcept { return network_; }
  Executor& executor() const noexcept { return executor_; }
  const std::vector<std::string>& search_domains() const noexcept { return domains_; }  ///< of /etc/resolv.conf
  unsigned ndots() const noexcept { return ndots_; }  ///< a name with this many dots is tried as it is first
  bool idle() const noexcept { return questions_.empty(); }
  /// /etc/resolv.conf has changed since: use another channel.
  bool outdated() const noexcept;
  /// What is wrong in /etc/resolv.conf, if it was read; once.
  std::vector<std::string> take_faults() noexcept { return std::exchange(faults_, {}); }
  TimePoint used_at() const noexcept { return used_at_; }

  static constexpr Duration kDrain = std::chrono::seconds(1);

 private:
  using Key = std::pair<ares_dns_rec_type_t, std::string>;
  struct Question;
  struct Kept {
    RecordsRef records;
    std::list<Key>::iterator place;
  };
  DnsChannel(Executor& executor, const Network& network);
  Result<void> open();
  void socket_ready(ares_socket_t socket, bool readable, bool writable) noexcept override;
  void on_alarm() noexcept override;
  void rearm() noexcept;
  void answered(Question& question, ares_status_t status, const ares_dns_record_t* answer) noexcept;
  void ask_the_link(Question& question);
  void link_answered(LinkQuestion& asked, const ares_dns_record_t& message, const Address& from) noexcept override;
  void link_silent(LinkQuestion& asked) noexcept override;
  Question& question_of(LinkQuestion& asked) noexcept;
  void learn_more(const ares_dns_record_t& message, const std::string& server);
  void conclude(Question& question, const RecordsRef& records);
  Records read(const Question& question, ares_status_t status, const ares_dns_record_t* answer);
  void keep(const Key& key, const RecordsRef& records);
  RecordsRef kept(const Key& key) noexcept;

  Executor& executor_;
  Network network_;
  AresSockets sockets_;
  ares_channel_t* channel_ = nullptr;
  std::map<Key, std::unique_ptr<Question>> questions_;
  std::map<Key, Kept> cache_;
  std::list<Key> recent_;  // most recently used first
  std::vector<std::string> domains_;
  std::vector<std::string> faults_;  // of /etc/resolv.conf
  unsigned ndots_ = 1;
  std::string server_;                                     // which one answered last
  std::pair<std::int64_t, std::int64_t> configured_at_{};  // time and size of /etc/resolv.conf
  TimePoint drain_until_ = TimePoint::max();
  TimePoint used_at_{};
};

}  // namespace trellis::dns
