// registry.h: names to plugins. Knows from descriptors who provides what, opens a plugin when something asks for it.
//
// Belongs to the control plane: one mutex, never asked for while data flows. What it hands out lives as long as it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/plugin_loader.h"

namespace trellis {

/// What the registry knows of one file, or of one plugin linked into the application.
struct PluginEntry {
  /// The settings of one thing that the plugin provides.
  struct Settings {
    Provided of;
    std::span<const OptionSpec> options;
  };
  std::string file;                ///< as found; empty: linked into the application
  bool described = false;          ///< `info` was read
  PluginInfo info;                 ///< what it says of itself
  std::string refusal;             ///< one line; empty: usable, as far as known before it is opened
  bool opened = false;             ///< its code is in the process and registered
  std::vector<Settings> settings;  ///< only of an opened plugin
};

class Registry {
 public:
  /// Reads the descriptors of all files named *.so in the directories (plugin_path.h), sorted by name; runs nothing.
  /// Of two plugins with one name, or that provide the same, the first wins.
  explicit Registry(std::vector<std::string> directories = {}, std::vector<PluginRules> rules = {});
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Each opens the plugin that provides the name, once. An unknown name is answered with the nearest valid one, a
  // known one that was refused with the refusal.
  Result<const ProtocolKind*> protocol(std::string_view name);
  Result<const FramerKind*> framer(std::string_view name);
  Result<Resolver*> resolver(std::string_view name);
  Result<PathProvider*> paths(std::string_view name);
  Result<const RacingPolicy*> racing(std::string_view name);
  Result<StateStore*> store(std::string_view name);

  /// A word of "length-prefix/tcp": protocols and framers share one name space.
  using LayerKind = std::variant<const ProtocolKind*, const FramerKind*>;
  Result<LayerKind> layer(std::string_view name);

  /// Adds a plugin that is linked into the application (and the fakes of tests): `body` registers what it provides.
  /// It wins over files that were not opened yet and that provide the same.
  Result<void> link(std::string plugin, const std::function<void(Registrar&)>& body);

  std::vector<PluginEntry> files() const;                 ///< everything found, in the order of search
  std::vector<std::string> names(PluginKind kind) const;  ///< usable names, sorted
  /// Name of the plugin behind a name; empty: none.
  std::string provider(PluginKind kind, std::string_view name) const;
  void forget(Executor& executor) noexcept;  ///< resolvers give up what they keep for a loop that ends
  const std::vector<std::string>& directories() const noexcept { return directories_; }

 private:
  struct Record;
  void scan(const std::string& directory);
  void claim(Record& record);
  void withdraw(Record& record, std::string refusal);
  bool usable(const Provided& provided) const { return providers_.contains(provided); }
  bool mentioned(const Provided& provided) const;
  Result<Record*> open(const Provided& provided);
  const Record* refused(const Provided& provided) const;
  Error unknown(std::string_view what, std::string_view name, std::span<const PluginKind> kinds) const;
  std::vector<std::string_view> words(std::span<const PluginKind> kinds) const;
  template <class T>
  Result<T*> find(PluginKind kind, std::string_view name, std::vector<std::unique_ptr<T>> PluginKinds::* list);

  const std::vector<std::string> directories_;
  const std::vector<PluginRules> rules_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Record>> records_;
  std::map<Provided, Record*> providers_;  // of usable plugins
};

}  // namespace trellis
