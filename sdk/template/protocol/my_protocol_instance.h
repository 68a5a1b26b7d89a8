// my_protocol_instance.h: one layer of one connection. It hands bytes on in both directions and changes nothing: replace
// what on_up() and on_down() do with what your protocol does.
#pragma once
#include "trellis/protocol.h"

class MyProtocolInstance final : public trellis::ProtocolInstance {
 public:
  MyProtocolInstance(const trellis::Seat& seat, bool chatty);

  void open(const trellis::OpenArgs&) noexcept override;
  void close(const trellis::CloseArgs&) noexcept override;
  void on_down(trellis::UpperPort from, trellis::Batch& batch) noexcept override;
  void on_up(trellis::LowerPort from, trellis::Batch& batch) noexcept override;
  void on_credit(trellis::UpperPort) noexcept override;
  void on_credit(trellis::LowerPort) noexcept override;

 private:
  trellis::LayerHost& host_;
  trellis::UpperPort upper_;
  trellis::LowerPort lower_;
  bool chatty_;
};
