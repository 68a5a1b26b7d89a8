#include "http3_get.h"

#include <cstdio>

#include "../http3/session.h"

using namespace trellis;

// One request on a session of its own.
class Http3Fetch {
 public:
  Http3Fetch(Connection first, const Url& url)
      : executor_(first.executor()),
        session_(http3::Session::Role::client, std::move(first),
                 {.fields = [this](std::int64_t, const http3::Fields& fields) { take(fields); },
                  .body = [this](std::int64_t, std::string_view part) { take(part); },
                  .end = [this](std::int64_t) { end(status_ < 400 ? Result<void>() : refused()); },
                  .over = [this](const Error& error) { end(std::unexpected(error)); }}) {
    session_.request({{":method", "GET"},
                      {":scheme", "https"},
                      {":authority", url.host},
                      {":path", url.path},
                      {"user-agent", "trellis-get"}});
  }
  auto done() {
    return await_callback<Result<void>>([this](auto resume) { hear_ = std::move(resume); }, [this] { hear_ = {}; });
  }

 private:
  void take(const http3::Fields& fields) {
    for (const auto& [name, value] : fields) {
      if (name == ":status") status_ = std::atoi(value.c_str());
    }
    if (status_ >= 200) std::fprintf(stderr, "HTTP/3 %d\n", status_);
  }
  void take(std::string_view part) {
    if (std::fwrite(part.data(), 1, part.size(), stdout) != part.size())
      end(fail(Reason::exhausted, "cannot write standard output"));
  }
  Result<void> refused() const { return fail(Reason::unreachable, "the server answered " + std::to_string(status_)); }
  // Not at once: whoever hears it destroys the session, which may be speaking.
  void end(Result<void> how) {
    if (!hear_) return;
    executor_.post([hear = std::exchange(hear_, {}), how = std::move(how)]() mutable { hear(std::move(how)); });
  }
  Executor& executor_;
  int status_ = 0;
  std::move_only_function<void(Result<void>)> hear_;
  http3::Session session_;
};

Task<Result<void>> http3_get(Connection first, Url url) {
  Http3Fetch fetch(std::move(first), url);
  auto how = co_await fetch.done();
  if (how && std::fflush(stdout) != 0) how = fail(Reason::exhausted, "cannot write standard output");
  co_return how;
}
