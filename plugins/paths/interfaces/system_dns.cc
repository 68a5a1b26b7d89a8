#include "system_dns.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "dns_words.h"

namespace trellis {
namespace {

constexpr std::size_t kSystemServersMost = 16, kSystemDomainsMost = 8;
constexpr std::size_t kLinesMost = 256, kLineMost = 8192;

/// "192.0.2.53:5353%eth0#dns.example": neither the interface nor the name for TLS is of use here.
std::optional<Address> server_of(std::string word) {
  word.resize(std::min(word.find('#'), word.size()));
  word.resize(std::min(word.find('%'), word.size()));
  return read_dns_server(word);
}

/// "~example.net" only says which questions go there.
void add_domains(std::string_view text, Provisioning& provisioning) {
  for (std::string& word : words_of(text)) {
    if (word.ends_with('.')) word.pop_back();
    if (word.starts_with('~') || !is_domain(word)) continue;
    if (provisioning.search_domains.size() < kSystemDomainsMost) provisioning.search_domains.push_back(std::move(word));
  }
}

void add_servers(std::string_view text, Provisioning& provisioning) {
  for (const std::string& word : words_of(text)) {
    const auto server = server_of(word);
    if (server && provisioning.dns_servers.size() < kSystemServersMost) provisioning.dns_servers.push_back(*server);
  }
}

/// Lines of NAME=VALUE. True: it has servers.
bool read_file(const std::string& folder, unsigned index, std::string_view servers, Provisioning& provisioning) {
  if (folder.empty()) return false;
  std::ifstream file(folder + "/" + std::to_string(index));
  std::string line;
  for (std::size_t lines = 0; lines < kLinesMost && std::getline(file, line); ++lines) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos || line.size() > kLineMost) continue;
    const std::string_view name = std::string_view(line).substr(0, equals),
                           value = std::string_view(line).substr(equals + 1);
    if (name == servers) add_servers(value, provisioning);
    if (name == "DOMAINS") add_domains(value, provisioning);
  }
  return !provisioning.dns_servers.empty();
}

std::int64_t changed_at(const std::string& folder) noexcept {
  struct stat state{};
  if (folder.empty() || stat(folder.c_str(), &state) != 0) return 0;
  return state.st_mtim.tv_sec * 1'000'000'000 + state.st_mtim.tv_nsec;
}

}  // namespace

void add_system_dns(const SystemDnsPlaces& places, unsigned index, Provisioning& provisioning) {
  if (!read_file(places.resolved, index, "SERVERS", provisioning))
    read_file(places.networkd, index, "DNS", provisioning);
}

std::int64_t system_dns_version(const SystemDnsPlaces& places) noexcept {
  return changed_at(places.resolved) ^ (changed_at(places.networkd) << 1);
}

}  // namespace trellis
