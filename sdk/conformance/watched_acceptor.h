// watched_acceptor.h: the acceptor of the subject, wrapped like its instances (watched_layer.h).
#pragma once
#include "conformance/watched_layer.h"
#include "trellis/listen.h"

namespace trellis::conformance {

class WatchedAcceptor final : public Acceptor, public AcceptHost {
 public:
  WatchedAcceptor(AcceptHost& host, Scene& scene) : host_(host), scene_(scene), executor_(host.executor(), scene) {}
  ~WatchedAcceptor() override;
  void hold(std::unique_ptr<Acceptor> real) { real_ = std::move(real); }

  // Acceptor, for the engine
  void open(const OpenArgs& args) noexcept override { real_->open(args); }
  void close(const CloseArgs& args) noexcept override { real_->close(args); }
  void on_up(LowerPort from, Batch& batch) noexcept override { real_->on_up(from, batch); }
  void on_credit(LowerPort port) noexcept override { real_->on_credit(port); }
  void on_deadline() noexcept override { real_->on_deadline(); }
  void on_wake() noexcept override { real_->on_wake(); }
  void flush() noexcept override { real_->flush(); }
  void offered(LowerPort port) noexcept override { real_->offered(port); }
  void offered_failed(LowerPort port) noexcept override { real_->offered_failed(port); }
  void unseated(ProtocolInstance&) noexcept override;

  // AcceptHost, for the real acceptor
  Executor& executor() noexcept override { return executor_; }
  State& state() noexcept override { return host_.state(); }
  const Security& security() noexcept override { return host_.security(); }
  void log(Severity, std::string_view text) noexcept override;
  void deadline(TimePoint at) noexcept override { host_.deadline(at); }
  void wake() noexcept override { host_.wake(); }
  void failed(Error) noexcept override;
  void listening(const Address& local) noexcept override;
  void closed() noexcept override;
  Seat* seat(const Address& peer, LowerPort lower) noexcept override;
  void seated(Seat*, std::unique_ptr<ProtocolInstance>) noexcept override;
  void attach(ProtocolInstance&, LowerPort offered) noexcept override;
  void refuse(LowerPort offered) noexcept override { host_.refuse(offered); }
  void forward(unsigned loop, const Chunk& chunk) noexcept override { host_.forward(loop, chunk); }

 private:
  bool alive(std::string_view call);

  AcceptHost& host_;
  Scene& scene_;
  WatchedExecutor executor_;
  std::unique_ptr<Acceptor> real_;
  std::vector<WatchedInstance*> instances_;  // seated and not unseated yet
  std::unique_ptr<WatchedInstance> opening_;
  std::optional<Seat> opening_seat_;
  Seat* engine_seat_ = nullptr;
  bool listening_ = false, closed_ = false, failed_ = false;
};

}  // namespace trellis::conformance
