// transfer.h: what a bulk transfer between two processes costs and how fast it is, whatever moves the bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

#include "process.h"

namespace trellis::bench {

/// What one end has taken for its part.
struct Used {
  double seconds, cpu;
};

/// Measures from its making on.
class Meter {
 public:
  Used used() const { return {now() - begin_, cpu_seconds() - cpu_}; }

 private:
  double begin_ = now();
  double cpu_ = cpu_seconds();
};

struct Transfer {
  double cpu_per_gibibyte, gibibytes_per_second;
};

/// Moves `bytes`. The receiver runs in a process of its own and puts first its port and then what it has used.
Transfer transfer(std::size_t bytes, const std::function<void(const Outlet&)>& receive,
                  const std::function<Used(std::uint16_t port)>& send);

}  // namespace trellis::bench
