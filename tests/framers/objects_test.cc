// Messages that have an identity, a lifetime, a priority and antecedents: the objects of Post Sockets, which RFC 9622
// no longer has, as a framer on top of what it has (API-199).
#include <deque>
#include <set>

#include "../stacks/virtual_pair.h"
#include "trellis/framer.h"

namespace trellis::tests {
namespace {

/// [id][antecedent, 0: none][size]. What depends on another object is delivered behind it.
class Objects final : public Framer {
 public:
  explicit Objects(BlockPool& pool) : pool_(pool) {}
  Result<void> start(FramerHost& host, const OpenArgs&) noexcept override {
    host_ = &host;
    host.ready();
    return {};
  }
  Result<void> frame(Chunk part, bool, std::size_t size, Batch& out) noexcept override {
    const auto number = [&](std::string_view key) {
      const PropertyValue* const value = part.info ? part.info->metadata.get("objects", key) : nullptr;
      return value != nullptr ? static_cast<std::byte>(std::get<std::uint64_t>(*value)) : std::byte{0};
    };
    Chunk head{.data = pool_.allocate(0, 3, 0), .info = part.info};
    const std::byte fields[] = {number("id"), number("antecedent"), static_cast<std::byte>(size)};
    std::ranges::copy(fields, head.data.edit().begin());
    out.add(std::move(head));
    out.add(std::move(part));
    return {};
  }
  Result<Piece> parse(std::span<const std::byte> front) noexcept override {
    if (front.size() < 3 || front.size() < 3 + std::to_integer<std::size_t>(front[2])) return Piece{};
    const std::size_t size = std::to_integer<std::size_t>(front[2]);
    waiting_.push_back({.id = std::to_integer<unsigned>(front[0]),
                        .antecedent = std::to_integer<unsigned>(front[1]),
                        .bytes = {front.begin() + 3, front.begin() + 3 + static_cast<std::ptrdiff_t>(size)}});
    while (deliver_next()) {
    }
    return Piece{.skip = 3 + size};
  }

 private:
  struct Object {
    unsigned id, antecedent;
    std::vector<std::byte> bytes;
  };
  bool deliver_next() {
    const auto next = std::ranges::find_if(waiting_, [&](const Object& object) {
      return object.antecedent == 0 || delivered_.contains(object.antecedent);
    });
    if (next == waiting_.end()) return false;
    Chunk chunk{.data = pool_.allocate(0, static_cast<std::uint32_t>(next->bytes.size()), 0), .end_of_message = true};
    std::ranges::copy(next->bytes, chunk.data.edit().begin());
    host_->annotate("id", std::uint64_t{next->id});
    host_->deliver(std::move(chunk));
    delivered_.insert(next->id);
    waiting_.erase(next);
    return true;
  }
  BlockPool& pool_;
  FramerHost* host_ = nullptr;
  std::deque<Object> waiting_;
  std::set<unsigned> delivered_;
};

class ObjectFraming final : public Framing {
  bool needs_size() const noexcept override { return true; }
  std::size_t largest() const noexcept override { return 255; }
  std::unique_ptr<Framer> make(BlockPool& pool) const noexcept override { return std::make_unique<Objects>(pool); }
};
class ObjectKind final : public FramerKind {
  std::string_view name() const noexcept override { return "objects"; }
  Result<std::unique_ptr<Framing>> configure(const Options&) const noexcept override {
    return std::make_unique<ObjectFraming>();
  }
};

struct ObjectsOfPost : testing::Test {
  ObjectsOfPost() {
    EXPECT_TRUE(pair.framework->core().registry.link(
        "objects", [](Registrar& registrar) { registrar.add(std::make_unique<ObjectKind>()); }));
    pair.peers_read = false;
    pair.listen("objects/tcp");
  }
  Message object(std::uint64_t id, std::uint64_t antecedent = 0) {
    Message message{.data = slice(talker->connection, "object " + std::to_string(id))};
    message.metadata.add("objects", "id", id);
    message.metadata.add("objects", "antecedent", antecedent);
    return message;
  }
  void ask() {
    pair.peers[0]->connection.receive(kWholeMessage, SIZE_MAX, [this](Result<Message> message) {
      if (!message || message->final) return;
      const PropertyValue* const id = message->metadata.get("objects", "id");
      received.push_back(text(message->data) + " is " + std::to_string(std::get<std::uint64_t>(*id)));
      ask();
    });
  }
  VirtualPair pair;
  Talker* talker = nullptr;
  std::vector<std::string> received;
};

// API-199: the identity arrives; urgency decides what goes first, and an antecedent what is delivered first; a lifetime
// that has ended takes along what was to come after it.
TEST_F(ObjectsOfPost, HaveIdentityLifetimePriorityAndAntecedents) {
  talker = &pair.dial("objects/tcp");
  std::vector<std::string> fates;
  const auto send = [&](Message message, std::uint32_t priority, std::optional<Duration> lifetime = {}) {
    message.properties.priority = priority;
    message.properties.ordered = false;
    message.properties.lifetime = lifetime;
    talker->connection.send(std::move(message), [&fates, priority](Fate fate, const Error*) {
      if (fate != Fate::acknowledged)
        fates.push_back(std::to_string(priority) + (fate == Fate::sent ? " sent" : " expired"));
    });
  };
  send(object(1), 70);
  send(object(2, 1), 60);
  send(object(3), 50, 1ms);  // there is no connection before that
  send(object(4, 3), 40);
  ASSERT_TRUE(pair.until([&] { return fates.size() == 4 && !pair.peers.empty(); }));
  EXPECT_EQ(fates, (std::vector<std::string>{"50 expired", "40 sent", "60 sent", "70 sent"}));
  ask();
  pair.world.run_for(1s);
  EXPECT_EQ(received, (std::vector<std::string>{"object 1 is 1", "object 2 is 2"}));
}

}  // namespace
}  // namespace trellis::tests
