// resolution.h: addresses and services of the name as one path sees them (RFC 9623 section 4.1.1.1): asked for once,
// ranked for every stack of the path, and ranked anew with each answer that comes.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/destination_order.h"
#include "core/framework_core.h"
#include "core/race_engine.h"
#include "core/race_history.h"
#include "core/ways.h"

namespace trellis {

/// Places among the stacks of a path that each of them has: one for each proxy that it can go through.
inline constexpr std::int64_t kStackRanks = 64;

/// Which rule keeps the plan from using the address; null: none.
const char* unfit(const Plan& plan, const Address& address) noexcept;

class Resolution final : AnswerSink, public Recycled {
 public:
  /// What it works for. All of it outlives the resolution.
  struct Context {
    FrameworkCore& framework;
    Executor& loop;
    const Plan& plan;
    RaceEngine& race;
    RaceHistory& history;
    const std::function<TimePoint()>& now;
  };
  /// `name`: what is resolved, the remote endpoint or a proxy. `way_to`: by which path an address found on this one is
  /// reached; -1: by none.
  using WayTo = std::function<int(const Address&)>;
  /// Of which families addresses can be reached now (RACE-139).
  using Reach = std::function<Families()>;
  Resolution(const Context& context, Path path, int path_index, SharedEndpoint name, WayTo way_to, Reach reach);
  ~Resolution();
  int path() const noexcept { return index_; }
  const Endpoint& name() const noexcept { return *name_; }
  void reconsider();  // the path has other addresses or routes now
  /// Whether services of the name decide between stacks, so that it is worth asking before one of them is started.
  bool steers() noexcept;
  void steer(NodeIndex path_node);  // its stacks are ordered by what the services speak, as soon as that is known
  void join(NodeIndex stack_node);  // gets its endpoints: what is known, and what comes
  void stop() noexcept { lookup_.reset(); }
  bool resolving() const noexcept { return lookup_ != nullptr && awaits(); }

 private:
  struct Known {
    Address address;  // without port
    std::string source;
    bool hint = false;
    Address original{};  // the IPv4 address that it stands for, where NAT64 shows it; unset: none
  };
  using Addresses = RecycledVector<Known>;
  struct Service {
    std::uint16_t priority = 0, port = 0;
    std::string target;  // empty: the name itself
    std::vector<std::string> alpn;
    Addresses addresses;
    bool same(const Answer& answer) const noexcept {
      return priority == answer.priority && port == answer.port && target == answer.target && alpn == answer.alpn;
    }
  };
  struct Pick {
    Address address;
    std::string source;
    bool translated;  // by NAT64
    int way = 0;      // by which it is reached; -1: by none
  };
  using Picks = RecycledVector<Pick>;
  struct Child {
    Address address;
    NodeIndex index;
    std::int64_t behind;  // by history
  };
  struct Node {
    NodeIndex index;
    RecycledVector<Child> children;
    std::vector<Address> dropped;
  };
  void answer(Answer answer) noexcept override;
  void done(Answer::Kind kind, Result<void> how) noexcept override;
  void passed_over(std::string_view what) noexcept override;
  void too_many(const std::string& which);
  void begin();
  void ask_next();
  Result<void> open();
  Result<void> ask(const ResolverUse& use);
  bool awaits() const noexcept { return awaited_ != RaceStep::Awaited{}; }
  bool found() const noexcept;  // something that can be used
  void changed();
  void tell(Node& node);
  bool drop_unfit(Node& node, const Pick& pick);
  std::string said(const Pick& pick, const Outlook& outlook) const;
  void sync(Node& node, const Picks& picks);
  void order_stacks();
  Picks picks(const ComposedStack& stack);
  void add_sorted(Picks& out, const Addresses& addresses, std::uint16_t port);
  Addresses addresses_of(const Service& service) const;
  std::optional<std::size_t> best_alpn(const Service& service, const ComposedStack& stack) const;
  bool plain_fits(const ComposedStack& stack) const;
  std::optional<SourceAddress> source_of(const Address& destination);
  const ComposedStack& stack_of(NodeIndex node) const;
  Error unresolved(const Node& node) const;

  Context c_;
  const Path path_;
  int index_;
  SharedEndpoint name_;
  WayTo way_to_;
  Reach reach_;
  Families asked_for_;
  std::string service_;  // "https", or nothing
  bool begun_ = false;
  bool as_given_ = false;  // plain_ is in order: the application ordered the addresses of each family
  std::vector<ResolverUse> resolvers_;
  std::size_t next_ = 0;  // of them
  Addresses plain_;
  std::vector<Service> services_;  // by priority
  RecycledVector<Node> nodes_;
  NodeIndex steered_ = kNoNode;
  bool steered_waits_ = false;  // for services, as the race of steered_ knows
  std::unique_ptr<Resolver::Lookup> lookup_;
  std::optional<Error> error_;  // nothing could be asked
  std::optional<Error> ipv6_error_, ipv4_error_;
  std::vector<std::pair<Address, std::optional<SourceAddress>>> sources_;  // asked before
  RaceStep::Awaited awaited_;
};

}  // namespace trellis
