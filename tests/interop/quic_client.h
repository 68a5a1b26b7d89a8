// quic_client.h: a QUIC client of our own API at a server that speaks HTTP/3, for what no program can be asked to do.
#pragma once
#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "interop/http3_by_hand.h"
#include "stacks/world.h"
#include "support/run_until.h"
#include "trellis/loop.h"
#include "trellis/preconnection.h"

namespace trellis::test {

/// A program of ours: what it knows of earlier ones is in its state file alone.
struct QuicProgram {
  QuicProgram(const std::string& policy, const std::string& state_file) {
    auto made = Framework::create({.policies = {TRELLIS_SOURCE_DIR "/policies/" + policy},
                                   .plugin_directories = {TRELLIS_BUILD_DIR "/plugins"},
                                   .state_file = state_file});
    EXPECT_TRUE(made) << made.error().detail;
    framework = std::move(made).value();
  }
  /// Runs turns until it holds or the deadline is over; looks again every few milliseconds, for what is no event of the
  /// loop.
  bool until(const std::function<bool()>& holds) {
    struct Tick final : Alarm {
      void on_alarm() noexcept override {}
    } tick;
    return run_until(*loop, [&] {
      if (!tick.armed()) tick.arm(*loop, loop->now() + std::chrono::milliseconds(5));
      return holds();
    });
  }
  std::unique_ptr<Loop> loop = make_loop();
  std::unique_ptr<Framework> framework;
};

/// A GET on a stream of its own.
struct QuicFetch {
  Connection stream;
  std::optional<Result<void>> ready;
  std::unique_ptr<tests::Reader> reader;

  auto on_ready() {
    return [this](Result<void> how) { ready = std::move(how); };
  }
  void read() { reader = std::make_unique<tests::Reader>(stream); }
  bool over() const { return reader && (reader->ended || reader->error); }
  bool refused() const { return ready && !*ready; }
};

/// One QUIC connection with all its streams.
class QuicClient {
 public:
  /// Begins; with `early` the request for that page goes with the first packets, where a ticket allows it.
  QuicClient(QuicProgram& program, Preconnection to, std::string_view early = {}) : program_(program) {
    QuicFetch& first = *fetches_.emplace_back(std::make_unique<QuicFetch>());
    Message message{.data = {}, .end = false};
    if (!early.empty()) message = request(program.loop->pool(), early);
    first.stream = to.initiate(*program.loop, first.on_ready(), std::move(message));
    first.stream.on_notice([this](Notice notice, const Error& e) {
      notices.push_back(notice);
      said += e.detail + '\n';
    });
    first.stream.on_received([this](Connection c) { theirs_.push_back(std::move(c)); });
    if (!early.empty()) first.read();
  }
  /// Waits until it is ready, and opens the control stream.
  void establish() {
    ASSERT_TRUE(program_.until([&] { return first().ready.has_value(); }));
    ASSERT_TRUE(*first().ready) << first().ready->error().detail;
    std::optional<Result<void>> how;
    control_ =
        first().stream.clone([&](Result<void> result) { how = std::move(result); },
                             {.properties = {{std::string(kDirection.name), std::string("Unidirectional Send")}}});
    ASSERT_TRUE(program_.until([&] { return how.has_value(); }));
    ASSERT_TRUE(*how) << how->error().detail;
    control_.on_failed([](const Error& e) { ADD_FAILURE() << "the control stream: " << e.detail; });
    control_.send(tests::slice(control_, kHttp3Control));
  }
  /// Asks on the first stream.
  QuicFetch& ask(std::string_view path) {
    first().stream.send(request(program_.loop->pool(), path));
    first().read();
    return first();
  }
  /// Asks on a further stream.
  QuicFetch& ask_again(std::string_view path) {
    QuicFetch& fetch = *fetches_.emplace_back(std::make_unique<QuicFetch>());
    fetch.stream = control_.clone(fetch.on_ready(),
                                  {.properties = {{std::string(kDirection.name), std::string("Bidirectional")}}});
    fetch.stream.send(request(program_.loop->pool(), path));
    fetch.read();
    return fetch;
  }
  /// The page must come.
  void expect(QuicFetch& fetch, const std::string& page) {
    ASSERT_TRUE(program_.until([&] { return fetch.over() || fetch.refused(); })) << fetch.reader->all.size();
    EXPECT_FALSE(fetch.refused()) << fetch.ready->error().detail;
    EXPECT_FALSE(fetch.reader->error) << fetch.reader->error->detail;
    const Http3Answer answer = read_http3_answer(fetch.reader->all);
    EXPECT_TRUE(answer.ok);
    EXPECT_TRUE(answer.body == page) << answer.body.size() << " bytes instead of " << page.size();
  }
  bool noticed(Notice notice) const { return std::ranges::find(notices, notice) != notices.end(); }
  template <class T>
  T fact(std::string_view name) {
    auto value = control_.get(name);
    if (value) return std::get<T>(*value);
    ADD_FAILURE() << name << ": " << value.error().detail;
    return {};
  }
  QuicFetch& first() { return *fetches_.front(); }
  Connection& control() { return control_; }  ///< it lives as long as the connection
  /// Until all has arrived, and the connection is closed.
  void close() {
    bool closed = false;
    control_.close_group([&](const Result<void>&) { closed = true; });
    EXPECT_TRUE(program_.until([&] { return closed; }));
  }

  std::vector<Notice> notices;
  std::string said;  ///< with them

 private:
  static Message request(BlockPool& pool, std::string_view path) {
    const std::string bytes = http3_get(path);
    Message message{.data = pool.allocate(0, static_cast<std::uint32_t>(bytes.size()), 0), .final = true};
    std::ranges::copy(std::as_bytes(std::span(bytes)), message.data.edit().begin());
    message.properties.replayable = true;
    return message;
  }
  QuicProgram& program_;
  std::vector<std::unique_ptr<QuicFetch>> fetches_;
  std::vector<Connection> theirs_;  // nobody reads them, but they may not be refused
  Connection control_;
};

}  // namespace trellis::test
