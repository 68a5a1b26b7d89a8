// tls_record.cc: the record layer alone, in memory, against the TLS channel of the library whose ciphers it uses.
//
// Both seal and open records of 16 KiB with AES-128-GCM on one processor and hand them over without a copy on the way.
// The application's data is copied once on our side, into the block it is sealed in.
#include <botan/credentials_manager.h>
#include <botan/ec_group.h>
#include <botan/ecdsa.h>
#include <botan/system_rng.h>
#include <botan/tls.h>
#include <botan/tls_session_manager_noop.h>

#include <cstring>
#include <vector>

#include "laps.h"
#include "loop/block_pool.h"
#include "record/record_cutter.h"
#include "record/record_opener.h"
#include "record/record_sealer.h"
#include "rows.h"

namespace trellis::bench {
namespace tls_record_row {

constexpr std::size_t kRecords = 32;  // in a lap
// Short measurements in many pairs: what a processor does at a time goes up and down within seconds, and the two ends
// of a pair shall see the same.
constexpr std::size_t kLaps = 200;
constexpr int kPairs = 41;
constexpr double kGiga = 1e9;

const std::vector<std::uint8_t>& data() {
  static const std::vector<std::uint8_t> bytes(tls::kPlaintextMax, 7);
  return bytes;
}

double rate(const Laps& laps) { return static_cast<double>(kRecords * data().size()) / laps.typical() / kGiga; }

double ours() {
  SizeClassPool pool;
  const std::vector<std::byte> bytes(32, std::byte{5});
  const auto secret = tls::TrafficSecret::make(tls::CipherSuite::aes_128_gcm_sha256, bytes);
  tls::RecordSealer sealer(*tls::RecordKey::derive(*secret, tls::Direction::seal));
  tls::RecordOpener opener(*tls::RecordKey::derive(*secret, tls::Direction::open));
  tls::RecordCutter cutter;
  Batch plain, wire;
  Laps laps(kLaps);
  laps.begin();
  while (laps.count() < kLaps) {
    for (std::size_t i = 0; i < kRecords; ++i) {
      plain.add({pool.allocate(tls::kHeadroom, tls::kPlaintextMax, tls::kTailroom)});
      std::memcpy(plain.back().data.edit().data(), data().data(), data().size());
      if (!sealer.seal(tls::ContentType::application_data, plain, wire, pool)) die("tls-record: seal");
      auto record = cutter.next(wire, pool);
      const auto opened = opener.open(std::move(*record));
      if (!opened || opened->payload.size() != data().size()) die("tls-record: open");
    }
    laps.lap();
  }
  return rate(laps);
}

// One end of a TLS 1.3 connection. What it emits the peer gets at once, after the handshake.
struct End final : Botan::TLS::Callbacks {
  void tls_emit_data(std::span<const std::uint8_t> bytes) override {
    if (direct) {
      peer->received_data(bytes);
    } else {
      held.insert(held.end(), bytes.begin(), bytes.end());
    }
  }
  void tls_record_received(std::uint64_t, std::span<const std::uint8_t> bytes) override { received += bytes.size(); }
  void tls_alert(Botan::TLS::Alert) override {}
  void tls_verify_raw_public_key(const Botan::Public_Key&, Botan::Usage_Type, std::string_view,
                                 const Botan::TLS::Policy&) override {}
  void flush() {
    const auto bytes = std::exchange(held, {});
    peer->received_data(bytes);
  }
  Botan::TLS::Channel* peer = nullptr;
  std::vector<std::uint8_t> held;
  std::size_t received = 0;
  bool direct = false;
};

struct Plain final : Botan::TLS::Policy {
  bool allow_tls12() const override { return false; }
  std::vector<std::string> allowed_ciphers() const override { return {"AES-128/GCM"}; }
  std::size_t new_session_tickets_upon_handshake_success() const override { return 0; }
  std::vector<Botan::TLS::Certificate_Type> accepted_server_certificate_types() const override {
    return {Botan::TLS::Certificate_Type::RawPublicKey};
  }
};

struct Keys final : Botan::Credentials_Manager {
  explicit Keys(Botan::RandomNumberGenerator& random)
      : own(std::make_shared<Botan::ECDSA_PrivateKey>(random, Botan::EC_Group::from_name("secp256r1"))) {}
  std::shared_ptr<Botan::Public_Key> find_raw_public_key(const std::vector<std::string>&, const std::string&,
                                                         const std::string&) override {
    return own->public_key();
  }
  std::shared_ptr<Botan::Private_Key> private_key_for(const Botan::Public_Key&, const std::string&,
                                                      const std::string&) override {
    return own;
  }
  std::shared_ptr<Botan::Private_Key> own;
};

double botan() {
  const auto random = std::make_shared<Botan::System_RNG>();
  const auto keys = std::make_shared<Keys>(*random);
  const auto policy = std::make_shared<Plain>();
  const auto sessions = std::make_shared<Botan::TLS::Session_Manager_Noop>();
  const auto at_client = std::make_shared<End>(), at_server = std::make_shared<End>();
  Botan::TLS::Server server(at_server, sessions, keys, policy, random);
  Botan::TLS::Client client(at_client, sessions, keys, policy, random, Botan::TLS::Server_Information("localhost", 1),
                            Botan::TLS::Protocol_Version::TLS_V13);
  at_client->peer = &server;
  at_server->peer = &client;
  for (int flight = 0; flight < 3; ++flight) {
    at_client->flush();
    at_server->flush();
  }
  if (!server.is_handshake_complete()) die("tls-record: the baseline's handshake");
  at_client->direct = true;
  Laps laps(kLaps);
  laps.begin();
  while (laps.count() < kLaps) {
    at_server->received = 0;
    for (std::size_t i = 0; i < kRecords; ++i) client.send(data());
    if (at_server->received != kRecords * data().size()) die("tls-record: the baseline's data");
    laps.lap();
  }
  return rate(laps);
}

}  // namespace tls_record_row

Row tls_record() {
  using namespace tls_record_row;
  return {.name = "tls-record",
          .about = "sealing and opening TLS records of 16 KiB in memory, against Botan's channel",
          .unit = "GB/s",
          .better = Better::higher,
          .target = 8,
          .ours = ours,
          .baseline = botan,
          .pairs = kPairs};
}

}  // namespace trellis::bench
