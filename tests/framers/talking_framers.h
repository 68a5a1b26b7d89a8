// talking_framers.h: framers that talk before and after the application. Chat says hello, says goodbye, answers pings
// and labels messages; StartTls asks the peer whether to encipher and then gets out of the way.
#pragma once
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "trellis/framer.h"
#include "trellis/protocol.h"

namespace trellis::tests {

/// What tests set and look at. One at a time.
struct TalkFacts {
  int chats = 0;                   // alive
  int started = 0, stopped = 0;    // of all chats
  std::uint16_t refused_port = 0;  // that a client does not like
  bool starts_at_once = false;     // no hello
};
inline TalkFacts talk_facts;

inline Chunk chunk_of(BlockPool& pool, std::string_view text) {
  Chunk chunk{.data = pool.allocate(0, static_cast<std::uint32_t>(text.size()), 0), .end_of_message = true};
  if (!text.empty()) std::memcpy(chunk.data.edit().data(), text.data(), text.size());
  return chunk;
}

inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Frames of [type][label][size] and up to 255 bytes: 'H' hello, 'M' message, 'P' ping, 'Q' its answer, 'B' goodbye,
/// 'E' a message in capital letters.
class Chat final : public Framer {
 public:
  explicit Chat(BlockPool& pool) : pool_(pool) { ++talk_facts.chats; }
  ~Chat() override { --talk_facts.chats; }

  Result<void> start(FramerHost& host, const OpenArgs& args) noexcept override {
    ++talk_facts.started;
    host_ = &host;
    passive_ = args.passive;
    if (!passive_ && talk_facts.refused_port != 0 && args.route.remote.port == talk_facts.refused_port)
      return fail(Reason::unreachable, "this peer is not liked", 0, "chat");
    if (talk_facts.starts_at_once) {
      host.ready();
      return {};
    }
    if (!passive_) say('H');
    return {};
  }
  Result<void> stop(FramerHost& host) noexcept override {
    ++talk_facts.stopped;
    said_goodbye_ = true;
    say('B');
    if (heard_goodbye_) host.closed();
    return {};
  }
  Result<void> frame(Chunk part, bool, std::size_t size, Batch& out) noexcept override {
    if (size > 255) return fail(Reason::too_large, "more than 255 bytes", 0, "chat");
    char label = ' ';
    if (part.info) {
      if (const auto* value = part.info->metadata.get("chat", "label")) label = std::get<std::string>(*value)[0];
    }
    Chunk head = chunk_of(pool_, head_of('M', label, size));
    head.info = part.info;
    out.add(std::move(head));
    out.add(std::move(part));
    return {};
  }
  Result<Piece> parse(std::span<const std::byte> front) noexcept override {
    const std::string_view text = text_of(front);
    if (text.size() < 3) return Piece{};
    const auto size = static_cast<unsigned char>(text[2]);
    switch (text[0]) {
      case 'H':
        if (passive_) say('H');
        host_->ready();
        return Piece{.skip = 3};
      case 'M':
        if (text[1] != ' ') host_->annotate("label", std::string(1, text[1]));
        return Piece{.skip = 3, .deliver = size, .end = true};
      case 'P': say('Q'); return Piece{.skip = 3};
      case 'Q': return Piece{.skip = 3};
      case 'B':
        heard_goodbye_ = true;
        if (said_goodbye_) host_->closed();
        return Piece{.skip = 3};
      case 'E':
        if (text.size() < 3u + size) return Piece{};
        host_->deliver(capitals(text.substr(3, size)));
        return Piece{.skip = 3u + size};
      default: return fail(Reason::protocol_violation, "chat: found an unknown frame, expected H, M, P, Q, B or E");
    }
  }

 private:
  static std::string head_of(char type, char label, std::size_t size) { return {type, label, static_cast<char>(size)}; }
  void say(char type) noexcept { host_->send(chunk_of(pool_, head_of(type, ' ', 0))); }
  Chunk capitals(std::string_view text) noexcept {
    std::string upper(text);
    for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    return chunk_of(pool_, upper);
  }

  BlockPool& pool_;
  FramerHost* host_ = nullptr;
  bool passive_ = false, said_goodbye_ = false, heard_goodbye_ = false;
};

class ChatFraming final : public Framing {
  bool needs_size() const noexcept override { return true; }
  FeatureSet needs() const noexcept override { return {Feature::reliability, Feature::ordering}; }
  std::uint8_t handshake_rtts() const noexcept override { return 1; }
  std::unique_ptr<Framer> make(BlockPool& pool) const noexcept override { return std::make_unique<Chat>(pool); }
};

/// Turns all bits of a bytestream: what is received is delivered from memory of its own.
class Cipher final : public Framer {
 public:
  explicit Cipher(BlockPool& pool) : pool_(pool) {}
  static std::string turned(std::string_view text) {
    std::string other(text);
    for (char& c : other) c = static_cast<char>(~c);
    return other;
  }

 private:
  Result<void> start(FramerHost& host, const OpenArgs&) noexcept override {
    host_ = &host;
    host.ready();
    return {};
  }
  Result<void> frame(Chunk part, bool, std::size_t, Batch& out) noexcept override {
    Chunk other = chunk_of(pool_, turned(text_of(part.data.bytes())));
    other.info = part.info;
    out.add(std::move(other));
    return {};
  }
  Result<Piece> parse(std::span<const std::byte> front) noexcept override {
    host_->deliver(chunk_of(pool_, turned(text_of(front))));
    return Piece{.skip = front.size()};
  }

  BlockPool& pool_;
  FramerHost* host_ = nullptr;
};

class CipherFraming final : public Framing {
  Face above() const noexcept override { return Face::bytestream; }
  std::unique_ptr<Framer> make(BlockPool& pool) const noexcept override { return std::make_unique<Cipher>(pool); }
};

/// The client sends "STARTTLS\n", the server answers "GO\n" or "CLEAR\n". Then bytes pass, after "GO" enciphered.
class StartTls final : public Framer {
 public:
  StartTls(BlockPool& pool, const Framing& cipher, bool clear) : pool_(pool), cipher_(cipher), clear_(clear) {}

 private:
  Result<void> start(FramerHost& host, const OpenArgs& args) noexcept override {
    host_ = &host;
    passive_ = args.passive;
    if (!passive_) host.send(chunk_of(pool_, "STARTTLS\n"));
    return {};
  }
  Result<void> frame(Chunk part, bool, std::size_t, Batch& out) noexcept override {  // never: it passes through
    out.add(std::move(part));
    return {};
  }
  Result<Piece> parse(std::span<const std::byte> front) noexcept override {
    const std::string_view text = text_of(front);
    const std::size_t line = text.find('\n');
    if (line == std::string_view::npos) return Piece{};
    const std::string_view word = text.substr(0, line);
    if (passive_ ? word != "STARTTLS" : word != "GO" && word != "CLEAR")
      return fail(Reason::protocol_violation, "starttls: found another word", 0, "starttls");
    if (passive_) host_->send(chunk_of(pool_, clear_ ? "CLEAR\n" : "GO\n"));
    if (passive_ ? !clear_ : word == "GO") {
      if (auto done = host_->prepend("cipher", cipher_); !done) return fail(std::move(done));
    }
    host_->pass_through();
    host_->ready();
    return Piece{.skip = line + 1};
  }

  BlockPool& pool_;
  const Framing& cipher_;
  FramerHost* host_ = nullptr;
  bool clear_, passive_ = false;
};

class StartTlsFraming final : public Framing {
 public:
  explicit StartTlsFraming(bool clear) : clear_(clear) {}

 private:
  Face above() const noexcept override { return Face::bytestream; }
  std::uint8_t handshake_rtts() const noexcept override { return 1; }
  std::unique_ptr<Framer> make(BlockPool& pool) const noexcept override {
    return std::make_unique<StartTls>(pool, cipher_, clear_);
  }
  CipherFraming cipher_;
  bool clear_;
};

class ChatKind final : public FramerKind {
  std::string_view name() const noexcept override { return "chat"; }
  Result<std::unique_ptr<Framing>> configure(const Options&) const noexcept override {
    return std::make_unique<ChatFraming>();
  }
};

class StartTlsKind final : public FramerKind {
  std::string_view name() const noexcept override { return "starttls"; }
  std::span<const OptionSpec> options() const noexcept override {
    static constexpr OptionSpec kOptions[] = {{.name = "clear", .fallback = false, .meaning = "do not encipher"}};
    return kOptions;
  }
  Result<std::unique_ptr<Framing>> configure(const Options& options) const noexcept override {
    return std::make_unique<StartTlsFraming>(options.flag("clear"));
  }
};

inline void add_talking_framers(Registrar& registrar) {
  registrar.add(std::make_unique<ChatKind>());
  registrar.add(std::make_unique<StartTlsKind>());
}

}  // namespace trellis::tests
