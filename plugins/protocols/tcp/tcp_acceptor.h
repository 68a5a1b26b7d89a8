// tcp_acceptor.h: a listening TCP socket. Every connection that the kernel accepts gets a seat.
#pragma once
#include <memory>
#include <vector>

#include "../kernel_socket.h"
#include "tcp_settings.h"
#include "trellis/listen.h"

namespace trellis {

class TcpAcceptor final : public Acceptor, private SocketEvents {
 public:
  /// `settings` outlive it.
  TcpAcceptor(AcceptHost& host, const TcpLayerSettings& settings) : host_(host), settings_(settings) {}

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_deadline() noexcept override;
  void on_wake() noexcept override;

 private:
  struct Door {  // one for each address that is listened on
    std::unique_ptr<Socket> socket;
    SocketWatch watch;
  };
  void on_ready(Socket&, Ready) noexcept override;
  Result<std::unique_ptr<Socket>> listen(const Address& at, const Path& path);
  void accept() noexcept;
  bool accept_some(Socket& socket) noexcept;
  void seat(Accepted&& accepted) noexcept;
  void pause() noexcept;
  Result<void> watch(Ready what) noexcept;
  void give_up(Error error) noexcept;

  AcceptHost& host_;
  const TcpLayerSettings& settings_;
  std::vector<Door> doors_;
  std::vector<Accepted> taken_;  // only inside a call; keeps its memory
  bool more_ = false;            // the last visit ended with peers still waiting
  bool starved_ = false;         // descriptors ran out, and none was accepted since
  bool failed_ = false;          // cannot accept any more
};

}  // namespace trellis
