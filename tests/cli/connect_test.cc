// `trellis connect` against peers that are plain sockets, and against every kind of standard input and output.
#include <Poco/JSON/Object.h>

#include <csignal>
#include <fstream>
#include <memory>
#include <thread>

#include "json.h"
#include "tool.h"

namespace trellis::test {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

// IMPL-55: the end of the input ends one direction only.
TEST(Connect, EndOfInputHalfCloses) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", listener.address()}));
  const RawSocket peer = listener.accept();
  ASSERT_TRUE(process.write("question"));
  EXPECT_EQ(peer.read(8), "question");
  process.close_input();
  EXPECT_EQ(peer.read_all(), "") << "the end of the input must reach the peer";
  ASSERT_TRUE(peer.write("a late answer"));
  peer.finish();
  EXPECT_EQ(process.wait(), 0) << process.error();
  EXPECT_EQ(process.output(), "a late answer");
  EXPECT_EQ(process.error(), "");
}

TEST(Connect, PeerMayFinishFirst) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", listener.address()}));
  const RawSocket peer = listener.accept();
  ASSERT_TRUE(peer.write("greeting"));
  peer.finish();
  ASSERT_TRUE(process.wait_output("greeting"));
  ASSERT_TRUE(process.write("goes on"));
  process.close_input();
  EXPECT_EQ(peer.read_all(), "goes on");
  EXPECT_EQ(process.wait(), 0) << process.error();
}

TEST(Connect, VerboseLineSaysWhatScriptsNeed) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", "-v", listener.address()}), file("/dev/null"));
  const RawSocket peer = listener.accept();
  peer.finish();
  EXPECT_EQ(process.wait(), 0);
  EXPECT_THAT(process.error(), MatchesRegex("connected stack=tcp remote=" + listener.address() +
                                            " local=127\\.0\\.0\\.1:[0-9]+ path=lo node=[0-9.]+ ms=[0-9]+\\.[0-9]\n"));
  EXPECT_EQ(process.output(), "");
}

TEST(Connect, VerboseJsonSaysTheSame) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", "-v", "--json", listener.address()}), file("/dev/null"));
  const RawSocket peer = listener.accept();
  peer.finish();
  EXPECT_EQ(process.wait(), 0);
  const std::string race = process.error().substr(0, process.error().find('\n'));
  EXPECT_THAT(race, HasSubstr("{\"event\":\"race\","));
  const std::string connected = process.error().substr(race.size());
  const auto line = parse(connected);
  EXPECT_EQ(line->getValue<std::string>("event"), "connected");
  EXPECT_EQ(line->getValue<std::string>("stack"), "tcp");
  EXPECT_EQ(line->getValue<std::string>("remote"), listener.address());
  EXPECT_EQ(line->getValue<std::string>("path"), "lo");
  EXPECT_GE(line->getValue<double>("ms"), 0.0);
}

// ---- standard input and output of every kind

class ConnectInput : public testing::TestWithParam<Stdio> {};

TEST_P(ConnectInput, ThatIsEmptyEndsAtOnce) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", listener.address()}), GetParam());
  const RawSocket peer = listener.accept();
  EXPECT_EQ(peer.read_all(), "");
  ASSERT_TRUE(peer.write("answer"));
  peer.finish();
  EXPECT_EQ(process.wait(), 0) << process.error();
  EXPECT_EQ(process.output(), "answer");
}

INSTANTIATE_TEST_SUITE_P(Connect, ConnectInput, testing::Values(kClosed, file("/dev/null")), [](const auto& info) {
  return info.param.kind == Stdio::Kind::closed ? "closed" : "dev_null";
});

TEST(Connect, InputMayBeAFile) {
  const TemporaryDirectory directory;
  std::string text;
  for (int i = 0; i < 100000; ++i) text += std::to_string(i) + '\n';
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", listener.address()}), file(directory.write("input", text)),
                  file(directory.path() + "/output"));
  const RawSocket peer = listener.accept();
  EXPECT_EQ(peer.read_all(), text);
  ASSERT_TRUE(peer.write(text));
  peer.finish();
  EXPECT_EQ(process.wait(), 0) << process.error();
  std::ifstream written(directory.path() + "/output");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(written), {}), text);
}

TEST(Connect, InputThatCannotBeReadIsAnError) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", listener.address()}), file("/"));
  const RawSocket peer = listener.accept();
  EXPECT_EQ(process.wait(), 3);
  EXPECT_THAT(process.error(), HasSubstr("cannot read standard input: Is a directory"));
}

TEST(Connect, FullDiskEndsIt) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", listener.address()}), kPipe, file("/dev/full"));
  const RawSocket peer = listener.accept();
  ASSERT_TRUE(peer.write("more than fits"));
  EXPECT_EQ(process.wait(), 3);
  EXPECT_THAT(process.error(), HasSubstr("cannot write standard output: No space left on device"));
}

TEST(Connect, ReaderThatWentAwayEndsIt) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(Process::Unread(), trellis({"connect", listener.address()}));
  const RawSocket peer = listener.accept();
  process.close_output();
  ASSERT_TRUE(peer.write("nobody reads this"));
  EXPECT_EQ(process.wait(), 3) << "SIGPIPE must not kill it";
  EXPECT_THAT(process.error(), HasSubstr("cannot write standard output: Broken pipe"));
}

TEST(Connect, ClosedOutputIsNoProblemUntilThereIsSomethingToWrite) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process silent(trellis({"connect", listener.address()}), file("/dev/null"), kClosed);
  listener.accept().finish();
  EXPECT_EQ(silent.wait(), 0) << silent.error();
  Process process(trellis({"connect", listener.address()}), file("/dev/null"), kClosed);
  const RawSocket peer = listener.accept();
  ASSERT_TRUE(peer.write("something"));
  EXPECT_EQ(process.wait(), 3);
  EXPECT_THAT(process.error(), HasSubstr("cannot write standard output"));
}

// ---- how it fails

TEST(Connect, RefusedExitsWithTwo) {
  std::string address;
  {
    address = RawSocket::tcp_listener().address();
  }
  const Outcome outcome = run({"connect", address});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.error, HasSubstr(address));
  EXPECT_THAT(outcome.error, HasSubstr("Connection refused"));
}

TEST(Connect, NamesWithoutAddressExitWithTwo) {
  const Outcome outcome = run({"connect", "--timeout", "20", "no-such-host.invalid:80"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("no address was found for no-such-host.invalid: "));
}

TEST(Connect, NamesAreResolved) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", "-4", "localhost:" + std::to_string(listener.port())}), file("/dev/null"));
  const RawSocket peer = listener.accept();
  peer.finish();
  EXPECT_EQ(process.wait(), 0) << process.error();
}

// A listener whose queue is full does not answer any more, which is the nearest to a black hole on loopback.
TEST(Connect, SilenceExitsWithTwoAfterTheTimeout) {
  const RawSocket listener = RawSocket::tcp_listener(false, 0);
  std::vector<std::unique_ptr<Process>> waiting;
  for (int i = 0; i < 2; ++i) {  // a backlog of zero holds one
    waiting.push_back(std::make_unique<Process>(trellis({"connect", "-v", listener.address()})));
    if (i == 0) {
      ASSERT_TRUE(waiting[0]->wait_error("connected"));
    }
  }
  const Outcome outcome = run({"connect", "--timeout", "0.3", listener.address()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.error, HasSubstr("was not established"));
}

TEST(Connect, ResetExitsWithThreeAfterWhatCame) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", listener.address()}));
  RawSocket peer = listener.accept();
  ASSERT_TRUE(peer.write("last words"));
  ASSERT_TRUE(process.wait_output("last words"));
  peer.reset();
  EXPECT_EQ(process.wait(), 3);
  EXPECT_THAT(process.error(), HasSubstr("reset"));
  EXPECT_EQ(process.output(), "last words");
}

TEST(Connect, PolicyErrorsExitWithFive) {
  const TemporaryDirectory directory;
  const std::string policy = directory.write("bad.xml", "<policy>\n  <nosuch/>\n</policy>\n");
  const Outcome bad = run({"connect", "--policy", policy, "127.0.0.1:1"});
  EXPECT_EQ(bad.code, 5);
  EXPECT_THAT(bad.error, HasSubstr(policy + ":"));
  EXPECT_EQ(run({"connect", "--policy", directory.path() + "/none.xml", "127.0.0.1:1"}).code, 5);
  const Outcome unknown = run({"connect", "--stack", "tpc", "127.0.0.1:1"});
  EXPECT_EQ(unknown.code, 5);
  EXPECT_THAT(unknown.error, HasSubstr("tcp"));
  EXPECT_EQ(run({"connect", "--stack", "tcp/tcp", "127.0.0.1:1"}).code, 5);
}

TEST(Connect, SigtermKillsIt) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", "-v", listener.address()}));
  ASSERT_TRUE(process.wait_error("connected"));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 128 + SIGTERM);
}

// ---- where from

// API-24, API-39
TEST(Connect, LocalAddressAndInterfaceAreUsed) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", "-v", "--local", "127.0.0.2", "--interface", "lo", listener.address()}),
                  file("/dev/null"));
  const RawSocket peer = listener.accept();
  EXPECT_EQ(peer.peer(), "127.0.0.2");
  peer.finish();
  EXPECT_EQ(process.wait(), 0);
  EXPECT_THAT(process.error(), HasSubstr("local=127.0.0.2:"));
}

// ---- what is on the wire

// API-206: a peer that knows lines needs nothing else.
TEST(Connect, LinesAreMessages) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", "--stack", "line/tcp", listener.address()}));
  const RawSocket peer = listener.accept();
  ASSERT_TRUE(process.write("first\n\nthird, without its end"));
  process.close_input();
  EXPECT_EQ(peer.read_all(), "first\n\nthird, without its end\n");
  ASSERT_TRUE(peer.write("one\n\nthree\n"));
  peer.finish();
  EXPECT_EQ(process.wait(), 0) << process.error();
  EXPECT_EQ(process.output(), "one\n\nthree\n");
}

TEST(Connect, EachReadIsAMessage) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", "--stack", "length-prefix/tcp", listener.address()}));
  const RawSocket peer = listener.accept();
  using namespace std::string_literals;
  ASSERT_TRUE(process.write("abc"));
  EXPECT_EQ(peer.read(7),
            "\0\0\0\x03"s
            "abc");
  ASSERT_TRUE(process.write("defgh"));
  EXPECT_EQ(peer.read(9),
            "\0\0\0\x05"s
            "defgh");
  ASSERT_TRUE(
      peer.write("\0\0\0\x02"s
                 "xy"
                 "\0\0\0\0"s
                 "\0\0\0\x01"s
                 "z"));
  process.close_input();
  peer.finish();
  EXPECT_EQ(process.wait(), 0) << process.error();
  EXPECT_EQ(process.output(), "xyz");
}

// What a hostile peer's frames come to: exit code 3 and a sentence with the numbers, messages before it delivered.
// API-96
TEST(Connect, BrokenFramesAreNamed) {
  using namespace std::string_literals;
  const std::pair<std::string, const char*> cases[] = {
      {"\0\0\0\x02xy\0\0\0\x09half"s, "4 of 9"},        // stops in the middle
      {"\0\0\0\x02xy\xff\xff\xff\xff"s, "4294967295"},  // announces 4 GiB
  };
  for (const auto& [bytes, numbers] : cases) {
    const RawSocket listener = RawSocket::tcp_listener();
    Process process(trellis({"connect", "--stack", "length-prefix/tcp", listener.address()}));
    const RawSocket peer = listener.accept();
    ASSERT_TRUE(peer.write(bytes));
    peer.finish();
    EXPECT_EQ(process.wait(), 3);
    EXPECT_THAT(process.output(), testing::StartsWith("xy"));
    EXPECT_THAT(process.error(), HasSubstr(numbers));
  }
}

TEST(Connect, EachReadIsADatagram) {
  RawSocket peer = RawSocket::udp();
  Process process(trellis({"connect", "--stack", "udp", "--wait", "0.2", peer.address()}));
  ASSERT_TRUE(process.write("ping"));
  EXPECT_EQ(peer.receive(), "ping");
  peer.answer("pong");
  ASSERT_TRUE(process.wait_output("pong"));
  ASSERT_TRUE(process.write("ping again"));
  EXPECT_EQ(peer.receive(), "ping again");
  peer.answer("pong again");
  ASSERT_TRUE(process.wait_output("pong again"));
  process.close_input();
  EXPECT_EQ(process.wait(), 0) << "a silent peer must not hold it for ever";
}

// ---- bounded memory

std::uint64_t number_in(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string word; in >> word;) {
    std::uint64_t number = 0;
    if (word == key && in >> number) return number;
  }
  return 0;
}

// Waits until the count in /proc/PID/io stands still; what it then is.
std::uint64_t where_it_stops(const Process& process, const std::string& key, std::uint64_t give_up_at) {
  using namespace std::chrono_literals;
  const std::string file = "/proc/" + std::to_string(process.pid()) + "/io";
  std::uint64_t before = 0, now = 0;
  do {
    before = now;
    std::this_thread::sleep_for(500ms);
    now = number_in(file, key);
  } while ((now != before || now == 0) && now < give_up_at);
  return now;
}

constexpr std::uint64_t kPlenty = 1u << 30;
constexpr std::uint64_t kBufferedMost = 64u << 20;  // by the kernel and by us
constexpr std::uint64_t kMemoryMostKb = 128u << 10;

TEST(Connect, SlowPeerStopsTheReadingOfInput) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(trellis({"connect", listener.address()}), file("/dev/zero"));
  const RawSocket peer = listener.accept();
  EXPECT_LT(where_it_stops(process, "rchar:", kPlenty), kBufferedMost);
  EXPECT_LT(number_in("/proc/" + std::to_string(process.pid()) + "/status", "VmHWM:"), kMemoryMostKb);
}

TEST(Connect, SlowReaderStopsTheReceiving) {
  const RawSocket listener = RawSocket::tcp_listener();
  Process process(Process::Unread(), trellis({"connect", listener.address()}));
  const RawSocket peer = listener.accept();
  std::thread sender([&] {
    const std::string block(1 << 20, 'x');
    while (peer.write(block)) {
    }
  });
  const std::string status = "/proc/" + std::to_string(process.pid()) + "/status";
  EXPECT_LT(where_it_stops(process, "rchar:", kPlenty), kBufferedMost);
  EXPECT_LT(number_in(status, "VmHWM:"), kMemoryMostKb);
  process.signal(SIGKILL);
  sender.join();
}

}  // namespace
}  // namespace trellis::test
