#include "system_dns.h"

#include <sys/stat.h>

#include <algorithm>
#include <format>
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

/// One file, line by line.
class SystemDnsReader {
 public:
  SystemDnsReader(std::string file, Provisioning& provisioning, Faults& faults)
      : file_(std::move(file)), provisioning_(provisioning), faults_(faults) {}

  /// Lines of NAME=VALUE; `servers`: the name of that with the servers.
  void read(std::string_view servers) {
    std::ifstream in(file_);
    for (std::string line; std::getline(in, line);) {
      if (++number_ > kLinesMost)
        return fault(std::format("found more than {} lines", kLinesMost), "the rest counts for nothing");
      if (line.empty() || line.front() == '#') continue;
      const std::size_t equals = line.find('=');
      if (equals == std::string::npos || line.size() > kLineMost) {
        fault(std::format("found {}, expected NAME=VALUE in {} letters at most", shown(line), kLineMost));
        continue;
      }
      const auto value = std::string_view(line).substr(equals + 1);
      if (line.starts_with(servers) && equals == servers.size()) add_servers(value);
      if (line.starts_with("DOMAINS=")) add_domains(value);
    }
  }

 private:
  void add_servers(std::string_view text) {
    for (const std::string& word : words_of(text)) {
      const auto server = server_of(word);
      if (!server)
        fault(
            std::format("found name server {}, expected an address like 192.0.2.53 or [2001:db8::53]:53", shown(word)));
      else if (provisioning_.dns_servers.size() == kSystemServersMost)
        return fault(std::format("found more than {} name servers", kSystemServersMost));
      else
        provisioning_.dns_servers.push_back(*server);
    }
  }
  /// "~example.net" only says which questions go there; so does "." alone, for all of them.
  void add_domains(std::string_view text) {
    for (std::string& word : words_of(text)) {
      if (word.starts_with('~') || word == ".") continue;
      const std::string given = word;
      if (word.ends_with('.')) word.pop_back();
      if (!is_domain(word))
        fault(std::format("found search domain {}, expected a name like example.net", shown(given)));
      else if (provisioning_.search_domains.size() == kSystemDomainsMost)
        return fault(std::format("found more than {} search domains", kSystemDomainsMost));
      else
        provisioning_.search_domains.push_back(std::move(word));
    }
  }
  void fault(const std::string& what, std::string_view then = "it counts for nothing") {
    add_fault(faults_, file_ + ":" + std::to_string(number_) + ": " + what + ": " + std::string(then));
  }

  std::string file_;
  Provisioning& provisioning_;
  Faults& faults_;
  std::size_t number_ = 0;
};

/// True: it has servers.
bool read_file(const std::string& folder, unsigned index, std::string_view servers, Provisioning& provisioning,
               Faults& faults) {
  if (folder.empty()) return false;
  SystemDnsReader(folder + "/" + std::to_string(index), provisioning, faults).read(servers);
  return !provisioning.dns_servers.empty();
}

std::int64_t changed_at(const std::string& folder) noexcept {
  struct stat state{};
  if (folder.empty() || stat(folder.c_str(), &state) != 0) return 0;
  return state.st_mtim.tv_sec * 1'000'000'000 + state.st_mtim.tv_nsec;
}

}  // namespace

void add_system_dns(const SystemDnsPlaces& places, unsigned index, Provisioning& provisioning, Faults& faults) {
  if (!read_file(places.resolved, index, "SERVERS", provisioning, faults))
    read_file(places.networkd, index, "DNS", provisioning, faults);
}

SystemDnsPlaces places_that_are_there(SystemDnsPlaces places) {
  for (std::string* const folder : {&places.resolved, &places.networkd}) {
    if (changed_at(*folder) == 0) folder->clear();
  }
  return places;
}

std::int64_t system_dns_version(const SystemDnsPlaces& places) noexcept {
  return changed_at(places.resolved) ^ (changed_at(places.networkd) << 1);
}

}  // namespace trellis
