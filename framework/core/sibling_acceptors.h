// sibling_acceptors.h: the acceptors that share a port, one on each loop. The kernel spreads datagrams over them by
// addresses alone, so one of them may receive what is for a peer of another (AcceptHost::forward).
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "trellis/buffer.h"
#include "trellis/executor.h"

namespace trellis {

/// What another loop has received for us. Called on its own loop's thread, between turns.
class ForwardTaker {
 public:
  virtual void forwarded(Chunk&&) noexcept = 0;

 protected:
  ~ForwardTaker() = default;
};

class SiblingAcceptors {
 public:
  static constexpr unsigned kMost = 1024;  ///< datagrams under way to one acceptor; more are lost, as datagrams may be

  /// One acceptor among its siblings for as long as this lives. Belongs to its loop's thread.
  class Membership {
   public:
    Membership(SiblingAcceptors& all, ForwardTaker& taker, Executor& executor, std::string name);
    ~Membership();
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;
    /// Copies the datagram to the sibling on `loop`; drops it when there is none.
    void forward(unsigned loop, const Chunk& datagram) noexcept;

   private:
    friend class SiblingAcceptors;
    struct Door {
      ForwardTaker* taker;  // null: gone; belongs to the taker's loop
      std::atomic<unsigned> under_way = 0;
    };
    SiblingAcceptors& all_;
    Executor& executor_;
    const std::string name_;
    std::shared_ptr<Door> door_;
  };

 private:
  std::mutex mutex_;  // held while posting: a loop that takes part cannot go meanwhile
  std::vector<Membership*> members_;
};

}  // namespace trellis
