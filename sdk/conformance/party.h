// party.h: an application at one end of a Connection: sends what its script says, judges what comes, remembers how
// things ended. Everything it does it does in callbacks, so a run is a function of its seed.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "conformance/check.h"
#include "trellis/connection.h"

namespace trellis::conformance {

/// What an application does with a Connection.
struct Script {
  std::vector<std::uint32_t> sizes;                  ///< of the messages, or writes, that it sends
  bool in_parts = false;                             ///< sends messages in several parts
  bool finish = false;                               ///< half-closes when it has sent everything
  bool close = true;                                 ///< closes when it has sent and received everything
  bool lockstep = false;                             ///< sends one message for each that comes; the client begins
  bool close_at_once = false;                        ///< closes when it has sent everything, whatever comes
  bool close_at_final = false;                       ///< closes when the peer has finished
  bool read = true;                                  ///< asks for what comes
  std::size_t read_least = 1, read_most = SIZE_MAX;  ///< of each receive
  bool ask_fates = false;                            ///< wants to know what becomes of each message
  std::uint64_t total() const;                       ///< bytes
};

class Party {
 public:
  Party(Side side, Scene& scene, const Facts& facts, std::uint64_t seed);
  Party(const Party&) = delete;
  Party& operator=(const Party&) = delete;

  Script script;
  const Party* peer = nullptr;  ///< whose script says what must come
  bool garbled = false;         ///< what comes may be anything: it is not judged
  Connection connection;

  /// Takes a Connection that is, or will be, ready, and plays the script.
  void play(Connection mine);
  void on_ready(Result<void> how);
  void pump();           ///< goes on sending
  void start_reading();  ///< sets script.read
  void stop_reading();
  void close();
  void abort() {
    if (connection) connection.abort();
  }
  void drop() { connection = {}; }  ///< destroys the Connection

  Side side() const { return side_; }
  bool ready() const { return ready_; }    ///< was established
  bool final() const { return final_; }    ///< the peer has finished
  bool closed() const { return closed_; }  ///< its close() ended cleanly
  const std::optional<Error>& error() const { return error_; }
  bool has_finished() const { return finished_ || closing_; }  ///< the peer may take what comes for all there is
  bool ended() const { return closed_ || error_.has_value(); }
  bool sent_all() const { return next_ == script.sizes.size() && !part_left_; }
  bool received_all() const;
  bool done() const { return sent_all() && received_all(); }
  std::uint64_t bytes_received() const { return bytes_; }
  std::size_t messages_received() const { return messages_; }
  std::size_t messages_sent() const { return next_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }
  std::size_t fates(Fate fate) const { return fates_[static_cast<int>(fate)]; }
  std::string state() const;  ///< for messages: how far it came

 private:
  bool its_turn() const;
  bool send_next();
  void step();
  void ask();
  void heard(Result<Message> message);
  void judge(const Message& message);
  void judge_stream(std::span<const std::byte> bytes);
  void judge_ordered(const Message& message);
  void judge_any(const Message& message);
  void failed(const Error& error);
  std::uint64_t key(Side from, std::size_t index) const;

  Side side_;
  Scene& scene_;
  const Facts& facts_;
  std::uint64_t seed_;
  SeededRandom random_;
  std::size_t next_ = 0;         // message to send
  std::uint32_t part_left_ = 0;  // of the message being sent in parts
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_ = 0;       // received
  std::size_t messages_ = 0;      // received
  std::uint64_t in_message_ = 0;  // bytes of the message that comes in parts
  std::vector<bool> seen_;        // of unordered messages
  std::optional<Error> error_;
  std::size_t fates_[4] = {};
  bool ready_ = false, final_ = false, closed_ = false, asking_ = false, finished_ = false, closing_ = false;
};

}  // namespace trellis::conformance
