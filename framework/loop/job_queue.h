// job_queue.h: the jobs that run at the end of a turn, and those that wait for the next poll. Used by both loops.
#pragma once
#include "trellis/executor.h"

namespace trellis {

/// Two circles of intrusive jobs: `now` runs at the end of this turn, `later` after the next poll. A loop calls run()
/// at the end of a turn and polled() after each poll. Destroying the queue withdraws what is left.
class JobQueue {
 public:
  /// Jobs that queue jobs get this many rounds in one turn; the rest waits for the next poll, so that jobs which keep
  /// queueing each other cannot keep the loop from its sockets.
  static constexpr int kRounds = 8;

  JobQueue() noexcept {
    now_.make_head();
    later_.make_head();
  }
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;
  ~JobQueue() {
    while (Job* job = now_.first()) job->withdraw();
    while (Job* job = later_.first()) job->withdraw();
  }

  /// Behind Executor::queue. A job that waits for the next poll is brought forward.
  void queue(Job& job) noexcept {
    job.withdraw();
    job.link_before(now_);
  }
  /// Behind Executor::again. A job that runs in this turn anyway stays where it is.
  void again(Job& job) noexcept {
    if (!job.queued()) job.link_before(later_);
  }
  /// A poll has passed: what waited for it may run.
  void polled() noexcept {
    while (Job* job = later_.first()) queue(*job);
  }
  /// Runs what is queued and what that queues, round by round. Jobs may destroy each other and themselves.
  void run() noexcept {
    for (int round = 0; round < kRounds && now_.first() != nullptr; ++round) {
      end_.link_before(now_);
      for (Job* job = now_.first(); job != &end_; job = now_.first()) {
        job->withdraw();
        job->run();
      }
      end_.withdraw();
    }
    while (Job* job = now_.first()) {
      job->withdraw();
      job->link_before(later_);
    }
  }
  bool waiting() noexcept { return now_.first() != nullptr; }       ///< run() has something to do
  bool wants_poll() noexcept { return later_.first() != nullptr; }  ///< the next poll must not wait

 private:
  struct Mark final : Job {
    void run() noexcept override {}
  };
  Mark now_, later_;
  Mark end_;  // of the round that runs
};

}  // namespace trellis
