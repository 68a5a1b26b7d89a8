#include "core/registry.h"

#include <algorithm>
#include <filesystem>
#include <format>
#include <utility>

#include "core/layer_names.h"
#include "core/nearest.h"
#include "core/text.h"

namespace trellis {
namespace {

std::string origin(const std::string& file) { return file.empty() ? "the application" : printable(file); }

/// Protocols and framers stand side by side in "length-prefix/tcp", so a name belongs to one of them.
bool collide(const Provided& a, const Provided& b) {
  const auto is_layer = [](const Provided& one) {
    return one.kind == PluginKind::protocol || one.kind == PluginKind::framer;
  };
  return a.name == b.name && (a.kind == b.kind || (is_layer(a) && is_layer(b)));
}

/// What of a plugin's names another has: "found X, expected Y: what to do"; empty: nothing.
std::string conflict(const PluginInfo& mine, const PluginInspection& other) {
  constexpr std::string_view kRemedy = "expected a name that is free: remove one of the two";
  if (mine.name == other.info.name) {
    return std::format("found plugin name {}, which {} has, {}", in_quotes(mine.name), origin(other.file), kRemedy);
  }
  for (const Provided& wanted : mine.provides) {
    const auto taken =
        std::ranges::find_if(other.info.provides, [&](const Provided& it) { return collide(it, wanted); });
    if (taken == other.info.provides.end()) continue;
    return std::format("found {}, which plugin {} of {} has as {}, {}", to_string(wanted), in_quotes(other.info.name),
                       origin(other.file), to_string(*taken), kRemedy);
  }
  return {};
}

std::vector<std::string> plugin_files(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".so") files.push_back(entry->path());
  }
  std::ranges::sort(files);
  return files;
}

template <class T>
void show(std::vector<PluginEntry::Settings>& out, PluginKind kind, const std::vector<std::unique_ptr<T>>& list) {
  for (const auto& one : list) out.push_back({{kind, std::string(one->name())}, one->options()});
}

std::vector<PluginEntry::Settings> settings_of(const PluginKinds& kinds) {
  std::vector<PluginEntry::Settings> settings;
  show(settings, PluginKind::protocol, kinds.protocols);
  show(settings, PluginKind::framer, kinds.framers);
  show(settings, PluginKind::resolver, kinds.resolvers);
  show(settings, PluginKind::paths, kinds.paths);
  show(settings, PluginKind::racing, kinds.racing);
  show(settings, PluginKind::store, kinds.stores);
  return settings;
}

}  // namespace

struct Registry::Record : PluginInspection {
  bool opened = false;
  PluginKinds kinds;
};

Registry::Registry(std::vector<std::string> directories, std::vector<PluginRules> rules)
    : directories_(std::move(directories)), rules_(std::move(rules)) {
  for (const std::string& directory : directories_) scan(directory);
}

Registry::~Registry() = default;

void Registry::scan(const std::string& directory) {
  for (const std::string& file : plugin_files(directory)) {
    auto record = std::make_unique<Record>();
    static_cast<PluginInspection&>(*record) = inspect_plugin(file, rules_);
    claim(*record);
    records_.push_back(std::move(record));
  }
}

void Registry::claim(Record& record) {
  if (!record.refusal.empty()) return;
  for (const auto& other : records_) {
    if (!other->refusal.empty()) continue;
    if (std::string taken = conflict(record.info, *other); !taken.empty()) return withdraw(record, std::move(taken));
  }
  for (const Provided& provided : record.info.provides) providers_.emplace(provided, &record);
}

void Registry::withdraw(Record& record, std::string refusal) {
  record.refusal = std::format("{}: {}", origin(record.file), refusal);
  std::erase_if(providers_, [&](const auto& entry) { return entry.second == &record; });
}

Result<Registry::Record*> Registry::open(const Provided& provided) {
  const auto found = providers_.find(provided);
  if (found == providers_.end()) {
    return std::unexpected(unknown(to_string(provided.kind), provided.name, std::span(&provided.kind, 1)));
  }
  Record& record = *found->second;
  if (record.opened) return &record;
  auto kinds = load_plugin(record, rules_);
  if (!kinds) {
    std::erase_if(providers_, [&](const auto& entry) { return entry.second == &record; });
    record.refusal = kinds.error().detail;
    return std::unexpected(unknown(to_string(provided.kind), provided.name, std::span(&provided.kind, 1)));
  }
  record.kinds = std::move(*kinds);
  record.opened = true;
  return &record;
}

std::vector<std::string_view> Registry::words(std::span<const PluginKind> kinds) const {
  std::vector<std::string_view> list;
  for (const auto& [provided, record] : providers_) {
    if (std::ranges::contains(kinds, provided.kind)) list.push_back(provided.name);
  }
  std::ranges::sort(list);
  return list;
}

/// A refused plugin that would provide it; of one that said nothing its file's name has to do.
const Registry::Record* Registry::refused(const Provided& provided) const {
  for (const auto& record : records_) {
    if (record->refusal.empty()) continue;
    const bool meant = record->described ? std::ranges::contains(record->info.provides, provided)
                                         : std::filesystem::path(record->file).stem() == provided.name;
    if (meant) return record.get();
  }
  return nullptr;
}

Error Registry::unknown(std::string_view what, std::string_view name, std::span<const PluginKind> kinds) const {
  const std::string found = std::format("found {} {}", what, in_quotes(name));
  const auto say = [](std::string detail) {
    return Error{Reason::configuration, 0, kRegistryLayer, std::move(detail)};
  };
  for (const PluginKind kind : kinds) {
    if (const Record* const record = refused({kind, std::string(name)}); record != nullptr) {
      return say(std::format("{}, whose plugin was refused: {}", found, record->refusal));
    }
  }
  for (const PluginKind other : {PluginKind::protocol, PluginKind::framer}) {
    if (!usable({other, std::string(name)})) continue;
    return say(
        std::format("{}, expected {} {}, which is what its plugin provides", found, to_string(other), in_quotes(name)));
  }
  const auto known = words(kinds);
  if (!known.empty()) return say(std::format("{}, which no plugin provides, {}", found, expected_one_of(name, known)));
  std::string where;
  for (const std::string& directory : directories_) where += (where.empty() ? "" : ", ") + printable(directory);
  return say(
      std::format("{}, which no plugin provides, expected one in {}: install it, or add its directory to "
                  "TRELLIS_PLUGIN_PATH",
                  found, where.empty() ? "some directory" : where));
}

template <class T>
Result<T*> Registry::find(PluginKind kind, std::string_view name, std::vector<std::unique_ptr<T>> PluginKinds::* list) {
  const std::lock_guard lock(mutex_);
  auto record = open({kind, std::string(name)});
  if (!record) return fail(std::move(record));
  const auto& kinds = (*record)->kinds.*list;
  return std::ranges::find(kinds, name, [](const auto& one) { return one->name(); })->get();
}

Result<const ProtocolKind*> Registry::protocol(std::string_view name) {
  return find(PluginKind::protocol, name, &PluginKinds::protocols);
}
Result<const FramerKind*> Registry::framer(std::string_view name) {
  return find(PluginKind::framer, name, &PluginKinds::framers);
}
Result<Resolver*> Registry::resolver(std::string_view name) {
  return find(PluginKind::resolver, name, &PluginKinds::resolvers);
}
Result<PathProvider*> Registry::paths(std::string_view name) {
  return find(PluginKind::paths, name, &PluginKinds::paths);
}
Result<const RacingPolicy*> Registry::racing(std::string_view name) {
  return find(PluginKind::racing, name, &PluginKinds::racing);
}
Result<StateStore*> Registry::store(std::string_view name) {
  return find(PluginKind::store, name, &PluginKinds::stores);
}

bool Registry::mentioned(const Provided& provided) const { return usable(provided) || refused(provided) != nullptr; }

Result<Registry::LayerKind> Registry::layer(std::string_view name) {
  constexpr PluginKind kBoth[] = {PluginKind::protocol, PluginKind::framer};
  bool is_framer = false;
  {
    const std::lock_guard lock(mutex_);
    const bool is_protocol = mentioned({PluginKind::protocol, std::string(name)});
    is_framer = mentioned({PluginKind::framer, std::string(name)});
    if (!is_framer && !is_protocol) return std::unexpected(unknown("layer", name, kBoth));
    // Of two that mention it, one is refused: names of layers are given once.
    if (is_framer && is_protocol) is_framer = usable({PluginKind::framer, std::string(name)});
  }
  if (is_framer) return framer(name).transform([](const FramerKind* kind) { return LayerKind(kind); });
  return protocol(name).transform([](const ProtocolKind* kind) { return LayerKind(kind); });
}

Result<void> Registry::link(std::string plugin, const std::function<void(Registrar&)>& body) {
  auto kinds = collect_kinds(body);
  if (!kinds) {
    kinds.error().detail.insert(0, "plugin " + in_quotes(plugin) + ": ");
    return fail(std::move(kinds));
  }
  const std::lock_guard lock(mutex_);
  auto record = std::make_unique<Record>();
  record->info.name = std::move(plugin);
  record->info.provides = provided_by(*kinds);
  record->described = true;
  record->kinds = std::move(*kinds);
  record->opened = true;
  for (const auto& other : records_) {
    const std::string taken = other->opened ? conflict(record->info, *other) : std::string();
    if (!taken.empty())
      return fail(Reason::configuration, "plugin " + in_quotes(record->info.name) + ": " + taken, 0, kRegistryLayer);
  }
  for (const auto& other : records_) {
    if (!other->refusal.empty()) continue;
    if (std::string taken = conflict(other->info, *record); !taken.empty()) withdraw(*other, std::move(taken));
  }
  claim(*record);
  records_.push_back(std::move(record));
  return {};
}

std::vector<PluginEntry> Registry::files() const {
  const std::lock_guard lock(mutex_);
  std::vector<PluginEntry> entries;
  entries.reserve(records_.size());
  for (const auto& record : records_) {
    entries.push_back(
        {record->file, record->described, record->info, record->refusal, record->opened, settings_of(record->kinds)});
  }
  return entries;
}

std::vector<std::string> Registry::names(PluginKind kind) const {
  const std::lock_guard lock(mutex_);
  const auto list = words(std::span(&kind, 1));
  return {list.begin(), list.end()};
}

std::string Registry::provider(PluginKind kind, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = providers_.find({kind, std::string(name)});
  return found == providers_.end() ? std::string() : found->second->info.name;
}

void Registry::forget(Executor& executor) noexcept {
  const std::lock_guard lock(mutex_);
  for (const auto& record : records_) {
    for (const auto& resolver : record->kinds.resolvers) resolver->forget(executor);
  }
}

}  // namespace trellis
