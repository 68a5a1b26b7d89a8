#include "core/group.h"

#include <algorithm>

#include "core/message_wishes.h"
#include "core/path_rules.h"
#include "core/selection_properties.h"
#include "core/text.h"

namespace trellis {
namespace {

constexpr std::size_t kStreamsPendingMax = 256;  // streams of the peer on their way at once; more are refused

bool is(std::string_view name, std::string_view known) { return same_word(name, known); }

// Of a property that belongs to the protocol of one layer, that layer says it.
Reach reach_of(const ComposedStack& stack, std::string_view name) {
  if (is(name, kConnPriority.name) || is(name, kStreamId.name)) return Reach::connection;
  for (const ComposedLayer& layer : stack.layers) {
    if (is_of(layer.name, name)) return layer.protocol->reach(name);
  }
  return Reach::group;
}

// It is the clone's own, and no layer is told it as a property.
Result<void> own_direction(CloneOptions& options, ConnectionLimits& limits) {
  for (const auto& [name, value] : options.properties) {
    if (!is(name, kDirection.name)) continue;
    const auto direction = direction_of(value);
    if (!direction) return fail(Reason::invalid_argument, kDirectionExpected, 0, "core");
    limits.direction = *direction;
  }
  std::erase_if(options.properties, [](const auto& property) { return is(property.first, kDirection.name); });
  return {};
}

std::string word(ConnectionState state) {
  switch (state) {
    case ConnectionState::establishing: return "Establishing";
    case ConnectionState::established: return "Established";
    case ConnectionState::closing: return "Closing";
    case ConnectionState::closed: return "Closed";
  }
  return "";
}

}  // namespace

// ---- members

void Group::join(ConnectionCore& connection) {
  Membership& m = connection.membership();
  if (m.group.get() == this) return;
  m.place = static_cast<std::uint32_t>(members_.size());
  members_.push_back(&connection);
  if (m.by_peer) ++peer_opened_;
}

void Group::leave(ConnectionCore& connection) noexcept {
  forget_handler(connection);
  const Membership& m = connection.membership();
  members_[m.place] = members_.back();
  members_[m.place]->membership().place = m.place;
  members_.pop_back();
  if (m.by_peer) --peer_opened_;
  tell_if_over();
}

void Group::trunk_over(Trunk&) noexcept {
  parting_ = false;
  tell_if_over();
}

void Group::tell_if_over() noexcept {
  if (!over()) return;
  for (ConnectionCore* waiting : awaiting_) waiting->turn().deliver(*waiting);
}

void Group::entangle(ConnectionCore& by, std::string_view name, const PropertyValue& value) noexcept {
  for (ConnectionCore* member : std::vector(members_)) {
    if (member != &by) member->follow(name, value);
  }
}

void Group::close_others(ConnectionCore& but) noexcept {
  for (ConnectionCore* member : std::vector(members_)) {
    if (member != &but) member->close_quietly();
  }
}

void Group::abort_others(ConnectionCore& but, std::uint64_t code) noexcept {
  for (ConnectionCore* member : std::vector(members_)) {
    if (member != &but) member->abort(code);
  }
}

// ---- what the peer opens

void Group::on_received(ConnectionCore& owner, Connection::Arrived hear) {
  handler_ = std::move(hear);
  handler_owner_ = &owner;
}

void Group::forget_handler(ConnectionCore& owner) noexcept {
  if (handler_owner_ != &owner) return;
  handler_owner_ = nullptr;
  handler_ = {};
  for (ConnectionCore* connection : std::vector(std::move(pending_))) connection->taker_gone();
  pending_.clear();
}

Stack* Group::take_stream(Trunk& trunk, const StreamArgs& args) noexcept {
  if (pending_.size() >= kStreamsPendingMax) return nullptr;
  ConnectionLimits limits = handler_owner_->limits();
  limits.direction = Direction::both;  // that one's is its own
  return accept_stream(trunk, args, *this, pending_, limits);
}

void Group::established(ConnectionCore& connection) noexcept {
  forget(connection);
  auto hear = std::exchange(handler_, {});
  const ConnectionCore* owner = handler_owner_;
  hear(connection.handle());
  if (!handler_ && handler_owner_ == owner && owner != nullptr) handler_ = std::move(hear);
}

void Group::forget(ConnectionCore& connection) noexcept { forget_pending(pending_, connection); }

Stack* accept_stream(Trunk& trunk, const StreamArgs& args, ConnectionTaker& taker,
                     std::vector<ConnectionCore*>& pending, const ConnectionLimits& limits) {
  Stack& below = trunk.stack();
  Turn& turn = below.turn();
  const ComposedStack& composed = below.composed();
  const bool bare = below.depth() == composed.layers.size();
  const bool either_way = limits.direction == Direction::both || args.direction == Direction::both;
  if (!either_way && limits.direction != args.direction) return nullptr;
  ConnectionLimits own = limits;
  if (args.direction != Direction::both) own.direction = args.direction;
  auto& connection = turn.make<ConnectionCore>(turn, bare ? args.face : composed.traits.face, own);
  Stack& branch = trunk.add_branch(args.face);
  branch.give_to(connection);
  if (auto made = branch.make_layers(below.depth()); !made) {
    if (turn.log()) turn.log()(Severity::failure, "core", "a stream of the peer is refused: " + made.error().detail);
    branch.leave();
    turn.retire(connection);
    return nullptr;
  }
  connection.accepted_by(taker, branch, static_cast<std::uint32_t>(pending.size()));
  connection.membership().by_peer = true;
  connection.join(trunk.group());
  pending.push_back(&connection);
  branch.follow_trunk(true);
  return &branch;
}

void forget_pending(std::vector<ConnectionCore*>& pending, const ConnectionCore& connection) noexcept {
  const std::uint32_t place = connection.taker_place();
  if (place >= pending.size() || pending[place] != &connection) return;  // the taker stopped meanwhile
  pending[place] = pending.back();
  pending[place]->moved_in_taker(place);
  pending.pop_back();
}

// ---- a Connection and its group

Membership& ConnectionCore::membership() {
  if (!membership_) membership_ = std::make_unique<Membership>(*this);
  return *membership_;
}

void ConnectionCore::join(const std::shared_ptr<Group>& group) {
  group->join(*this);
  membership().group = group;
}

void ConnectionCore::forget_groups() noexcept {
  leave_group();
  if (membership_ && membership_->awaited) membership_->awaited->await_no_more(*this);
}

void ConnectionCore::leave_group() noexcept {
  if (!membership_) return;
  membership_->disarm();
  const std::shared_ptr<Group> group = std::exchange(membership_->group, nullptr);
  if (!group) return;
  group->leave(*this);
  if (ended_ && !failure_ && group->parts()) membership_->await(group);
  ConnectionCore* const parent = std::exchange(membership_->parent, nullptr);
  if (failure_ && parent != nullptr && group->has(parent)) parent->clone_failed(*failure_);
}

void ConnectionCore::join_trunk() {
  Trunk* const trunk = stack_->trunk();
  if (trunk == nullptr) return;
  join(trunk->group());
  if (membership_->arrived) membership_->group->on_received(*this, std::move(membership_->arrived));
}

std::size_t ConnectionCore::group_size() const noexcept {
  return membership_ && membership_->group ? membership_->group->size() : ended_ ? 0 : 1;
}

// The handles are lent: they are taken back before they could end what they stand for.
void ConnectionCore::visit_group(const std::function<void(const Connection&)>& visit) {
  const auto lend = [&](ConnectionCore& core) {
    Connection handle = core.handle();
    visit(handle);
    handle.forget();
  };
  const std::shared_ptr<Group> group = membership_ ? membership_->group : nullptr;
  if (!group) return ended_ ? void() : lend(*this);
  for (ConnectionCore* member : std::vector(group->members())) {
    if (group->has(member)) lend(*member);  // else the visitor has ended it
  }
}

// The whole group ends in the order in which its members can; who asked for it hears when all have. So does the last
// one when its stream was over before the trunk has said goodbye: a program that ends then takes nothing away from it.
bool ConnectionCore::waits_for_group() const noexcept {
  return membership_ && membership_->awaited && !membership_->awaited->over();
}

void ConnectionCore::on_received(Connection::Arrived hear) {
  if (ended_ || gone_) return;
  if (stack_ != nullptr && stack_->trunk() != nullptr) join(stack_->trunk()->group());
  if (membership_ && membership_->group)
    membership_->group->on_received(*this, std::move(hear));
  else
    membership().arrived = std::move(hear);
}

void ConnectionCore::one_way(Direction direction) noexcept {
  limits_.direction = direction;
  if (!sends(direction)) finished_ = finish_told_ = true;
  if (!receives(direction)) inbox_.end();
}

void ConnectionCore::remember(std::string_view name, const PropertyValue& value) {
  auto& properties = membership().properties;
  const auto known = std::ranges::find_if(properties, [&](const auto& p) { return is(p.first, name); });
  if (known != properties.end())
    known->second = value;
  else
    properties.emplace_back(name, value);
}

std::optional<PropertyValue> ConnectionCore::remembered(std::string_view name) const {
  if (!membership_) return std::nullopt;
  const auto known = std::ranges::find_if(membership_->properties, [&](const auto& p) { return is(p.first, name); });
  return known != membership_->properties.end() ? std::optional(known->second) : std::nullopt;
}

Result<PropertyValue> ConnectionCore::get(std::string_view name) noexcept {
  const bool open = state_ == ConnectionState::establishing || state_ == ConnectionState::established;
  if (is(name, kConnState.name)) return word(state_);
  if (is(name, kCanSend.name)) return open && !finished_;
  if (is(name, kCanReceive.name)) return open && !(inbox_.ended() && inbox_.empty());
  if (is(name, kDirection.name)) return std::string(kDirectionWords[static_cast<int>(limits_.direction)]);
  if (is_message_property(name)) return message_wish(name);
  if (stack_ == nullptr) return fail(Reason::invalid_argument, "no stack is bound: the Connection is not established");
  if (const auto does = selection_property(stack_->composed(), face_, name)) return *does;
  if (is(name, kGroupConnLimit.name) && membership_ && membership_->group && stack_->trunk() != nullptr)
    return membership_->group->limit();
  if (is_hint(name)) return remembered(name).value_or(std::uint64_t{UINT64_MAX});
  auto answer = stack_->get(name, stack_->depth() - 1);  // a layer with several paths knows better
  if (!answer && answer.error().reason == Reason::unsupported) {
    const Path& path = stack_->route().path;
    if (is(name, kInterface.name)) return std::string(interface_name());
    if (is(name, kPvd.name)) return path.provisioning_domain.empty() ? std::string(interface_name()) : domain_of(path);
    if (is(name, kPath.name)) return std::uint64_t{stack_->path_table() != nullptr ? path.id : 0};
  }
  return answer;
}

Result<void> ConnectionCore::set(std::string_view name, const PropertyValue& value) noexcept {
  for (const std::string_view fixed : {kConnState.name, kCanSend.name, kCanReceive.name}) {
    if (is(name, fixed)) return fail(Reason::invalid_argument, std::string(fixed) + " is read-only");
  }
  if (is_message_property(name)) return set_message_wish(name, value);
  if (stack_ == nullptr) return fail(Reason::invalid_argument, "no stack is bound: the Connection is not established");
  if (auto checked = check_text(name, value); !checked) return checked;
  if (is(name, kDirection.name) || selection_property(stack_->composed(), face_, name))
    return fail(Reason::invalid_argument, std::string(name) + " is read-only: stacks were chosen by it");
  for (const std::string_view fixed : {kInterface.name, kPvd.name, kPath.name}) {
    if (is(name, fixed)) return fail(Reason::invalid_argument, std::string(fixed) + " is read-only: say it before");
  }
  if (is_hint(name))
    return fail(Reason::invalid_argument, std::string(name) + " is read-only: paths were chosen by it");
  const bool limits_group = is(name, kGroupConnLimit.name) && stack_->trunk() != nullptr;
  if (limits_group && std::get_if<std::uint64_t>(&value) == nullptr)
    return fail(Reason::invalid_argument, "groupConnLimit is a number of Connections");
  auto done = stack_->set(name, value, stack_->depth() - 1);
  if (limits_group && (done || done.error().reason == Reason::unsupported)) {
    join(stack_->trunk()->group());
    membership_->group->limit(std::get<std::uint64_t>(value));
    return {};
  }
  const Reach reach = done ? reach_of(stack_->composed(), name) : Reach::once;
  if (reach == Reach::once) return done;
  remember(name, value);
  if (reach == Reach::group && membership_->group) membership_->group->entangle(*this, name, value);
  return done;
}

void ConnectionCore::follow(std::string_view name, const PropertyValue& value) noexcept {
  remember(name, value);
  if (state_ == ConnectionState::establishing || is_hint(name)) return;  // set when it is ready
  auto done = stack_->set(name, value, stack_->depth() - 1);
  if (done) return;
  Error why = std::move(done).error();
  why.detail = "left its group, because " + std::string(name) + " could not be set: " + why.detail;
  leave_group();
  stack_noticed(Notice::soft_error, std::move(why));
}

void ConnectionCore::close_quietly() noexcept {
  if (!closing_asked_) close({});
}

void ConnectionCore::close_group(Connection::Done done) noexcept {
  const std::shared_ptr<Group> group = membership_ ? membership_->group : nullptr;
  if (group) {
    membership_->await(group);
    group->close_others(*this);
  }
  close(std::move(done));
}

void ConnectionCore::abort_group(std::uint64_t code) noexcept {
  if (const std::shared_ptr<Group> group = membership_ ? membership_->group : nullptr) group->abort_others(*this, code);
  abort(code);
}

// ---- clones

Connection ConnectionCore::clone(Connection::Done ready, CloneOptions options) {
  auto composed = stack_of_clone(options);
  Face face = options.face == Face::none ? face_ : options.face;
  ConnectionLimits limits = limits_;
  if (options.framers && composed && *composed) {
    face = (*composed)->traits.face;
    limits.headroom = std::max(limits.headroom, (*composed)->headroom);
    limits.tailroom = std::max(limits.tailroom, (*composed)->tailroom);
  }
  if (auto own = own_direction(options, limits); !own) composed = fail(std::move(own));
  auto& made = turn_.make<ConnectionCore>(turn_, face, limits);
  made.ready_ = std::move(ready);
  Connection handle = made.handle();
  if (auto begun = begin_clone(made, std::move(options), std::move(composed)); !begun) {
    clone_failed(begun.error());
    made.establish_failed(std::move(begun).error());
  }
  return handle;
}

// That of this Connection, or the same with other framers. Null: there is none.
Result<ConnectionCore::SharedStack> ConnectionCore::stack_of_clone(const CloneOptions& options) const {
  if (stack_ == nullptr) return SharedStack();
  if (!options.framers) return stack_->composed_shared();
  return with_framers(stack_->composed_shared(), *options.framers, options.face);
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): as the application hands them over
Result<void> ConnectionCore::begin_clone(ConnectionCore& made, CloneOptions options, Result<SharedStack> composed) {
  if (state_ != ConnectionState::established || stack_ == nullptr)
    return fail(Reason::invalid_argument, "only an established Connection can be cloned", 0, "core");
  if (!composed) return fail(std::move(composed));
  Trunk* trunk = stack_->trunk();
  if (!options.framers && made.face_ != face_ &&
      (trunk == nullptr || trunk->stack().depth() != stack_->composed().layers.size()))
    return fail(Reason::unsupported, "a clone over " + stack_->composed().text + " has the same face", 0, "core");
  join(trunk != nullptr ? trunk->group() : membership().group ? membership().group : std::make_shared<Group>());
  made.membership().properties = membership_->properties;
  auto begun = trunk != nullptr ? made.begin_stream(*trunk, *composed) : made.begin_stack(*stack_, *composed);
  if (!begun) return begun;
  made.join(membership_->group);
  made.membership().parent = this;
  made.membership().arm(turn_.executor(),
                        turn_.executor().now() + std::chrono::milliseconds(limits_.connect_timeout_ms));
  return made.own_properties(options.properties);
}

Result<void> ConnectionCore::begin_stream(Trunk& trunk, const SharedStack& composed) {
  const unsigned depth = trunk.stack().depth();
  Stack& branch =
      trunk.add_branch(depth == composed->layers.size() ? face_ : composed->layers[depth - 1].traits.above, composed);
  auto begun = branch.make_layers(depth);
  const StreamArgs args{.face = branch.stream_face(), .direction = opened_for(limits_.direction)};
  if (begun) begun = trunk.open_stream(branch, args);
  if (!begun) {
    branch.leave();
    return begun;
  }
  branch.give_to(*this);
  stack_ = &branch;
  branch.follow_trunk(false);
  return {};
}

// To the same address, on the same path, with the same layers (RFC 9622 section 7.4).
Result<void> ConnectionCore::begin_stack(Stack& like, const SharedStack& composed) {
  Stack& stack = Stack::make(turn_, composed, like.security_shared());
  stack.be_like(like);
  if (auto made = stack.make_layers(0); !made) {
    stack.leave();
    return made;
  }
  stack.give_to(*this);
  stack_ = &stack;
  stack.open(like.remote(),
             Route{.path = like.route().path,
                   .local = is_multicast(like.route().local) ? like.route().local : like.route().path.local,
                   .remote = like.route().remote},
             false);
  return {};
}

void ConnectionCore::clone_failed(Error why) noexcept {
  why.detail = "it could not be cloned: " + why.detail;
  stack_noticed(Notice::soft_error, std::move(why));
}

// What only the clone gets, and what it shares with the others from now on.
Result<void> ConnectionCore::own_properties(const std::vector<std::pair<std::string, PropertyValue>>& properties) {
  for (auto& [name, value] : properties) {
    if (is_message_property(name)) {
      if (auto set = set_message_wish(name, value); !set) return set;
      continue;
    }
    remember(name, value);
    if (reach_of(stack_->composed(), name) == Reach::group) membership_->group->entangle(*this, name, value);
  }
  return {};
}

// All that was set on whom it was cloned from (RFC 9622 section 7.4). False: it has failed.
bool ConnectionCore::apply_properties() noexcept {
  membership_->disarm();
  membership_->parent = nullptr;
  for (const auto& [name, value] : membership_->properties) {
    if (is_hint(name)) continue;
    auto done = stack_->set(name, value, stack_->depth() - 1);
    if (done) continue;
    end(std::make_unique<Error>(std::move(done).error()));
    return false;
  }
  return true;
}

void ConnectionCore::too_late() noexcept {
  if (state_ != ConnectionState::establishing || ended_) return;
  end(std::make_unique<Error>(
      Error{Reason::timed_out, 0, "core",
            "the clone was not established within " + std::to_string(limits_.connect_timeout_ms) + " ms"}));
}

}  // namespace trellis
