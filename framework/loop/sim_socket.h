// sim_socket.h: what all sockets of a simulated host have in common: watching, options, faults, names of errors.
//
// They do what the real ones of posix_sockets.h do: readiness is a level, told once per poll while it holds and is
// wanted; an error is told as readable and writable, or, when neither is wanted, once as failed; the error that ended a
// socket is returned ever after.
#pragma once
#include <memory>
#include <string>

#include "loop/fault_plan.h"
#include "loop/sim_options.h"
#include "loop/virtual_loop.h"
#include "trellis/executor.h"

namespace trellis {

class SimHost;
class SimInterface;

/// A socket of a simulated host.
class SimSocket : public Socket, public Pollable {
 public:
  /// What a socket is made of.
  struct Seat {
    SimHost& host;
    VirtualLoop& loop;
    int protocol;  ///< IPPROTO_…
    Address::Family family;
    Address local;              ///< what it is bound to; unset: nothing yet
    const SimInterface* bound;  ///< null: to none
    bool share_port;
    Address source{};  ///< of a multicast group as `local`: the only one that is received from; unset: all
  };
  ~SimSocket() override;
  /// Binds it to an address; 0 or an errno.
  virtual int bind_to(const Address& address) { return bind(address); }
  Result<void> watch(SocketEvents& who, Ready interest) noexcept override;
  Address local() const noexcept override;
  Address remote() const noexcept override { return remote_; }
  Result<void> set(int level, int option, std::span<const std::byte> value) noexcept override;
  Result<std::size_t> get(int level, int option, std::span<std::byte> value) noexcept override;
  Ready ready() const noexcept final;
  void tell(Ready what) noexcept final;

 protected:
  explicit SimSocket(const Seat& seat);

  /// What holds now; `failed` when an error waits.
  virtual Ready state() const noexcept = 0;
  virtual void option_set() noexcept {}  ///< an option has changed
  /// The value of an option that is not remembered but known, like TCP_INFO; empty: there is none.
  virtual std::vector<std::byte> fact(int level, int option) noexcept = 0;

  int fault(SocketCall call) noexcept;  ///< counts a call; the errno that it must fail with, or 0
  void stir() noexcept { enlist(); }    ///< state() may have changed
  void error_came() noexcept;           ///< a new error waits
  std::unexpected<Error> failure(int error, std::string doing) const;
  /// Takes a port for `address`, which becomes what the socket is bound to.
  int bind(Address address, const Address& remote = {});
  /// How much of `most` is moved: all, or by HostOptions::short_transfers a random part, but at least 1.
  std::size_t cut(std::size_t most) noexcept;
  int flag(int level, int option) const { return options_.number(level, option); }

  SimHost& host_;
  VirtualLoop& loop_;
  const int protocol_;
  const Address::Family family_;
  const SimInterface* const bound_;
  const bool share_port_;
  Address local_;
  Address remote_;
  SimOptions options_;

 private:
  SocketEvents* watcher_ = nullptr;
  Ready interest_ = Ready::none;
  bool failed_told_ = false;
};

/// Behind Sockets::open of a simulated host.
Result<std::unique_ptr<Socket>> open_sim_socket(SimHost& host, VirtualLoop& loop, const SocketSpec& spec);

}  // namespace trellis
