#include "hosts_resolver.h"

#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

namespace trellis::hosts {
namespace {

constexpr OptionSpec kOptions[] = {
    {"file", "/etc/hosts", "which file"},
};

/// Tells what was found, later on the loop.
class HostsLookup final : public Resolver::Lookup, Job {
 public:
  HostsLookup(Executor& executor, AnswerSink& sink, std::vector<Answer> answers, Result<void> ipv6, Result<void> ipv4)
      : sink_(sink), answers_(std::move(answers)), ipv6_(std::move(ipv6)), ipv4_(std::move(ipv4)) {
    executor.queue(*this);
  }
  ~HostsLookup() override { *alive_ = false; }

 private:
  void run() noexcept override {
    const std::shared_ptr<bool> alive = alive_;
    AnswerSink& sink = sink_;
    for (Answer& answer : std::exchange(answers_, {})) {
      sink.answer(std::move(answer));
      if (!*alive) return;
    }
    sink.done(Answer::Kind::ipv6, std::move(ipv6_));
    if (*alive) sink.done(Answer::Kind::ipv4, std::move(ipv4_));
  }
  AnswerSink& sink_;
  std::vector<Answer> answers_;
  Result<void> ipv6_, ipv4_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

std::string reason_of(int error, const std::string& file) {
  return file + " cannot be read: " + std::generic_category().message(error);
}

}  // namespace

std::span<const OptionSpec> HostsResolver::options() const noexcept { return kOptions; }

// A file that changes while it is read is read once more at the next question: its version is taken before.
HostsResolver::Entry HostsResolver::read(const std::string& file, bool& anew) {
  const std::lock_guard lock(mutex_);
  Entry& entry = files_[file];
  struct stat state{};
  if (stat(file.c_str(), &state) != 0)
    return entry = {.version = {}, .table = nullptr, .fault = reason_of(errno, file)};
  const Version version{.modified = state.st_mtim.tv_sec * 1'000'000'000 + state.st_mtim.tv_nsec,
                        .size = state.st_size,
                        .inode = static_cast<std::int64_t>(state.st_ino)};
  if (entry.version == version) return entry;
  entry = {.version = version, .table = nullptr, .fault = {}};
  if (!S_ISREG(state.st_mode) || state.st_size > static_cast<std::int64_t>(kBytesMost)) {
    entry.fault = file + " is not used: found " +
                  (S_ISREG(state.st_mode) ? std::to_string(state.st_size) + " bytes" : "no regular file") +
                  ", expected a file of at most " + std::to_string(kBytesMost) + " bytes";
    return entry;
  }
  std::ifstream in(file, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in.good() && !in.eof()) entry.fault = reason_of(errno, file);
  if (entry.fault.empty()) entry.table = std::make_shared<const HostsTable>(parse_hosts(text, file));
  anew = true;
  return entry;
}

Result<std::unique_ptr<Resolver::Lookup>> HostsResolver::resolve(Executor& executor, const Options& options,
                                                                 const Query& query, AnswerSink& sink) noexcept {
  const std::string file(options.text("file"));
  bool anew = false;
  const Entry entry = read(file, anew);
  if (anew && entry.table != nullptr) {
    for (const std::string& fault : entry.table->faults) sink.passed_over(fault + ": it is left out");
  }
  Answer ipv6{.kind = Answer::Kind::ipv6, .endpoints = {}, .alpn = {}, .source = file};
  Answer ipv4{.kind = Answer::Kind::ipv4, .endpoints = {}, .alpn = {}, .source = file};
  std::string why = entry.fault;
  if (entry.table != nullptr) {
    const auto found = entry.table->names.find(canonical(query.host));
    if (found != entry.table->names.end()) {
      for (Address address : found->second) {
        address.port = query.port;
        Answer& into = address.family == Address::Family::ipv6 ? ipv6 : ipv4;
        into.endpoints.push_back({.host = query.host, .port = query.port, .address = address});
      }
    }
    why = "the name is not in " + file;
    if (entry.table->faults_in_all > 0) {
      why += ", of which " + std::to_string(entry.table->faults_in_all) +
             " lines are wrong: " + entry.table->faults.front();
    }
  }
  const auto how = [&](const Answer& answer) -> Result<void> {
    if (!answer.endpoints.empty()) return {};
    return fail(Reason::unresolved, why, 0, "hosts");
  };
  Result<void> how6 = how(ipv6), how4 = how(ipv4);
  std::vector<Answer> answers;
  for (Answer* answer : {&ipv6, &ipv4}) {
    if (!answer->endpoints.empty()) answers.push_back(std::move(*answer));
  }
  return std::make_unique<HostsLookup>(executor, sink, std::move(answers), std::move(how6), std::move(how4));
}

}  // namespace trellis::hosts
