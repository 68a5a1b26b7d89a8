// service_parameters.h: the SvcParams of a service binding (RFC 9460 sections 2.2, 7 and 8).
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "records.h"

namespace trellis::dns {

/// One parameter as it lies in the record.
struct ServiceParameter {
  std::uint16_t key;
  std::span<const unsigned char> value;
};

/// Fills in what the parameters say. Returns what is wrong with them; empty: nothing.
std::string read_parameters(std::span<const ServiceParameter> parameters, ServiceRecord& out);

}  // namespace trellis::dns
