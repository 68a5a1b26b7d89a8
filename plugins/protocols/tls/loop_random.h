// loop_random.h: the loop's secrets as the library's random numbers, so that a run can be replayed from its seed.
#pragma once
#include <botan/rng.h>

#include "trellis/executor.h"

namespace trellis::tls {

class LoopRandom final : public Botan::RandomNumberGenerator {
 public:
  explicit LoopRandom(Executor& loop) : loop_(loop) {}
  bool accepts_input() const override { return false; }
  std::string name() const override { return "trellis loop"; }
  void clear() override {}
  bool is_seeded() const override { return true; }

 private:
  void fill_bytes_with_input(std::span<std::uint8_t> out, std::span<const std::uint8_t>) override {
    if (!out.empty()) loop_.secret(std::as_writable_bytes(out));
  }
  Executor& loop_;
};

}  // namespace trellis::tls
