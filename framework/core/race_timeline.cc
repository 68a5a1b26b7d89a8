#include "trellis/race_timeline.h"

#include <algorithm>
#include <cmath>
#include <format>

#include "core/text.h"

namespace trellis {
namespace {

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #1b2430; --soft: #667085; --line: #e3e7ed; --hover: #eef3ff;
  --ready: #17915b; --failed: #d0413c; --canceled: #98a2b3; --started: #3b74d9; --delay: #b27a17; }
@media (prefers-color-scheme: dark) { :root {
  --page: #11151b; --card: #191f28; --ink: #e6eaf0; --soft: #94a0b2; --line: #2a323e; --hover: #212b3b;
  --ready: #3cc58a; --failed: #f0716c; --canceled: #6d7889; --started: #6f9ef2; --delay: #d9a441; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 28px clamp(12px, 4vw, 48px); background: var(--page); color: var(--ink);
  font: 14px/1.45 system-ui, sans-serif; }
main { max-width: 1400px; margin: auto; }
h1 { font-size: 21px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 15px; margin: 28px 0 8px; }
.verdict { font-size: 16px; margin: 0 0 12px; overflow-wrap: anywhere; }
.verdict b { color: var(--ready); } .verdict.lost b { color: var(--failed); }
.facts { display: flex; flex-wrap: wrap; gap: 4px 22px; margin: 0 0 18px; color: var(--soft); }
.facts b { color: var(--ink); font-weight: 600; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow-x: auto; }
.chart { min-width: 760px; padding: 8px 0; }
.row, .axis { display: grid; grid-template-columns: minmax(220px, 22%) 1fr minmax(230px, 28%); }
.row { border-top: 1px solid var(--line); outline: none; }
.axis + .row { border-top: 0; }
.row:hover, .row:focus-visible, tr.marked { background: var(--hover); }
.name { padding: 5px 12px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.name b { font-weight: 600; font-variant-numeric: tabular-nums; }
.name span { color: var(--soft); }
.winner .name b, .winner .name span { color: var(--ready); }
.outcome { padding: 5px 12px; color: var(--soft); overflow-wrap: anywhere; }
.outcome.failed { color: var(--failed); } .outcome.ready { color: var(--ready); font-weight: 600; }
.track { position: relative; min-height: 30px; margin: 0 14px; }
.tick { position: absolute; top: 0; bottom: 0; border-left: 1px solid var(--line); }
.axis .tick { border: 0; color: var(--soft); font-size: 12px; transform: translateX(-50%); padding-top: 5px;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { position: absolute; top: 8px; height: 14px; min-width: 3px; border-radius: 4px; background: var(--started); }
.bar.inner { top: 13px; height: 4px; opacity: .55; }
.bar.ready { background: var(--ready); } .bar.failed { background: var(--failed); }
.bar.canceled { background: var(--canceled); }
.wait { position: absolute; top: 14px; border-top: 2px dashed var(--canceled); }
.delay { position: absolute; top: 5px; border-top: 2px dashed var(--delay); }
.answer { position: absolute; top: 4px; height: 22px; width: 2px; margin-left: -1px; background: var(--ink); }
.event { position: absolute; top: 8px; height: 14px; width: 14px; margin-left: -7px; border-radius: 50%;
  background: var(--ready); }
.event.failed { background: var(--failed); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 10px 2px; color: var(--soft); font-size: 13px; }
.legend i { display: inline-block; width: 22px; height: 10px; border-radius: 3px; margin-right: 6px; }
.legend i.dash { height: 0; border-radius: 0; vertical-align: middle; }
#detail { min-height: 3.2em; margin: 10px 2px 0; color: var(--soft); overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; min-width: 640px; }
th, td { text-align: left; padding: 4px 12px; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--soft); font-weight: 600; }
td:last-child { overflow-wrap: anywhere; }
td.time { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.failed { color: var(--failed); } td.ready { color: var(--ready); } td.from { color: var(--soft); }
</style>
)";

constexpr std::string_view kScript = R"(<script>
const detail = document.getElementById('detail'), start = detail.textContent;
const steps = [...document.querySelectorAll('tbody tr')];
for (const row of document.querySelectorAll('.row')) {
  const show = () => {
    detail.textContent = row.dataset.detail;
    for (const step of steps) step.classList.toggle('marked', step.dataset.node === row.dataset.node);
  };
  const hide = () => { detail.textContent = start; for (const step of steps) step.classList.remove('marked'); };
  row.addEventListener('mouseenter', show); row.addEventListener('focus', show);
  row.addEventListener('mouseleave', hide); row.addEventListener('blur', hide);
}
</script>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

double ms(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }
std::string shown(double milliseconds) {
  return milliseconds >= 100 ? std::format("{:.0f} ms", milliseconds) : std::format("{:.1f} ms", milliseconds);
}

class Page {
 public:
  explicit Page(const RaceReport& report)
      : report_(report), whole_(std::max(ms(report.ended_at - report.begun_at), 1e-3)) {}

  std::string text() {
    const std::string title = "Race to " + escaped(report_.remote);
    out_ = kHead;
    out_ += "<title>" + title + "</title>\n</head>\n<body><main>\n<h1>" + title + "</h1>\n";
    verdict();
    facts();
    out_ += "<div class=\"card\"><div class=\"chart\">\n";
    axis();
    rows(0, 0);
    out_ += "</div></div>\n";
    legend();
    if (!report_.path_events.empty()) paths();
    table();
    out_ += "</main>\n";
    out_ += kScript;
    return std::move(out_) + "</body></html>\n";
  }

 private:
  double since(TimePoint at) const { return ms(at - report_.begun_at); }
  double percent(double milliseconds) const { return std::clamp(milliseconds / whole_ * 100, 0.0, 100.0); }
  bool winner(const RaceNode& node) const { return !report_.winner.empty() && node.id == report_.winner; }

  void verdict() {
    if (report_.failure) {
      const Error& error = *report_.failure;
      out_ += std::format("<p class=\"verdict lost\"><b>Failed</b> after {}: {}</p>\n", shown(whole_),
                          escaped(error.detail.empty() ? to_string(error.reason) : error.detail));
      return;
    }
    const auto won = std::ranges::find(report_.nodes, report_.winner, &RaceNode::id);
    if (won == report_.nodes.end() || report_.winner.empty()) {
      out_ += std::format("<p class=\"verdict lost\"><b>Not over</b> after {}</p>\n", shown(whole_));
      return;
    }
    out_ += std::format("<p class=\"verdict\"><b>{}</b> won after {}: {}</p>\n", escaped(won->id), shown(whole_),
                        escaped(won->text()));
  }

  void facts() {
    const auto attempts = std::ranges::count_if(
        report_.nodes, [](const RaceNode& n) { return n.attempt && n.started_at != TimePoint{}; });
    out_ += std::format("<p class=\"facts\"><span>policy <b>{}</b></span>", escaped(report_.profile));
    for (const auto branch : {Branch::path, Branch::protocol, Branch::endpoint}) {
      const RaceReport::Racing& racing = report_.racing[static_cast<std::size_t>(branch)];
      std::string settings;
      for (const auto& [name, value] : racing.settings) settings += escaped(name) + "=" + escaped(value) + "&#10;";
      out_ += std::format("<span title=\"{}\">{} branches <b>{}</b></span>", settings, to_string(branch),
                          escaped(racing.policy));
    }
    out_ += std::format("<span><b>{}</b> attempts started</span><span>at most <b>{}</b> at once</span></p>\n", attempts,
                        report_.limits.attempts_at_once);
  }

  // Round steps, so that there are about six.
  double step() const {
    const double raw = whole_ / 6, power = std::pow(10, std::floor(std::log10(raw)));
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (raw <= factor * power) return factor * power;
    }
    return 10 * power;
  }

  void grid(bool labels) {
    const double each = step();
    for (int i = 0; i * each <= whole_; ++i) {
      out_ += std::format("<span class=\"tick\" style=\"left:{:.3f}%\">{}</span>", percent(i * each),
                          labels ? std::format("{:g} ms", i * each) : "");
    }
  }

  void axis() {
    out_ += "<div class=\"axis\"><span class=\"name\"></span><div class=\"track\">";
    grid(true);
    out_ += "</div><span></span></div>\n";
  }

  // A node, then its children in the order in which they were started.
  void rows(std::uint32_t node, int depth) {
    row(node, depth);
    std::vector<std::uint32_t> children;
    for (std::uint32_t i = 1; i < report_.nodes.size(); ++i) {
      if (report_.nodes[i].parent == node) children.push_back(i);
    }
    const auto order = [&](std::uint32_t i) {
      const TimePoint at = report_.nodes[i].started_at;
      return at == TimePoint{} ? TimePoint::max() : at;
    };
    std::ranges::stable_sort(children, {}, order);
    for (const std::uint32_t child : children) rows(child, depth + 1);
  }

  void row(std::uint32_t index, int depth) {
    const RaceNode& node = report_.nodes[index];
    out_ += std::format(
        "<div class=\"row{}\" tabindex=\"0\" data-node=\"{}\" data-state=\"{}\" data-detail=\"{}\">"
        "<span class=\"name\" style=\"padding-left:{}px\" title=\"{}\"><b>{}</b> <span>{}</span></span>"
        "<div class=\"track\">",
        winner(node) ? " winner" : "", escaped(node.id), to_string(node.state), escaped(detail(node)), 12 + 14 * depth,
        escaped(node.text()), escaped(node.id), escaped(label(node)));
    grid(false);
    bars(index);
    const std::string end = outcome(node);
    out_ += std::format("</div><span class=\"outcome {}\" title=\"{}\">{}</span></div>\n", to_string(node.state),
                        escaped(end), escaped(end));
  }

  // What is new in this node: the address, the stack or the path.
  std::string label(const RaceNode& node) const {
    if (&node == &report_.nodes.front()) return report_.remote;
    const auto branch = report_.nodes[node.parent].branch.value_or(Branch::endpoint);
    if (branch == Branch::path) return node.path.empty() ? "any path" : node.path;
    if (branch == Branch::protocol) return node.stack;
    const std::string whole = node.text();
    return whole.substr(1, whole.find(", ") - 1);
  }

  std::string outcome(const RaceNode& node) const {
    const std::string at = node.ended_at == TimePoint{} ? "" : " at " + shown(since(node.ended_at));
    switch (node.state) {
      case Child::State::ready: return (winner(node) ? "won" : "ready") + at;
      case Child::State::failed:
        return "failed" + at + ": " +
               (!node.branch && node.failure && !node.failure->detail.empty() ? node.failure->detail : node.ended_why);
      case Child::State::canceled: return "canceled: " + node.ended_why;
      case Child::State::waiting: return "not started: " + node.ended_why;
      case Child::State::started:
      case Child::State::answered: return "no result";
    }
    return {};
  }

  std::string detail(const RaceNode& node) const {
    std::string all = node.id + " " + node.text();
    if (node.started_at != TimePoint{})
      all += std::format(" · started at {} ({})", shown(since(node.started_at)), node.started_why);
    all += " · " + outcome(node);
    if (node.ended_at != TimePoint{} && node.state != Child::State::canceled) all += " (" + node.ended_why + ")";
    return all;
  }

  void piece(std::string_view kind, double from, double to, const std::string& title) {
    out_ += std::format("<span class=\"{}\" style=\"left:{:.3f}%;width:{:.3f}%\" title=\"{}\"></span>", kind,
                        percent(from), percent(to) - percent(from), escaped(title));
  }

  void bars(std::uint32_t index) {
    const RaceNode& node = report_.nodes[index];
    const bool started = node.started_at != TimePoint{};
    const double begin = started ? since(node.started_at) : whole_;
    for (std::size_t i = 0; i < report_.steps.size(); ++i) {
      const RaceStep& step = report_.steps[i];
      if (step.node != index) continue;
      const double at = since(step.at);
      if (step.kind == RaceStep::Kind::added && begin > at) piece("wait", at, begin, "waits for its turn");
      if (step.kind == RaceStep::Kind::waiting) delay(i);
      if (step.kind == RaceStep::Kind::answered)
        out_ += std::format("<span class=\"answer\" style=\"left:{:.3f}%\" title=\"the peer reacted at {}\"></span>",
                            percent(at), shown(at));
    }
    if (!started) return;
    const double end = node.ended_at == TimePoint{} ? whole_ : since(node.ended_at);
    piece(std::format("bar {}{}", to_string(node.state), node.attempt ? "" : " inner"), begin, end,
          std::format("{} to {}: {}", shown(begin), shown(end), outcome(node)));
  }

  // Until the time is over, or its race decides anew for another reason.
  void delay(std::size_t i) {
    const RaceStep& waiting = report_.steps[i];
    double until = std::min(since(waiting.until), whole_);
    for (std::size_t k = i + 1; k < report_.steps.size(); ++k) {
      const RaceStep& step = report_.steps[k];
      if (step.kind != RaceStep::Kind::waiting || step.node != waiting.node) continue;
      until = std::min(until, since(step.at));
      break;
    }
    const double from = since(waiting.at);
    if (until > from) piece("delay", from, until, "its next start waits until " + shown(since(waiting.until)));
  }

  void legend() {
    out_ +=
        "<p class=\"legend\"><span><i style=\"background:var(--ready)\"></i>ready</span>"
        "<span><i style=\"background:var(--failed)\"></i>failed</span>"
        "<span><i style=\"background:var(--canceled)\"></i>canceled</span>"
        "<span><i style=\"background:var(--started)\"></i>no result</span>"
        "<span><i class=\"dash\" style=\"border-top:2px dashed var(--canceled)\"></i>waits for its turn</span>"
        "<span><i class=\"dash\" style=\"border-top:2px dashed var(--delay)\"></i>delay before the next start</span>"
        "<span><i style=\"width:2px;height:14px;background:var(--ink);vertical-align:middle\"></i>the peer reacted"
        "</span></p>\n<p id=\"detail\">Point at a row to see what happened to that candidate and why.</p>\n";
  }

  // On a scale of its own: a race takes milliseconds, a connection may last for days.
  void paths() {
    whole_ = std::max(since(report_.path_events.back().at), 1e-3);
    out_ += "<h2>Its paths since</h2>\n<div class=\"card\"><div class=\"chart\">\n";
    axis();
    for (const RaceReport::PathEvent& event : report_.path_events) {
      const double at = since(event.at);
      const std::string detail = escaped(event.detail);
      out_ += std::format(
          "<div class=\"row\" tabindex=\"0\" data-node=\"\" data-state=\"{}\" data-detail=\"{} · at {}\">"
          "<span class=\"name\">{}</span><div class=\"track\">",
          event.lost ? "failed" : "ready", detail, shown(at), escaped(event.layer));
      grid(false);
      out_ += std::format(
          "<span class=\"event{}\" style=\"left:{:.3f}%\"></span></div><span class=\"outcome{}\" title=\"{}\">{} at {}"
          "</span></div>\n",
          event.lost ? " failed" : "", percent(at), event.lost ? " failed" : "", detail, detail, shown(at));
    }
    out_ += "</div></div>\n";
  }

  void table() {
    out_ +=
        "<h2>Every step</h2>\n<div class=\"card\"><table>\n<thead><tr><th>ms</th><th>node</th><th>what</th>"
        "<th>by</th><th>why</th></tr></thead>\n<tbody>\n";
    for (const RaceStep& step : report_.steps) {
      std::string why = step.text();
      if (step.kind == RaceStep::Kind::waiting) why += ", at " + shown(since(step.until));
      if (step.kind == RaceStep::Kind::added) why = report_.nodes[step.node].text();
      out_ += std::format(
          "<tr data-node=\"{}\"><td class=\"time\">{:.3f}</td><td>{}</td><td class=\"{}\">{}</td>"
          "<td class=\"from\">{}</td><td>{}</td></tr>\n",
          escaped(report_.nodes[step.node].id), since(step.at), escaped(report_.nodes[step.node].id),
          to_string(step.kind), to_string(step.kind), step.fact ? "the world" : "the race", escaped(why));
    }
    out_ += "</tbody></table></div>\n";
  }

  const RaceReport& report_;
  double whole_;  // milliseconds that the picture is wide
  std::string out_;
};

}  // namespace

std::string race_timeline(const RaceReport& report) { return Page(report).text(); }

}  // namespace trellis
