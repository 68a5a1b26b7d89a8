// tcp_acceptor.h: a listening TCP socket. Every connection that the kernel accepts gets a seat.
#pragma once
#include <memory>

#include "../kernel_socket.h"
#include "tcp_settings.h"
#include "trellis/listen.h"

namespace trellis {

class TcpAcceptor final : public Acceptor, private SocketEvents {
 public:
  /// `settings` outlive it.
  TcpAcceptor(AcceptHost& host, const TcpSettings& settings) : host_(host), settings_(settings) {}

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_deadline() noexcept override;
  void on_wake() noexcept override;

 private:
  void on_ready(Socket&, Ready) noexcept override;
  Result<void> listen(const OpenArgs& args);
  void accept() noexcept;
  bool accept_one() noexcept;
  void pause() noexcept;

  AcceptHost& host_;
  const TcpSettings& settings_;
  std::unique_ptr<Socket> socket_;
  SocketWatch watch_;
  bool more_ = false;     // the last visit ended with peers still waiting
  bool starved_ = false;  // descriptors ran out, and none was accepted since
};

}  // namespace trellis
