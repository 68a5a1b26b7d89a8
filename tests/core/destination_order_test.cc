// The rules of RFC 6724, and the examples of its section 10 as it prints them.
#include "core/destination_order.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "trellis/address_text.h"

namespace trellis {
namespace {

Address at(std::string_view literal) {
  const auto address = parse_address(literal, 0);
  EXPECT_TRUE(address) << literal;
  return address.value_or(Address{});
}

SourceAddress from(std::string_view literal, SourceAddress source = {}) {
  source.address = at(literal);
  return source;
}

constexpr SourceAddress kDeprecated{.deprecated = true}, kTemporary{.temporary = true}, kHome{.home = true},
    kCareOf{.care_of = true};

std::string source(std::string_view destination, const std::vector<SourceAddress>& sources) {
  const SourceAddress* best = AddressSelection().source_for(at(destination), sources);
  return best == nullptr ? "none" : to_text(best->address);
}

/// "destination from source" in the order in which they would be tried.
std::vector<std::string> order(const std::vector<std::string_view>& destinations,
                               const std::vector<SourceAddress>& sources,
                               const AddressSelection& rules = AddressSelection()) {
  std::vector<Destination> list;
  for (const auto literal : destinations) {
    Destination& d = list.emplace_back();
    d.address = at(literal);
    if (const SourceAddress* best = rules.source_for(d.address, sources)) d.source = *best;
  }
  rules.sort(list);
  std::vector<std::string> sorted;
  for (const Destination& d : list) {
    std::string text = to_text(d.address);
    sorted.push_back(text.substr(0, text.rfind(':')));
  }
  return sorted;
}

using Order = std::vector<std::string>;

// ---- section 10.1: source addresses (RACE-191)

TEST(SourceAddressSelection, ExamplesOfTheStandard) {
  EXPECT_EQ(source("2001:db8:1::1", {from("2001:db8:3::1"), from("fe80::1")}), "[2001:db8:3::1]:0") << "scope";
  EXPECT_EQ(source("ff05::1", {from("2001:db8:3::1"), from("fe80::1")}), "[2001:db8:3::1]:0") << "scope";
  EXPECT_EQ(source("2001:db8:1::1", {from("2001:db8:1::1", kDeprecated), from("2001:db8:2::1")}), "[2001:db8:1::1]:0")
      << "same address";
  EXPECT_EQ(source("fe80::1", {from("fe80::2", kDeprecated), from("2001:db8:1::1")}), "[fe80::2]:0") << "scope";
  EXPECT_EQ(source("2001:db8:1::1", {from("2001:db8:1::2"), from("2001:db8:3::2")}), "[2001:db8:1::2]:0") << "prefix";
  EXPECT_EQ(source("2001:db8:1::1", {from("2001:db8:1::2", kCareOf), from("2001:db8:3::2", kHome)}),
            "[2001:db8:3::2]:0")
      << "home";
  EXPECT_EQ(
      source("2002:c633:6401::1", {from("2002:c633:6401::d5e3:7953:13eb:22e8", kTemporary), from("2001:db8:1::2")}),
      "[2002:c633:6401:0:d5e3:7953:13eb:22e8]:0")
      << "label";
  EXPECT_EQ(
      source("2001:db8:1::d5e3:0:0:1", {from("2001:db8:1::2"), from("2001:db8:1::d5e3:7953:13eb:22e8", kTemporary)}),
      "[2001:db8:1:0:d5e3:7953:13eb:22e8]:0")
      << "temporary";
}

TEST(SourceAddressSelection, RulesThatTheExamplesLeaveOut) {
  const SourceAddress deprecated = from("2001:db8:1::2", kDeprecated), fresh = from("2001:db8:9::2");
  EXPECT_EQ(source("2001:db8:1::1", {deprecated, fresh}), "[2001:db8:9::2]:0") << "rule 3";
  const SourceAddress other = from("2001:db8:1::2", {.outgoing = false});
  EXPECT_EQ(source("2001:db8:1::1", {other, fresh}), "[2001:db8:9::2]:0") << "rule 5";
  const SourceAddress hop = from("2001:db8:9::2", {.next_hop = true});
  EXPECT_EQ(source("2001:db8:1::1", {from("2001:db8:1::2"), hop}), "[2001:db8:9::2]:0") << "rule 5.5";
  EXPECT_EQ(source("198.51.100.1", {from("2001:db8::1")}), "none") << "another family";
  EXPECT_EQ(source("2001:db8:1::1", {from("2001:db8:1::2"), from("2001:db8:1::3")}), "[2001:db8:1::2]:0")
      << "the first of equal ones";
}

// ---- section 10.2: destinations

TEST(DestinationOrder, ExamplesOfTheStandard) {
  EXPECT_EQ(order({"2001:db8:1::1", "198.51.100.121"}, {from("2001:db8:1::2"), from("fe80::1"), from("169.254.13.78")}),
            (Order{"[2001:db8:1::1]", "198.51.100.121"}))
      << "RACE-179";
  EXPECT_EQ(order({"2001:db8:1::1", "198.51.100.121"}, {from("fe80::1"), from("198.51.100.117")}),
            (Order{"198.51.100.121", "[2001:db8:1::1]"}))
      << "RACE-179";
  EXPECT_EQ(order({"10.1.2.3", "2001:db8:1::1"}, {from("2001:db8:1::2"), from("fe80::1"), from("10.1.2.4")}),
            (Order{"[2001:db8:1::1]", "10.1.2.3"}))
      << "RACE-183";
  EXPECT_EQ(order({"2001:db8:1::1", "fe80::1"}, {from("2001:db8:1::2"), from("fe80::2")}),
            (Order{"[fe80::1]", "[2001:db8:1::1]"}))
      << "RACE-185";
  EXPECT_EQ(order({"fe80::1", "2001:db8:1::1"},
                  {from("2001:db8:1::2", kCareOf), from("2001:db8:3::1", kHome), from("fe80::2", kCareOf)}),
            (Order{"[2001:db8:1::1]", "[fe80::1]"}))
      << "RACE-181";
  EXPECT_EQ(order({"fe80::1", "2001:db8:1::1"}, {from("2001:db8:1::2"), from("fe80::2", kDeprecated)}),
            (Order{"[2001:db8:1::1]", "[fe80::1]"}))
      << "RACE-180";
  EXPECT_EQ(
      order({"2001:db8:3ffe::1", "2001:db8:1::1"}, {from("2001:db8:1::2"), from("2001:db8:3f44::2"), from("fe80::2")}),
      (Order{"[2001:db8:1::1]", "[2001:db8:3ffe::1]"}))
      << "RACE-186";
  EXPECT_EQ(order({"2001:db8:1::1", "2002:c633:6401::1"}, {from("2002:c633:6401::2"), from("fe80::2")}),
            (Order{"[2002:c633:6401::1]", "[2001:db8:1::1]"}))
      << "RACE-182";
  EXPECT_EQ(order({"2002:c633:6401::1", "2001:db8:1::1"},
                  {from("2002:c633:6401::2"), from("2001:db8:1::2"), from("fe80::2")}),
            (Order{"[2001:db8:1::1]", "[2002:c633:6401::1]"}))
      << "RACE-183";
}

// ---- section 10.3 and 10.4: other tables

PrefixPolicy row(std::string_view prefix, std::uint8_t bits, std::uint8_t precedence, std::uint8_t label) {
  return {at(prefix).ip, bits, precedence, label};
}

TEST(DestinationOrder, ATableMayPreferIpv4) {
  const std::vector<PrefixPolicy> table{
      row("::1", 128, 50, 0),  row("::", 0, 40, 1),     row("::ffff:0:0", 96, 100, 4), row("2002::", 16, 30, 2),
      row("2001::", 32, 5, 5), row("fc00::", 7, 3, 13), row("::", 96, 1, 3),           row("fec0::", 10, 1, 11)};
  const AddressSelection rules(table);
  const std::vector<SourceAddress> autoconf{from("2001:db8::2"), from("fe80::1"), from("169.254.13.78")};
  EXPECT_EQ(order({"2001:db8::1", "198.51.100.121"}, autoconf, rules), (Order{"[2001:db8::1]", "198.51.100.121"}))
      << "a matching scope still goes first";
  const std::vector<SourceAddress> both{from("2001:db8::2"), from("fe80::1"), from("10.1.2.4")};
  EXPECT_EQ(order({"2001:db8::1", "10.1.2.3"}, both, rules), (Order{"10.1.2.3", "[2001:db8::1]"}));
  EXPECT_EQ(order({"2001:db8::1", "10.1.2.3"}, both), (Order{"[2001:db8::1]", "10.1.2.3"}));
}

TEST(DestinationOrder, ATableMayPreferGlobalToLinkLocal) {
  const std::vector<PrefixPolicy> table{row("::1", 128, 50, 0), row("::", 0, 40, 1), row("fe80::", 10, 33, 1),
                                        row("::ffff:0:0", 96, 35, 4)};
  const std::vector<SourceAddress> sources{from("2001:db8::2"), from("fe80::2")};
  EXPECT_EQ(order({"fe80::1", "2001:db8::1"}, sources, AddressSelection(table)), (Order{"[2001:db8::1]", "[fe80::1]"}));
  EXPECT_EQ(order({"2001:db8::1", "fe80::1"}, sources), (Order{"[fe80::1]", "[2001:db8::1]"}));
}

// ---- the table and the rules one by one

// RACE-169, RACE-170, RACE-171, RACE-172, RACE-173, RACE-174, RACE-175, RACE-176, RACE-177
TEST(DestinationOrder, DefaultTable) {
  // One address of each row, by falling precedence; sources of a kind that keeps rules 2 and 5 out: the same address.
  const std::vector<std::string_view> falling{"2001:db8::1", "198.51.100.1", "2002:c633:6401::1", "2001::1", "fc00::1"};
  std::vector<SourceAddress> sources;
  sources.reserve(falling.size());
  for (const auto literal : falling) sources.push_back(from(literal));
  std::vector<std::string_view> rising(falling.rbegin(), falling.rend());
  EXPECT_EQ(order(rising, sources),
            (Order{"[2001:db8::1]", "198.51.100.1", "[2002:c633:6401::1]", "[2001::1]", "[fc00::1]"}));
  EXPECT_EQ(order({"198.51.100.1", "::1"}, {from("::1"), from("198.51.100.1")}), (Order{"[::1]", "198.51.100.1"}));
  const auto rows = default_prefix_policies();
  ASSERT_EQ(rows.size(), 9u);
  for (const std::string_view lowest : {"::c633:6401", "fec0::1", "3ffe::1"}) {
    EXPECT_EQ(order({lowest, "fc00::1"}, {from(lowest), from("fc00::1")}).front(), "[fc00::1]") << lowest;
  }
}

// RACE-178
TEST(DestinationOrder, WhatCannotBeReachedGoesLast) {
  EXPECT_EQ(order({"2001:db8::1", "198.51.100.1"}, {from("198.51.100.2")}), (Order{"198.51.100.1", "[2001:db8::1]"}));
}

// RACE-184
TEST(DestinationOrder, NativeBeforeTunnel) {
  const Destination tunnel{.address = at("2001:db8::1"), .source = from("2001:db8::2"), .encapsulated = true};
  const Destination native{.address = at("2001:db8:1::1"), .source = from("2001:db8:2::2")};
  EXPECT_EQ(AddressSelection().compare(tunnel, native), 7);
}

// RACE-128
TEST(DestinationOrder, MeasuredRoundTripsAndUseStandBeforeThePrefix) {
  const Duration near = std::chrono::milliseconds(10), far = std::chrono::milliseconds(50);
  const Destination a{.address = at("2001:db8:1::1"), .source = from("2001:db8:1::2"), .rtt = far};
  const Destination b{.address = at("2001:db8:2::1"), .source = from("2001:db8:1::2"), .rtt = near};
  EXPECT_EQ(AddressSelection().compare(a, b), 85);
  const Destination c{.address = at("2001:db8:2::1"), .source = from("2001:db8:1::2"), .used = true};
  EXPECT_EQ(AddressSelection().compare(a, c), 86);
}

// RACE-186
TEST(DestinationOrder, PrefixesCountUpToTheSourcesOwn) {
  // 54 and 23 bits shared with a source whose network has 32 bits: beyond those nothing is said.
  const SourceAddress wide = from("2001:db8:0:1::2", {.prefix_length = 32});
  const Destination a{.address = at("2001:db8:8000::1"), .source = wide};
  const Destination b{.address = at("2001:db8:0:2::1"), .source = wide};
  EXPECT_EQ(AddressSelection().compare(a, b), 0);
  const SourceAddress inside = from("10.2.3.4", {.prefix_length = 8});
  EXPECT_EQ(AddressSelection().compare({.address = at("54.83.193.112"), .source = inside},
                                       {.address = at("23.23.172.185"), .source = inside}),
            0)
      << "less than a network in common means nothing";
  EXPECT_EQ(AddressSelection().compare({.address = at("54.83.193.112"), .source = inside},
                                       {.address = at("10.23.172.185"), .source = inside}),
            9);
}

// RACE-187, RACE-127
TEST(DestinationOrder, EqualOnesKeepTheirOrder) {
  EXPECT_EQ(order({"198.51.100.2", "198.51.100.1", "203.0.113.9"}, {from("192.0.2.1")}),
            (Order{"198.51.100.2", "198.51.100.1", "203.0.113.9"}));
}

// RACE-188: of any two the same one goes first whichever is asked about first, and the order has no circles.
TEST(DestinationOrder, IsAnOrder) {
  const std::vector<SourceAddress> sources{from("2001:db8:1::2"),
                                           from("fe80::2"),
                                           from("192.0.2.1"),
                                           from("fd00::2"),
                                           from("2002:c633:6401::2", kDeprecated),
                                           from("169.254.1.1")};
  std::vector<Destination> all;
  for (const std::string_view literal :
       {"2001:db8:1::1", "2001:db8:2::1", "fe80::1", "198.51.100.1", "fd00::1", "2002:c633:6401::1", "169.254.9.9",
        "::1", "3ffe::1", "10.0.0.1", "ff05::1", "2001::9", "127.0.0.1", "fec0::1"}) {
    Destination& d = all.emplace_back();
    d.address = at(literal);
    if (const auto* best = AddressSelection().source_for(d.address, sources)) d.source = *best;
  }
  const AddressSelection rules;
  for (const Destination& a : all) {
    for (const Destination& b : all) {
      EXPECT_EQ(rules.compare(a, b), -rules.compare(b, a));
      for (const Destination& c : all) {
        if (rules.compare(a, b) < 0 && rules.compare(b, c) < 0) {
          EXPECT_LT(rules.compare(a, c), 0);
        }
      }
    }
  }
}

// RACE-189
TEST(DestinationOrder, Scopes) {
  EXPECT_EQ(address_scope(at("ff02::1")), 2u);
  EXPECT_EQ(address_scope(at("ff0e::1")), 14u);
  EXPECT_EQ(address_scope(at("fe80::1")), 2u);
  EXPECT_EQ(address_scope(at("::1")), 2u);
  EXPECT_EQ(address_scope(at("fec0::1")), 5u);
  EXPECT_EQ(address_scope(at("fd00::1")), 14u);
  EXPECT_EQ(address_scope(at("2001:db8::1")), 14u);
  EXPECT_EQ(address_scope(at("127.0.0.1")), 2u);
  EXPECT_EQ(address_scope(at("169.254.0.1")), 2u);
  EXPECT_EQ(address_scope(at("10.0.0.1")), 14u);
  EXPECT_EQ(address_scope(at("192.0.2.1")), 14u);
}

}  // namespace
}  // namespace trellis
