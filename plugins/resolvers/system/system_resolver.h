// system_resolver.h: names as the host itself resolves them, through getaddrinfo(3): /etc/hosts, DNS, mDNS, and
// whatever else nsswitch.conf names.
#pragma once
#include "lookup_threads.h"
#include "trellis/resolver.h"

namespace trellis {

/// One question for AAAA and one for A records, each answered as soon as it is known. getaddrinfo(3) tells neither how
/// long an answer may be kept nor asks the servers of one path: answers are those of the host as a whole.
class SystemResolver final : public Resolver {
 public:
  std::string_view name() const noexcept override { return "system"; }
  Result<std::unique_ptr<Lookup>> resolve(Executor& executor, const Options&, const Query& query,
                                          AnswerSink& sink) noexcept override;

 private:
  LookupThreads threads_;
};

}  // namespace trellis
