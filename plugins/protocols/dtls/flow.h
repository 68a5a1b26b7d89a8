// flow.h: what tells the peers of a listener apart.
#pragma once
#include <functional>

#include "trellis/message.h"

namespace trellis::dtls {

/// A pair of addresses.
struct Flow {
  Address remote{}, local{};
  bool operator==(const Flow&) const = default;

  static Flow of(const MessageInfo& info) noexcept {
    Flow flow{.remote = info.remote, .local = info.local};
    flow.remote.hop_limit = flow.local.hop_limit = 0;
    return flow;
  }
  /// What travels with datagrams to the peer, and with what came from it.
  MessageRef as_info(std::uint32_t label = 0) const {
    MessageRef info = new_message();
    info->remote = remote;
    info->local = local;
    info->label = label;
    return info;
  }
};

struct FlowHash {
  std::size_t operator()(const Flow& flow) const noexcept {
    return std::hash<Address>{}(flow.remote) ^ (std::hash<Address>{}(flow.local) * 31);
  }
};

}  // namespace trellis::dtls
