// prepended_framer.h: a framer that the one below it has put above itself before it was ready (RFC 9623 section 6.1,
// PrependFramer).
//
// The engine sees one layer. What it moves between two layers in a turn is moved here, by calls in turns: neither of
// the two calls the other.
#pragma once
#include <string>
#include <utility>

#include "core/framer_layer.h"

namespace trellis {

class PrependedFramer final : public LayerHost {
 public:
  /// `upper`: what was above `below`. `host`, `below` and `framing` outlive it.
  PrependedFramer(LayerHost& host, FramerLayer& below, UpperPort upper, std::string name, const Framing& framing);
  UpperPort port() noexcept { return UpperPort(link_); }  // of the framer below
  FramerLayer& layer() noexcept { return layer_; }
  bool has_closed() const noexcept { return closed_; }
  void open(const OpenArgs& args) noexcept;  // once: the framer below is ready
  void offer_down() noexcept;                // once more what the framer below left: it may take more now
  void move() noexcept;                      // after each call of one of the two

  // LayerHost: of the framer above.
  Executor& executor() noexcept override { return host_.executor(); }
  State& state() noexcept override { return host_.state(); }
  const Security& security() noexcept override { return host_.security(); }
  void log(Severity severity, std::string_view text) noexcept override { host_.log(severity, text); }
  void deadline(TimePoint at) noexcept override { host_.deadline(at); }
  void wake() noexcept override { host_.wake(); }
  void answered(unsigned rtts_left) noexcept override { host_.answered(rtts_left); }
  void early() noexcept override { host_.early(); }
  void ready() noexcept override { host_.ready(); }
  void closed() noexcept override { closed_ = true; }
  void failed(Error error) noexcept override;
  void notify(Notice notice, Error detail) noexcept override { host_.notify(notice, std::move(detail)); }
  StreamHost& streams() noexcept override { return host_.streams(); }
  LowerHost& lowers() noexcept override { return host_.lowers(); }
  void* extension(std::string_view name) noexcept override { return host_.extension(name); }

 private:
  void move_up() noexcept;
  void move_down() noexcept;

  LayerHost& host_;
  FramerLayer& below_;
  std::string name_;
  Schedule schedule_;  // of the link alone
  Link link_;
  FramerLayer layer_;
  bool opened_ = false, moving_ = false, closed_ = false, told_closed_ = false;
};

}  // namespace trellis
