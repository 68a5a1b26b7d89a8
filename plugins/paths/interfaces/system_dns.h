// system_dns.h: the name servers of each link as the host's own services keep them: systemd-resolved, which also writes
// down what NetworkManager and others tell it, and systemd-networkd. Where neither runs there are no such files.
#pragma once
#include <string>

#include "faults.h"
#include "trellis/path.h"

namespace trellis {

/// Where the files are; a file has the number of its interface as name. Empty: they are not looked at.
struct SystemDnsPlaces {
  std::string resolved = "/run/systemd/resolve/netif";
  std::string networkd = "/run/systemd/netif/links";
};

/// Adds the servers and search domains of an interface, those of systemd-resolved or else of systemd-networkd. Lines
/// and words that make no sense are passed over, and told.
void add_system_dns(const SystemDnsPlaces& places, unsigned index, Provisioning& provisioning, Faults& faults);

/// Without those that do not exist: a thousand interfaces need not look for their files there.
SystemDnsPlaces places_that_are_there(SystemDnsPlaces places);

/// Changes whenever something in the places does: times of the folders, into which files are moved when they are new.
std::int64_t system_dns_version(const SystemDnsPlaces& places) noexcept;

}  // namespace trellis
