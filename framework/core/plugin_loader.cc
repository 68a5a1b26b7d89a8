#include "core/plugin_loader.h"

#include <botan/hash.h>
#include <botan/hex.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <boost/dll/shared_library.hpp>
#include <cstring>
#include <exception>
#include <format>
#include <mutex>
#include <utility>

#include "core/layer_names.h"
#include "core/plugin_file.h"
#include "core/text.h"

namespace trellis {
namespace {

constexpr const char* kRegister = "trellis_plugin_register";

std::unexpected<Error> refuse(std::string_view found, std::string_view expected, std::string_view remedy) {
  return fail(Reason::configuration, std::format("found {}, expected {}: {}", found, expected, remedy), 0,
              kLoaderLayer);
}

std::string in_file(const std::string& file, const Error& error) {
  return std::format("{}: {}", printable(file), error.detail);
}

/// Takes what a plugin adds; keeps the first thing that is wrong.
class Collector final : public Registrar {
 public:
  void add(std::unique_ptr<ProtocolKind> kind) override { take(kinds_.protocols, std::move(kind)); }
  void add(std::unique_ptr<StateStore> kind) override { take(kinds_.stores, std::move(kind)); }
  void add(std::unique_ptr<PathProvider> kind) override { take(kinds_.paths, std::move(kind)); }
  void add(std::unique_ptr<Resolver> kind) override { take(kinds_.resolvers, std::move(kind)); }
  void add(std::unique_ptr<RacingPolicy> kind) override { take(kinds_.racing, std::move(kind)); }
  void add(std::unique_ptr<FramerKind> kind) override { take(kinds_.framers, std::move(kind)); }

  void refuse(std::string_view why) noexcept override {
    note(
        std::format("found that the plugin refuses to register ({}), expected no objection: remove the cause, or the "
                    "plugin",
                    printable(why)));
  }

  Result<PluginKinds> result() {
    const auto all = provided_by(kinds_);
    if (const auto twice = std::ranges::adjacent_find(all); twice != all.end()) {
      note(std::format("found {} registered twice, expected once: correct its registration", to_string(*twice)));
    }
    if (!fault_.empty()) return fail(Reason::configuration, fault_, 0, kLoaderLayer);
    return std::move(kinds_);
  }

 private:
  template <class T>
  void take(std::vector<std::unique_ptr<T>>& list, std::unique_ptr<T> kind) {
    if (!kind) return note("found a null pointer registered, expected an object: correct its registration");
    if (!is_kebab_case(kind->name())) {
      return note(
          std::format("found {} registered, expected a name in lower case and hyphens: correct its registration",
                      in_quotes(kind->name())));
    }
    list.push_back(std::move(kind));
  }
  void note(std::string fault) {
    if (fault_.empty()) fault_ = std::move(fault);
  }

  PluginKinds kinds_;
  std::string fault_;
};

std::string words_of(std::span<const Provided> list) {
  std::string words;
  for (const Provided& one : list) words += (words.empty() ? "" : " ") + to_string(one);
  return words;
}

/// Everything added must have been declared, and everything declared added.
Result<void> check_provides(const PluginKinds& kinds, std::vector<Provided> declared) {
  std::ranges::sort(declared);
  const auto added = provided_by(kinds);
  std::vector<Provided> difference;
  std::ranges::set_difference(added, declared, std::back_inserter(difference));
  if (!difference.empty()) {
    return refuse(words_of(difference) + " registered", "only what it says it provides, " + words_of(declared),
                  "name it in .provides of its TRELLIS_PLUGIN");
  }
  std::ranges::set_difference(declared, added, std::back_inserter(difference));
  if (!difference.empty()) {
    return refuse(words_of(difference) + " not registered", "all that it says it provides, " + words_of(declared),
                  "add it, or take it out of .provides of its TRELLIS_PLUGIN");
  }
  return {};
}

Result<std::string> sha256(const FileSource& bytes) {
  const auto hash = Botan::HashFunction::create("SHA-256");
  if (!hash) return refuse("a Botan without SHA-256", "one that has it", "install a complete Botan");
  std::array<std::byte, 65536> block;
  for (std::uint64_t at = 0; at < bytes.size(); at += block.size()) {
    const auto part = std::span(block).first(std::min<std::uint64_t>(block.size(), bytes.size() - at));
    if (!bytes.read(at, part)) return refuse("a file that cannot be read to its end", "one that can", "copy it again");
    hash->update(reinterpret_cast<const std::uint8_t*>(part.data()), part.size());
  }
  return Botan::hex_encode(hash->final_stdvec(), false);
}

using Register = void(Registrar&);

/// A shared object that stays in the process until its end.
struct Opened {
  PluginFile::Identity identity;
  boost::dll::shared_library library;
};

Result<boost::dll::shared_library> open_library(const PluginFile& file) {
  namespace dll = boost::dll;
  boost::dll::fs::error_code code;
  dll::shared_library library;
  library.load(file.path(), dll::load_mode::rtld_now | dll::load_mode::rtld_local, code);
  if (!code) return library;
  // Boost keeps the number only; the sentence is still with the dynamic linker, and begins with the file's name.
  const char* const said = dlerror();
  std::string why = said == nullptr ? code.message() : said;
  if (const std::string prefix = file.path() + ": "; why.starts_with(prefix)) why.erase(0, prefix.size());
  return refuse(std::format("a shared object that cannot be loaded ({})", printable(why)), "one with all that it needs",
                "install what is missing, or build it again");
}

/// The registration function of a file, opened at most once per process. Handles lie in a list that is never destroyed.
Result<Register*> open_once(const PluginFile& file) {
  static std::mutex mutex;
  static auto& opened = *new std::vector<Opened>;
  const std::lock_guard lock(mutex);
  auto known = std::ranges::find(opened, file.identity(), &Opened::identity);
  if (known == opened.end()) {
    auto library = open_library(file);
    if (!library) return fail(std::move(library));
    opened.push_back({file.identity(), std::move(*library)});
    known = std::prev(opened.end());
  }
  if (!known->library.has(kRegister)) {
    return refuse(std::format("no function {}", kRegister), "the one that TRELLIS_PLUGIN makes",
                  "do not strip or hide that symbol");
  }
  return &known->library.get<Register>(kRegister);
}

Result<void> check_pin(const PluginFile& file, std::span<const PluginRules> rules, std::string_view plugin) {
  if (!is_pinned(rules, plugin)) return {};
  auto hash = sha256(file.bytes());
  if (!hash) return fail(std::move(hash));
  return check_pins(rules, plugin, *hash);
}

Result<PluginKinds> load(const PluginInspection& plugin, std::span<const PluginRules> rules) {
  auto file = PluginFile::open(plugin.file);
  if (!file) return fail(std::move(file));
  auto descriptor = read_descriptor(file->bytes());
  if (!descriptor) return fail(std::move(descriptor));
  const bool same = std::memcmp(&*descriptor, &plugin.descriptor, sizeof plugin.descriptor) == 0;
  if (auto pin = check_pin(*file, rules, plugin.info.name); !pin) return fail(std::move(pin));
  const auto changed = [] {
    return refuse("another file than when plugins were listed", "the same", "start the application again");
  };
  if (!same || !file->unchanged()) return changed();
  auto registration = open_once(*file);
  if (!registration) return fail(std::move(registration));
  if (!file->unchanged()) return changed();
  auto kinds = collect_kinds(*registration);
  if (!kinds) return kinds;
  if (auto fits = check_provides(*kinds, plugin.info.provides); !fits) return fail(std::move(fits));
  return kinds;
}

Result<void> inspect(PluginInspection& plugin, std::span<const PluginRules> rules) {
  auto file = PluginFile::open(plugin.file);
  if (!file) return fail(std::move(file));
  auto descriptor = read_descriptor(file->bytes());
  if (!descriptor) return fail(std::move(descriptor));
  if (auto fits = check_abi(*descriptor); !fits) return fits;
  auto info = read_info(*descriptor);
  if (!info) return fail(std::move(info));
  plugin.descriptor = *descriptor;
  plugin.info = std::move(*info);
  plugin.described = true;
  if (auto allowed = check_allowed(rules, plugin.info.name); !allowed) return allowed;
  return check_pin(*file, rules, plugin.info.name);
}

}  // namespace

std::vector<Provided> provided_by(const PluginKinds& kinds) {
  std::vector<Provided> all;
  const auto take = [&all](PluginKind kind, const auto& list) {
    for (const auto& one : list) all.push_back({kind, std::string(one->name())});
  };
  take(PluginKind::protocol, kinds.protocols);
  take(PluginKind::framer, kinds.framers);
  take(PluginKind::resolver, kinds.resolvers);
  take(PluginKind::paths, kinds.paths);
  take(PluginKind::racing, kinds.racing);
  take(PluginKind::store, kinds.stores);
  std::ranges::sort(all);
  return all;
}

PluginInspection inspect_plugin(const std::string& file, std::span<const PluginRules> rules) {
  PluginInspection plugin{.file = file, .info = {}, .refusal = {}};
  if (auto fine = inspect(plugin, rules); !fine) plugin.refusal = in_file(file, fine.error());
  return plugin;
}

Result<PluginKinds> load_plugin(const PluginInspection& plugin, std::span<const PluginRules> rules) {
  auto kinds = load(plugin, rules);
  if (!kinds) kinds.error().detail = in_file(plugin.file, kinds.error());
  return kinds;
}

Result<PluginKinds> collect_kinds(const std::function<void(Registrar&)>& body) {
  Collector collector;
  try {
    body(collector);
  } catch (const std::exception& thrown) {
    collector.refuse(std::string("an exception left the registration function: ") + thrown.what());
  } catch (...) {
    collector.refuse("an exception left the registration function");
  }
  return collector.result();
}

}  // namespace trellis
