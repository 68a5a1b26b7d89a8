#include "core/endpoint_resolution.h"

#include <utility>

#include "core/ice_message.h"
#include "core/proxies.h"
#include "trellis/address_text.h"

namespace trellis {
namespace {

constexpr std::uint16_t kStunPort = 3478;  // RFC 8489 section 8.1

// A plan that aims at another one, of which nothing but its addresses matters.
std::shared_ptr<const Plan> plan_to_find(const Plan& plan, Endpoint remote) {
  auto other = std::make_shared<Plan>(plan);
  other->wishes.security.reset();
  other->wishes.more_remotes.clear();
  other->wishes.held.reset();
  other->in_clear.reset();
  other->report.reset();
  other->aim_at(std::move(remote));
  return other;
}

}  // namespace

EndpointResolution::EndpointResolution(FrameworkCore& framework, Executor& loop, Result<Plan> plan,
                                       Preconnection::ResolveDone done)
    : framework_(framework), loop_(loop), done_(std::move(done)) {
  if (!plan) {
    failure_ = std::move(plan).error();
    return;
  }
  // Whoever goes by a proxy learns no address.
  if (std::erase_if(plan->stacks, [](const auto& stack) { return stack->proxied; }) != 0 && plan->stacks.empty()) {
    as_given_ = plan->wishes.more_remotes;
    as_given_.insert(as_given_.begin(), plan->wishes.remote);
  }
  plan_ = std::make_shared<const Plan>(std::move(*plan));
}

void EndpointResolution::begin() {
  if (failure_) return loop_.queue(*this);
  pending_ = 1;
  find_remotes();
  ++pending_;
  local_ = std::make_unique<LocalGathering>(framework_, loop_, *plan_, [this] { one_less(); });
  find_stun_server();
  one_less();
}

void EndpointResolution::one_less() {
  if (--pending_ == 0) loop_.queue(*this);
}

void EndpointResolution::find_remotes() {
  if (!names_somebody(plan_->wishes.remote) || plan_->stacks.empty()) return;
  ++pending_;
  remote_ = std::make_unique<RemoteGathering>(framework_, loop_, plan_, [this] { one_less(); });
  remote_->begin();
}

void EndpointResolution::find_stun_server() {
  Endpoint server = plan_->wishes.stun.endpoint;
  if (!names_somebody(server)) return local_->begin({});
  if (server.port == 0) server.port = server.address.port != 0 ? server.address.port : kStunPort;
  if (!server.address) server.address = parse_address(server.host, server.port).value_or(Address{});
  server.address.port = server.port;
  if (server.address) return local_->begin({server.address});
  if (plan_->stacks.empty()) {
    trouble_.push_back({Reason::unsupported, 0, "stun",
                        "the STUN server " + server.host +
                            " is not asked: every stack goes by a proxy, expected an "
                            "address in place of the name"});
    return local_->begin({});
  }
  stun_server_ = std::make_unique<RemoteGathering>(framework_, loop_, plan_to_find(*plan_, std::move(server)), [this] {
    if (const auto& failed = stun_server_->failure()) {
      trouble_.push_back(*failed);
      trouble_.back().detail.insert(0, "the STUN server was not found: ");
    }
    std::vector<Address> addresses;
    for (const Endpoint& found : stun_server_->found()) addresses.push_back(found.address);
    local_->begin(std::move(addresses));
  });
  stun_server_->begin();
}

Result<Resolved> EndpointResolution::result() {
  if (failure_) return std::unexpected(std::move(*failure_));
  Resolved resolved{.local = local_->candidates(),
                    .remote = std::move(as_given_),
                    .trouble = std::move(trouble_),
                    .credentials = fresh_credentials(loop_)};
  for (Error& trouble : local_->trouble) resolved.trouble.push_back(std::move(trouble));
  if (remote_) resolved.remote = remote_->found();
  if (remote_ && remote_->failure()) return std::unexpected(*remote_->failure());
  return resolved;
}

// What was found is the application's alone from now on.
void EndpointResolution::run() noexcept {
  auto resolved = result();
  auto done = std::move(done_);
  remote_.reset();
  stun_server_.reset();
  local_.reset();
  plan_.reset();
  done(std::move(resolved));  // may destroy this
}

}  // namespace trellis
