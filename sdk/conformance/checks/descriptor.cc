// Group D: what a plugin says of itself, read from its file, and the layer's own constants.
#include <algorithm>
#include <cctype>
#include <format>

#include "conformance/check.h"
#include "conformance/elf_symbols.h"
#include "core/option_values.h"
#include "core/plugin_loader.h"
#include "core/text.h"
#include "core/trait_words.h"

namespace trellis::conformance {
namespace {

void describes_itself(Trial& t) {
  if (!t.wants("file")) return;
  const PluginInspection seen = inspect_plugin(t.subject().plugin, {});
  if (!seen.refusal.empty()) return t.fail(seen.refusal);
  const PluginInfo& info = seen.info;
  if (info.license.empty()) t.fail("expected an SPDX expression in .license, found nothing");
  if (info.summary.empty()) t.fail("expected one line in .summary, found nothing");
  if (std::ranges::count(info.version, '.') != 2 || std::isdigit(static_cast<unsigned char>(info.version[0])) == 0) {
    t.fail("expected a semantic version such as 0.1.0 in .version, found " + in_quotes(info.version));
  }
  const bool named =
      std::ranges::any_of(info.provides, [&](const Provided& one) { return one.name == t.subject().layer; });
  if (!named) t.fail(std::format("expected {} among what it provides", in_quotes(t.subject().layer)));
}

// Sanitizers and old linkers add names of their own.
bool is_toolchain_symbol(const std::string& name) {
  for (const char* prefix :
       {"__asan", "__odr_asan", "__ubsan", "__tsan", "__sanitizer", "__gcov", "__llvm", "___asan"}) {
    if (name.starts_with(prefix)) return true;
  }
  return name == "_init" || name == "_fini" || name == "_end" || name == "_edata" || name == "__bss_start";
}

void exports_two_symbols(Trial& t) {
  if (!t.wants("file")) return;
  auto symbols = read_symbols(t.subject().plugin);
  if (!symbols) return t.fail(symbols.error().detail);
  std::erase_if(symbols->exported, is_toolchain_symbol);
  for (const char* needed : {"trellis_plugin_descriptor", "trellis_plugin_register"}) {
    if (std::erase(symbols->exported, needed) == 0)
      t.fail(std::format("expected the exported symbol {}, found none", needed));
  }
  if (!symbols->exported.empty()) {
    t.fail(
        std::format("found {} more exported symbols, the first is {}: build with -fvisibility=hidden and "
                    "-fvisibility-inlines-hidden, as trellis_add_plugin does",
                    symbols->exported.size(), symbols->exported.front()));
  }
  if (!symbols->unique.empty()) {
    t.fail(
        std::format("found the unique symbol {}, which joins the globals of plugins that must not know of each other: "
                    "build with -fno-gnu-unique",
                    symbols->unique.front()));
  }
}

void registers_what_it_provides(Trial& t) {
  if (!t.wants("file")) return;
  const PluginInspection seen = inspect_plugin(t.subject().plugin, {});
  if (!seen.refusal.empty()) return t.fail(seen.refusal);
  if (auto kinds = load_plugin(seen, {}); !kinds) t.fail(kinds.error().detail);
}

// Calls that reach around the executor. What a library behind the layer does, linked in or not, is found out by V3 and
// F1 instead.
constexpr std::string_view kAround[] = {
    "clock_gettime",
    "gettimeofday",
    "time",
    "nanosleep",
    "clock_nanosleep",
    "usleep",
    "sleep",
    "timerfd_create",
    "rand",
    "random",
    "srand",
    "drand48",
    "getrandom",
    "getentropy",
    "arc4random",
    "arc4random_buf",
    "socket",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "send",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recv",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "poll",
    "ppoll",
    "select",
    "epoll_create",
    "epoll_create1",
    "epoll_wait",
    "getaddrinfo",
    "pthread_create",
    "fork",
    "vfork",
    "execve",
    "system",
    "popen",
    "signal",
    "sigaction",
    "exit",
    "_exit",
    "_ZNSt6chrono3_V212steady_clock3nowEv",
    "_ZNSt6chrono3_V212system_clock3nowEv",
    "_ZNSt13random_device9_M_getvalEv",
    "_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE"};

void uses_only_the_executor(Trial& t) {
  if (!t.wants("file")) return;
  const auto symbols = read_symbols(t.subject().plugin);
  if (!symbols) return t.fail(symbols.error().detail);
  for (const std::string& name : symbols->own) {
    if (!std::ranges::contains(kAround, std::string_view(name))) continue;
    return t.fail(
        std::format("found a call to {}: time, random numbers, sockets and tasks come from LayerHost::executor(), "
                    "or no run can be repeated",
                    name));
  }
}

void check_option(Trial& t, const OptionSpec& option) {
  const std::string name = "option " + in_quotes(option.name);
  if (!is_kebab_case(option.name)) t.fail(name + ": expected a name in lower case and hyphens");
  if (option.meaning.empty() || !is_printable(option.meaning)) t.fail(name + ": expected one line in .meaning");
  if (option.least > option.most) t.fail(name + ": its least value is above its most");
  if (const auto* const number = std::get_if<std::int64_t>(&option.fallback)) {
    if (*number < option.least || *number > option.most) {
      t.fail(std::format("{}: its default {} is outside of {} to {}", name, *number, option.least, option.most));
    }
  }
  const auto* const word = std::get_if<std::string_view>(&option.fallback);
  if (word == nullptr || option.words.empty()) return;
  const std::string padded = std::format(" {} ", option.words);
  if (!padded.contains(std::format(" {} ", *word))) {
    t.fail(std::format("{}: its default {} is not one of its words: {}", name, in_quotes(*word), option.words));
  }
}

/// Configures with one option set; that may be refused, with a reason.
void try_value(Trial& t, const OptionSpec& option, const std::string& value) {
  const OptionText given{.name = std::string(option.name), .value = value};
  const auto options = OptionValues::check("layer " + t.facts().name, t.lab().options(), std::span(&given, 1));
  if (!options) return t.fail(options.error().detail);
  const auto made = t.lab().configure(*options);
  if (!made && made.error().detail.empty()) {
    t.fail(std::format("{}={} was refused without a word: Error::detail says what is wrong", option.name, value));
  }
}

void options_are_sound(Trial& t) {
  std::vector<std::string_view> names;
  for (const OptionSpec& option : t.lab().options()) {
    if (!t.wants(std::string(option.name))) continue;
    if (std::ranges::contains(names, option.name)) t.fail("it is declared twice");
    names.push_back(option.name);
    check_option(t, option);
    if (std::holds_alternative<std::int64_t>(option.fallback)) {
      try_value(t, option, std::to_string(option.least));
      try_value(t, option, std::to_string(option.most));
    } else if (std::holds_alternative<bool>(option.fallback)) {
      try_value(t, option, "true");
      try_value(t, option, "false");
    }
  }
}

bool same(const LayerTraits& a, const LayerTraits& b) {
  return a.above == b.above && a.below == b.below && a.needs == b.needs && a.adds == b.adds && a.removes == b.removes &&
         a.switchable == b.switchable && a.security == b.security && a.headroom == b.headroom &&
         a.tailroom == b.tailroom && a.handshake_rtts == b.handshake_rtts && a.accepts == b.accepts &&
         a.multicast == b.multicast && a.segments == b.segments && a.one_loop == b.one_loop;
}

void traits_are_sound(Trial& t) {
  if (!t.wants("traits")) return;
  const auto options = OptionValues::check("layer " + t.facts().name, t.lab().options(), {});
  if (!options) return t.fail(options.error().detail);
  const auto layer = t.lab().configure(*options);
  if (!layer) return t.fail("its defaults were refused: " + layer.error().detail);
  if ((*layer)->traits(Face::none).above != Face::none)
    t.fail("traits(Face::none) offers something: expected .above == none");
  for (const Face face : {Face::datagram, Face::bytestream, Face::message}) {
    const LayerTraits traits = (*layer)->traits(face);
    const std::string where = std::format("traits({})", to_string(face));
    if (!same(traits, (*layer)->traits(face))) t.fail(where + " gives another answer the second time: it must be pure");
    if (traits.above == Face::none) continue;
    if (traits.above != face)
      t.fail(std::format("{} offers {}: expected the face asked for, or none", where, to_string(traits.above)));
    if (traits.adds.intersects(traits.removes)) t.fail(where + ": a feature is both added and removed");
    if (!traits.adds.contains(traits.switchable)) t.fail(where + ": a feature can be switched off that is not added");
    if (traits.below == Face::none && !traits.needs.empty())
      t.fail(where + ": a bottom layer needs features of a layer below");
    if (traits.below == Face::none && !traits.removes.empty())
      t.fail(where + ": a bottom layer removes features of a layer below");
    if (face == Face::bytestream && traits.adds.has(Feature::boundaries))
      t.fail(where + ": a bytestream has no boundaries");
    const bool secure = traits.adds.has(Feature::confidentiality) || traits.adds.has(Feature::peer_authentication);
    if (secure && traits.security.family.empty())
      t.fail(where + ": it protects, but its SecurityProfile says no family");
  }
}

constexpr Check kDescriptorChecks[] = {
    {.id = "D1", .title = "the file says what it is", .run = describes_itself, .once = true, .file_only = true},
    {.id = "D2",
     .title = "two exported symbols, none of them unique",
     .run = exports_two_symbols,
     .once = true,
     .file_only = true},
    {.id = "D3",
     .title = "registers exactly what it provides",
     .run = registers_what_it_provides,
     .once = true,
     .file_only = true},
    {.id = "D4", .title = "options have meanings, and defaults in range", .run = options_are_sound, .once = true},
    {.id = "D5", .title = "traits are pure and do not contradict themselves", .run = traits_are_sound, .once = true},
    {.id = "D6",
     .title = "no clock, random number, socket or thread of its own",
     .run = uses_only_the_executor,
     .once = true,
     .file_only = true},
};

}  // namespace

std::span<const Check> descriptor_checks() { return kDescriptorChecks; }

}  // namespace trellis::conformance
