#include "core/gathering.h"

#include <algorithm>

#include "trellis/address_text.h"

namespace trellis {

Gathering::Gathering(FrameworkCore& framework, Executor& loop, const Plan& plan, RaceEngine& race,
                     std::function<TimePoint()> now)
    : framework_(framework),
      loop_(loop),
      plan_(plan),
      race_(race),
      now_(std::move(now)),
      history_(framework, plan, loop, paths_) {
  Path any{.id = 1, .interface_name = plan_.wishes.interface_name};
  any.local = plan_.wishes.local.address;
  paths_.push_back(std::move(any));
}
Gathering::~Gathering() = default;

Candidate Gathering::root(const Preconnection::Wishes& wishes) {
  Candidate root;
  root.remote = wishes.remote;
  if (!root.remote.address) root.remote.address = parse_address(root.remote.host, root.remote.port).value_or(Address{});
  if (root.remote.address && root.remote.address.port == 0) root.remote.address.port = root.remote.port;
  return root;
}

std::optional<Error> Gathering::misfit() const {
  const Address& remote = race_.tree()[kRoot].candidate.remote.address;
  const char* rule = remote ? unfit(plan_, remote) : nullptr;
  if (rule == nullptr) return std::nullopt;
  return Error{Reason::invalid_argument, 0, "core", to_text(remote) + " has " + rule};
}

void Gathering::stop() noexcept {
  for (const auto& resolution : resolutions_) resolution->stop();
}

bool Gathering::resolving() const noexcept {
  return std::ranges::any_of(resolutions_, [](const auto& r) { return r->resolving(); });
}

void Gathering::expand(NodeIndex node) {
  const Candidate& candidate = race_.tree()[node].candidate;
  if (candidate.path < 0) return expand_paths(node);
  if (candidate.stack < 0) return expand_stacks(node);
  resolution(candidate.path).join(node);
}

// Earlier races have a say in what is tried first and how long it may take, never in what is tried.
void Gathering::add(NodeIndex parent, Branch branch, Candidate candidate, std::int64_t rank) {
  const Outlook outlook = history_.outlook(candidate);
  candidate.expected = outlook.expected;
  candidate.failed_before = outlook.failed_before;
  race_.add(now_(), parent, branch, std::move(candidate), rank + outlook.rank,
            race_.traced() ? outlook.text(loop_.now()) : std::string());
}

void Gathering::expand_paths(NodeIndex node) {
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    Candidate child = race_.tree()[node].candidate;
    child.path = static_cast<int>(i);
    add(node, Branch::path, std::move(child), static_cast<std::int64_t>(i));
  }
  race_.children_changed(now_(), node);
}

void Gathering::expand_stacks(NodeIndex node) {
  for (std::size_t i = 0; i < plan_.stacks.size(); ++i) {
    Candidate child = race_.tree()[node].candidate;
    child.stack = static_cast<int>(i);
    child.rtts = static_cast<std::uint8_t>(plan_.stacks[i]->traits.handshake_rtts);
    add(node, Branch::protocol, std::move(child), static_cast<std::int64_t>(i));
  }
  for (const std::string& which : plan_.unfit) race_.drop(now_(), node, "not what is required", which);
  const Candidate& path = race_.tree()[node].candidate;
  if (!path.remote.address && resolution(path.path).steers()) return resolution(path.path).steer(node);
  race_.children_changed(now_(), node);
}

Resolution& Gathering::resolution(int path) {
  for (const auto& known : resolutions_) {
    if (known->path() == path) return *known;
  }
  const Path& of = paths_[static_cast<std::size_t>(path)];
  const Resolution::Context context{framework_, loop_, plan_, race_, history_, now_};
  return *resolutions_.emplace_back(std::make_unique<Resolution>(context, of, path));
}

}  // namespace trellis
