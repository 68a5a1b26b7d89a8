// discovery.h: who offers a service, as one path sees it: the layer of derivation above names (RFC 9623 section 4.1.1).
// Every host and port becomes a node of its own, whose addresses are resolved when its turn comes (RACE-26, RACE-32).
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/resolution.h"

namespace trellis {

class Discovery final : AnswerSink {
 public:
  /// The members of `context` outlive it.
  Discovery(const Resolution::Context& context, const Path& path, int path_index, Endpoint service);
  ~Discovery();
  int path() const noexcept { return index_; }
  void join(NodeIndex stack_node);  // gets its hosts: those that are known, and those that come
  void stop() noexcept { lookup_.reset(); }
  bool resolving() const noexcept { return lookup_ != nullptr && awaits_; }

 private:
  struct Host {
    std::string name;
    std::uint16_t port;
    std::string source;
  };
  void answer(Answer answer) noexcept override;
  void done(Answer::Kind kind, Result<void> how) noexcept override;
  void passed_over(std::string_view what) noexcept override;
  void begin();
  void ask_next();
  void add(Host host);
  void over();
  void tell(NodeIndex node, std::size_t from);
  Error nobody() const;

  Resolution::Context c_;
  const Path path_;
  int index_;
  Endpoint service_;
  bool begun_ = false, awaits_ = false;
  std::vector<ResolverUse> resolvers_;
  std::size_t next_ = 0;     // of them
  std::vector<Host> hosts_;  // in the order in which they are tried
  std::vector<NodeIndex> nodes_;
  std::unique_ptr<Resolver::Lookup> lookup_;
  std::optional<Error> error_;
};

}  // namespace trellis
