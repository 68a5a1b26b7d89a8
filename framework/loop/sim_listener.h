// sim_listener.h: the listening socket of simulated TCP, with its backlog.
#pragma once
#include <deque>

#include "loop/sim_socket.h"
#include "loop/sim_tcp.h"

namespace trellis {

/// A stream socket that accepts.
class SimListener final : public SimSocket, private TcpListener, private TcpUser {
 public:
  explicit SimListener(const Seat& seat) : SimSocket(seat) {}
  ~SimListener() override;

  Result<bool> connect(const Address& remote) noexcept override;
  Result<bool> connected() noexcept override;
  Result<void> listen(int backlog) noexcept override;
  Result<Accepted> accept() noexcept override;
  Result<Io> receive(Batch& into, std::size_t byte_budget, bool keep_segments) noexcept override;
  Result<Io> send(Batch& from) noexcept override;
  Result<void> finish() noexcept override;
  void reset() noexcept override {}

 protected:
  Ready state() const noexcept override { return waiting_.empty() ? Ready::none : Ready::readable; }
  std::vector<std::byte> fact(int level, int option) noexcept override;

 private:
  void on_syn(SimPacket&& syn) noexcept override;
  int fits(const Address& to, const SimInterface& in) const noexcept override;
  bool admit(TcpConnection& connection) noexcept override;
  void stirred(TcpConnection& connection) noexcept override;
  bool full() const noexcept { return waiting_.size() > backlog_; }

  std::size_t backlog_ = 0;
  bool listening_ = false;
  std::vector<TcpConnection*> half_open_;  // kept by SimTcp, like those in waiting_
  std::deque<TcpConnection*> waiting_;     // for accept()
};

}  // namespace trellis
