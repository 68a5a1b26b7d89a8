// acceptor.h: tells new sessions from connections that join one, by the first
// record, which stays where it is.
#pragma once
#include <memory>
#include <unordered_map>
#include <vector>

#include "session.h"
#include "trellis/listen.h"

namespace trellis::tcpls {

class TcplsAcceptor final : public Acceptor {
 public:
  /// `shared` outlives it.
  TcplsAcceptor(AcceptHost& host, const Shared& shared);

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void offered(LowerPort) noexcept override;
  void offered_failed(LowerPort) noexcept override;
  void on_up(LowerPort, Batch&) noexcept override;
  void on_deadline() noexcept override;
  void unseated(ProtocolInstance&) noexcept override {}  // sessions take their tokens along themselves

 private:
  struct Waiting {  // a connection that has not said what it wants
    LowerPort port;
    TimePoint until;
  };
  void forget(LowerPort port) noexcept;
  void refuse(LowerPort port, tls::AlertDescription alert) noexcept;
  void judge(LowerPort port, std::span<const std::byte> record) noexcept;
  void arm() noexcept;

  AcceptHost& host_;
  const Shared& shared_;
  TokenTable tokens_;
  std::vector<Waiting> waiting_;  // in the order in which they came
};

}  // namespace trellis::tcpls
