// sim_resolver.cc: see sim_resolver.h.
#include "loop/sim_resolver.h"

#include "trellis/executor.h"

namespace trellis {

namespace {

/// One of the two questions.
struct Question final : Alarm {
  void ask(Executor& executor, AnswerSink& to, Answer::Kind what, SimRecords said, const Query& query) {
    sink = &to;
    kind = what;
    records = std::move(said);
    host = query.host;
    port = query.port;
    if (records.outcome != SimRecords::Outcome::ignore) arm(executor, executor.now() + records.after);
  }
  void on_alarm() noexcept override {
    if (records.outcome == SimRecords::Outcome::fail) {
      return sink->done(kind,
                        fail(Reason::unresolved, "the name servers failed to answer for " + host, 0, "simulated"));
    }
    if (!records.addresses.empty()) {
      Answer answer{.kind = kind, .endpoints = {}, .alpn = {}};
      for (Address address : records.addresses) {
        address.port = port;
        answer.endpoints.push_back({.host = host, .port = port, .address = address});
      }
      AnswerSink& to = *sink;  // hearing the answer may end the lookup, and this
      const std::shared_ptr<bool> alive = this->alive;
      to.answer(std::move(answer));
      if (!*alive) return;
    }
    sink->done(kind, {});
  }

  AnswerSink* sink = nullptr;
  Answer::Kind kind{};
  SimRecords records;
  std::string host;
  std::uint16_t port = 0;
  std::shared_ptr<bool> alive;
};

struct Questions final : Resolver::Lookup {
  ~Questions() override { *alive = false; }
  const std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  Question ipv6, ipv4;
};

}  // namespace

Result<std::unique_ptr<Resolver::Lookup>> SimResolver::resolve(Executor& executor, const Options&, const Query& query,
                                                               AnswerSink& sink) noexcept {
  if (!zone_) return fail(Reason::unresolved, "this simulated network has no name servers", 0, "simulated");
  SimAnswers answers = zone_(query);
  auto questions = std::make_unique<Questions>();
  questions->ipv6.alive = questions->ipv4.alive = questions->alive;
  questions->ipv6.ask(executor, sink, Answer::Kind::ipv6, std::move(answers.ipv6), query);
  questions->ipv4.ask(executor, sink, Answer::Kind::ipv4, std::move(answers.ipv4), query);
  return questions;
}

}  // namespace trellis
