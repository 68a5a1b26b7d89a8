// Wrong input is told to the log, and a flood of it is not.
#include "core/passed_over.h"

#include <gmock/gmock.h>

namespace trellis {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct PassedOverTest : testing::Test {
  void tell(std::string_view who, std::string_view what) { passed_over.tell(log, who, what, now); }
  std::vector<std::string> take() { return std::exchange(lines, {}); }

  std::vector<std::string> lines;
  const Log log = [this](Severity severity, std::string_view who, std::string_view text) {
    EXPECT_EQ(severity, Severity::warning);
    lines.push_back(std::string(who) + ": " + std::string(text));
  };
  PassedOver passed_over;
  TimePoint now{1h};
};

TEST_F(PassedOverTest, TheSameIsToldOnceInAWhile) {
  tell("hosts", "line 1");
  tell("hosts", "line 1");
  tell("dns", "line 1");
  EXPECT_THAT(take(), ElementsAre("hosts: line 1", "dns: line 1"));
  now += PassedOver::kWhile - 1ns;
  tell("hosts", "line 1");
  EXPECT_THAT(take(), IsEmpty());
  now += 1ns;
  tell("hosts", "line 1");
  EXPECT_THAT(take(), ElementsAre("hosts: line 1"));
}

TEST_F(PassedOverTest, AFloodIsCountedAndNotTold) {
  for (int i = 0; i < 100'000; ++i) tell("interfaces", "line " + std::to_string(i));
  const auto told = take();
  ASSERT_THAT(told, SizeIs(PassedOver::kLinesMost));
  EXPECT_EQ(told.back(), "interfaces: line 7 (more is not told for 10 minutes)");
  tell("hosts", "line 1");
  EXPECT_THAT(take(), ElementsAre("hosts: line 1")) << "one plugin does not silence another";
  now += PassedOver::kWhile;
  tell("interfaces", "line 5");
  EXPECT_THAT(take(), ElementsAre("interfaces: line 5 (99992 more before were not told)"));
  tell("interfaces", "line 6");
  EXPECT_THAT(take(), ElementsAre("interfaces: line 6"));
}

TEST_F(PassedOverTest, WithoutALogNothingIsKept) {
  passed_over.tell({}, "hosts", "line 1", now);
  tell("hosts", "line 1");
  EXPECT_THAT(take(), ElementsAre("hosts: line 1"));
}

}  // namespace
}  // namespace trellis
