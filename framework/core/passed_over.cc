#include "core/passed_over.h"

#include <algorithm>

namespace trellis {

void PassedOver::tell(const Log& log, std::string_view who, std::string_view what, TimePoint now) {
  if (!log) return;
  if (const std::string text = line(who, what, now); !text.empty()) log(Severity::warning, who, text);
}

std::string PassedOver::line(std::string_view who, std::string_view what, TimePoint now) {
  const std::lock_guard lock(mutex_);
  Told& told = told_.try_emplace(std::string(who)).first->second;
  if (told.lines.empty() || now < told.since || now - told.since >= kWhile) told.since = now, told.lines.clear();
  if (std::ranges::contains(told.lines, what)) return {};
  if (told.lines.size() == kLinesMost) {
    ++told.unsaid;
    return {};
  }
  std::string text(told.lines.emplace_back(what));
  if (told.lines.size() == kLinesMost) text += " (more is not told for 10 minutes)";
  if (const std::size_t unsaid = std::exchange(told.unsaid, 0); unsaid > 0)
    text += " (" + std::to_string(unsaid) + " more before were not told)";
  return text;
}

}  // namespace trellis
