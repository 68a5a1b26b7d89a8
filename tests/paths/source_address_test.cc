// Which path of a way out speaks to which destination (RFC 6724 section 5), and where its routes lead.
#include "core/source_address.h"

#include <gtest/gtest.h>

#include "trellis/address_text.h"

namespace trellis {
namespace {

Address at(std::string_view text) { return parse_address(text, 0).value(); }
Path from(std::string_view local) { return {.id = 1, .interface_name = "eth0", .local = at(local)}; }
std::string chosen(const std::vector<Path>& paths, std::string_view destination) {
  const Path* path = source_for(paths, at(destination));
  return path != nullptr ? to_text(path->local) : "none";
}
Path with_routes(std::string_view local, std::vector<PathRoute> routes) {
  Path path = from(local);
  path.routes = std::make_shared<const std::vector<PathRoute>>(std::move(routes));
  return path;
}

TEST(Sources, FollowTheRulesInTheirOrder) {
  // The examples of RFC 6724 section 10.1.
  EXPECT_EQ(chosen({from("2001:db8:1::1"), from("fe80::1")}, "2001:db8:1::1"), "[2001:db8:1::1]:0");        // rule 1
  EXPECT_EQ(chosen({from("2001:db8:3::1"), from("fe80::1")}, "2001:db8:1::1"), "[2001:db8:3::1]:0");        // rule 2
  EXPECT_EQ(chosen({from("2001:db8:2::1"), from("fe80::1")}, "fe80::2"), "[fe80::1]:0");                    // rule 2
  EXPECT_EQ(chosen({from("2001:db8:1::2"), from("2001:db8:3::2")}, "2001:db8:1::1"), "[2001:db8:1::2]:0");  // rule 8
  EXPECT_EQ(chosen({from("2002:c633:6401::d5e3"), from("2001:db8:1::2")}, "2002:c633:6401::1"),
            "[2002:c633:6401::d5e3]:0");  // rule 6
  std::vector<Path> two{from("2001:db8:1::2"), from("2001:db8:1::d5e3")};
  two[1].temporary = true;
  EXPECT_EQ(chosen(two, "2001:db8:1::1"), "[2001:db8:1::d5e3]:0");  // rule 7
  two[1].deprecated = true;
  EXPECT_EQ(chosen(two, "2001:db8:1::1"), "[2001:db8:1::2]:0");  // rule 3 goes before
  EXPECT_EQ(chosen({from("192.0.2.1")}, "2001:db8::1"), "none");
}

// Rule 8 counts what both have in common within the network of the source, which is known from its route.
TEST(Sources, CompareTheirNetworks) {
  const std::vector<Path> paths{with_routes("10.1.0.2", {{at("10.1.0.0"), 16, 0}, {at("0.0.0.0"), 0, 0}}),
                                with_routes("10.2.0.2", {{at("10.2.0.0"), 16, 0}, {at("0.0.0.0"), 0, 0}})};
  EXPECT_EQ(chosen(paths, "10.2.255.1"), "10.2.0.2:0");
  EXPECT_EQ(chosen(paths, "10.3.0.1"), "10.1.0.2:0") << "chance bits count for nothing: the first";
}

// A table of the policy counts here as well.
TEST(Sources, FollowThePolicysTable) {
  const PrefixPolicy table[] = {prefix_policy({at("2001:db8:1::"), 48}, 30, 7),
                                prefix_policy({at("2001:db8:9::"), 48}, 30, 7)};
  const std::vector<Path> paths{from("2001:db8:8::2"), from("2001:db8:1::2")};
  const Path* const path = source_for(paths, at("2001:db8:9::1"), AddressSelection(table));
  ASSERT_NE(path, nullptr);
  EXPECT_EQ(to_text(path->local), "[2001:db8:1::2]:0") << "of the same label";
  EXPECT_EQ(chosen(paths, "2001:db8:9::1"), "[2001:db8:8::2]:0") << "shares more bits";
}

TEST(Sources, NeedARoute) {
  const std::vector<Path> paths{with_routes("192.0.2.1", {{at("192.0.2.0"), 24, 0}, {at("10.0.0.0"), 8, 5}})};
  EXPECT_EQ(chosen(paths, "192.0.2.7"), "192.0.2.1:0");
  EXPECT_EQ(chosen(paths, "10.255.0.1"), "192.0.2.1:0");
  EXPECT_EQ(chosen(paths, "11.0.0.1"), "none");
  EXPECT_EQ(route_to(paths[0], at("192.0.2.200"))->prefix_length, 24);
  EXPECT_EQ(default_route(paths[0]), nullptr);
  const Path standard = with_routes("192.0.2.1", {{at("0.0.0.0"), 0, 9}, {at("0.0.0.0"), 0, 4}});
  EXPECT_EQ(default_route(standard)->metric, 4u);
  EXPECT_EQ(route_to(standard, at("198.51.100.1"))->metric, 4u);
}

// API-39: of a remote address it is the zone.
TEST(Sources, LinkLocalAddressesStayOnTheirLink) {
  Path near = from("fe80::1");
  near.local.scope = 3;
  Address there = at("fe80::2");
  there.scope = 3;
  EXPECT_NE(source_for({&near, 1}, there), nullptr);
  there.scope = 4;
  EXPECT_EQ(source_for({&near, 1}, there), nullptr);
}

}  // namespace
}  // namespace trellis
