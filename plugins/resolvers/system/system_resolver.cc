#include "system_resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>

namespace trellis {
namespace {

// What the loop and the threads share of one lookup. The loop forgets `executor` under the mutex; from then on no
// thread posts, and what was posted before finds no sink.
struct Shared {
  std::mutex mutex;
  Executor* executor;  // null: canceled
  AnswerSink* sink;    // used on the loop only; null: canceled
  std::string host;
  std::uint16_t port;
};

struct Outcome {
  Answer answer;
  Result<void> how;
};

class SystemLookup final : public Resolver::Lookup {
 public:
  explicit SystemLookup(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  ~SystemLookup() override {
    const std::lock_guard lock(shared_->mutex);
    shared_->executor = nullptr;
    shared_->sink = nullptr;
  }

 private:
  std::shared_ptr<Shared> shared_;
};

Address to_address(const addrinfo& found, std::uint16_t port) {
  Address address{.port = port};
  if (found.ai_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, found.ai_addr, sizeof v6);
    address.family = Address::Family::ipv6;
    address.scope = v6.sin6_scope_id;
    std::memcpy(address.ip.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
  } else {
    sockaddr_in v4;
    std::memcpy(&v4, found.ai_addr, sizeof v4);
    address.family = Address::Family::ipv4;
    std::memcpy(address.ip.data(), &v4.sin_addr, sizeof v4.sin_addr);
  }
  return address;
}

std::string why(int code, int system_error) {
  switch (code) {
    case EAI_NONAME: return "the name does not exist";
    case EAI_AGAIN: return "no name server has answered, try again";
    case EAI_SYSTEM: return std::generic_category().message(system_error);
    default: return gai_strerror(code);
  }
}

std::unexpected<Error> failure(int code, int system_error) {
  return fail(code == EAI_MEMORY ? Reason::exhausted : Reason::unresolved, why(code, system_error),
              static_cast<std::uint64_t>(code == EAI_SYSTEM ? system_error : -code), "system");
}

// Blocks, for seconds when a server does not answer.
Outcome look_up(const Shared& shared, Answer::Kind kind) {
  addrinfo hints{};
  hints.ai_family = kind == Answer::Kind::ipv6 ? AF_INET6 : AF_INET;
  hints.ai_socktype = SOCK_STREAM;  // else each address comes once for each type
  addrinfo* found = nullptr;
  const int code = getaddrinfo(shared.host.c_str(), nullptr, &hints, &found);
  Outcome outcome{.answer = {.kind = kind, .endpoints = {}, .alpn = {}}, .how = {}};
  if (code != 0) {
    outcome.how = failure(code, errno);
    return outcome;
  }
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    outcome.answer.endpoints.push_back(
        {.host = shared.host, .port = shared.port, .address = to_address(*one, shared.port)});
  }
  freeaddrinfo(found);
  return outcome;
}

// On the loop.
void tell(const Shared& shared, Outcome outcome) {
  const Answer::Kind kind = outcome.answer.kind;
  if (shared.sink != nullptr && !outcome.answer.endpoints.empty()) shared.sink->answer(std::move(outcome.answer));
  if (shared.sink != nullptr) shared.sink->done(kind, std::move(outcome.how));  // the answer may have canceled it
}

void post(const std::shared_ptr<Shared>& shared, Outcome outcome) {
  const std::lock_guard lock(shared->mutex);
  if (shared->executor == nullptr) return;
  shared->executor->post([shared, outcome = std::move(outcome)]() mutable { tell(*shared, std::move(outcome)); });
}

bool canceled(Shared& shared) {
  const std::lock_guard lock(shared.mutex);
  return shared.executor == nullptr;
}

}  // namespace

Result<std::unique_ptr<Resolver::Lookup>> SystemResolver::resolve(Executor& executor, const Options&,
                                                                  const Query& query, AnswerSink& sink) noexcept {
  auto shared = std::make_shared<Shared>();
  shared->executor = &executor;
  shared->sink = &sink;
  shared->host = query.host;
  shared->port = query.port;
  auto lookup = std::make_unique<SystemLookup>(shared);
  for (const Answer::Kind kind : {Answer::Kind::ipv6, Answer::Kind::ipv4}) {
    const bool ipv6 = kind == Answer::Kind::ipv6;
    if (!(ipv6 ? query.ipv6 : query.ipv4)) {  // RACE-139
      const std::string none = std::string("the path does not lead to IPv") + (ipv6 ? "6" : "4") + " addresses";
      post(shared,
           {.answer = {.kind = kind, .endpoints = {}, .alpn = {}}, .how = fail(Reason::unresolved, none, 0, "system")});
      continue;
    }
    const bool queued = threads_.run([shared, kind] {
      if (!canceled(*shared)) post(shared, look_up(*shared, kind));
    });
    if (!queued) return fail(Reason::exhausted, "no thread could be started to resolve " + query.host, 0, "system");
  }
  return lookup;
}

}  // namespace trellis
