// watched_layer.h: the subject itself, wrapped: every call that it makes to its host and every life-cycle step passes
// here and is judged. The wrapper adds nothing to the stack; the layers beside it see the subject's own ports.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "conformance/scene.h"
#include "trellis/executor.h"
#include "trellis/lowers.h"
#include "trellis/plugin.h"
#include "trellis/protocol.h"
#include "trellis/streams.h"

namespace trellis::conformance {

class WatchedInstance;

/// The loop, as the subject sees it: alarms of its own are noticed.
class WatchedExecutor final : public Executor {
 public:
  WatchedExecutor(Executor& real, Scene& scene) : real_(real), scene_(scene) {}
  TimePoint now() const noexcept override { return real_.now(); }
  std::chrono::system_clock::time_point wall_clock() const noexcept override { return real_.wall_clock(); }
  void post(std::move_only_function<void()> task) noexcept override { real_.post(std::move(task)); }
  void queue(Job& job) noexcept override { real_.queue(job); }
  void again(Job& job) noexcept override { real_.again(job); }
  void arm(Alarm& alarm, TimePoint deadline) noexcept override;
  void disarm(Alarm& alarm) noexcept override { real_.disarm(alarm); }
  Sockets& sockets() noexcept override { return real_.sockets(); }
  BlockPool& pool() noexcept override { return real_.pool(); }
  std::uint64_t random() noexcept override { return real_.random(); }
  void secret(std::span<std::byte> out) noexcept override { real_.secret(out); }
  unsigned loop() const noexcept override { return real_.loop(); }
  unsigned loops() const noexcept override { return real_.loops(); }

 private:
  Executor& real_;
  Scene& scene_;
};

/// The host of the subject: forwards and judges.
class WatchedHost final : public LayerHost {
 public:
  WatchedHost(LayerHost& real, Scene& scene) : real_(real), scene_(scene), executor_(real.executor(), scene) {}
  Executor& executor() noexcept override { return executor_; }
  State& state() noexcept override { return real_.state(); }
  const Security& security() noexcept override { return real_.security(); }
  void log(Severity, std::string_view text) noexcept override;
  void deadline(TimePoint) noexcept override;
  void wake() noexcept override;
  void answered(unsigned rtts_left) noexcept override;
  void early() noexcept override;
  void ready() noexcept override;
  void closed() noexcept override;
  void failed(Error) noexcept override;
  void notify(Notice, Error) noexcept override;
  StreamHost& streams() noexcept override { return real_.streams(); }
  LowerHost& lowers() noexcept override { return real_.lowers(); }
  void* extension(std::string_view name) noexcept override { return real_.extension(name); }

  bool ended() const { return ended_ != nullptr; }

 private:
  friend class WatchedInstance;
  bool alive(std::string_view call);
  std::string_view who() const { return to_string(side_); }

  LayerHost& real_;
  Scene& scene_;
  WatchedExecutor executor_;
  Side side_ = Side::client;
  UpperPort upper_;  // to see whether something is pushed after the end; empty: it may be gone by then
  LowerPort lower_;
  std::size_t upper_credit_ = 0, lower_credit_ = 0;
  const char* ended_ = nullptr;  // "closed()" or "failed()"
  bool opened_ = false, ready_ = false;
};

/// One instance of the subject.
class WatchedInstance final : public ProtocolInstance, private StreamLayer, private LowerUser {
 public:
  WatchedInstance(const Seat& seat, Scene& scene);
  ~WatchedInstance() override;
  Seat seat() { return Seat{host_, seat_.upper, seat_.lower}; }  ///< for the real instance
  void hold(std::unique_ptr<ProtocolInstance> real);
  ProtocolInstance& real() { return *real_; }

  void open(const OpenArgs&) noexcept override;
  void close(const CloseArgs&) noexcept override;
  void on_up(LowerPort from, Batch& batch) noexcept override;
  void on_down(UpperPort from, Batch& batch) noexcept override;
  void on_credit(UpperPort) noexcept override;
  void on_credit(LowerPort) noexcept override;
  void on_deadline() noexcept override;
  void on_wake() noexcept override;
  void flush() noexcept override;
  Result<PropertyValue> get(UpperPort port, std::string_view name) noexcept override { return real_->get(port, name); }
  Result<void> set(UpperPort port, std::string_view name, const PropertyValue& value) noexcept override {
    return real_->set(port, name, value);
  }
  StreamLayer* streams() noexcept override { return real_->streams() != nullptr ? this : nullptr; }
  LowerUser* lowers() noexcept override { return real_->lowers() != nullptr ? this : nullptr; }
  void* extension(std::string_view name) noexcept override { return real_->extension(name); }

 private:
  Result<void> open_stream(UpperPort port, const StreamArgs& args) noexcept override;
  void abort_stream(UpperPort port, Direction direction, std::uint64_t code) noexcept override;
  void lower_ready(LowerPort port) noexcept override;
  bool lower_failed(LowerPort port, const Error& error) noexcept override;
  void paths(std::span<const Path> paths) noexcept override;
  void check_silence();

  Seat seat_;
  Scene& scene_;
  WatchedHost host_;
  std::unique_ptr<ProtocolInstance> real_;
};

/// The subject as something to compose: the real protocol, its instances wrapped.
class WatchedProtocol final : public Protocol {
 public:
  WatchedProtocol(std::unique_ptr<const Protocol> real, const SceneHolder& holder)
      : real_(std::move(real)), holder_(holder) {}
  LayerTraits traits(Face above) const noexcept override { return real_->traits(above); }
  Endpoint remote_below(const Endpoint& remote, const Path& path) const override {
    return real_->remote_below(remote, path);
  }
  Reach reach(std::string_view name) const noexcept override { return real_->reach(name); }
  Result<std::unique_ptr<ProtocolInstance>> connect(const Seat& seat) const noexcept override;
  Result<std::unique_ptr<Acceptor>> listen(AcceptHost& host, LowerPort lower) const noexcept override;

 private:
  std::unique_ptr<const Protocol> real_;
  const SceneHolder& holder_;
};

}  // namespace trellis::conformance
