#include "conformance/tap.h"

#include <algorithm>
#include <cstring>
#include <format>

namespace trellis::conformance {
namespace {

constexpr std::uint32_t kJoinMost = 4096;

/// A block with exactly the room that was asked for. Its memory is never used again while it is known to the scene, so
/// a pointer into it tells that a layer has kept the block.
struct MeasuredBlock : Block {
  std::vector<std::byte> memory;
  std::list<Scene::Measured>* list;
  std::list<Scene::Measured>::iterator place;
};

void release_measured(Block* block) noexcept {
  auto* const own = static_cast<MeasuredBlock*>(block);
  own->list->erase(own->place);
  delete own;
}

class TapProtocol final : public Protocol {
 public:
  TapProtocol(Place place, const SceneHolder& holder) : place_(place), holder_(holder) {}
  LayerTraits traits(Face above) const noexcept override { return {.above = above, .below = above}; }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<Tap>(seat, place_, *holder_.scene);
  }

 private:
  Place place_;
  const SceneHolder& holder_;
};

class TapKind final : public ProtocolKind {
 public:
  TapKind(Place place, const SceneHolder& holder) : place_(place), holder_(holder) {}
  std::string_view name() const noexcept override { return place_ == Place::above ? "kit-above" : "kit-below"; }
  std::span<const OptionSpec> options() const noexcept override { return {}; }
  Result<std::unique_ptr<Protocol>> configure(const Options&) const noexcept override {
    return std::make_unique<TapProtocol>(place_, holder_);
  }

 private:
  Place place_;
  const SceneHolder& holder_;
};

}  // namespace

void add_taps(Registrar& registrar, SceneHolder& holder) {
  registrar.add(std::make_unique<TapKind>(Place::above, holder));
  registrar.add(std::make_unique<TapKind>(Place::below, holder));
}

Tap::Tap(const Seat& seat, Place place, Scene& scene)
    : host_(seat.host),
      upper_(seat.upper),
      lower_(seat.lower),
      scene_(scene),
      place_(place),
      random_(scene.world().random("tap").fork(std::to_string(scene.taps_made++))) {
  scene_.taps.push_back(this);
}

Tap::~Tap() { std::erase(scene_.taps, this); }

void Tap::open(const OpenArgs& args) noexcept {
  side_ = args.passive ? Side::server : Side::client;
  host_.ready();
  grant_up();
  grant_down();
}

void Tap::close(const CloseArgs&) noexcept {
  over_ = true;
  host_.closed();
}

void Tap::fail(Error why) noexcept {
  if (std::exchange(over_, true)) return;
  scene_.say(to_string(side_), "the layer below the subject fails: " + why.detail);
  scene_.layer_ends(side_);
  host_.failed(std::move(why));
}

void Tap::cut() noexcept {
  if (over_ || std::exchange(cut_, true)) return;
  scene_.say(to_string(side_), "the layer below the subject says that the peer has finished");
  upper_.finish();
}

void Tap::on_wake() noexcept {
  grant_up();
  grant_down();
}

void Tap::on_deadline() noexcept {
  due_ = TimePoint::max();
  on_wake();
}

/// Judges what the neighbour has pushed since the last visit.
template <class Port>
void Tap::watch(Way& way, Port from, Batch& batch, std::string_view who) {
  std::size_t fresh = 0, bytes = 0;
  const bool was_finished = way.finished;
  for (std::size_t i = way.left; i < batch.size(); ++i, ++fresh) {
    const Chunk& chunk = *(batch.begin() + i);
    const auto charge = static_cast<std::int64_t>(from.charge(chunk));
    if (way.credit <= 0 && charge > 0 && !who.empty()) {
      scene_.overshot(
          side_, std::format("the {} pushed {} bytes onto the port {} it without credit (the last push with credit "
                             "had left {}): push while credit() > 0, keep the rest",
                             who, chunk.data.size(), place_ == Place::above ? "above" : "below", way.credit));
    }
    way.credit -= charge;
    bytes += chunk.data.size();
    if (from.face() == Face::datagram && !chunk.end_of_message && !who.empty()) {
      scene_.broken("X3", std::format("the {} pushed a datagram that does not say end_of_message", who));
    }
  }
  if (was_finished && fresh > 0 && !who.empty()) {
    scene_.broken("C3", std::format("the {} pushed {} bytes after finish() on that port", who, bytes));
  }
  way.finished = from.finished();
  if (fresh > 0 && scene_.verbose()) {
    scene_.say(to_string(side_),
               std::format("{} the subject: {} bytes {} in {} chunks", place_ == Place::above ? "above" : "below",
                           bytes, &way == &down_ ? "down" : "up", fresh));
  }
}

std::string_view Tap::neighbour(bool is_above) const {
  return is_above == (place_ == Place::below) ? to_string(side_) : std::string_view();
}

void Tap::on_down(UpperPort from, Batch& batch) noexcept {
  if (place_ == Place::below) {
    for (const Chunk& chunk : batch) inspect_room(chunk);
  }
  watch(down_, from, batch, neighbour(true));
  if (over_) return batch.clear();
  pass_down(batch);
  down_.left = batch.size();
  if (batch.empty() && from.finished() && !std::exchange(down_.told, true)) lower_.finish();
  give_back();
}

void Tap::on_up(LowerPort from, Batch& batch) noexcept {
  watch(up_, from, batch, neighbour(false));
  if (over_ || cut_) {
    up_.left = 0;
    return batch.clear();
  }
  pass_up(batch);
  up_.left = batch.size();
  if (batch.empty() && from.finished() && !std::exchange(up_.told, true)) upper_.finish();
  give_back();
}

void Tap::pass_down(Batch& batch) {
  while (!batch.empty() && lower_.credit() > 0 && !plan().hold) {
    Chunk chunk = take(batch, upper_.face());
    bytes_down_ += chunk.data.size();
    if (plan().measure && place_ == Place::above) chunk = measured(std::move(chunk));
    if (plan().share) scene_.keep(to_string(side_), chunk.data.share());
    lower_.push(std::move(chunk));
  }
}

void Tap::pass_up(Batch& batch) {
  while (!batch.empty() && upper_.credit() > 0 && !plan().hold) {
    Chunk chunk = take(batch, lower_.face());
    if (plan().damage > 0 && random_.chance(plan().damage) && !damage(chunk)) continue;
    if (plan().share) scene_.keep(to_string(side_), chunk.data.share());
    upper_.push(std::move(chunk));
  }
}

/// Grants what it can, or sees to it that this happens later.
void Tap::give_back() {
  if (plan().late == Duration::zero()) return on_wake();
  if (due_ != TimePoint::max() || over_) return;
  due_ = host_.executor().now() + plan().late;
  host_.deadline(due_);
}

/// Up to what level a neighbour may have credit that passes on into `onward`.
std::int64_t Tap::level(std::size_t onward, bool to_subject) {
  const std::size_t most = to_subject ? plan().window : SIZE_MAX;
  return static_cast<std::int64_t>(std::min({onward, most, std::size_t{INT64_MAX}}));
}

void Tap::grant_up() {
  if (over_ || plan().hold || !upper_.empty()) return;
  const std::int64_t wanted = level(lower_.credit(), place_ == Place::below);
  if (wanted <= down_.credit) return;
  upper_.grant(static_cast<std::size_t>(wanted - down_.credit));
  down_.credit = wanted;
}

void Tap::grant_down() {
  if (over_ || plan().hold || !lower_.empty()) return;
  const std::int64_t wanted = level(upper_.credit(), place_ == Place::above);
  if (wanted <= up_.credit) return;
  lower_.grant(static_cast<std::size_t>(wanted - up_.credit));
  up_.credit = wanted;
}

Chunk Tap::take(Batch& batch, Face face) {
  const std::uint32_t size = batch.front().data.size();
  if (!plan().recut || face == Face::datagram || size < 2) return batch.pop();
  switch (random_.below(4)) {
    case 0: return batch.pop();
    case 1: return face == Face::bytestream ? join(batch) : batch.pop();
    default: break;
  }
  const std::uint64_t most = random_.chance(0.3) ? std::min<std::uint64_t>(size - 1, 16) : size - 1;
  Chunk& front = batch.front();
  Chunk part{.data = {}, .info = front.info, .ecn = front.ecn};
  part.data = front.data.split_front(static_cast<std::uint32_t>(1 + random_.below(most)));
  return part;
}

Chunk Tap::join(Batch& batch) {
  Chunk joined{.data = host_.executor().pool().allocate(0, 0, kJoinMost)};
  while (!batch.empty() && batch.front().data.size() <= joined.data.tailroom()) {
    const Chunk part = batch.pop();
    const auto bytes = part.data.bytes();
    if (!bytes.empty()) std::memcpy(joined.data.append(part.data.size()).data(), bytes.data(), bytes.size());
    joined.info = part.info;
  }
  return joined.data.size() == 0 && !batch.empty() ? batch.pop() : std::move(joined);
}

Chunk Tap::measured(Chunk chunk) {
  auto* const block = new MeasuredBlock;
  const std::uint32_t headroom = chunk.data.headroom(), tailroom = chunk.data.tailroom(), size = chunk.data.size();
  block->memory.resize(std::size_t{headroom} + size + tailroom + 1);
  block->data = block->memory.data();
  block->capacity = headroom + size + tailroom;
  block->references = 1;
  block->release = release_measured;
  block->list = &scene_.measured;
  block->place = scene_.measured.insert(scene_.measured.end(), {block->data + headroom, size, headroom, tailroom});
  if (size > 0) std::memcpy(block->data + headroom, chunk.data.bytes().data(), size);
  chunk.data = Slice(block, headroom, size);
  return chunk;
}

void Tap::inspect_room(const Chunk& chunk) {
  const std::byte* const begin = chunk.data.bytes().data();
  const std::byte* const end = begin + chunk.data.size();
  for (const Scene::Measured& block : scene_.measured) {
    if (begin < block.data - block.headroom || begin > block.data + block.size + block.tailroom) continue;
    if (begin < block.data)
      scene_.head_used = std::max(scene_.head_used, static_cast<std::uint32_t>(block.data - begin));
    const std::byte* const payload_end = block.data + block.size;
    if (end > payload_end) scene_.tail_used = std::max(scene_.tail_used, static_cast<std::uint32_t>(end - payload_end));
    ++scene_.in_place;
    return;
  }
}

/// False: the chunk is lost.
bool Tap::damage(Chunk& chunk) {
  const std::uint32_t size = chunk.data.size();
  const std::uint64_t how = random_.below(4);
  if (how == 0) return false;
  if (how == 1 && size > 0) chunk.data.drop_back(static_cast<std::uint32_t>(random_.below(size) + 1));
  if (how == 2) {
    Slice longer = host_.executor().pool().allocate(0, size + 8, 0);
    const auto out = longer.edit();
    if (size > 0) std::memcpy(out.data(), chunk.data.bytes().data(), size);
    for (std::byte& byte : out.subspan(size)) byte = static_cast<std::byte>(random_.next());
    chunk.data = std::move(longer);
  }
  if (how == 3 && size > 0) {
    Slice copy = host_.executor().pool().allocate(0, size, 0);
    std::memcpy(copy.edit().data(), chunk.data.bytes().data(), size);
    copy.edit()[random_.below(size)] ^= static_cast<std::byte>(1u << random_.below(8));
    chunk.data = std::move(copy);
  }
  return true;
}

}  // namespace trellis::conformance
