// world_name_server.h: a name server in a world: it answers the questions that reach it as packets (RFC 1035), with
// what the file of the world says.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loop/sim_resolver.h"
#include "trellis/executor.h"

namespace trellis::simulation {

class WorldNameServer final : SocketEvents {
 public:
  static constexpr std::uint16_t kPort = 53;
  /// What it says of the addresses of a name; none: the name does not exist.
  using Zone = std::function<std::optional<SimAnswers>(const std::string& host)>;
  /// `at`: one of the addresses of the loop's host.
  WorldNameServer(Executor& executor, Address at, Zone zone);
  ~WorldNameServer();

 private:
  struct Reply;
  using Bytes = std::vector<std::byte>;
  void on_ready(Socket& socket, Ready what) noexcept override;
  void take(std::span<const std::byte> question, const Address& peer);
  void send(const Bytes& message, const Address& peer);

  Executor& executor_;
  Zone zone_;
  std::unique_ptr<Socket> socket_;
  std::vector<std::unique_ptr<Reply>> replies_;
};

}  // namespace trellis::simulation
