#include "domain_paths.h"

#include <fnmatch.h>

namespace trellis {

DomainPaths::DomainPaths(Domain domain, PathObserver& observer)
    : domain_(std::move(domain)),
      provisioning_(std::make_shared<const Provisioning>(domain_.provisioning)),
      observer_(observer) {}

bool DomainPaths::has(const Path& path) const noexcept {
  return fnmatch(domain_.interfaces.c_str(), path.interface_name.c_str(), 0) == 0 &&
         domain_.addresses.contains(path.local) && path.type != InterfaceType::loopback;
}

Path DomainPaths::provisioned(const Path& path) const {
  Path ours = path;
  ours.provisioning_domain = domain_.name;
  ours.provisioning = offered(path);
  ours.metered = domain_.metered;
  if (domain_.expected_rtt > Duration{}) ours.smoothed_rtt = domain_.expected_rtt;
  return ours;
}

// Of what the policy does not say the interface's own counts: its name servers, what its routers tell.
std::shared_ptr<const Provisioning> DomainPaths::offered(const Path& path) const {
  if (!path.provisioning) return provisioning_;
  Provisioning all = *provisioning_;
  if (all.dns_servers.empty()) all.dns_servers = path.provisioning->dns_servers;
  if (all.search_domains.empty()) all.search_domains = path.provisioning->search_domains;
  if (all.nat64.empty()) all.nat64 = path.provisioning->nat64;
  return std::make_shared<const Provisioning>(std::move(all));
}

void DomainPaths::path_added(const Path& path) noexcept {
  if (!has(path)) return;
  told_.insert(path.id);
  observer_.path_added(provisioned(path));
}

void DomainPaths::path_changed(const Path& path) noexcept {
  if (!told_.contains(path.id)) return path_added(path);  // it may have got another name
  if (has(path)) return observer_.path_changed(provisioned(path));
  path_removed(path.id);
}

void DomainPaths::path_removed(std::uint32_t id) noexcept {
  if (told_.erase(id) != 0) observer_.path_removed(id);
}

void DomainPaths::passed_over(std::string_view what) noexcept { observer_.passed_over(what); }
void DomainPaths::settled() noexcept { observer_.settled(); }

}  // namespace trellis
