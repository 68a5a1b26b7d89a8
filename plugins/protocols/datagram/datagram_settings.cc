#include "datagram/datagram_settings.h"

#include <chrono>

namespace trellis {

DatagramSettings::DatagramSettings(const Options& options, const char* own_name)
    : layer(own_name),
      dont_fragment(options.flag("dont-fragment")),
      dscp(static_cast<std::uint8_t>(options.number("dscp"))),
      send_queue(static_cast<std::size_t>(options.number("send-queue-bytes"))),
      receive_batch(static_cast<std::size_t>(options.number("receive-batch-bytes"))),
      send_buffer(static_cast<int>(options.number("send-buffer-bytes"))),
      receive_buffer(static_cast<int>(options.number("receive-buffer-bytes"))),
      peers(static_cast<std::size_t>(options.number("peers"))),
      peer_queue(static_cast<std::size_t>(options.number("peer-queue-bytes"))),
      peer_idle(std::chrono::milliseconds(options.number("peer-idle-ms"))) {}

}  // namespace trellis
