// Addresses to and from the kernel, as text, and errors as reasons.
#include "loop/socket_address.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "harness.h"
#include "loop/socket_error.h"

namespace trellis::test {
namespace {

TEST(SocketAddress, ThereAndBackAgain) {
  Address six = loopback(Family::ipv6, 443);
  six.ip[0] = 0xfe;
  six.ip[1] = 0x80;
  six.scope = 2;
  for (const Address& address : {loopback(Family::ipv4, 65535), six}) {
    SocketAddress kernel;
    EXPECT_GT(to_kernel(address, kernel), 0u);
    EXPECT_EQ(from_kernel(kernel), address);
  }
  SocketAddress kernel;
  EXPECT_EQ(to_kernel({}, kernel), 0u);
  kernel.any.sa_family = AF_UNIX;
  EXPECT_FALSE(from_kernel(kernel));
}

TEST(SocketAddress, AsText) {
  EXPECT_EQ(describe({}), "no address");
  EXPECT_EQ(describe(loopback(Family::ipv4, 80)), "127.0.0.1:80");
  Address six = loopback(Family::ipv6, 443);
  EXPECT_EQ(describe(six), "[::1]:443");
  six.scope = 3;
  EXPECT_EQ(describe(six), "[::1%3]:443");
}

TEST(SocketAddress, SpecialOnes) {
  Address any;
  EXPECT_FALSE(is_wildcard(any));
  any.family = Family::ipv6;
  EXPECT_TRUE(is_wildcard(any));
  EXPECT_FALSE(is_wildcard(loopback(Family::ipv6)));
  EXPECT_FALSE(is_link_local(any));
  any.ip[0] = 0xfe;
  any.ip[1] = 0x9a;
  EXPECT_TRUE(is_link_local(any));
}

// IMPL-168
TEST(SocketError, ReasonsAreWhatCallersActOn) {
  EXPECT_EQ(reason_of(ECONNREFUSED), Reason::unreachable);
  EXPECT_EQ(reason_of(ECONNRESET), Reason::reset);
  EXPECT_EQ(reason_of(ETIMEDOUT), Reason::timed_out);
  EXPECT_EQ(reason_of(EMFILE), Reason::exhausted);
  EXPECT_EQ(reason_of(EMSGSIZE), Reason::too_large);
  EXPECT_EQ(reason_of(EPERM), Reason::prohibited);
  EXPECT_EQ(reason_of(ENOPROTOOPT), Reason::unsupported);
  EXPECT_EQ(reason_of(EINVAL), Reason::invalid_argument);
  const Error error = socket_error(ECONNREFUSED, "connect to 127.0.0.1:1");
  EXPECT_EQ(error.detail, "connect to 127.0.0.1:1: Connection refused");
  EXPECT_EQ(error.code, static_cast<std::uint64_t>(ECONNREFUSED));
  EXPECT_STREQ(error.layer, "socket");
}

}  // namespace
}  // namespace trellis::test
