// negotiation.h: the handshake over datagrams. The library sees messages whole, once and in order, whatever the network
// does to them; what it says is kept as a flight.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "cookies.h"
#include "flight.h"
#include "handshake.h"
#include "reassembly.h"

namespace trellis::dtls {

class Negotiation {
 public:
  /// What a record was good for.
  enum class Heard : std::uint8_t {
    nothing,
    old,      ///< the peer repeats itself: it has not heard our flight
    message,  ///< the library was given something
  };

  /// `settings` outlive it.
  Negotiation(LayerHost& host, const tls::Settings& settings, std::shared_ptr<tls::Credentials> credentials)
      : pool_(host.executor().pool()), handshake_(host, settings, std::move(credentials)) {}
  /// Begins. `hello`: of the client, when this is the server.
  Result<void> begin(const OpenArgs& args, const FirstHello* hello);
  /// Takes a record, with its header. An Error: the handshake has failed, and flight() has what the peer shall hear.
  Result<Heard> take(const RecordHeader& header, const Slice& record);
  /// The application is asked about the peer: what comes meanwhile waits, but for alerts.
  void pause() noexcept { paused_ = true; }
  /// It has answered: what waited is taken, and what we would have said is in flight().
  Result<void> resume();
  /// Renews the flight, so that what is said again has numbers of its own.
  void repeat();
  /// An alert in place of all that was not sent yet.
  void say(tls::AlertDescription alert);

  bool complete() const { return handshake_.complete(); }
  /// Our flight has changed since this was asked last.
  bool has_news() noexcept { return std::exchange(news_, false); }
  const Flight& flight() const noexcept { return flight_; }
  Flight take_flight() noexcept { return std::move(flight_); }
  /// What came for after the handshake, in the order in which it came; nobody shares it.
  std::vector<Slice> take_early() noexcept { return std::move(held_); }
  tls::Handshake& handshake() noexcept { return handshake_; }
  /// The last message of the peer in clear.
  MessageType last_message() const noexcept { return last_message_; }

 private:
  static constexpr std::size_t kHeldMost = 32;  // protected records that came too early
  static constexpr std::size_t kHeldBytesMost = 32 << 10;
  static constexpr unsigned kCookiesMost = 8;          // of one server: the library remembers each of our hellos
  static constexpr std::size_t kFinishedMost = 64;     // bytes of a record with the Finished message
  static constexpr std::size_t kFinishedTries = 4096;  // how many of them the library is given
  Result<void> deliver();
  void hold(const Slice& record);
  Result<void> feed(ContentType type, std::span<const std::byte> content);
  Result<void> feed_protected(const Slice& record);
  Result<void> feed_held();
  void collect();

  BlockPool& pool_;
  tls::Handshake handshake_;
  Reassembly reassembly_;
  Flight flight_;
  std::vector<Slice> held_;
  std::size_t held_bytes_ = 0, tries_ = 0;
  std::uint64_t next_number_ = 0;  // of a record in clear, as the library sees them
  MessageType last_message_ = MessageType::none;
  unsigned cookies_ = 0;  // that we were asked for
  bool news_ = false, paused_ = false;
};

}  // namespace trellis::dtls
