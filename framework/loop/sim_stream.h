// sim_stream.h: the socket of a simulated TCP connection.
#pragma once
#include "loop/sim_socket.h"
#include "loop/sim_tcp_connection.h"

namespace trellis {

/// A stream socket, connected or to be connected.
class SimStream final : public SimSocket, private TcpUser {
 public:
  explicit SimStream(const Seat& seat) : SimSocket(seat) {}
  /// The socket of an accepted connection, with the options of its listener.
  SimStream(const Seat& seat, std::unique_ptr<TcpConnection> accepted, const SimOptions& options);
  ~SimStream() override;
  int bind_to(const Address& address) override;

  Result<bool> connect(const Address& remote) noexcept override;
  Result<bool> connected() noexcept override;
  Result<void> listen(int backlog) noexcept override;
  Result<Accepted> accept() noexcept override;
  Result<Io> receive(Batch& into, std::size_t byte_budget, bool keep_segments) noexcept override;
  Result<Io> send(Batch& from) noexcept override;
  Result<void> finish() noexcept override;
  void reset() noexcept override { abruptly_ = true; }

 protected:
  Ready state() const noexcept override;
  void option_set() noexcept override { apply_options(); }
  std::vector<std::byte> fact(int level, int option) noexcept override;

 private:
  bool admit(TcpConnection&) noexcept override { return true; }
  void stirred(TcpConnection& connection) noexcept override;
  std::unexpected<Error> final_failure(int error, std::string doing);
  int bind_towards(const Address& remote);
  void apply_options() noexcept;
  void read(Batch& into, std::size_t size);

  std::unique_ptr<TcpConnection> connection_;  // null: connect() has not been called
  int final_error_ = 0;                        // what ended it; returned ever after
  bool abruptly_ = false;
  bool ended_ = false;  // receive() has said so
};

}  // namespace trellis
