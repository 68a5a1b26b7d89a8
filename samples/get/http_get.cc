#include "http_get.h"

#include <Poco/Exception.h>
#include <Poco/URI.h>

#include <cstdio>
#include <cstring>

#include "http_response.h"

using namespace trellis;

std::optional<Url> parse_url(const std::string& text) try {
  const bool secure = text.starts_with("https://");
  if (!secure && !text.starts_with("http://")) return std::nullopt;
  const Poco::URI uri(text);
  const std::string path = uri.getPathEtc();
  return Url{.host = uri.getAuthority(), .path = path.empty() ? "/" : path, .secure = secure};
} catch (const Poco::Exception&) {
  return std::nullopt;
}

Task<Result<void>> http_get(Connection& connection, const Url& url) {
  const std::string request = "GET " + url.path + " HTTP/1.1\r\nHost: " + url.host + "\r\nConnection: close\r\n\r\n";
  Slice slice = connection.allocate(static_cast<std::uint32_t>(request.size()));
  std::memcpy(slice.edit().data(), request.data(), request.size());
  connection.send(std::move(slice));

  HttpResponse response(
      [](std::string_view body) { return std::fwrite(body.data(), 1, body.size(), stdout) == body.size(); });
  while (!response.complete()) {
    const Result<Message> part = co_await connection.receive_async();
    if (!part) co_return std::unexpected(part.error());
    const auto bytes = part->data.bytes();
    if (auto read = response.read({reinterpret_cast<const char*>(bytes.data()), bytes.size()}); !read) co_return read;
    if (part->final) {
      if (auto read = response.end(); !read) co_return read;
    }
  }
  std::fprintf(stderr, "%s\n", response.status_line().c_str());
  if (std::fflush(stdout) != 0) co_return fail(Reason::exhausted, "cannot write standard output");
  if (response.status() >= 400) co_return fail(Reason::unreachable, "the server answered " + response.status_line());
  // The page has said how long it is; a server that has left already may answer our goodbye with a reset.
  [[maybe_unused]] const auto closed = co_await connection.close_async();
  co_return {};
}
