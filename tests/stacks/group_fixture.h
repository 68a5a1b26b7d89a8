// group_fixture.h: for protocols with streams: two simulated hosts, and how their Connections are found.
#pragma once
#include <gmock/gmock.h>

#include "stacks/virtual_pair.h"

namespace trellis::tests {

struct GroupFixture : testing::Test {
  VirtualPair pair;
  SimLink& link = pair.link;

  template <class T>
  static T fact(Connection& of, std::string_view name) {
    auto value = of.get(name);
    if (!value) {
      ADD_FAILURE() << name << ": " << value.error().detail;
      return {};
    }
    return std::get<T>(*value);
  }
  /// The Connection at the server that has received this.
  Talker* peer_with(std::string_view content) {
    for (auto& p : pair.peers) {
      if (p->reader && p->reader->all == content) return p.get();
    }
    return nullptr;
  }
};

}  // namespace trellis::tests
