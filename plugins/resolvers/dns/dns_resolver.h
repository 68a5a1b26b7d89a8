// dns_resolver.h: the resolver `dns`: which servers a path asks, and the channels to them.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "dns_channel.h"
#include "trellis/resolver.h"

namespace trellis::dns {

class DnsResolver final : public Resolver {
 public:
  DnsResolver();
  ~DnsResolver() override;
  std::string_view name() const noexcept override { return "dns"; }
  std::span<const OptionSpec> options() const noexcept override;
  bool has_services(const Options& options) const noexcept override;
  Result<std::unique_ptr<Lookup>> resolve(Executor& executor, const Options& options, const Query& query,
                                          AnswerSink& sink) noexcept override;
  void forget(Executor& executor) noexcept override;

 private:
  Result<std::shared_ptr<DnsChannel>> channel(Executor& executor, const Network& network);

  std::mutex mutex_;                                   // the list; a channel itself is used by its loop alone
  std::vector<std::shared_ptr<DnsChannel>> channels_;  // lookups keep theirs
};

}  // namespace trellis::dns
