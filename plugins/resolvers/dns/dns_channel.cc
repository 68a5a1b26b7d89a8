#include "dns_channel.h"

#include <arpa/inet.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include "ares_call.h"
#include "resolv_conf.h"

namespace trellis::dns {
namespace {

constexpr const char* kSystemFile = "/etc/resolv.conf";
constexpr std::size_t kSystemFileMost = 64 << 10;  // bytes of it that are looked through for what is wrong
constexpr int kDatagramBytes = 1232;  // what crosses nearly every path without fragments (DNS Flag Day 2020)

std::pair<std::int64_t, std::int64_t> version_of(const char* file) noexcept {
  struct stat state{};
  if (stat(file, &state) != 0) return {};
  return {state.st_mtim.tv_sec * 1'000'000'000 + state.st_mtim.tv_nsec, state.st_size};
}

std::string content_of(const char* file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(kSystemFileMost, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

std::string server_text(const Address& address, std::uint16_t port, const std::string& interface_name) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool ipv4 = address.family == Address::Family::ipv4;
  ares_inet_ntop(ipv4 ? AF_INET : AF_INET6, address.ip.data(), text.data(), static_cast<ares_socklen_t>(text.size()));
  const std::string behind = ":" + std::to_string(address.port != 0 ? address.port : port);
  if (ipv4) return text.data() + behind;
  const bool link_local = address.ip[0] == 0xfe && (address.ip[1] & 0xc0) == 0x80;
  return "[" + std::string(text.data()) + (link_local ? "%" + interface_name : "") + "]" + behind;
}

struct DnsChannel::Question {
  DnsChannel& channel;
  Key key;
  std::vector<Asker*> askers;
  std::unique_ptr<LinkQuestion> of_link = nullptr;  // null: name servers are asked
  RecordsRef heard = nullptr;                       // of the link, up to now
};

DnsChannel::DnsChannel(Executor& executor, const Network& network)
    : executor_(executor), network_(network), sockets_(executor, *this, network.binding) {}

DnsChannel::~DnsChannel() {
  for (auto& [key, question] : questions_) question->askers.clear();
  if (channel_ == nullptr) return;
  const AresCall call(executor_);
  ares_destroy(channel_);  // ends every question
}

Result<std::unique_ptr<DnsChannel>> DnsChannel::make(Executor& executor, const Network& network) {
  std::unique_ptr<DnsChannel> made(new DnsChannel(executor, network));
  if (auto opened = made->open(); !opened) return fail(std::move(opened));
  return made;
}

Result<void> DnsChannel::open() {
  const AresCall call(executor_);
  const bool system = network_.servers.empty();
  std::string nothing = "/dev/null", file = kSystemFile;
  ares_options options{};
  options.flags = ARES_FLAG_EDNS;
  options.timeout = static_cast<int>(network_.timeout_ms);
  options.tries = static_cast<int>(network_.tries);
  options.ednspsz = kDatagramBytes;
  options.resolvconf_path = system ? file.data() : nothing.data();
  options.sock_state_cb_data = &sockets_;
  options.sock_state_cb = [](void* data, ares_socket_t socket, int readable, int writable) {
    static_cast<AresSockets*>(data)->wait_for(socket, readable != 0, writable != 0);
  };
  configured_at_ = system ? version_of(kSystemFile) : std::pair<std::int64_t, std::int64_t>{};
  const int how = ares_init_options(&channel_, &options,
                                    ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                                        ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB | ARES_OPT_QUERY_CACHE);
  if (how != ARES_SUCCESS)
    return fail(Reason::unresolved, std::string("c-ares cannot be set up: ") + ares_strerror(how), 0, "dns");
  sockets_.serve(*channel_);
  if (!system) {
    if (ares_set_servers_csv(channel_, network_.servers.c_str()) == ARES_SUCCESS) return {};
    return fail(Reason::configuration,
                "found name servers \"" + network_.servers +
                    "\", expected addresses like 192.0.2.53 or "
                    "[2001:db8::53]:53, separated by commas",
                0, "dns");
  }
  faults_ = faults_of_resolv_conf(content_of(kSystemFile), kSystemFile);
  int mask = 0;
  ares_options found{};
  if (ares_save_options(channel_, &found, &mask) == ARES_SUCCESS) {
    for (int i = 0; i < found.ndomains; ++i) domains_.emplace_back(found.domains[i]);
    ndots_ = static_cast<unsigned>(std::clamp(found.ndots, 0, 15));
    ares_destroy_options(&found);
  }
  return {};
}

bool DnsChannel::outdated() const noexcept {
  return network_.servers.empty() && version_of(kSystemFile) != configured_at_;
}

void DnsChannel::ask(const std::string& name, ares_dns_rec_type_t type, Asker& who) {
  used_at_ = executor_.now();
  const Key key{type, canonical_name(name)};
  if (RecordsRef known = kept(key)) return who.heard(type, name, std::move(known));
  drain_until_ = TimePoint::max();
  const auto found = questions_.find(key);
  if (found != questions_.end()) {
    found->second->askers.push_back(&who);
    if (found->second->heard != nullptr) who.heard(type, name, found->second->heard);
    return;
  }
  Question& question =
      *questions_.emplace(key, std::make_unique<Question>(*this, key, std::vector{&who})).first->second;
  if (network_.multicast && is_of_the_link(key.second)) return ask_the_link(question);
  {
    const AresCall call(executor_);
    // The callback comes in any case, and maybe before this returns.
    ares_query_dnsrec(
        channel_, key.second.c_str(), ARES_CLASS_IN, type,
        [](void* data, ares_status_t status, size_t, const ares_dns_record_t* answer) {
          auto& question = *static_cast<Question*>(data);
          question.channel.answered(question, status, answer);
        },
        &question, nullptr);
  }
  rearm();
}

void DnsChannel::forget(Asker& who) noexcept {
  bool wanted = false;
  for (auto& [key, question] : questions_) {
    std::erase(question->askers, &who);
    wanted = wanted || !question->askers.empty();
  }
  if (wanted || questions_.empty()) return;
  drain_until_ = executor_.now() + kDrain;
  rearm();
}

void DnsChannel::answered(Question& question, ares_status_t status, const ares_dns_record_t* answer) noexcept {
  conclude(question, std::make_shared<const Records>(read(question, status, answer)));
}

void DnsChannel::conclude(Question& question, const RecordsRef& records) {
  const Key key = question.key;
  const std::vector<Asker*> askers = std::move(question.askers);
  questions_.erase(key);
  keep(key, records);
  for (Asker* asker : askers) asker->heard(key.first, key.second, records);
}

Records DnsChannel::read(const Question& question, ares_status_t status, const ares_dns_record_t* answer) {
  using Outcome = Records::Outcome;
  Records records;
  switch (status) {
    case ARES_SUCCESS:
      if (answer != nullptr) records = read_records(*answer, question.key.second, question.key.first);
      break;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
      records.outcome = status == ARES_ENODATA ? Outcome::no_records : Outcome::no_such_name;
      if (answer != nullptr) records.time_to_live = negative_time(*answer);
      break;
    case ARES_ETIMEOUT: records.why = "no name server has answered"; break;
    case ARES_ECONNREFUSED: records.why = "no name server could be reached"; break;
    case ARES_EBADRESP:
    case ARES_EFORMERR: records.why = "the answer of the name server is malformed"; break;
    case ARES_EBADNAME:
      records.why = "the name cannot be asked for: labels have 1 to 63 bytes, names 253 at most";
      break;
    case ARES_ESERVFAIL: records.why = "the name server has failed to answer (SERVFAIL)"; break;
    case ARES_EREFUSED: records.why = "the name server has refused to answer (REFUSED)"; break;
    default: records.why = ares_strerror(static_cast<int>(status)); break;
  }
  if (status == ARES_SUCCESS) sockets_.forget_last();
  if (records.outcome == Outcome::failed) {
    if (const std::string fault = sockets_.last_fault(); !fault.empty())
      records.why += ": passed over what has come last, for " + fault;
  }
  if (records.outcome == Outcome::no_such_name) records.why = "the name does not exist";
  if (records.outcome == Outcome::no_records && records.why.empty()) records.why = "the name has no such address";
  if (records.outcome != Outcome::failed)
    records.server = server_text(sockets_.last_read_from(), 0, network_.binding.interface_name);
  records.expires = executor_.now() + records.time_to_live;
  return records;
}

// ---- names of the link

void DnsChannel::ask_the_link(Question& question) {
  question.of_link =
      std::make_unique<LinkQuestion>(executor_, network_.binding, static_cast<LinkQuestion::Owner&>(*this));
  auto asked = question.of_link->ask(question.key.second, question.key.first);
  if (asked) return rearm();
  Records failed;
  failed.why = "the link cannot be asked: " + asked.error().detail;
  conclude(question, std::make_shared<const Records>(std::move(failed)));
}

DnsChannel::Question& DnsChannel::question_of(LinkQuestion& asked) noexcept {
  return *std::ranges::find_if(questions_, [&](const auto& q) { return q.second->of_link.get() == &asked; })->second;
}

// A name has one owner, who answers for it; a service has as many as there are, so the time alone ends the question.
void DnsChannel::link_answered(LinkQuestion& asked, const ares_dns_record_t& message, const Address& from) noexcept {
  Question& question = question_of(asked);
  Records records = read_records(message, question.key.second, question.key.first);
  if (records.outcome != Records::Outcome::found) return;
  records.server = server_text(from, 0, network_.binding.interface_name);
  records.expires = executor_.now() + records.time_to_live;
  learn_more(message, records.server);
  if (question.key.first != ARES_REC_TYPE_PTR) return conclude(question, std::make_shared<const Records>(records));
  auto all = std::make_shared<Records>(std::move(records));
  all->more = true;
  if (question.heard != nullptr) {
    for (const std::string& known : question.heard->instances) {
      if (all->instances.size() < kInstancesMost && !std::ranges::contains(all->instances, known))
        all->instances.push_back(known);
    }
    all->expires = std::min(all->expires, question.heard->expires);
  }
  question.heard = std::move(all);
  const auto [type, name] = question.key;
  const RecordsRef heard = question.heard;
  for (Asker* asker : std::vector(question.askers)) asker->heard(type, name, heard);
}

void DnsChannel::link_silent(LinkQuestion& asked) noexcept {
  Question& question = question_of(asked);
  auto records = std::make_shared<Records>();
  if (question.heard != nullptr) *records = *question.heard;
  records->more = false;
  if (question.heard == nullptr) records->why = "nobody on the link has answered";
  if (const std::string faults = asked.faults(); question.heard == nullptr && !faults.empty())
    records->why += ": " + faults;
  conclude(question, records);
}

// What comes along with an answer of the link need not be asked for (RFC 6763 section 12).
void DnsChannel::learn_more(const ares_dns_record_t& message, const std::string& server) {
  const std::size_t count = ares_dns_record_rr_cnt(&message, ARES_SECTION_ADDITIONAL);
  for (std::size_t i = 0; i < count; ++i) {
    const ares_dns_rr_t* record = ares_dns_record_rr_get_const(&message, ARES_SECTION_ADDITIONAL, i);
    if (record == nullptr) continue;
    const ares_dns_rec_type_t type = ares_dns_rr_get_type(record);
    const Key key{type, canonical_name(ares_dns_rr_get_name(record))};
    const bool of_use = type == ARES_REC_TYPE_A || type == ARES_REC_TYPE_AAAA || type == ARES_REC_TYPE_SRV;
    if (!of_use || !is_of_the_link(key.second) || kept(key) != nullptr) continue;
    Records records = read_records(message, key.second, type, ARES_SECTION_ADDITIONAL);
    records.server = server;
    records.expires = executor_.now() + records.time_to_live;
    if (records.outcome == Records::Outcome::found) keep(key, std::make_shared<const Records>(std::move(records)));
  }
}

// ---- what is kept

RecordsRef DnsChannel::kept(const Key& key) noexcept {
  const auto found = cache_.find(key);
  if (found == cache_.end()) return nullptr;
  if (found->second.records->expires > executor_.now()) {
    recent_.splice(recent_.begin(), recent_, found->second.place);
    return found->second.records;
  }
  recent_.erase(found->second.place);
  cache_.erase(found);
  return nullptr;
}

void DnsChannel::keep(const Key& key, const RecordsRef& records) {
  if (records->outcome == Records::Outcome::failed || records->expires <= executor_.now()) return;
  if (network_.cache_entries == 0) return;
  if (const auto old = cache_.find(key); old != cache_.end()) {
    recent_.erase(old->second.place);
    cache_.erase(old);
  }
  while (cache_.size() >= network_.cache_entries) {
    cache_.erase(recent_.back());
    recent_.pop_back();
  }
  recent_.push_front(key);
  cache_.emplace(key, Kept{records, recent_.begin()});
}

// ---- c-ares is run by the loop

void DnsChannel::socket_ready(ares_socket_t socket, bool readable, bool writable) noexcept {
  ares_fd_events_t event{.fd = socket, .events = 0};
  if (readable) event.events |= ARES_FD_EVENT_READ;
  if (writable) event.events |= ARES_FD_EVENT_WRITE;
  {
    const AresCall call(executor_);
    ares_process_fds(channel_, &event, 1, ARES_PROCESS_FLAG_NONE);
  }
  rearm();
}

void DnsChannel::on_alarm() noexcept {
  {
    const AresCall call(executor_);
    if (executor_.now() >= drain_until_) {
      ares_cancel(channel_);  // nobody listens any more
      questions_.clear();     // of the link
    } else
      ares_process_fds(channel_, nullptr, 0, ARES_PROCESS_FLAG_NONE);
  }
  rearm();
}

void DnsChannel::rearm() noexcept {
  if (questions_.empty()) return disarm();
  timeval left{};
  const AresCall call(executor_);
  TimePoint next = drain_until_;
  if (ares_timeout(channel_, nullptr, &left) != nullptr) {
    // c-ares counts in milliseconds, and is late rather than early.
    const Duration wait = std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
    next = std::min(next, executor_.now() + wait + std::chrono::milliseconds(1));
  }
  if (next == TimePoint::max()) return disarm();  // questions of the link have times of their own
  arm(executor_, next);
}

}  // namespace trellis::dns
