// hosts_resolver.h: the resolver `hosts`: names from a file, read again when it changes.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "hosts_file.h"
#include "trellis/resolver.h"

namespace trellis::hosts {

class HostsResolver final : public Resolver {
 public:
  std::string_view name() const noexcept override { return "hosts"; }
  std::span<const OptionSpec> options() const noexcept override;
  Result<std::unique_ptr<Lookup>> resolve(Executor& executor, const Options& options, const Query& query,
                                          AnswerSink& sink) noexcept override;

 private:
  /// A file as it was when it was read.
  struct Version {
    std::int64_t modified = 0, size = -1, inode = 0;
    bool operator==(const Version&) const = default;
  };
  struct Entry {
    Version version;
    std::shared_ptr<const HostsTable> table;
    std::string fault;  // why there is none
  };
  Entry read(const std::string& file, bool& anew);

  std::mutex mutex_;  // several loops ask
  std::map<std::string, Entry> files_;
};

}  // namespace trellis::hosts
