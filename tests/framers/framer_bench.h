// framer_bench.h: a FramerLayer between two links made by hand. What a turn would move, the test moves itself, so that
// it sees each push, each grant and the order of all of them.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/framer_layer.h"

namespace trellis::test {

/// Memory from the heap. `copied` counts what was allocated, so that a test can tell copying from sharing.
class HeapPool final : public BlockPool {
 public:
  Slice allocate(std::uint32_t headroom, std::uint32_t size, std::uint32_t tailroom) override {
    const std::uint32_t capacity = headroom + size + tailroom;
    void* memory = std::malloc(sizeof(Block) + capacity);
    auto* block = new (memory) Block{reinterpret_cast<std::byte*>(static_cast<Block*>(memory) + 1), capacity, 1,
                                     [](Block* b) noexcept { std::free(b); }};
    allocated += size;
    return Slice(block, headroom, size);
  }
  std::size_t allocated = 0;
};

inline std::string text_of(const Slice& slice) {
  return {reinterpret_cast<const char*>(slice.bytes().data()), slice.size()};
}

/// A message from below, as an application would see it.
struct Received {
  std::string text;
  bool complete = false;
};

/// The layer with a fake engine around it. One test drives both directions.
class FramerBench : public LayerHost {
 public:
  explicit FramerBench(std::unique_ptr<Framing> framing, std::string name = "framer", Face under = Face::bytestream)
      : name_(std::move(name)), framing_(std::move(framing)) {
    schedule_.begin = [](Schedule&) noexcept {};
    above.face = under == Face::datagram ? under : framing_->above();
    above.level = 1;
    below.face = under;
    above.schedule = below.schedule = &schedule_;
    const Seat seat{*this, UpperPort(above), LowerPort(below)};
    layer.emplace(seat, name_, *framing_);
    static Endpoint nobody;
    static Route nowhere;
    layer->open(OpenArgs{nobody, nowhere, {}, false});
  }

  // The application's end.
  LowerPort application() { return LowerPort(above); }
  void demand(std::size_t bytes) {
    application().grant(bytes);
    layer->on_credit(UpperPort(above));
    offer_up();
  }
  void send(std::string_view text, bool end = true, MessageRef info = {}, std::uint32_t room = 0) {
    Chunk chunk{.data = pool.allocate(room, static_cast<std::uint32_t>(text.size()), room),
                .info = std::move(info),
                .end_of_message = end};
    if (!text.empty()) std::memcpy(chunk.data.edit().data(), text.data(), text.size());
    application().push(std::move(chunk));
    offer_down();
  }
  void offer_down() { layer->on_down(UpperPort(above), above.down.batch); }
  /// Takes what the layer has pushed up; whole messages and the part of one that is not complete.
  void collect() {
    while (!above.up.batch.empty()) {
      const Chunk part = above.up.batch.pop();
      if (received.empty() || received.back().complete) received.emplace_back();
      received.back().text += text_of(part.data);
      received.back().complete = part.end_of_message;
      ++chunks_up;
    }
  }
  std::vector<std::string> messages() {
    collect();
    std::vector<std::string> all;
    for (const Received& message : received) {
      if (message.complete) all.push_back(message.text);
    }
    return all;
  }

  // The transport's end.
  UpperPort transport() { return UpperPort(below); }
  void take(std::size_t bytes) {  // the layer below takes more
    transport().grant(bytes);
    layer->on_credit(LowerPort(below));
    if (!above.down.batch.empty()) offer_down();
  }
  void arrive(std::string_view bytes, bool ends = true) {  // one block from below; a whole message, where there are any
    Chunk chunk{.data = pool.allocate(0, static_cast<std::uint32_t>(bytes.size()), 0), .end_of_message = ends};
    if (!bytes.empty()) std::memcpy(chunk.data.edit().data(), bytes.data(), bytes.size());
    pool.allocated -= bytes.size();  // it is what the layer allocates that counts
    transport().push(std::move(chunk));
    offer_up();
  }
  void end() {
    transport().finish();
    offer_up();
  }
  void offer_up() { layer->on_up(LowerPort(below), below.up.batch); }
  std::string wire() {  // what was sent since the last call
    std::string bytes;
    while (!below.down.batch.empty()) bytes += text_of(below.down.batch.pop().data);
    return bytes;
  }

  std::vector<std::string> sent_below() {  // messages or datagrams
    std::vector<std::string> all(1);
    while (!below.down.batch.empty()) {
      const Chunk part = below.down.batch.pop();
      all.back() += text_of(part.data);
      if (part.end_of_message) all.emplace_back();
    }
    EXPECT_EQ(all.back(), "") << "it has no end";
    all.pop_back();
    return all;
  }

  // LayerHost
  struct Loop final : Executor {
    explicit Loop(BlockPool& memory) : memory_(memory) {}
    TimePoint now() const noexcept override { return {}; }
    std::chrono::system_clock::time_point wall_clock() const noexcept override { return {}; }
    void post(std::move_only_function<void()>) noexcept override { std::abort(); }
    void queue(Job&) noexcept override { std::abort(); }
    void again(Job&) noexcept override { std::abort(); }
    void arm(Alarm&, TimePoint) noexcept override { std::abort(); }
    void disarm(Alarm&) noexcept override { std::abort(); }
    Sockets& sockets() noexcept override { std::abort(); }
    BlockPool& pool() noexcept override { return memory_; }
    std::uint64_t random() noexcept override { return 4; }
    void secret(std::span<std::byte>) noexcept override { std::abort(); }
    unsigned loop() const noexcept override { return 0; }
    unsigned loops() const noexcept override { return 1; }
    BlockPool& memory_;
  };
  Executor& executor() noexcept override { return loop; }
  State& state() noexcept override { std::abort(); }
  const Security& security() noexcept override { std::abort(); }
  void log(Severity, std::string_view) noexcept override {}
  void deadline(TimePoint at) noexcept override { alarm = at; }
  void wake() noexcept override {}
  void answered(unsigned) noexcept override {}
  void early() noexcept override {}
  void ready() noexcept override { ++readies; }
  void closed() noexcept override { ++closings; }
  void failed(Error error) noexcept override { failure = std::move(error); }
  void notify(Notice, Error why) noexcept override { soft.push_back(std::move(why)); }
  StreamHost& streams() noexcept override { std::abort(); }
  LowerHost& lowers() noexcept override { std::abort(); }
  void* extension(std::string_view) noexcept override { return nullptr; }

  HeapPool pool;
  Loop loop{pool};
  Link above, below;
  std::optional<FramerLayer> layer;
  std::vector<Received> received;
  std::size_t chunks_up = 0;
  std::optional<Error> failure;
  std::vector<Error> soft;
  TimePoint alarm = TimePoint::max();
  int readies = 0, closings = 0;

 private:
  Schedule schedule_;
  std::string name_;
  std::unique_ptr<Framing> framing_;
};

/// A message that remembers its fate.
struct Told : MessageInfo {
  Told() {
    references = 1;  // the test's own
    tell = [](MessageInfo* self, Fate fate, const Error* why) noexcept {
      auto& told = *static_cast<Told*>(self);
      told.fate = fate;
      if (why != nullptr) told.why = *why;
    };
    release = [](MessageInfo*) noexcept {};
  }
  std::optional<Fate> fate;
  std::optional<Error> why;
};

}  // namespace trellis::test
