// net_path.h: addresses as the library wants them.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <ngtcp2/ngtcp2.h>

#include <cstring>
#include <string>

#include "trellis/address.h"

namespace trellis::quic {

/// Both ends of a path. ngtcp2 copies what it keeps.
class NetPath {
 public:
  NetPath(const Address& local, const Address& remote) noexcept {
    path_.local = {&local_.sa, fill(local_, local, remote.family)};
    path_.remote = {&remote_.sa, fill(remote_, remote, remote.family)};
  }
  NetPath(const NetPath&) = delete;
  NetPath& operator=(const NetPath&) = delete;
  const ngtcp2_path* get() const noexcept { return &path_; }

 private:
  static ngtcp2_socklen fill(ngtcp2_sockaddr_union& out, const Address& in, Address::Family family) noexcept {
    if (family == Address::Family::ipv6) {
      out.in6 = {};
      out.in6.sin6_family = AF_INET6;
      out.in6.sin6_port = htons(in.port);
      out.in6.sin6_scope_id = in.scope;
      std::memcpy(&out.in6.sin6_addr, in.ip.data(), sizeof out.in6.sin6_addr);
      return sizeof out.in6;
    }
    out.in = {};
    out.in.sin_family = AF_INET;
    out.in.sin_port = htons(in.port);
    std::memcpy(&out.in.sin_addr, in.ip.data(), sizeof out.in.sin_addr);
    return sizeof out.in;
  }
  ngtcp2_sockaddr_union local_, remote_;
  ngtcp2_path path_{};
};

inline Address address_of(const ngtcp2_addr& a) noexcept {
  Address out;
  if (a.addr == nullptr || a.addrlen == 0) return out;
  if (a.addr->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, a.addr, sizeof in);
    out.family = Address::Family::ipv6;
    out.port = ntohs(in.sin6_port);
    out.scope = in.sin6_scope_id;
    std::memcpy(out.ip.data(), &in.sin6_addr, sizeof in.sin6_addr);
  } else {
    sockaddr_in in{};
    std::memcpy(&in, a.addr, sizeof in);
    out.family = Address::Family::ipv4;
    out.port = ntohs(in.sin_port);
    std::memcpy(out.ip.data(), &in.sin_addr, sizeof in.sin_addr);
  }
  return out;
}

/// An address without its port, as certificates and people write it.
inline std::string text_of(const Address& address) {
  if (!address) return "the peer";
  char text[INET6_ADDRSTRLEN] = "";
  const int family = address.family == Address::Family::ipv6 ? AF_INET6 : AF_INET;
  inet_ntop(family, address.ip.data(), text, sizeof text);
  return text;
}

}  // namespace trellis::quic
