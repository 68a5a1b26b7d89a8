#include "host.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <format>
#include <thread>

namespace trellis::netlab {
namespace {

constexpr char kOwn[] = "/proc/thread-self/ns/net";

}  // namespace

void become_root() {
  if (geteuid() == 0) return;
  const uid_t user = geteuid();
  const gid_t group = getegid();
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)  // the network that it had could not be entered again
    refuse(errno == EINVAL ? "a user who is not root must make the first lab before any thread"
                           : "the kernel lets this user make no namespaces");
  const auto write = [](const char* file, const std::string& text) {
    const Descriptor to(open(file, O_WRONLY | O_CLOEXEC), file);
    if (::write(to.get(), text.data(), text.size()) < 0) refuse(file);
  };
  write("/proc/self/setgroups", "deny");
  write("/proc/self/uid_map", std::format("0 {} 1", user));
  write("/proc/self/gid_map", std::format("0 {} 1", group));
}

namespace {

// A thread makes the namespace; its file keeps it when the thread is gone.
Descriptor make_namespace() {
  Descriptor made;
  std::exception_ptr failure;
  std::thread([&] {
    try {
      if (unshare(CLONE_NEWNET) != 0) refuse("the kernel allows no network namespace");
      made = Descriptor(open(kOwn, O_RDONLY | O_CLOEXEC), kOwn);
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  return made;
}

std::string condition(const Rule& rule) {
  using enum Rule::Protocol;
  std::string text = rule.family == Rule::Family::ipv4   ? "meta nfproto ipv4 "
                     : rule.family == Rule::Family::ipv6 ? "meta nfproto ipv6 "
                                                         : "";
  const std::string protocol = rule.protocol == tcp ? "tcp" : rule.protocol == udp ? "udp" : "{ tcp, udp }";
  if (rule.protocol != any || rule.port != 0) text += "meta l4proto " + protocol + ' ';
  if (rule.port != 0) text += std::format("th dport {} ", rule.port);
  return text + rule.more + ' ';
}

std::string verdict(Rule::Answer answer) {
  switch (answer) {
    case Rule::Answer::reset: return "reject with tcp reset";
    case Rule::Answer::unreachable: return "reject with icmpx type no-route";
    case Rule::Answer::closed: return "reject with icmpx type port-unreachable";
    case Rule::Answer::none: break;
  }
  return "drop";
}

}  // namespace

Host::Host(std::string name) : name_(std::move(name)), namespace_(make_namespace()) { ip("link set lo up"); }

std::vector<std::string> Host::command(std::vector<std::string> words) const {
  std::vector<std::string> whole{"nsenter", std::format("--net=/proc/{}/fd/{}", getpid(), descriptor()), "setpriv",
                                 "--pdeathsig=KILL"};
  whole.insert(whole.end(), std::make_move_iterator(words.begin()), std::make_move_iterator(words.end()));
  return whole;
}

std::string Host::run(const std::string& program, std::string_view input) const {
  const Descriptor file(memfd_create("lines", MFD_CLOEXEC), "a file in memory is needed");
  if (::write(file.get(), input.data(), input.size()) < 0) refuse("a file in memory cannot be written");
  const Inside inside(*this);
  FILE* const child = popen(std::format("{} /proc/{}/fd/{} 2>&1", program, getpid(), file.get()).c_str(), "re");
  if (child == nullptr) refuse("cannot start " + program);
  std::string said;
  for (int c = 0; (c = std::getc(child)) != EOF;) said += static_cast<char>(c);
  const int status = pclose(child);
  if (status != 0 && said.empty()) said = std::format("it ended with status {}", status);
  return status == 0 ? std::string() : said;
}

void Host::ip(std::string_view lines, const std::string& options) const {
  if (const std::string said = run("ip " + options + " -batch", lines); !said.empty())
    throw LabError(std::format("ip does not do in host {}:\n{}\n{}", name_, lines, said));
}

void Host::nft(std::string_view lines) const {
  if (const std::string said = run("nft -f", lines); !said.empty())
    throw LabError(std::format("nft does not do in host {}:\n{}\n{}", name_, lines, said));
}

void Host::forward() const {
  const Inside inside(*this);
  for (const char* file : {"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"}) {
    const Descriptor to(open(file, O_WRONLY | O_CLOEXEC), file);
    if (::write(to.get(), "1", 1) < 0) refuse(file);
  }
}

Inside::Inside(const Host& host) : before_(open(kOwn, O_RDONLY | O_CLOEXEC), kOwn) {
  if (setns(host.descriptor(), CLONE_NEWNET) != 0) refuse("cannot enter host " + host.name());
}

Inside::~Inside() {
  // A thread that cannot go home must not go on elsewhere.
  if (setns(before_.get(), CLONE_NEWNET) != 0) std::terminate();
}

Block::Block(const Host& host, const Rule& rule) : host_(host) {
  static std::atomic<unsigned> next{0};
  table_ = std::format("lab{}", next++);
  host.nft(std::format("table inet {} {{\n chain in {{ type filter hook input priority 0;\n  {}{}\n }}\n}}\n", table_,
                       condition(rule), verdict(rule.answer)));
}

Block::~Block() {
  try {
    host_.nft("delete table inet " + table_ + '\n');
  } catch (const LabError& error) {
    std::fprintf(stderr, "netlab: %s\n", error.what());
  }
}

}  // namespace trellis::netlab
