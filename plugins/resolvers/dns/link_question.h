// link_question.h: a question to everybody on a link: a one-shot multicast DNS query (RFC 6762 section 5.1).
//
// It leaves from a port of its own, so that answers come to it alone (section 6.7). Asked again after one and three
// seconds; over after four.
#pragma once
#include <ares.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ares_sockets.h"
#include "trellis/executor.h"

namespace trellis::dns {

/// Whether nobody but the link knows the name: it is "local", or ends so (RFC 6762 section 3).
bool is_of_the_link(std::string_view name) noexcept;

/// The bytes of a question for a name as c-ares writes it, with escapes: labels may have any letters, which c-ares
/// refuses to ask for. Empty: it is no name.
std::vector<std::byte> write_question(std::uint16_t id, std::string_view name, ares_dns_rec_type_t type);

class LinkQuestion final : SocketEvents, Alarm {
 public:
  /// Who hears the answers. May destroy the question.
  class Owner {
   public:
    virtual void link_answered(LinkQuestion&, const ares_dns_record_t& message, const Address& from) noexcept = 0;
    virtual void link_silent(LinkQuestion&) noexcept = 0;  ///< its time is over

   protected:
    ~Owner() = default;
  };
  static constexpr std::uint16_t kPort = 5353;
  static constexpr std::size_t kMessagesMost = 64;  ///< that are read; whoever floods the link ends the question

  LinkQuestion(Executor& executor, const AresSockets::Binding& binding, Owner& owner);
  ~LinkQuestion();
  /// Errors: there is no such name, or the link cannot be asked.
  Result<void> ask(std::string_view name, ares_dns_rec_type_t type);
  /// What was wrong with datagrams that were passed over, the last one first; empty: there were none.
  std::string faults() const;

 private:
  struct Group {
    Address address;
    std::unique_ptr<Socket> socket;
  };
  void on_ready(Socket& socket, Ready what) noexcept override;
  void on_alarm() noexcept override;
  Result<void> send();
  Result<void> send_to(Group& group);
  bool take(const Chunk& datagram);
  bool pass_over(const char* why);

  Executor& executor_;
  AresSockets::Binding binding_;
  Owner& owner_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // an answer may destroy this
  std::uint16_t id_;
  std::vector<std::byte> question_;
  std::vector<Group> groups_;
  std::size_t sent_ = 0, read_ = 0, passed_over_ = 0;
  const char* fault_ = "";  // of the last one
};

}  // namespace trellis::dns
