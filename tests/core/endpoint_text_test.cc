// Endpoints as people write them, and what is wrong with them.
#include "trellis/endpoint_text.h"

#include <gtest/gtest.h>

#include "trellis/address_text.h"

namespace trellis {
namespace {

// API-25, API-38, API-39
TEST(EndpointText, NamesAndAddresses) {
  const auto name = parse_remote("www.example.net:80");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->host, "www.example.net");
  EXPECT_EQ(name->port, 80);
  EXPECT_FALSE(name->address);
  const auto v4 = parse_remote("192.0.2.1:65535");
  ASSERT_TRUE(v4);
  EXPECT_EQ(to_text(v4->address), "192.0.2.1:65535");
  const auto v6 = parse_remote("[2001:db8::1]:1");
  ASSERT_TRUE(v6);
  EXPECT_EQ(to_text(v6->address), "[2001:db8::1]:1");
  EXPECT_EQ(v6->host, "2001:db8::1");
  const auto scoped = parse_remote("[fe80::1%lo]:7");
  ASSERT_TRUE(scoped);
  EXPECT_NE(scoped->address.scope, 0u);
}

TEST(EndpointText, LocalAddressesWithOrWithoutPort) {
  EXPECT_EQ(to_text(parse_local("127.0.0.1").value().address), "127.0.0.1:0");
  EXPECT_EQ(to_text(parse_local("127.0.0.1:7000").value().address), "127.0.0.1:7000");
  EXPECT_EQ(to_text(parse_local("::1").value().address), "[::1]:0");
  EXPECT_EQ(to_text(parse_local("[::1]").value().address), "[::1]:0");
  EXPECT_EQ(to_text(parse_local("[::1]:7000").value().address), "[::1]:7000");
  for (const char* wrong : {"", "localhost", "127.0.0.1:", "[::1", "[::1]:x", "1.2.3", ":80"}) {
    EXPECT_FALSE(parse_local(wrong)) << wrong;
  }
}

// API-43, API-44: groups to be joined.
TEST(EndpointText, Groups) {
  const auto any = parse_group("239.1.2.3");
  ASSERT_TRUE(any) << any.error().detail;
  EXPECT_EQ(to_text(any->group.address), "239.1.2.3:0");
  EXPECT_FALSE(any->source);
  const auto single = parse_group("ff3e::8000:1@2001:db8::1");
  ASSERT_TRUE(single) << single.error().detail;
  EXPECT_EQ(to_text(single->group.address), "[ff3e::8000:1]:0");
  EXPECT_EQ(to_text(single->source), "[2001:db8::1]:0");
  for (const char* wrong : {"", "10.0.0.1", "name", "239.1.2.3@", "239.1.2.3@name", "[ff15::1]", "239.1.2.3:7000"})
    EXPECT_FALSE(parse_group(wrong)) << wrong;
  EXPECT_EQ(parse_group("10.0.0.1@10.0.0.2").error().detail,
            "malformed multicast group \"10.0.0.1\": expected an address of 224.0.0.0/4 or ff00::/8");
  EXPECT_FALSE(parse_local("239.1.2.3:7000"));
}

// RACE-99: what is not resolved yet: a host with a port, and URLs.
TEST(EndpointText, Urls) {
  const auto page = parse_remote("https://www.example.net/search?q=1:2");
  ASSERT_TRUE(page) << page.error().detail;
  EXPECT_EQ(page->host, "www.example.net");
  EXPECT_EQ(page->port, 443);
  EXPECT_EQ(page->service, "https");
  EXPECT_FALSE(page->address);
  EXPECT_EQ(parse_remote("http://www.example.net").value().port, 80);
  EXPECT_EQ(parse_remote("http://www.example.net").value().service, "");
  EXPECT_EQ(parse_remote("HTTPS://www.example.net:8443?x").value().port, 8443);
  EXPECT_EQ(to_text(parse_remote("https://[2001:db8::1]/").value().address), "[2001:db8::1]:443");
  EXPECT_EQ(to_text(parse_remote("https://[2001:db8::1]:7/").value().address), "[2001:db8::1]:7");
  EXPECT_EQ(parse_remote("smtp://mail.example.net:25").value().port, 25);
}

struct Wrong {
  const char* text;
  const char* because;
  friend std::ostream& operator<<(std::ostream& out, const Wrong& wrong) { return out << wrong.text; }
};

class MalformedRemote : public testing::TestWithParam<Wrong> {};

TEST_P(MalformedRemote, IsRefusedWithItsReason) {
  const auto [text, because] = GetParam();
  const auto parsed = parse_remote(text);
  ASSERT_FALSE(parsed) << text;
  EXPECT_EQ(parsed.error().reason, Reason::invalid_argument);
  EXPECT_NE(parsed.error().detail.find(because), std::string::npos) << parsed.error().detail;
}

INSTANTIATE_TEST_SUITE_P(
    EndpointText, MalformedRemote,
    testing::Values(Wrong{"", "malformed endpoint"}, Wrong{"host", "HOST:PORT"}, Wrong{":80", "a host in front"},
                    Wrong{"host:", "malformed port"}, Wrong{"host:x", "malformed port"},
                    Wrong{"host:-1", "malformed port"}, Wrong{"host:+80", "malformed port"},
                    Wrong{"host:0", "out of range"}, Wrong{"host:65536", "out of range"},
                    Wrong{"host:99999999999999999999", "out of range"}, Wrong{"::1:80", "in brackets"},
                    Wrong{"[::1]", "[ADDRESS]:PORT"}, Wrong{"[::1]80", "[ADDRESS]:PORT"},
                    Wrong{"[::1:80", "[ADDRESS]:PORT"}, Wrong{"[::zz]:80", "malformed address"},
                    Wrong{"[1.2.3.4]:80", "malformed address"}, Wrong{"[fe80::1%nowhere]:80", "interface"},
                    Wrong{"1.2.3:80", "malformed address"}, Wrong{"1.2.3.256:80", "malformed address"},
                    Wrong{"1.2.3.4.5:80", "malformed address"}, Wrong{"bad name:80", "malformed name"},
                    Wrong{"a..b:80", "malformed name"}, Wrong{".:80", "malformed name"},
                    Wrong{"caf\xc3\xa9.example:80", "xn--"}, Wrong{"https://", "a host in front"},
                    Wrong{"https://me:secret@example.net/", "no user"}, Wrong{"smtp://mail.example.net", "a port"},
                    Wrong{"https://example.net:0/", "out of range"}, Wrong{"https://[::1/", "[ADDRESS]:PORT"}));

TEST(EndpointText, NamesHaveLimits) {
  const std::string label(63, 'a');
  EXPECT_TRUE(parse_remote(label + ".example:80"));
  EXPECT_FALSE(parse_remote(label + "a.example:80"));
  EXPECT_FALSE(parse_remote(label + '.' + label + '.' + label + '.' + label + ":80"));
  EXPECT_TRUE(parse_remote("example.net.:80"));
}

// RACE-2, RACE-99: services of DNS-SD, by the name of an instance or whoever there is.
TEST(EndpointText, ReadsServices) {
  const Endpoint printer = parse_remote("Office printer._ipp._tcp.local").value();
  EXPECT_EQ(printer.instance, "Office printer");
  EXPECT_EQ(printer.service, "ipp");
  EXPECT_EQ(printer.host, "local");
  EXPECT_EQ(printer.port, 0);
  const Endpoint any = parse_remote("*._sip._UDP.corp.example").value();
  EXPECT_EQ(any.instance, "*");
  EXPECT_EQ(any.service, "sip/udp");
  const Endpoint dotted = parse_remote(R"(No\. 1 \\ K\üche._http._tcp.example.net)").value();
  EXPECT_EQ(dotted.instance, R"(No. 1 \ Küche)");
  for (const char* wrong : {"_ipp._tcp.local", "a.b._ipp._tcp.local", "a.ipp._tcp.local", "a.__tcp._tcp.local",
                            "a._sixteen-letters-._tcp.local", "a._ipp._tcp.", "a\\", "a._ipp._tcp.a b",
                            "._ipp._tcp.local", "a\n._ipp._tcp.local", "a._ipp._tcp.local:631"})
    EXPECT_FALSE(parse_remote(wrong)) << wrong;
  EXPECT_EQ(parse_remote("a.b._ipp._tcp.local").error().detail,
            "malformed service \"a.b._ipp._tcp.local\": expected INSTANCE._TYPE._tcp.DOMAIN as in Office "
            "printer._ipp._tcp.local, or * as INSTANCE");
  EXPECT_FALSE(parse_remote(std::string(64, 'x') + "._ipp._tcp.local"));
}

// RACE-2: what was read is printed as it is read.
TEST(EndpointText, PrintsWhatItReads) {
  for (const char* text : {"www.example.net:80", "192.0.2.1:443", "[2001:db8::1]:443", "https://www.example.net",
                           "https://www.example.net:8443", "Office printer._ipp._tcp.local", "*._sip._udp.corp.example",
                           R"(No\. 1._http._tcp.local)"})
    EXPECT_EQ(to_text(parse_remote(text).value()), text);
}

}  // namespace
}  // namespace trellis
