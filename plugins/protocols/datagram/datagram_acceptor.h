// datagram_acceptor.h: a listening socket. The first datagram of a new pair of addresses makes a peer (RFC 9623
// section 4.7.2). Who spoofs addresses can make many, so their number, their memory and their life are bounded.
#pragma once
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "datagram/datagram_peer.h"
#include "trellis/listen.h"

namespace trellis {

/// One address that is listened on.
struct DatagramDoor {
  std::unique_ptr<Socket> socket;
  SocketWatch watch;
  Batch out;                           // datagrams of all peers, sent together
  std::vector<DatagramPeer*> waiting;  // for room to send
  bool blocked = false;                // the socket takes no more
  bool readable = false;               // more is known to wait in the kernel
};

class DatagramAcceptor final : public Acceptor, private SocketEvents {
 public:
  /// `settings` outlive it.
  DatagramAcceptor(AcceptHost& host, const DatagramSettings& settings) : host_(host), settings_(settings) {}

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_deadline() noexcept override;
  void on_wake() noexcept override;
  void unseated(ProtocolInstance&) noexcept override;

  // For the peers.
  const DatagramSettings& settings() const noexcept { return settings_; }
  /// False: the peer is told by room() when there is some.
  bool has_room(DatagramDoor& door, DatagramPeer& peer) noexcept;
  void send(DatagramDoor& door) noexcept;
  void active(DatagramPeer& peer) noexcept;

 private:
  struct FlowHash {
    std::size_t operator()(const DatagramFlow& flow) const noexcept {
      return std::hash<Address>{}(flow.remote) ^ (std::hash<Address>{}(flow.local) * 31);
    }
  };
  void on_ready(Socket&, Ready what) noexcept override;
  Result<std::unique_ptr<Socket>> listen(const Address& at, const OpenArgs& args);
  void note_interface(Path& path) noexcept;
  void read(DatagramDoor& door) noexcept;
  void deliver(DatagramDoor& door, Chunk&& chunk) noexcept;
  DatagramPeer* find(const DatagramFlow& flow) noexcept;
  void admit(DatagramDoor& door, const DatagramFlow& flow, Chunk&& chunk) noexcept;
  void watch(DatagramDoor& door) noexcept;
  void give_up(Error error) noexcept;
  void watch_idleness() noexcept;
  void report_losses() noexcept;

  AcceptHost& host_;
  const DatagramSettings& settings_;
  std::vector<std::unique_ptr<DatagramDoor>> doors_;
  std::unordered_map<DatagramFlow, DatagramPeer*, FlowHash> peers_;
  std::list<DatagramPeer*> by_activity_;  // the most idle first
  DatagramPeer* last_ = nullptr;          // whom the datagram before came from
  Batch in_;                              // only inside a call; keeps its memory
  std::uint64_t refused_ = 0;             // new peers beyond the limit, since the last report
  std::uint64_t dropped_ = 0;             // datagrams for applications that are too slow, since the last report
  TimePoint reported_at_{};
  bool reported_ = false;
  bool watching_idleness_ = false;
  bool keep_segments_ = false;  // the layer above the peers takes GRO batches
  bool closing_ = false;
  bool failed_ = false;  // cannot accept any more; the peers that there are live on
};

}  // namespace trellis
