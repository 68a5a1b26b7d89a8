// fake_store.h: a store in virtual time, whose content several frameworks share as processes share a file.
#pragma once
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "trellis/executor.h"
#include "trellis/state.h"

namespace trellis::tests {

/// What is kept, and how the store behaves.
struct Shelf {
  std::vector<StateEntry> entries;
  Duration answers_after = std::chrono::microseconds(50);
  bool usable = true;
  std::string trouble = {};
  int asked = 0;
};

class FakeOpenStore final : public OpenStore {
 public:
  explicit FakeOpenStore(Shelf& shelf) : shelf_(shelf) {}
  bool usable() const noexcept override { return shelf_.usable; }
  std::unique_ptr<Fetch> fetch(Executor& loop, std::vector<StatePlace> places, Answer answer) noexcept override {
    if (!shelf_.usable) return nullptr;
    ++shelf_.asked;
    return std::make_unique<Question>(shelf_, loop, std::move(places), std::move(answer));
  }
  void put(StateEntry entry) noexcept override {
    if (!single_use(entry.key.kind)) {
      std::erase_if(shelf_.entries, [&](const StateEntry& e) {
        return e.key.partition == entry.key.partition && e.key.network == entry.key.network &&
               e.key.endpoint == entry.key.endpoint && e.key.protocol == entry.key.protocol &&
               e.key.detail == entry.key.detail;
      });
    }
    shelf_.entries.push_back(std::move(entry));
  }
  std::string trouble() noexcept override { return std::exchange(shelf_.trouble, {}); }
  Result<std::vector<StateEntry>> list() noexcept override { return shelf_.entries; }
  Result<std::uint64_t> clear() noexcept override { return 0; }

 private:
  struct Question final : Fetch, Alarm {
    Question(Shelf& from, Executor& loop, std::vector<StatePlace> asked, Answer tell)
        : shelf(from), places(std::move(asked)), answer(std::move(tell)) {
      arm(loop, loop.now() + shelf.answers_after);
    }
    void on_alarm() noexcept override {
      std::vector<StateEntry> found;
      for (const StatePlace& place : places) {
        std::erase_if(shelf.entries, [&](const StateEntry& e) {
          if (e.key.partition != place.partition || e.key.endpoint != place.endpoint) return false;
          found.push_back(e);
          return single_use(e.key.kind);
        });
      }
      answer(std::move(found));
    }
    Shelf& shelf;
    std::vector<StatePlace> places;
    Answer answer;
  };
  Shelf& shelf_;
};

class FakeStore final : public StateStore {
 public:
  explicit FakeStore(Shelf& shelf) : shelf_(shelf) {}
  std::string_view name() const noexcept override { return "shelf"; }
  Result<std::unique_ptr<OpenStore>> open(const Options&) noexcept override {
    return std::make_unique<FakeOpenStore>(shelf_);
  }

 private:
  Shelf& shelf_;
};

}  // namespace trellis::tests
