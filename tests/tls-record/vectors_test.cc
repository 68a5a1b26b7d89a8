// Keys and records against numbers that others have computed: RFC 8448 section 3, TCPLS' construction of nonces, and
// OpenSSL's key derivation and ciphers.
#include "record_world.h"

namespace trellis::tls::tests {
namespace {

constexpr char kClientSecret[] = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
constexpr char kServerSecret[] = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";
constexpr char kClientKey[] = "17422dda596ed5d9acd890e3c63f5051";
constexpr char kClientIv[] = "5b78923dee08579033e523d9";
constexpr char kServerKey[] = "9f02283b6c9c07efc26bb9f2ac92e356";
constexpr char kServerIv[] = "cf782b88dd83549aadf1e984";

Bytes counting(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

std::string expand(CipherSuite suite, const Bytes& secret, std::string_view label, std::size_t size) {
  Bytes out(size);
  EXPECT_TRUE(hkdf_expand_label(suite, secret, label, {}, out).has_value());
  return hex(out);
}

std::shared_ptr<RecordKey> raw_key(const char* key, const char* iv, Direction direction) {
  auto made = RecordKey::make(CipherSuite::aes_128_gcm_sha256, hex(key), hex(iv), direction);
  EXPECT_TRUE(made.has_value());
  return *made;
}

std::string sealed_by(RecordSealer& sealer, ContentType type, const Bytes& plain) {
  SizeClassPool pool;
  Batch out;
  EXPECT_TRUE(sealer.seal(type, slice(pool, plain), out, pool).has_value());
  return hex(all_of(out));
}

TEST(Vectors, KeysOfTheSimpleHandshakeInRfc8448) {
  const auto suite = CipherSuite::aes_128_gcm_sha256;
  EXPECT_EQ(expand(suite, hex(kClientSecret), "key", 16), kClientKey);
  EXPECT_EQ(expand(suite, hex(kClientSecret), "iv", 12), kClientIv);
  EXPECT_EQ(expand(suite, hex(kServerSecret), "key", 16), kServerKey);
  EXPECT_EQ(expand(suite, hex(kServerSecret), "iv", 12), kServerIv);
}

TEST(Vectors, KeysThatOpensslDerives) {
  const auto aes_256 = CipherSuite::aes_256_gcm_sha384;
  EXPECT_EQ(expand(aes_256, counting(48), "key", 32),
            "6877d022f1c61d24ebb7487c16752d9a4798e40431c75b39320e537c90e23225");
  EXPECT_EQ(expand(aes_256, counting(48), "iv", 12), "42822531a0fe88648fc09e9f");
  const auto chacha = CipherSuite::chacha20_poly1305_sha256;
  EXPECT_EQ(expand(chacha, counting(32), "key", 32),
            "2ffbc449e87844051c7768f61ffd8ad070830f01ec2c520ef65f08e8296dffa0");
  EXPECT_EQ(expand(chacha, counting(32), "iv", 12), "2f41c846a431a163814bcd71");
}

TEST(Vectors, TheNextTrafficSecret) {
  const auto short_one = TrafficSecret::make(CipherSuite::aes_128_gcm_sha256, hex(kClientSecret));
  EXPECT_EQ(hex(short_one->next()->bytes()), "fcdfcc72725aaee48bf64e4fd8b749cdbdbab39d90da0b26e2245ca6ea167207");
  const auto long_one = TrafficSecret::make(CipherSuite::aes_256_gcm_sha384, counting(48));
  EXPECT_EQ(hex(long_one->next()->bytes()),
            "401331b63e9d59f202e8f041042d9516f4cd7fa2e2ee14631d3b49fc340d7af37fc2c0c9f252d8036f81ec5b85cbe5db");
}

// TCPLS-37
TEST(Vectors, RecordsOfTheSimpleHandshakeInRfc8448) {
  RecordSealer client(
      *RecordKey::derive(*TrafficSecret::make(CipherSuite::aes_128_gcm_sha256, hex(kClientSecret)), Direction::seal));
  EXPECT_EQ(sealed_by(client, ContentType::application_data, counting(50)),
            "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a"
            "6292a2977014bd1e3deae63aeebb21694915e4");
  EXPECT_EQ(sealed_by(client, ContentType::alert, hex("0100")), "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3");

  RecordOpener server_side(raw_key(kServerKey, kServerIv, Direction::open), 0, 1);  // its ticket was record 0
  SizeClassPool pool;
  auto data = server_side.open(
      slice(pool, hex("17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8"
                      "fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d")));
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->type, ContentType::application_data);
  EXPECT_EQ(hex(data->payload.bytes()), hex(counting(50)));
  auto alert = server_side.open(slice(pool, hex("1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9")));
  ASSERT_TRUE(alert.has_value());
  EXPECT_EQ(alert->type, ContentType::alert);
  EXPECT_EQ(alert->alert, AlertDescription::close_notify);
  EXPECT_TRUE(server_side.closed());
}

TEST(Vectors, RecordsOfTheOtherSuites) {
  const std::pair<CipherSuite, const char*> expected[] = {
      {CipherSuite::aes_256_gcm_sha384, "17030300162d87c1ca135c59b86ee9f205f4b65ea47d9adf531c06"},
      {CipherSuite::chacha20_poly1305_sha256, "170303001673892e47d1ce7570f5f45c80aa6b591d0cb169266504"}};
  for (const auto& [suite, record] : expected) {
    const auto secret = *TrafficSecret::make(suite, counting(secret_size(suite)));
    RecordSealer sealer(*RecordKey::derive(secret, Direction::seal), 0, 258);
    EXPECT_EQ(sealed_by(sealer, ContentType::application_data, text("hello")), record);
  }
}

// TCPLS-5, TCPLS-36
TEST(Vectors, NoncesOfTcpls) {
  const auto client = raw_key(kClientKey, kClientIv, Direction::seal);
  EXPECT_EQ(hex(client->nonce(0, 0)), "5b78923dee08579033e523d9");
  EXPECT_EQ(hex(client->nonce(0, 1)), "5b78923dee08579033e523d8");
  EXPECT_EQ(hex(client->nonce(1, 0)), "5b78923cee08579033e523d9");
  EXPECT_EQ(hex(client->nonce(1, 1)), "5b78923cee08579033e523d8");
  EXPECT_EQ(hex(client->nonce(255, 0x0102030405060708)), "5b7892c2ef0a549436e324d1");
  const auto server = raw_key(kServerKey, kServerIv, Direction::seal);
  EXPECT_EQ(hex(server->nonce(1, 0)), "cf782b89dd83549aadf1e984");
  EXPECT_EQ(hex(server->nonce(255, 0x0102030405060708)), "cf782b77dc81579ea8f7ee8c");
}

// TCPLS-17, TCPLS-38
TEST(Vectors, RecordsOfTcplsShareAKey) {
  const auto client_key = raw_key(kClientKey, kClientIv, Direction::seal);
  RecordSealer first(client_key, 0), second(client_key, 1);
  const Bytes stream = hex("03000000000000000000000000000568656c6c6f");
  EXPECT_EQ(sealed_by(first, ContentType::application_data, stream),
            "1703030025a13e7257b22992d7a7f3f48924b75eac9ad1943efa952147db74d80b2163bec6e59c18e9a5");
  EXPECT_EQ(sealed_by(second, ContentType::application_data, stream),
            "170303002522da8cb9042f6f8c8f97e4938fbf859843fe1a6c2eca76d685c1cb80710b131867fe45e7e2");
  EXPECT_EQ(sealed_by(second, ContentType::alert, hex("0100")), "1703030013b810fb7399d3f953a16a680133c70b319783e5");
  const auto server_key = raw_key(kServerKey, kServerIv, Direction::seal);
  RecordSealer joined(server_key, 1);
  EXPECT_EQ(sealed_by(joined, ContentType::application_data, hex("0104000000010000000000000000")),
            "170303001fe9059f4c55369e4cce1491ef7a4f4595a013a065804790a7db7c9c867525a3");
  RecordSealer token(server_key, 0, 1);
  EXPECT_EQ(sealed_by(token, ContentType::application_data,
                      hex("0501000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")),
            "17030300332b937c13e94cc542eb36af340659c6a6772cfe3023d65d80a41534e108fcfb7faed8eabb61542df68457e58c058fbf5"
            "20d9d60");
}

TEST(Vectors, WrongSizesAreRefused) {
  const auto suite = CipherSuite::aes_256_gcm_sha384;
  const auto short_secret = TrafficSecret::make(suite, counting(32));
  ASSERT_FALSE(short_secret.has_value());
  EXPECT_EQ(short_secret.error().reason, Reason::invalid_argument);
  EXPECT_EQ(short_secret.error().detail, "a traffic secret of 32 bytes for suite 0x1302, whose hash has 48");
  const auto short_key = make_aead(suite, counting(16), Direction::seal);
  ASSERT_FALSE(short_key.has_value());
  EXPECT_EQ(short_key.error().detail, "a key of 16 bytes for AES-256/GCM, which needs 32");
  const auto short_iv = RecordKey::make(suite, counting(32), counting(8), Direction::seal);  // TCPLS-41
  ASSERT_FALSE(short_iv.has_value());
  EXPECT_EQ(short_iv.error().detail, "an IV of 8 bytes instead of 12");
}

}  // namespace
}  // namespace trellis::tls::tests
