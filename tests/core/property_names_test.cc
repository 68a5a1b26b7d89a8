// The constants of properties and the names that RFC 9622 gives them.
#include <gtest/gtest.h>

#include "trellis/property.h"

namespace trellis {
namespace {

// API-6: one for each, and it is called as the RFC calls it.
TEST(PropertyNames, AreThoseOfTheRfc) {
  const std::pair<std::string_view, std::string_view> names[] = {
      {kRecvChecksumLen.name, "recvChecksumLen"},
      {kConnPriority.name, "connPriority"},
      {kConnTimeout.name, "connTimeout"},
      {kKeepAliveTimeout.name, "keepAliveTimeout"},
      {kConnScheduler.name, "connScheduler"},
      {kConnCapacityProfile.name, "connCapacityProfile"},
      {kMultipathPolicy.name, "multipathPolicy"},
      {kMaxSendRate.name, "maxSendRate"},
      {kGroupConnLimit.name, "groupConnLimit"},
      {kIsolateSession.name, "isolateSession"},
      {kAdvertisesAltaddr.name, "advertisesAltaddr"},
      {kSingularTransmissionMsgMaxLen.name, "singularTransmissionMsgMaxLen"},
      {kSendMsgMaxLen.name, "sendMsgMaxLen"},
      {kRecvMsgMaxLen.name, "recvMsgMaxLen"},
      {kTcpUserTimeoutValue.name, "tcp.userTimeoutValue"},
      {kTcpUserTimeoutEnabled.name, "tcp.userTimeoutEnabled"},
      {kTcpUserTimeoutChangeable.name, "tcp.userTimeoutChangeable"},
      {kInterface.name, "interface"},
      {kPvd.name, "pvd"},
  };
  for (const auto& [ours, rfc] : names) EXPECT_EQ(ours, rfc);
  EXPECT_TRUE(kSendMsgMaxLen.read_only && kRecvMsgMaxLen.read_only && kSingularTransmissionMsgMaxLen.read_only);
  EXPECT_FALSE(kConnPriority.entangled) << "of all properties the one that each Connection of a group has for itself";
}

}  // namespace
}  // namespace trellis
