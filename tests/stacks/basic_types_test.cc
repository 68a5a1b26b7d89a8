// The basic types of RFC 9622 section 1.1, each where an application meets it, in virtual time.
#include "trellis/address_text.h"
#include "virtual_pair.h"

namespace trellis::tests {
namespace {

struct BasicTypes : testing::Test {
  BasicTypes() {
    pair.listen("length-prefix/tcp");
    talker = &pair.dial_ready("length-prefix/tcp");
  }
  /// What is read after it was set.
  template <class T>
  T kept(const Property<T>& property, T value) {
    const auto set = talker->connection.set(property.name, value);
    EXPECT_TRUE(set) << set.error().detail;
    return std::get<T>(talker->connection.get(property.name).value());
  }
  std::string refusal(std::string_view name, const PropertyValue& value) {
    const auto set = talker->connection.set(name, value);
    return set ? "" : set.error().detail;
  }
  VirtualPair pair;
  Talker* talker;
};

// API-3: Boolean, Integer, Numeric (times and rates) and Enumeration come back as they were set, and are told apart.
TEST_F(BasicTypes, ValuesOfProperties) {
  EXPECT_EQ(kept(kMsgOrdered, false), false);
  EXPECT_EQ(kept(kMsgPriority, std::uint64_t{7}), 7u);
  EXPECT_EQ(kept(kMsgLifetime, Duration(1500ms)), Duration(1500ms)) << "1.5 seconds";
  EXPECT_EQ(kept(kKeepAliveTimeout, Duration::max()), Duration::max()) << "Disabled";
  for (const std::string_view word : kCapacityProfileWords)
    EXPECT_EQ(kept(kMsgCapacityProfile, std::string(word)), word);
  EXPECT_NE(refusal(kMsgOrdered.name, std::uint64_t{1}), "");
  EXPECT_NE(refusal(kMsgPriority.name, true), "");
  EXPECT_NE(refusal(kMsgLifetime.name, std::string("soon")), "");
  EXPECT_NE(refusal(kMsgCapacityProfile.name, std::string("As Fast As Possible")), "") << "no word of the Enumeration";
}

// API-3: a String is UTF-8, wherever it is said.
TEST_F(BasicTypes, Strings) {
  const std::string broken =
      "Gr\xfc\xdf"
      "e";
  EXPECT_EQ(refusal("tcp.greeting", broken),
            "tcp.greeting: found bytes that are not UTF-8 at offset 2, expected UTF-8");
  EXPECT_EQ(refusal("tcp.greeting", std::string("Gr\u00fc\u00dfe")).find("UTF-8"), std::string::npos);
  Talker t;
  t.connection = pair.to_server("tcp").set("tcp.greeting", broken).initiate(pair.client.loop(), t.on_ready());
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  ASSERT_FALSE(*t.ready);
  EXPECT_NE(t.ready->error().detail.find("not UTF-8"), std::string::npos) << t.ready->error().detail;
  std::optional<Error> refused;
  const Listener listener = Preconnection(*pair.framework)
                                .stack("tcp")
                                .set("tcp.greeting", broken)
                                .local({.host = "10.0.0.2", .port = 5000})
                                .listen(pair.server.loop(), {.failed = [&](const Error& error) { refused = error; }});
  ASSERT_TRUE(pair.until([&] { return refused.has_value(); }));
  EXPECT_NE(refused->detail.find("not UTF-8"), std::string::npos) << refused->detail;
}

// API-3: IP addresses of both families, a Tuple that names whom to reach by them, and an Array of those, in its order.
TEST_F(BasicTypes, AddressesInTuplesInArrays) {
  for (const char* literal : {"10.0.0.2:4433", "[2001:db8::7]:80"}) {
    const std::string_view text(literal);
    const bool v6 = text.starts_with('[');
    const std::size_t colon = text.rfind(':');
    const std::string_view ip = v6 ? text.substr(1, colon - 2) : text.substr(0, colon);
    const auto address = parse_address(ip, v6 ? 80 : 4433);
    ASSERT_TRUE(address) << literal;
    EXPECT_EQ(address->family, v6 ? Address::Family::ipv6 : Address::Family::ipv4);
    EXPECT_EQ(to_text(*address), literal);
  }
  const std::vector<Endpoint> endpoints = {{.port = 1, .address = *parse_address("10.0.0.2", 1)},
                                           {.port = 4433, .address = *parse_address("10.0.0.2", 4433)}};
  std::vector<std::string> tried;
  Talker t;
  t.connection = Preconnection(*pair.framework)
                     .stack("length-prefix/tcp")
                     .add_remote(endpoints)
                     .on_race([&](const RaceReport& report) {
                       for (const RaceNode& node : report.nodes)
                         if (node.attempt) tried.push_back(node.text());
                     })
                     .initiate(pair.client.loop(), t.on_ready());
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  ASSERT_TRUE(*t.ready) << t.ready->error().detail;
  EXPECT_EQ(to_text(t.connection.remote()), "10.0.0.2:4433");
  EXPECT_EQ(tried.size(), 2u);
  t.connection = {};
}

// API-3: a Set has each member once, in no order.
TEST_F(BasicTypes, Sets) {
  const FeatureSet set{Feature::ordering, Feature::reliability, Feature::ordering};
  EXPECT_EQ(set, (FeatureSet{Feature::reliability, Feature::ordering}));
  EXPECT_TRUE((set - FeatureSet{Feature::ordering} - FeatureSet{Feature::reliability}).empty());
  Talker t;
  t.connection = pair.to_server("length-prefix/tcp")
                     .require(Feature::ordering)
                     .require(Feature::reliability)
                     .require(Feature::ordering)
                     .initiate(pair.client.loop(), t.on_ready());
  ASSERT_TRUE(pair.until([&] { return t.ready.has_value(); }));
  EXPECT_TRUE(*t.ready) << t.ready->error().detail;
  t.connection = {};
}

}  // namespace
}  // namespace trellis::tests
