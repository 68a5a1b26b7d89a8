// host.h: a network namespace that stands for a computer: its interfaces, addresses, routes, filters and programs.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "descriptor.h"

namespace trellis::netlab {

/// Makes an ordinary user root in a user namespace of the process's own, with an empty network; nothing for root. A
/// process that has threads may not enter one, so this comes before them. Throws LabError.
void become_root();

/// A computer of the lab. It has no name in the system and is gone when nothing uses it any more: this object, sockets,
/// programs.
class Host {
 public:
  /// With lo up and nothing else. Throws LabError.
  explicit Host(std::string name);

  const std::string& name() const { return name_; }
  int descriptor() const { return namespace_.get(); }

  /// The words of a command line that runs a program in this host, for test::Process for example. The program - but not
  /// what it starts itself - is killed when the thread that starts it ends, so it does not outlive the test.
  std::vector<std::string> command(std::vector<std::string> words) const;

  /// Runs lines of iproute2 in this host: "addr add 192.0.2.1/24 dev net0". Options hold for all of them: "-6". Throws
  /// LabError with what it complains about.
  void ip(std::string_view lines, const std::string& options = {}) const;
  /// Runs lines of nft in this host. Throws LabError with what it complains about.
  void nft(std::string_view lines) const;
  /// Makes it a router between its interfaces.
  void forward() const;

 private:
  std::string run(const std::string& program, std::string_view input) const;

  std::string name_;
  Descriptor namespace_;
};

/// While it lives, the calling thread is in the host: sockets, threads and children that it makes belong there, for as
/// long as they live.
class Inside {
 public:
  explicit Inside(const Host& host);
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Descriptor before_;
};

/// What a host does to packets that come in for it.
struct Rule {
  enum class Answer {
    none,         ///< they vanish
    reset,        ///< TCP's RST, as from a closed port; TCP only
    unreachable,  ///< ICMP: no route to the host
    closed,       ///< ICMP: port unreachable, which ends a TCP connection attempt at once
  };
  Answer answer = Answer::none;
  enum class Protocol { any, tcp, udp } protocol = Protocol::any;
  enum class Family { any, ipv4, ipv6 } family = Family::any;
  unsigned port = 0;      ///< where the packets go to; 0: all ports
  std::string more = {};  ///< further conditions in nft's words: "ct state established", "tcp flags syn"
};

/// A rule in force, until its end. By nft, in the host that packets come to.
class Block {
 public:
  Block(const Host& host, const Rule& rule);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

 private:
  const Host& host_;
  std::string table_;
};

}  // namespace trellis::netlab
