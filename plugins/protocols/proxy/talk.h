// talk.h: for unit tests and fuzzers: lets one side of a handshake hear bytes in pieces, as its layer would.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "handshake.h"
#include "proxy_settings.h"

namespace trellis::proxy {

/// What one side has heard and not understood yet.
struct Talk {
  /// One more piece; what is answered. Errors: as Handshake::read(), and why the peer is refused. Aborts when the side
  /// consumes what did not come.
  Result<std::string> hear(Handshake& side, std::string_view piece) {
    received += piece;
    std::string said;
    for (bool more = true; more && !done;) {
      auto step = side.read(received);
      if (!step) return fail(std::move(step));
      if (step->consumed > received.size()) std::abort();
      said += step->answer;
      received.erase(0, step->consumed);
      if (step->refusal) return std::unexpected(*step->refusal);
      done = step->done;
      more = step->consumed > 0;
    }
    return said;
  }
  /// The same in pieces of one byte.
  Result<std::string> hear_slowly(Handshake& side, std::string_view bytes) {
    std::string said;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      auto answer = hear(side, bytes.substr(i, 1));
      if (!answer) return answer;
      said += *answer;
    }
    return said;
  }
  std::string received;
  bool done = false;
};

inline ProxySettings with_user(std::string user, std::string password) {
  ProxySettings settings;
  settings.user = std::move(user);
  settings.password = std::move(password);
  return settings;
}

/// A fuzzer's input: the first byte says which role is examined and whether it has a password, the second where the
/// rest is cut in two.
template <class Client, class Server>
int fuzz(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ProxySettings settings = (data[0] & 2) != 0 ? with_user("a", "a") : ProxySettings{};
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::size_t cut = std::min<std::size_t>(data[1], bytes.size());
  const auto talk = [&](Handshake& side) {
    Talk heard;
    if (heard.hear(side, bytes.substr(0, cut)) && !heard.done) (void)heard.hear(side, bytes.substr(cut));
  };
  if ((data[0] & 1) != 0) {
    Server server(settings);
    talk(server);
  } else {
    Client client(settings);
    if (!client.begin({.host = "a", .port = 1, .address = {}})) std::abort();
    talk(client);
  }
  return 0;
}

}  // namespace trellis::proxy
