// tls_bulk.cc: bulk transfer over one TLS connection with AES-128-GCM, between two processes with a processor each.
//
// Baselines: a C program on OpenSSL that gives SSL_write and SSL_read 16 KiB at a time, and Botan's own channel. As in
// tcp_bulk.cc, processor time is the steadier measure of the two.
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "our_transfer.h"
#include "process.h"
#include "raw_sockets.h"
#include "rows.h"
#include "tls_ends.h"

namespace trellis::bench {
namespace tls_bulk_row {

constexpr std::size_t kTotal = std::size_t{512} << 20;
constexpr std::uint32_t kRecord = 16 << 10;
constexpr std::uint32_t kMessage = 64 << 10;
constexpr std::size_t kReadBytes = 256 << 10;

[[noreturn]] void fail_here(const char* what) {
  errno = 0;
  die(what);
}

// ---- OpenSSL, on blocking sockets

int accept_one(const Outlet& out) {
  const RawListener listener = raw_listen();
  out.put(ntohs(listener.address.sin_port));
  const Epoll epoll;
  epoll.add(listener.descriptor, EPOLLIN);
  epoll_event event;
  check(epoll_wait(epoll.descriptor(), &event, 1, -1), "epoll_wait");
  return check(accept(listener.descriptor, nullptr, nullptr), "accept");
}

SSL* openssl_end(int descriptor, bool server) {
  SSL_CTX* const context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set1_groups_list(context, "X25519");
  const bool good =
      server ? SSL_CTX_use_certificate_chain_file(context, (kTestPki + "/server.pem").c_str()) == 1 &&
                   SSL_CTX_use_PrivateKey_file(context, (kTestPki + "/server.key").c_str(), SSL_FILETYPE_PEM) == 1
             : SSL_CTX_load_verify_locations(context, (kTestPki + "/ca.pem").c_str(), nullptr) == 1;
  if (!good) fail_here("tls-bulk: OpenSSL does not take the certificate");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL* const ssl = SSL_new(context);
  SSL_set_fd(ssl, descriptor);
  if ((server ? SSL_accept(ssl) : SSL_connect(ssl)) != 1) fail_here("tls-bulk: OpenSSL's handshake failed");
  return ssl;
}

void receive_openssl(const Outlet& out) {
  SSL* const ssl = openssl_end(accept_one(out), true);
  const Meter meter;
  static std::array<char, kRecord> buffer;
  std::size_t got = 0;
  for (int n; (n = SSL_read(ssl, buffer.data(), buffer.size())) > 0;) got += static_cast<std::size_t>(n);
  out.put(meter.used());
  if (got != kTotal) fail_here("tls-bulk: bytes are missing");
}

Used send_openssl(std::uint16_t port) {
  const int descriptor = raw_dial(raw_address(port));
  set_no_delay(descriptor);
  SSL* const ssl = openssl_end(descriptor, false);
  static std::array<char, kRecord> buffer;
  const Meter meter;
  for (std::size_t sent = 0; sent < kTotal; sent += buffer.size()) {
    if (SSL_write(ssl, buffer.data(), buffer.size()) <= 0) fail_here("tls-bulk: SSL_write");
  }
  SSL_shutdown(ssl);
  char rest;
  SSL_read(ssl, &rest, 1);
  return meter.used();
}

// ---- Botan's channel, on blocking sockets

void write_all(int descriptor, std::vector<std::uint8_t>& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    done += static_cast<std::size_t>(check(send(descriptor, bytes.data() + done, bytes.size() - done, 0), "send"));
  }
  bytes.clear();
}

// False: the peer has finished.
bool read_some(int descriptor, ChannelEnd& end) {
  static std::array<std::uint8_t, kReadBytes> buffer;
  const ssize_t n = check(recv(descriptor, buffer.data(), buffer.size(), 0), "recv");
  end.feed(std::span(buffer).first(static_cast<std::size_t>(n)));
  return n > 0;
}

void receive_botan(const Outlet& out) {
  const int descriptor = accept_one(out);
  ChannelEnd end(true);
  while (!end.channel().is_handshake_complete()) {
    read_some(descriptor, end);
    write_all(descriptor, end.output);
  }
  const Meter meter;
  while (end.received < kTotal && read_some(descriptor, end)) {
  }
  out.put(meter.used());
  if (end.received != kTotal) fail_here("tls-bulk: bytes are missing");
}

Used send_botan(std::uint16_t port) {
  const int descriptor = raw_dial(raw_address(port));
  set_no_delay(descriptor);
  ChannelEnd end(false);
  write_all(descriptor, end.output);
  while (!end.channel().is_handshake_complete()) {
    read_some(descriptor, end);
    write_all(descriptor, end.output);
  }
  const std::vector<std::uint8_t> message(kMessage);
  const Meter meter;
  for (std::size_t sent = 0; sent < kTotal; sent += message.size()) {
    end.channel().send(message);
    write_all(descriptor, end.output);
  }
  shutdown(descriptor, SHUT_WR);
  return meter.used();
}

Transfer ours() { return our_transfer(tls_stack(), {.bytes = kTotal, .message = kRecord}); }
Transfer openssl() { return transfer(kTotal, receive_openssl, send_openssl); }
Transfer botan() { return transfer(kTotal, receive_botan, send_botan); }

}  // namespace tls_bulk_row

Row tls_bulk_cpu() {
  using namespace tls_bulk_row;
  return {.name = "tls-bulk-cpu",
          .about = "processor time of both ends per GiB over TLS, AES-128-GCM; baseline: OpenSSL, 16 KiB at a time",
          .unit = "s/GiB",
          .better = Better::lower,
          .target = 1 / 0.9,
          .ours = [] { return ours().cpu_per_gibibyte; },
          .baseline = [] { return openssl().cpu_per_gibibyte; }};
}

Row tls_bulk_rate() {
  using namespace tls_bulk_row;
  return {.name = "tls-bulk-rate",
          .about = "throughput of the same transfer",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 0.9,
          .ours = [] { return ours().gibibytes_per_second; },
          .baseline = [] { return openssl().gibibytes_per_second; }};
}

Row tls_bulk_botan() {
  using namespace tls_bulk_row;
  return {.name = "tls-bulk-botan",
          .about = "throughput of the same transfer; baseline: Botan's TLS channel on plain sockets",
          .unit = "GiB/s",
          .better = Better::higher,
          .target = 2,
          .ours = [] { return ours().gibibytes_per_second; },
          .baseline = [] { return botan().gibibytes_per_second; }};
}

}  // namespace trellis::bench
