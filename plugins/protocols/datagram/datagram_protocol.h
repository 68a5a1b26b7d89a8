// datagram_protocol.h: what the protocols on datagram sockets make of their settings.
#pragma once
#include <memory>

#include "datagram/datagram_acceptor.h"
#include "datagram/datagram_instance.h"
#include "trellis/protocol.h"

namespace trellis {

/// A protocol adds its traits, and sets what it alone has among the settings.
class DatagramProtocol : public Protocol {
 public:
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<DatagramInstance>(seat, settings_);
  }
  Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort) const noexcept override {
    return std::make_unique<DatagramAcceptor>(host, settings_);
  }

 protected:
  explicit DatagramProtocol(const DatagramSettings& settings) : settings_(settings) {}
  DatagramSettings settings_;
};

}  // namespace trellis
