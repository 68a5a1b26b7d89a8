#include "dns_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include "trellis/address_text.h"

namespace trellis::tests {
namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  if (text.ends_with('.')) text.pop_back();
  return text;
}

Slice slice_of(Executor& executor, std::span<const std::byte> bytes) {
  Slice slice = executor.pool().allocate(0, static_cast<std::uint32_t>(bytes.size()), 0);
  std::ranges::copy(bytes, slice.edit().begin());
  return slice;
}

void put_parameter(ares_dns_rr_t* rr, const std::string& word) {
  const std::string name = word.substr(0, word.find('=')), value = word.substr(std::min(word.size(), name.size() + 1));
  std::vector<unsigned char> bytes;
  std::istringstream parts(value);
  unsigned short key = 0;
  for (std::string part; std::getline(parts, part, ',');) {
    if (name == "alpn") {
      key = ARES_SVCB_PARAM_ALPN;
      bytes.push_back(static_cast<unsigned char>(part.size()));
      bytes.insert(bytes.end(), part.begin(), part.end());
    } else if (name == "port" || name == "mandatory") {
      key = name == "port" ? ARES_SVCB_PARAM_PORT : ARES_SVCB_PARAM_MANDATORY;
      const int number = std::stoi(part);
      bytes.push_back(static_cast<unsigned char>(number >> 8));
      bytes.push_back(static_cast<unsigned char>(number));
    } else if (name == "hint") {
      const Address address = parse_address(part, 0).value();
      const bool ipv4 = address.family == Address::Family::ipv4;
      key = ipv4 ? ARES_SVCB_PARAM_IPV4HINT : ARES_SVCB_PARAM_IPV6HINT;
      bytes.insert(bytes.end(), address.ip.begin(), address.ip.begin() + (ipv4 ? 4 : 16));
    } else if (name.starts_with("key")) {
      key = static_cast<unsigned short>(std::stoi(name.substr(3)));
      bytes.insert(bytes.end(), part.begin(), part.end());
    }
  }
  if (name == "no-default-alpn") key = ARES_SVCB_PARAM_NO_DEFAULT_ALPN;
  EXPECT_EQ(ares_dns_rr_set_opt(rr, ARES_RR_HTTPS_PARAMS, key, bytes.data(), bytes.size()), ARES_SUCCESS);
}

void put(ares_dns_record_t* answer, std::string& owner, ares_dns_rec_type_t type, const std::string& text, unsigned ttl,
         ares_dns_section_t section = ARES_SECTION_ANSWER) {
  const bool alias = text.starts_with("> ");
  ares_dns_rr_t* rr = nullptr;
  ASSERT_EQ(ares_dns_record_rr_add(&rr, answer, section, owner.c_str(), alias ? ARES_REC_TYPE_CNAME : type,
                                   ARES_CLASS_IN, ttl),
            ARES_SUCCESS);
  std::istringstream words(text);
  if (alias) {
    owner = text.substr(2);
    ares_dns_rr_set_str(rr, ARES_RR_CNAME_CNAME, owner.c_str());
  } else if (type == ARES_REC_TYPE_A || type == ARES_REC_TYPE_AAAA) {
    const Address address = parse_address(text, 0).value();
    if (type == ARES_REC_TYPE_A) {
      in_addr ip{};
      std::memcpy(&ip, address.ip.data(), 4);
      ares_dns_rr_set_addr(rr, ARES_RR_A_ADDR, &ip);
    } else {
      ares_in6_addr ip{};
      std::memcpy(&ip, address.ip.data(), 16);
      ares_dns_rr_set_addr6(rr, ARES_RR_AAAA_ADDR, &ip);
    }
  } else if (type == ARES_REC_TYPE_PTR) {
    ares_dns_rr_set_str(rr, ARES_RR_PTR_DNAME, text.c_str());
  } else if (type == ARES_REC_TYPE_SRV) {
    unsigned short priority = 0, weight = 0, port = 0;
    std::string target;
    words >> priority >> weight >> port >> target;
    ares_dns_rr_set_u16(rr, ARES_RR_SRV_PRIORITY, priority);
    ares_dns_rr_set_u16(rr, ARES_RR_SRV_WEIGHT, weight);
    ares_dns_rr_set_u16(rr, ARES_RR_SRV_PORT, port);
    ares_dns_rr_set_str(rr, ARES_RR_SRV_TARGET, target.c_str());
  } else {
    unsigned short priority = 0;
    std::string target;
    words >> priority >> target;
    ares_dns_rr_set_u16(rr, ARES_RR_HTTPS_PRIORITY, priority);
    ares_dns_rr_set_str(rr, ARES_RR_HTTPS_TARGET, target.c_str());
    for (std::string word; words >> word;) put_parameter(rr, word);
  }
}

void put_soa(ares_dns_record_t* answer, const char* owner, unsigned ttl) {
  ares_dns_rr_t* rr = nullptr;
  ares_dns_record_rr_add(&rr, answer, ARES_SECTION_AUTHORITY, owner, ARES_REC_TYPE_SOA, ARES_CLASS_IN, ttl);
  ares_dns_rr_set_str(rr, ARES_RR_SOA_MNAME, "ns.example");
  ares_dns_rr_set_str(rr, ARES_RR_SOA_RNAME, "admin.example");
  ares_dns_rr_set_u32(rr, ARES_RR_SOA_MINIMUM, ttl);
}

}  // namespace

// A client over TCP.
struct DnsServer::Peer final : SocketEvents {
  Peer(DnsServer& server, std::unique_ptr<Socket> accepted) : owner(server), socket(std::move(accepted)) {
    (void)socket->watch(*this, Ready::readable);
  }
  void on_ready(Socket&, Ready) noexcept override {
    Batch in;
    (void)socket->receive(in, 65536);
    for (const Chunk& chunk : in) come.insert(come.end(), chunk.data.bytes().begin(), chunk.data.bytes().end());
    while (come.size() >= 2) {
      const std::size_t size = std::to_integer<std::size_t>(come[0]) << 8 | std::to_integer<std::size_t>(come[1]);
      if (come.size() < size + 2) return;
      const DnsBytes question(come.begin() + 2, come.begin() + 2 + static_cast<std::ptrdiff_t>(size));
      come.erase(come.begin(), come.begin() + 2 + static_cast<std::ptrdiff_t>(size));
      owner.question(question, false, [this](DnsBytes answer) {
        answer.insert(answer.begin(), {std::byte(answer.size() >> 8), std::byte(answer.size())});
        out.add(Chunk{.data = slice_of(owner.executor_, answer)});
        (void)socket->send(out);
      });
    }
    (void)socket->send(out);
  }
  DnsServer& owner;
  std::unique_ptr<Socket> socket;
  DnsBytes come;
  Batch out;
};

struct DnsServer::Late final : Alarm {
  void on_alarm() noexcept override { happen(); }
  std::function<void()> happen;
};

DnsServer::DnsServer(Executor& executor, const Address& at) : executor_(executor), at_(at) {
  SocketSpec spec{
      .kind = SocketSpec::Kind::datagram, .role = SocketSpec::Role::unconnected, .family = at.family, .local = at};
  udp_ = std::move(*executor.sockets().open(spec));
  at_ = udp_->local();
  spec.kind = SocketSpec::Kind::stream;
  spec.role = SocketSpec::Role::listen;
  spec.local = at_;
  tcp_ = std::move(*executor.sockets().open(spec));
  EXPECT_TRUE(tcp_->listen(16));
  (void)udp_->watch(*this, Ready::readable);
  (void)tcp_->watch(*this, Ready::readable);
}
DnsServer::~DnsServer() = default;

void DnsServer::join(unsigned interface_index) {
  ip_mreqn group{};
  inet_pton(AF_INET, "224.0.0.251", &group.imr_multiaddr);
  group.imr_ifindex = static_cast<int>(interface_index);
  const auto joined = udp_->set(IPPROTO_IP, IP_ADD_MEMBERSHIP, std::as_bytes(std::span(&group, 1)));
  EXPECT_TRUE(joined) << joined.error().detail;
}

DnsRule& DnsServer::on(std::string_view type, std::string_view name) {
  return rules_[std::string(type) + " " + lower(std::string(name))];
}

std::size_t DnsServer::asked(std::string_view type, std::string_view name) const {
  const std::string start = std::string(type) + " " + lower(std::string(name)) + " ";
  return static_cast<std::size_t>(
      std::ranges::count_if(log, [&](const auto& line) { return line.starts_with(start); }));
}

void DnsServer::on_ready(Socket& socket, Ready) noexcept {
  if (&socket == tcp_.get()) return accept();
  Batch in;
  (void)udp_->receive(in, 65536);
  while (!in.empty()) {
    const Chunk chunk = in.pop();
    const Address peer = chunk.info->remote, local = chunk.info->local;
    question(chunk.data.bytes(), true, [this, peer, local](const DnsBytes& answer) {
      Chunk out{.data = slice_of(executor_, answer), .info = new_message(), .end_of_message = true};
      out.info->remote = peer;
      if (at_.ip != decltype(at_.ip){}) out.info->local = local;  // else it may be that of a group
      Batch batch;
      batch.add(std::move(out));
      (void)udp_->send(batch);
    });
  }
}

void DnsServer::accept() {
  auto accepted = tcp_->accept();
  if (accepted && accepted->socket) peers_.push_back(std::make_unique<Peer>(*this, std::move(accepted->socket)));
}

void DnsServer::question(std::span<const std::byte> bytes, bool udp, Reply reply) {
  ares_dns_record_t* parsed = nullptr;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  ASSERT_EQ(ares_dns_parse(data, bytes.size(), 0, &parsed), ARES_SUCCESS);
  const std::unique_ptr<ares_dns_record_t, decltype(&ares_dns_record_destroy)> asked(parsed, ares_dns_record_destroy);
  const char* name = nullptr;
  ares_dns_rec_type_t type{};
  ares_dns_record_query_get(parsed, 0, &name, &type, nullptr);
  const std::string key = std::string(ares_dns_rec_type_tostr(type)) + " " + lower(name);
  log.push_back(key + (udp ? " udp" : " tcp"));
  const auto found = rules_.find(key);
  DnsRule none{.code = ARES_RCODE_NXDOMAIN};
  // A name that has other records exists.
  for (const auto& [other, rule] : rules_) {
    if (other.ends_with(" " + lower(name))) none.code = ARES_RCODE_NOERROR;
  }
  DnsRule& rule = found == rules_.end() ? none : found->second;
  if (rule.ignore > 0) {
    --rule.ignore;
    return;
  }
  DnsBytes out = answer(*parsed, rule, udp && rule.truncate, found != rules_.end());
  if (rule.other_id) out[0] ^= std::byte{0xff};
  if (rule.damage) out = rule.damage(std::move(out));
  if (rule.after == Duration{}) return reply(std::move(out));
  Late& late = *late_.emplace_back(std::make_unique<Late>());
  late.happen = [reply = std::move(reply), out = std::move(out)] { reply(out); };
  late.arm(executor_, executor_.now() + rule.after);
}

DnsBytes DnsServer::answer(const ares_dns_record_t& question, const DnsRule& rule, bool truncated, bool) const {
  const char* name = nullptr;
  ares_dns_rec_type_t type{};
  ares_dns_class_t in{};
  ares_dns_record_query_get(&question, 0, &name, &type, &in);
  ares_dns_record_t* made = nullptr;
  unsigned short flags = ARES_FLAG_QR | ARES_FLAG_RD | ARES_FLAG_RA;
  if (truncated) flags |= ARES_FLAG_TC;
  ares_dns_record_create(&made, ares_dns_record_get_id(&question), flags, ARES_OPCODE_QUERY, rule.code);
  ares_dns_record_query_add(made, name, type, in);
  std::string owner = name;
  if (!truncated) {
    for (const std::string& record : rule.records) put(made, owner, type, record, rule.ttl);
    for (const std::string& record : rule.more) {
      std::istringstream words(record);
      std::string kind, name_of, data;
      std::getline(words >> kind >> name_of >> std::ws, data);
      ares_dns_rec_type_t of{};
      ares_dns_rec_type_fromstr(&of, kind.c_str());
      put(made, name_of, of, data, rule.ttl, ARES_SECTION_ADDITIONAL);
    }
    if (rule.negative_ttl > 0) put_soa(made, name, rule.negative_ttl);
  }
  unsigned char* bytes = nullptr;
  std::size_t size = 0;
  EXPECT_EQ(ares_dns_write(made, &bytes, &size), ARES_SUCCESS);
  DnsBytes out(size);
  if (size > 0) std::memcpy(out.data(), bytes, size);
  ares_free_string(bytes);
  ares_dns_record_destroy(made);
  return out;
}

}  // namespace trellis::tests
