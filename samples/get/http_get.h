// http_get.h: fetches one page over HTTP/1.1 (RFC 9112).
#pragma once
#include <optional>
#include <string>

#include "trellis/connection.h"

/// Where a page is.
struct Url {
  std::string host;  ///< as the server wants to see it: "example.net:8080"
  std::string path;  ///< with the query, "/search?q=1"
  bool secure;       ///< https
};

/// Reads http[s]://HOST[:PORT]/PATH; nothing: it is something else.
std::optional<Url> parse_url(const std::string& text);

/// Asks for the page and writes its body to standard output, the status line to standard error. Statuses of 400 and
/// above are errors.
trellis::Task<trellis::Result<void>> http_get(trellis::Connection& connection, const Url& url);
