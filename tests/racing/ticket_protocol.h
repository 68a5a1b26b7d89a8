// ticket_protocol.h: a protocol for tests of early data: above tcp, with a handshake of one round trip, tickets that
// are good for one connection, and early data that a server may refuse. Its "cipher" differs for every ticket.
//
// On the wire: a type, four bytes of length, that many bytes. Client: H ticket, E early data, D data.
// Server: F full handshake, A early data accepted, R refused, T a new ticket, D data.
#pragma once
#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "trellis/protocol.h"

namespace trellis::tests {

/// What all servers of a test know, and what clients showed them.
struct Tickets {
  bool refuse = false;               ///< early data
  unsigned given = 1;                ///< new tickets for each connection
  std::size_t early_most = 1 << 20;  ///< bytes that a client may send early
  std::set<std::string> valid = {};  ///< given, and not used yet
  unsigned number = 0;               ///< of the last ticket
  struct Hello {
    std::string ticket;  ///< empty: a full handshake
    std::string wire;    ///< early data as they came over the wire
  };
  std::vector<Hello> hellos = {};  ///< one for each connection, in the order of their coming
};

class TicketInstance final : public ProtocolInstance {
 public:
  TicketInstance(const Seat& seat, Tickets& tickets)
      : host_(seat.host), upper_(seat.upper), lower_(seat.lower), tickets_(tickets) {}

  void open(const OpenArgs& args) noexcept override {
    passive_ = args.passive;
    lower_.grant_to(kWindow);
    if (passive_) return;
    const StateValue ticket = host_.state().take(StateKind::session_ticket);
    ticket_.assign(reinterpret_cast<const char*>(ticket.data()), ticket.size());
    say('H', ticket_);
    if (ticket_.empty()) return;
    early_left_ = tickets_.early_most;
    upper_.grant(kWindow);
    host_.early();
  }
  void close(const CloseArgs&) noexcept override { host_.closed(); }

  void on_down(UpperPort from, Batch& batch) noexcept override {
    if (!ready_) return passive_ ? void() : take_early(batch);
    while (!batch.empty()) send(batch.pop());
    if (from.finished()) lower_.finish();
  }

  void on_up(LowerPort from, Batch& batch) noexcept override {
    while (!batch.empty()) {
      const Chunk chunk = batch.pop();
      buffer_.append(reinterpret_cast<const char*>(chunk.data.bytes().data()), chunk.data.size());
    }
    while (buffer_.size() >= 5) {
      std::uint32_t size = 0;
      std::memcpy(&size, buffer_.data() + 1, sizeof size);
      if (buffer_.size() < 5 + size) break;
      const char type = buffer_[0];
      const std::string body = buffer_.substr(5, size);
      buffer_.erase(0, 5 + size);
      hear(type, body);
    }
    if (from.finished()) upper_.finish();
    lower_.grant_to(kWindow);
  }

 private:
  static constexpr std::size_t kWindow = 1 << 20;

  void take_early(Batch& batch) noexcept {
    while (!batch.empty() && early_left_ > 0 && batch.front().info && batch.front().info->replayable) {
      Chunk& front = batch.front();
      const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(front.data.size(), early_left_));
      Chunk part{.data = front.data.split_front(size), .info = front.info, .end_of_message = false};
      if (front.data.size() == 0) batch.pop();
      early_left_ -= size;
      say('E', ciphered(text_of(part.data)));
      held_.add(std::move(part));
    }
  }
  void hear(char type, const std::string& body) noexcept {
    switch (type) {
      case 'H': return greet(body);
      case 'E': return early(body);
      case 'T': {
        const auto* bytes = reinterpret_cast<const std::byte*>(body.data());
        return host_.state().put(StateKind::session_ticket, {}, {bytes, bytes + body.size()}, std::chrono::hours(1));
      }
      case 'A':
        held_.clear();
        host_.notify(Notice::early_accepted);
        return begin();
      case 'R':
        host_.notify(Notice::early_refused);
        while (!held_.empty()) send(held_.pop());  // again, before everything else
        return begin();
      case 'F': return begin();
      default: return deliver(body, false);
    }
  }
  void greet(const std::string& ticket) noexcept {
    place_ = tickets_.hellos.size();
    tickets_.hellos.push_back({ticket, {}});
    ticket_ = ticket;
    accepted_ = !ticket.empty() && tickets_.valid.erase(ticket) == 1 && !tickets_.refuse;
    say(ticket.empty() ? 'F' : accepted_ ? 'A' : 'R', {});
    for (unsigned i = 0; i < tickets_.given; ++i) {
      const std::string fresh = "ticket " + std::to_string(++tickets_.number);
      tickets_.valid.insert(fresh);
      say('T', fresh);
    }
    begin();
  }
  void early(const std::string& body) noexcept {
    tickets_.hellos[place_].wire += body;
    if (accepted_) deliver(ciphered(body), true);
  }
  void begin() noexcept {
    ready_ = true;
    if (ticket_.empty() || passive_) upper_.grant(kWindow);
    host_.ready();
  }
  void deliver(const std::string& body, bool early) noexcept {
    Chunk chunk{slice(body)};
    if (early) {
      chunk.info = new_message();
      chunk.info->early = true;
    }
    upper_.push(std::move(chunk));
  }
  void send(const Chunk& chunk) noexcept { say('D', text_of(chunk.data)); }
  void say(char type, const std::string& body) noexcept {
    std::string frame(5, type);
    const auto size = static_cast<std::uint32_t>(body.size());
    std::memcpy(frame.data() + 1, &size, sizeof size);
    lower_.push(Chunk{slice(frame + body)});
  }
  Slice slice(const std::string& text) noexcept {
    Slice made = host_.executor().pool().allocate(0, static_cast<std::uint32_t>(text.size()), 0);
    if (!text.empty()) std::memcpy(made.edit().data(), text.data(), text.size());
    return made;
  }
  static std::string text_of(const Slice& data) {
    return {reinterpret_cast<const char*>(data.bytes().data()), data.size()};
  }
  std::string ciphered(std::string text) const {
    for (std::size_t i = 0; i < text.size(); ++i)
      text[i] = static_cast<char>(text[i] ^ ticket_[ticket_.size() - 1] ^ 1);
    return text;
  }

  LayerHost& host_;
  UpperPort upper_;
  LowerPort lower_;
  Tickets& tickets_;
  std::string ticket_, buffer_;
  Batch held_;  // sent early, until it is known what became of it
  std::size_t early_left_ = 0, place_ = 0;
  bool passive_ = false, ready_ = false, accepted_ = false;
};

class TicketProtocol final : public Protocol {
 public:
  explicit TicketProtocol(Tickets& tickets) : tickets_(tickets) {}
  LayerTraits traits(Face above) const noexcept override {
    if (above != Face::bytestream) return {.above = Face::none};
    return {.above = Face::bytestream,
            .below = Face::bytestream,
            .needs = {Feature::reliability, Feature::ordering},
            .adds = {Feature::zero_rtt},
            .handshake_rtts = 1};
  }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override {
    return std::make_unique<TicketInstance>(seat, tickets_);
  }

 private:
  Tickets& tickets_;
};

class TicketKind final : public ProtocolKind {
 public:
  explicit TicketKind(Tickets& tickets) : tickets_(tickets) {}
  std::string_view name() const noexcept override { return "tickets"; }
  std::span<const OptionSpec> options() const noexcept override { return {}; }
  Result<std::unique_ptr<Protocol>> configure(const Options&) const noexcept override {
    return std::make_unique<TicketProtocol>(tickets_);
  }

 private:
  Tickets& tickets_;
};

}  // namespace trellis::tests
