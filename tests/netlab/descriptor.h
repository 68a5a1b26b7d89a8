// descriptor.h: a file descriptor that is closed by its owner, and what the kernel says when it refuses.
#pragma once
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace trellis::netlab {

/// What a lab throws: one sentence that says what was wanted and why it cannot be.
struct LabError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws LabError: `what`, and the meaning of errno.
[[noreturn]] inline void refuse(const std::string& what) { throw LabError(what + ": " + std::strerror(errno)); }

/// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  /// The result of a call; throws LabError when it is negative.
  Descriptor(int number, const std::string& what) : number_(number) {
    if (number < 0) refuse(what);
  }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_ = -1;
};

}  // namespace trellis::netlab
