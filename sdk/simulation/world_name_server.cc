#include "simulation/world_name_server.h"

#include <algorithm>

namespace trellis::simulation {
namespace {

constexpr std::size_t kHeader = 12, kQuestionMost = 512;
constexpr unsigned kA = 1, kAaaa = 28, kInternet = 1;
constexpr unsigned kServerFailure = 2, kNoSuchName = 3;
constexpr std::uint32_t kTimeToLive = 60;

using Bytes = std::vector<std::byte>;

unsigned number_at(std::span<const std::byte> bytes, std::size_t at) {
  return std::to_integer<unsigned>(bytes[at]) << 8 | std::to_integer<unsigned>(bytes[at + 1]);
}

void put(Bytes& out, std::uint32_t value, int bytes) {
  while (bytes-- > 0) out.push_back(std::byte(value >> (8 * bytes)));
}

struct Question {
  std::string host;
  unsigned type = 0;
  std::size_t end = 0;  // behind it
};

/// The one question of a message; none: it is malformed, or something else.
std::optional<Question> read_question(std::span<const std::byte> message) {
  if (message.size() < kHeader || message.size() > kQuestionMost || number_at(message, 4) != 1) return std::nullopt;
  if ((std::to_integer<unsigned>(message[2]) & 0x80) != 0) return std::nullopt;  // an answer
  Question question;
  std::size_t at = kHeader;
  while (at < message.size() && message[at] != std::byte{0}) {
    const auto label = std::to_integer<std::size_t>(message[at++]);
    if (label > 63 || at + label > message.size()) return std::nullopt;
    if (!question.host.empty()) question.host += '.';
    for (std::size_t i = 0; i < label; ++i) {
      const char c = static_cast<char>(message[at++]);
      question.host += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  question.end = at + 5;
  if (question.end > message.size() || number_at(message, at + 3) != kInternet) return std::nullopt;
  question.type = number_at(message, at + 1);
  return question;
}

/// The answer to a question, with a response code and addresses.
Bytes write_answer(std::span<const std::byte> asked, const Question& question, unsigned code,
                   const std::vector<Address>& addresses) {
  Bytes out(asked.begin(), asked.begin() + static_cast<std::ptrdiff_t>(question.end));
  out[2] = std::byte{0x84} | (asked[2] & std::byte{0x01});  // an answer, of authority; whether recursion was asked for
  out[3] = std::byte(0x80 | code);
  out[6] = std::byte(addresses.size() >> 8);
  out[7] = std::byte(addresses.size());
  std::fill(out.begin() + 8, out.begin() + kHeader, std::byte{0});
  for (const Address& address : addresses) {
    const std::size_t size = address.family == Address::Family::ipv4 ? 4 : 16;
    put(out, 0xc000 | kHeader, 2);  // the name is that of the question
    put(out, question.type, 2);
    put(out, kInternet, 2);
    put(out, kTimeToLive, 4);
    put(out, static_cast<std::uint32_t>(size), 2);
    for (std::size_t i = 0; i < size; ++i) out.push_back(std::byte(address.ip[i]));
  }
  return out;
}

}  // namespace

struct WorldNameServer::Reply final : Alarm {
  Reply(WorldNameServer& of, Bytes bytes, const Address& to) : server(of), message(std::move(bytes)), peer(to) {}
  void on_alarm() noexcept override {
    server.send(message, peer);
    std::erase_if(server.replies_, [this](const auto& one) { return one.get() == this; });
  }
  WorldNameServer& server;
  Bytes message;
  Address peer;
};

WorldNameServer::WorldNameServer(Executor& executor, Address at, Zone zone)
    : executor_(executor), zone_(std::move(zone)) {
  at.port = kPort;
  auto opened = executor.sockets().open(
      {.kind = SocketSpec::Kind::datagram, .role = SocketSpec::Role::unconnected, .family = at.family, .local = at});
  if (!opened) return;
  socket_ = std::move(*opened);
  (void)socket_->watch(*this, Ready::readable);
}

WorldNameServer::~WorldNameServer() = default;

void WorldNameServer::on_ready(Socket&, Ready) noexcept {
  Batch come;
  (void)socket_->receive(come, 64 * 1024);
  while (!come.empty()) {
    const Chunk datagram = come.pop();
    if (datagram.info) take(datagram.data.bytes(), datagram.info->remote);
  }
}

void WorldNameServer::take(std::span<const std::byte> message, const Address& peer) {
  const auto question = read_question(message);
  if (!question) return;
  const auto said = zone_(question->host);
  SimRecords records;
  if (said && question->type == kAaaa) records = said->ipv6;
  if (said && question->type == kA) records = said->ipv4;
  if (records.outcome == SimRecords::Outcome::ignore) return;
  const unsigned code = !said ? kNoSuchName : records.outcome == SimRecords::Outcome::fail ? kServerFailure : 0;
  auto& reply = *replies_.emplace_back(
      std::make_unique<Reply>(*this, write_answer(message, *question, code, records.addresses), peer));
  reply.arm(executor_, executor_.now() + records.after);
}

void WorldNameServer::send(const Bytes& message, const Address& peer) {
  Chunk chunk{.data = executor_.pool().allocate(0, static_cast<std::uint32_t>(message.size()), 0),
              .info = new_message(),
              .end_of_message = true};
  std::ranges::copy(message, chunk.data.edit().begin());
  chunk.info->remote = peer;
  Batch batch;
  batch.add(std::move(chunk));
  (void)socket_->send(batch);
}

}  // namespace trellis::simulation
