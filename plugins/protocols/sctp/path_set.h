// path_set.h: the paths of an association whose ends have several addresses (RFC 9260 sections 6.4 and 8.2). usrsctp,
// which knows one way to each peer, stands above them: its packets are led to the path they are for, and what passes is
// looked at for whether the paths work. An association with one path has none of this.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chunks.h"
#include "packets_out.h"
#include "path_health.h"
#include "trellis/executor.h"

namespace trellis::sctp {

/// One way to the peer: a pair of addresses.
struct SctpPath {
  unsigned number = 0;        ///< in the order in which they came; 0: that of the handshake
  Address local{}, remote{};  ///< local unset: the kernel chooses, until the peer has been heard there
  LowerPort lower{};          ///< which it has for itself; empty: the listener's is shared
  std::optional<PacketsOut> own_out{};
  PacketsOut* out = nullptr;  ///< packets on it
  PathHealth health;
  bool quiet = false;    ///< not probed: the peer does not know of it yet, or not any more
  bool leaving = false;  ///< its addresses are not of the association any more
};

class PathSetOwner {
 public:
  virtual void has_packets(SctpPath&) noexcept = 0;  ///< SctpPath::out is to be emitted
  virtual void path_became(const SctpPath&, PathState before) noexcept = 0;
  /// Data go by another path than `before` from now on. `at_once`: not because of a timeout, after which the library
  /// begins slowly anyway; it may be called then.
  virtual void data_moved(const SctpPath& before, bool at_once) noexcept = 0;

 protected:
  ~PathSetOwner() = default;
};

class PathSet {
 public:
  static constexpr std::size_t kMost = 8;

  /// `header`: of a packet to the peer: its ports and tag.
  PathSet(PathSetOwner& owner, Executor& executor, const Settings& settings,
          std::span<const std::byte> header) noexcept;

  /// Null: there are enough.
  SctpPath* add(const Address& local, const Address& remote, PathState state);
  bool is_last(const SctpPath& path) const noexcept;  ///< no other one has ever worked
  /// False: it is the last one, and stays.
  bool remove(SctpPath& path) noexcept;
  const std::vector<std::unique_ptr<SctpPath>>& all() const noexcept { return paths_; }
  SctpPath& in_use() const noexcept { return *in_use_; }
  SctpPath* find(LowerPort lower) const noexcept;
  /// A path becomes the primary one, which is used whenever it works (RFC 9260 section 6.4). False: it is unconfirmed.
  bool prefer(SctpPath& path) noexcept;
  /// Data of a stream go by this path as long as it works (RFC 6458 section 8.1.10 has that for messages). False: it is
  /// unconfirmed.
  bool tie(std::uint16_t stream, SctpPath& path);
  void untie(std::uint16_t stream) noexcept;
  SctpPath* tied_to(std::uint16_t stream) const noexcept;  ///< null: it has none of its own
  bool is_primary(const SctpPath& path) const noexcept { return primary_ == &path; }
  void vanish(SctpPath& path) noexcept;            ///< its way out is not there
  void probe(SctpPath& path) noexcept;             ///< it may be there again
  void probe_from(const Address& local) noexcept;  ///< the peer knows of these paths now
  void beat_every(Duration idle) noexcept;

  /// A packet of the library is to the peer of this association.
  bool is_from_us(std::span<const std::byte> packet) const noexcept;
  /// What the library sends until `left()` answers this packet. Precondition: it is the peer's to us
  /// (comes_back()); of others nothing is believed.
  void came(SctpPath& path, std::span<const std::byte> packet) noexcept;
  void left() noexcept { came_by_ = nullptr; }

  /// A packet of the library goes by the path that it is for. `timer`: nothing that came has caused it.
  bool take_packet(std::span<const std::byte> packet, std::uint8_t ecn, bool timer) noexcept;
  void run() noexcept;             ///< sends the heartbeats that are due
  TimePoint due() const noexcept;  ///< of run()
  void emit() noexcept;            ///< hands down what the lowers have room for
  std::string text() const;        ///< for people, one path after the other

 private:
  template <class F>
  void change(SctpPath& path, bool at_once, F how) noexcept;
  void choose(bool at_once) noexcept;
  SctpPath& path_for(std::span<const std::byte> packet, bool timer) noexcept;
  SctpPath& path_of_data(std::uint16_t stream) const noexcept;
  void timed_out(SctpPath& path) noexcept;
  void send_beat(SctpPath& path) noexcept;
  void beat_answered(std::span<const std::byte> value) noexcept;
  void acknowledged(std::uint32_t tsn) noexcept;

  PathSetOwner& owner_;
  Executor& executor_;
  const Settings& settings_;
  std::array<std::byte, kPacketHeader> header_{};
  std::vector<std::unique_ptr<SctpPath>> paths_;
  SctpPath* primary_ = nullptr;
  SctpPath* in_use_ = nullptr;        // data go there
  SctpPath* came_by_ = nullptr;       // what is being answered
  SctpPath* data_came_by_ = nullptr;  // the peer's last data
  unsigned last_number_ = 0;
  std::optional<Duration> idle_{};           // between heartbeats, where it was changed
  std::optional<std::uint32_t> sent_tsn_{};  // the highest one
  std::uint32_t first_tsn_here_ = 0;         // sent since data go where they go
  std::uint32_t acked_tsn_ = 0;
  TimePoint timed_out_at_{}, acked_at_{};
  std::vector<std::pair<std::uint16_t, SctpPath*>> tied_;  // streams with a path of their own
};

}  // namespace trellis::sctp
