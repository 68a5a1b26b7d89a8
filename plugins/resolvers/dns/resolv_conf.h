// resolv_conf.h: what c-ares passes over in resolv.conf(5), and does not tell.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace trellis::dns {

inline constexpr std::size_t kResolvConfFaultsMost = 8;  ///< that are told

/// Each line of which something counts for nothing: "/etc/resolv.conf:3: found X, expected Y: …".
std::vector<std::string> faults_of_resolv_conf(std::string_view text, const std::string& file);

}  // namespace trellis::dns
