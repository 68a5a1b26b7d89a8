// ping_instance.h: one connection of the ping protocol: datagrams behind a liveness probe.
//
// Each datagram begins with one byte that says what it is. A probe is answered with an echo; any datagram proves that
// the peer is alive. Without proof the peer is probed, and after a few probes in vain the connection fails.
#pragma once
#include "trellis/protocol.h"

namespace ping {

/// The options of one ping layer of one policy.
struct Settings {
  trellis::Duration probe_interval;  ///< between probes until the peer answers for the first time
  trellis::Duration keep_alive;      ///< silence after which the peer is probed; max(): never
  std::int64_t probes;               ///< in vain, before the peer counts as gone
};

class PingInstance final : public trellis::ProtocolInstance {
 public:
  PingInstance(const trellis::Seat& seat, const Settings& settings);

  void open(const trellis::OpenArgs&) noexcept override;
  void close(const trellis::CloseArgs&) noexcept override;
  void on_up(trellis::LowerPort, trellis::Batch&) noexcept override;
  void on_down(trellis::UpperPort, trellis::Batch&) noexcept override;
  void on_credit(trellis::UpperPort) noexcept override;
  void on_credit(trellis::LowerPort) noexcept override { grant(); }
  void on_deadline() noexcept override;
  trellis::Result<trellis::PropertyValue> get(trellis::UpperPort, std::string_view name) noexcept override;
  trellis::Result<void> set(trellis::UpperPort, std::string_view name, const trellis::PropertyValue&) noexcept override;

 private:
  enum class Type : std::uint8_t { data, probe, echo, goodbye };
  void receive(trellis::Chunk chunk) noexcept;
  void deliver(trellis::Chunk chunk) noexcept;
  void heard() noexcept;
  void watch() noexcept;
  void probe() noexcept;
  void send(Type type) noexcept;
  void grant() noexcept;
  void peer_left() noexcept;

  trellis::LayerHost& host_;
  trellis::UpperPort upper_;
  trellis::LowerPort lower_;
  Settings settings_;
  trellis::Batch waiting_;    // datagrams for an application that is slow
  std::int64_t in_vain_ = 0;  // probes since the peer was heard
  bool ready_ = false;
  bool over_ = false;
};

}  // namespace ping
