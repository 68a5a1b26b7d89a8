#include <format>

#include "http_connect.h"

namespace trellis::http_connect {
namespace {

constexpr unsigned kInterim = 100, kSwitching = 101, kSuccess = 200, kRedirection = 300;
constexpr unsigned kUnauthorized = 401, kForbidden = 403, kAuthentication = 407, kGatewayTimeout = 504;

// Where a proxy says what it wants; tinyproxy answers wrong credentials as a server would.
std::vector<std::string_view> challenges(const Head& head) {
  auto all = head.values("proxy-authenticate");
  return all.empty() ? head.values("www-authenticate") : all;
}

// The schemes of all challenges; a comma inside a quoted parameter may add a
// word, which does no harm in a message.
std::string schemes(const Head& head) {
  std::string text;
  for (const std::string_view challenge : challenges(head))
    text += (text.empty() ? "" : ", ") + std::string(challenge.substr(0, challenge.find(' ')));
  return text.empty() ? "an unknown scheme" : proxy::shown(text);
}

bool offers_basic(const Head& head) {
  for (const std::string_view challenge : challenges(head)) {
    if (same_word(challenge.substr(0, challenge.find(' ')), "basic")) return true;
  }
  return false;
}

}  // namespace

Result<std::string> Client::begin(const Endpoint& target) {
  auto authority = proxy::authority(target, kLayer);
  if (!authority) return fail(std::move(authority));
  std::string request = std::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", *authority);
  if (!settings_.user.empty())
    request += "Proxy-Authorization: " + basic_credentials(settings_.user, settings_.password) + "\r\n";
  return request + "\r\n";
}

Result<proxy::Handshake::Step> Client::read(std::string_view received) {
  const std::size_t size = head_size(received);
  if (size == 0) {
    // What does not begin like HTTP is refused before the end of a head that
    // may never come.
    constexpr std::string_view kBegin = "HTTP/1.";
    const std::string_view begin = received.substr(0, kBegin.size());
    if (!kBegin.starts_with(begin)) return fail(parse_status(begin));
    return Step{};
  }
  auto head = parse_head(received.substr(0, size));
  if (!head) return fail(std::move(head));
  const auto status = parse_status(head->first_line);
  if (!status) return std::unexpected(status.error());
  if (*status >= kInterim && *status < kSuccess && *status != kSwitching) {
    interim_ += size;
    if (interim_ > kHeadMost)
      return fail(Reason::protocol_violation, "found interim responses without an end", *status, kLayer);
    return Step{.consumed = size, .rtts_left = 1};
  }
  if (*status < kSuccess || *status >= kRedirection) return refused(*status, *head);
  return Step{.consumed = size, .done = true};  // lengths are ignored (RFC 9110 section 9.3.6)
}

std::unexpected<Error> Client::refused(unsigned status, const Head& head) const {
  if (status == kAuthentication || status == kUnauthorized) {
    std::string detail = std::format("the proxy demands authentication by {}", schemes(head));
    if (!offers_basic(head))
      detail += ", expected Basic";
    else if (settings_.user.empty())
      detail += ": options user and password-file give it";
    else
      detail = std::format("the proxy refuses the password of user '{}'", proxy::shown(settings_.user));
    return fail(Reason::authentication, std::move(detail), status, kLayer);
  }
  const Reason reason = status == kForbidden        ? Reason::prohibited
                        : status == kGatewayTimeout ? Reason::timed_out
                                                    : Reason::unreachable;
  return fail(reason, std::format("the proxy answers '{}'", proxy::shown(head.first_line)), status, kLayer);
}

}  // namespace trellis::http_connect
