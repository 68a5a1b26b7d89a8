// An association whose ends have two addresses each: it goes on when a path fails, and comes back when it works again.
#include "two_homes.h"

namespace trellis::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

// IMPL-156: both ends know both paths, and use the one of the handshake.
TEST_F(TwoHomes, KnowEachOther) {
  connect();
  EXPECT_EQ(paths(*talker), "");
  EXPECT_EQ(paths(peer()), "");
}

}  // namespace
}  // namespace trellis::tests
