// The picture of a race in a browser: it draws what happened, loads nothing, complains about nothing.
#include <fstream>
#include <sstream>

#include "cli/tool.h"
#include "trellis/race_timeline.h"

namespace trellis::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

std::string content(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

class Timeline : public testing::Test {
 protected:
  void SetUp() override {
    if (!installed("chromium-headless-shell"))
      GTEST_SKIP() << "chromium-headless-shell is not installed: run sdk/setup interop";
  }

  // The page as the browser has it after running its script.
  std::string dom(const std::string& file) {
    const std::string log = directory.path() + "/network.json";
    Process browser({"chromium-headless-shell", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                     "--disable-component-update", "--user-data-dir=" + directory.path() + "/profile",
                     "--enable-logging=stderr", "--log-net-log=" + log, "--dump-dom", "file://" + file});
    browser.close_input();
    EXPECT_EQ(browser.wait(), 0) << browser.error();
    EXPECT_THAT(browser.error(), Not(HasSubstr("CONSOLE"))) << "nothing is complained about";
    const std::string requests = content(log);
    EXPECT_THAT(requests, HasSubstr("\"constants\"")) << "requests were written down";
    EXPECT_THAT(requests, Not(ContainsRegex("\"url\":\"(http|ws|ftp)"))) << "nothing is asked of a network";
    return browser.output();
  }

  TemporaryDirectory directory;
};

TEST_F(Timeline, ShowsEveryCandidateAndTheWinner) {
  Listen listen({"--echo", "--once"});
  const std::string address = listen.address();
  const std::string port = address.substr(address.rfind(':') + 1);
  const std::string file = directory.path() + "/race.html";
  const Outcome outcome =
      run({"connect", "--timeline", file, "--resolve", "a.test:" + port + ":127.0.0.2,127.0.0.1", "a.test:" + port});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  const std::string page = dom(file);
  EXPECT_THAT(page, HasSubstr("<h1>Race to a.test:" + port + "</h1>"));
  EXPECT_THAT(page, HasSubstr("<b>1.1.1.2</b> won after"));
  EXPECT_THAT(page, ContainsRegex("class=\"row\"[^>]*data-node=\"1.1.1.1\" data-state=\"failed\""));
  EXPECT_THAT(page, ContainsRegex("class=\"row winner\"[^>]*data-node=\"1.1.1.2\" data-state=\"ready\""));
  EXPECT_THAT(page, HasSubstr("class=\"bar failed\""));
  EXPECT_THAT(page, HasSubstr("class=\"bar ready\""));
  EXPECT_THAT(page, HasSubstr("Connection refused"));
}

// Texts that somebody else wrote stay texts.
TEST_F(Timeline, HostileTextsDoNothing) {
  const std::string evil = "</span><script>document.title='owned'</script><img src=\"http://192.0.2.1/x\">'\"&\x01\xff";
  RaceReport report;
  report.remote = evil;
  report.profile = evil;
  report.nodes.push_back({.id = "1", .remote = {.host = evil, .port = 1}, .stack = evil, .path = evil});
  report.nodes.back().state = Child::State::failed;
  report.nodes.back().failure = report.failure = Error{Reason::reset, 0, "test", evil};
  RaceStep step{.kind = RaceStep::Kind::failed, .why = evil, .detail = evil};
  step.error = report.failure;
  report.steps.push_back(step);
  report.path_events.push_back({.lost = true, .layer = evil, .detail = evil});
  const std::string page = dom(directory.write("evil.html", race_timeline(report)));
  EXPECT_THAT(page, HasSubstr("<h1>Race to &lt;/span&gt;&lt;script&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<title>owned")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, HasSubstr("class=\"event failed\""));
}

TEST_F(Timeline, AnEmptyReportIsAPageToo) {
  RaceReport report;
  report.nodes.push_back({.id = "1"});
  EXPECT_THAT(dom(directory.write("empty.html", race_timeline(report))), HasSubstr("Not over"));
}

}  // namespace
}  // namespace trellis::test
