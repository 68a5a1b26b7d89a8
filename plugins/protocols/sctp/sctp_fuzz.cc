// sctp_fuzz.cc: packets with any chunks under a right checksum: to a listener that knows nobody, or to both sides of an
// association, with the tag that they expect or with none. Nothing crashes, and what is answered is bounded.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "../../../tests/support/given.h"
#include "../tls/still_loop.h"
#include "association.h"
#include "chunks.h"
#include "crc32c.h"
#include "library.h"

namespace {

using namespace trellis;
using namespace trellis::sctp;

constexpr std::uint16_t kPort = 5000;

/// A loop whose random bytes are the same each time.
struct FuzzLoop final : tls::StillLoop {
  std::uint64_t random() noexcept override { return ++drawn * 0x9e3779b97f4a7c15u; }
  void secret(std::span<std::byte> out) noexcept override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(random() >> 32);
  }

  std::uint64_t drawn = 0;
};

/// The way to one side.
struct Way final : PacketSink {
  explicit Way(PeerKey its_key) : key(its_key) { Library::of_process().enroll(key, *this); }
  ~Way() { Library::of_process().retire(key); }
  bool take_packet(std::span<const std::byte> packet, std::uint8_t) noexcept override {
    std::ranges::copy(packet.first(kPacketHeader), header);
    if (packets.size() == 1000) std::abort();  // nothing that is said is worth so many words
    packets.emplace_back(packet.begin(), packet.end());
    return true;
  }
  PeerKey key;
  std::byte header[kPacketHeader] = {std::byte{19}, std::byte{136}, std::byte{19},
                                     std::byte{136}};  // port 5000 to 5000
  std::deque<std::vector<std::byte>> packets;
};

/// A listener, and perhaps a client of it, with what is on its way between them.
class Scene : LibraryDriver {
 public:
  Scene() {
    if (!Library::of_process().join(loop_, this)) std::abort();
    to_server_.emplace(PeerKey{2});
    to_client_.emplace(PeerKey{3});
    listener_ = Association::listen(settings_, kPort).value();
  }
  ~Scene() {
    for (Association* each : {&client_, &server_, &listener_}) each->drop();
    to_server_.reset();
    to_client_.reset();
    Library::of_process().leave(loop_, this);
  }
  void connect() {
    client_ = Association::dial(settings_, to_server_->key, kPort).value();
    converse();
    if (!server_) std::abort();
    static constexpr std::byte kMessage[3000] = {};
    for (Association* each : {&client_, &server_}) each->send(kMessage, {.stream = 1}).value();
    converse();
  }
  void put(bool to_server, bool tagged, std::span<const std::byte> chunks) {
    std::vector<std::byte> packet(kPacketHeader);
    std::ranges::copy(to_server ? to_server_->header : to_client_->header, packet.begin());
    if (!tagged) std::fill(packet.begin() + 4, packet.begin() + 8, std::byte());
    packet.insert(packet.end(), chunks.begin(), chunks.end());
    seal_packet(packet);
    arrive(to_server, packet);
  }
  void pass(Duration time) {
    loop_.time += time;
    if (loop_.time >= tick_) Library::of_process().tick();
  }
  void converse() {
    for (int round = 0; round < 20 && !(to_server_->packets.empty() && to_client_->packets.empty()); ++round) {
      for (const bool to_server : {true, false}) {
        std::deque<std::vector<std::byte>> packets;
        packets.swap((to_server ? to_server_ : to_client_)->packets);
        for (const auto& packet : packets) arrive(to_server, packet);
      }
      pass(std::chrono::milliseconds(10));
    }
    to_server_->packets.clear();
    to_client_->packets.clear();
  }

 private:
  void wake_at(TimePoint at) noexcept override { tick_ = at; }
  // The key says from whom it comes.
  void arrive(bool to_server, std::span<const std::byte> packet) {
    Library::of_process().input(to_server ? to_client_->key : to_server_->key, packet, 0);
    PeerKey peer = 0;
    std::uint16_t port = 0;
    if (Association accepted = listener_.accept(peer, port); accepted && !server_) server_ = std::move(accepted);
    for (Association* each : {&client_, &server_}) {
      while (*each && each->receive(loop_.pool(), room_)) {
      }
    }
  }

  FuzzLoop loop_;
  Settings settings_{test::Given(sctp_options(), {})};
  std::optional<Way> to_server_, to_client_;
  Association listener_, client_, server_;
  Slice room_;
  TimePoint tick_ = TimePoint::max();
};

}  // namespace

// The first byte says whether there is an association. Of each packet the first byte says where it goes, the second how
// long it is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Scene scene;
  if ((data[0] & 1) != 0) scene.connect();
  for (++data, --size; size >= 2;) {
    const std::uint8_t how = data[0];
    const std::size_t length = std::min<std::size_t>(data[1] * 4u, size - 2);
    scene.put((how & 1) != 0, (how & 2) == 0, std::as_bytes(std::span(data + 2, length)));
    if ((how & 4) != 0) scene.converse();
    if ((how & 8) != 0) scene.pass(std::chrono::milliseconds(how * 10));
    data += 2 + length;
    size -= 2 + length;
  }
  scene.converse();
  return 0;
}
