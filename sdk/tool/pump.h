// pump.h: carries standard input to a peer and what comes back to standard output, until both directions have ended.
//
// Nothing is read ahead: a peer that is slow stops the reading of standard input, a slow reader of standard output
// stops the receiving.
#pragma once
#include "input.h"
#include "output.h"
#include "trellis/connection.h"
#include "trellis/task.h"

namespace trellis::tool {

/// Joins one established Connection with two descriptors.
///
/// On message stacks each read from the input is one message. Under the framer "line" each line is one message without
/// its newline, and received messages are written with one. With a multicast group there is one direction.
class Pump final : private Job, private Alarm {
 public:
  /// `patience`: how long the peer may be silent after the end of the input before that counts as the end of its
  /// direction too; zero: for ever. Datagram peers cannot say that they have finished, so they need one.
  Pump(Connection& connection, Duration patience, int input = 0, int output = 1);

  /// co_await pump.carry(): an Error ends both directions at once, except that what was received is still written.
  auto carry() {
    return await_callback<Result<void>>([this](auto resume) { begin(std::move(resume)); }, [this] { done_ = {}; });
  }

 private:
  void begin(Connection::Done done);
  Task<void> upload();
  Task<void> download();
  Task<Result<void>> send_input();
  Task<Result<void>> send_lines(Slice data);
  Task<Result<void>> send(Slice data, bool end);
  Task<Result<void>> write_output();
  bool put(const Message& message);
  void receive(Connection::Received heard);
  auto receive_async() {
    return await_callback<Result<Message>>([this](auto resume) { receive(std::move(resume)); },
                                           [this] { forget_receive(); });
  }
  void forget_receive() noexcept;
  void watch_silence() noexcept;
  void on_alarm() noexcept override;  // the peer was silent for too long
  void ended(Result<void> how, bool failure_ends_all) noexcept;
  void run() noexcept override;  // says that it is done, from outside of the coroutines

  Connection& connection_;
  Executor& loop_;
  const Duration patience_;
  const bool lines_;
  Input input_;
  Output output_;
  Connection::Done done_;
  Connection::Received heard_;
  Result<void> result_;
  bool uploaded_ = false, downloaded_ = false, line_open_ = false;
  Task<void> upload_;
  Task<void> download_;
};

}  // namespace trellis::tool
