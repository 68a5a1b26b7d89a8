#include "core/multicast.h"

#include "core/proxies.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

std::string bare(const Address& address) {
  std::string text = to_text(address);
  text.resize(text.rfind(':'));
  return text.starts_with('[') ? text.substr(1, text.size() - 2) : text;
}

std::unexpected<Error> wrong(std::string detail) { return fail(Reason::invalid_argument, std::move(detail)); }

// What belongs to groups, where there is none.
Result<void> check_no_group(const Endpoint& endpoint, bool source, std::string_view which) {
  const char* const what = source ? "source" : endpoint.hop_limit ? "hop limit" : nullptr;
  if (what == nullptr || group_of(endpoint)) return {};
  const std::string found = endpoint.address ? bare(endpoint.address) : endpoint.host;
  return wrong("found the " + std::string(what) + " of a multicast group at the " + std::string(which) + " endpoint '" +
               found + "', expected a multicast address there, of 224.0.0.0/4 or ff00::/8");
}

// A group is either sent to or received from (RFC 9623 section 10.5), whatever is said; but not the other way.
Result<void> check_direction(const Preconnection::Wishes& wishes, const Address& group, Direction possible) {
  if (!group || wishes.direction == Direction::both || wishes.direction == possible) return {};
  const auto word = [](Direction d) { return std::string(kDirectionWords[static_cast<int>(d)]); };
  return wrong("found the direction " + word(wishes.direction) + " for the multicast group " + bare(group) +
               ", expected " + word(possible) + " here");
}

}  // namespace

Address group_of(const Endpoint& endpoint) {
  const Address address =
      endpoint.address ? endpoint.address : parse_address(endpoint.host, endpoint.port).value_or(Address{});
  return is_multicast(address) ? address : Address{};
}

bool concerns_group(const Preconnection::Wishes& wishes) { return group_of(wishes.remote) || group_of(wishes.local); }

Result<void> check_groups_to_send(const Preconnection::Wishes& wishes) {
  if (const Address group = group_of(wishes.local)) {
    return fail(Reason::unsupported, "found the multicast group " + bare(group) +
                                         " as the local endpoint of an active open, expected listen() for it; to send "
                                         "to a group, make it the remote endpoint");
  }
  if (auto checked = check_no_group(wishes.local, bool(wishes.source), "local"); !checked) return checked;
  if (auto checked = check_no_group(wishes.remote, false, "remote"); !checked) return checked;
  const Address group = group_of(wishes.remote);
  if (auto checked = check_direction(wishes, group, Direction::sending); !checked) return checked;
  bool several = group && !wishes.more_remotes.empty();
  for (const Endpoint& other : wishes.more_remotes) several = several || group_of(other);
  if (several) return wrong("found a multicast group among several remote endpoints, expected it alone");
  return {};
}

Result<void> check_group_to_receive(const Preconnection::Wishes& wishes) {
  const Address group = group_of(wishes.local);
  if (!group) return check_no_group(wishes.local, bool(wishes.source), "local");
  if (wishes.local.port == 0) return wrong("the multicast group " + bare(group) + " has no port to listen at");
  if (auto checked = check_direction(wishes, group, Direction::receiving); !checked) return checked;
  if (names_somebody(wishes.remote) && !source_of(wishes)) {
    return wrong("found the remote endpoint '" + wishes.remote.host + "' beside the multicast group " + bare(group) +
                 ", expected an address: the only source to receive from");
  }
  const Address source = source_of(wishes);
  if (!source) return {};
  if (wishes.source && wishes.remote.address && !(wishes.remote.address.ip == source.ip))
    return wrong("found two sources of the multicast group " + bare(group) + ", expected one");
  if (source.family != group.family || is_multicast(source)) {
    return wrong("found " + bare(source) + " as the source of the multicast group " + bare(group) +
                 ", expected the address of a host, of the same family");
  }
  return {};
}

Result<void> check_groups_to_meet(const Preconnection::Wishes& wishes) {
  const Address local = group_of(wishes.local), remote = group_of(wishes.remote);
  if (!local && !remote) return check_groups_to_send(wishes);
  if (auto checked = check_direction(wishes, local ? local : remote, Direction::both); !checked) return checked;
  if (local && wishes.source) {
    return wrong("found " + bare(wishes.source) + " as the only source of the multicast group " + bare(local) +
                 " of a rendezvous, expected a group that everybody may send to");
  }
  if (!local || !remote || !wishes.more_remotes.empty() || !wishes.candidates.empty()) {
    return wrong("found the multicast group " + bare(local ? local : remote) + " as the " +
                 (local ? "local" : "remote") + " endpoint of a rendezvous, expected one group at each side alone");
  }
  if (wishes.local.port == 0) return wrong("the multicast group " + bare(local) + " has no port to listen at");
  return {};
}

Address source_of(const Preconnection::Wishes& wishes) {
  if (wishes.source) return wishes.source;
  const Endpoint& remote = wishes.remote;
  return remote.address ? remote.address : parse_address(remote.host, remote.port).value_or(Address{});
}

}  // namespace trellis
