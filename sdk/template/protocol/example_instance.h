// example_instance.h: one connection of the protocol.
#pragma once
#include "trellis/protocol.h"

namespace example_plugin {

/// The options of one layer of one policy, as values.
struct Settings {
  std::uint32_t chunk_bytes;
};

/// Passes everything through. A layer talks to its host and to its ports, never to another layer: it pushes and
/// returns, and the loop carries on.
class ExampleInstance final : public trellis::ProtocolInstance {
 public:
  ExampleInstance(const trellis::Seat& seat, const Settings& settings);

  void open(const trellis::OpenArgs&) noexcept override;
  void close(const trellis::CloseArgs&) noexcept override;
  void on_up(trellis::LowerPort from, trellis::Batch&) noexcept override;
  void on_down(trellis::UpperPort from, trellis::Batch&) noexcept override;
  void on_credit(trellis::UpperPort) noexcept override;
  void on_credit(trellis::LowerPort) noexcept override;

 private:
  trellis::Chunk take(trellis::Batch& batch) noexcept;

  trellis::LayerHost& host_;
  trellis::UpperPort upper_;
  trellis::LowerPort lower_;
  Settings settings_;
};

}  // namespace example_plugin
