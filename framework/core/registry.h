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
  /// The first of two with one name wins.
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
  using Layered = std::variant<const ProtocolKind*, const FramerKind*>;
  Result<Layered> layer(std::string_view name);

  /// Adds a plugin that is linked into the application (and the fakes of tests): `body` registers what it provides.
  /// It wins over files that were not opened yet and that provide the same.
  Result<void> link(std::string plugin, const std::function<void(Registrar&)>& body);

  std::vector<PluginEntry> files() const;                          ///< everything found, in the order of search
  std::vector<std::string> names(PluginKind kind) const;           ///< usable names, sorted
  std::string provider(PluginKind kind, std::string_view name) const;  ///< name of the plugin; empty: none
  const std::vector<std::string>& directories() const noexcept { return directories_; }

 private:
  struct Record;
  void scan(const std::string& directory);
  void inspect(const std::string& file);
  void claim(std::size_t record);
  Result<Record*> open(PluginKind kind, std::string_view name);
  Result<void> load(Record& record);
  Error unknown(PluginKind kind, std::string_view name) const;
  template <class T>
  Result<T*> find(PluginKind kind, std::string_view name, std::vector<std::unique_ptr<T>> PluginKinds::* list);

  const std::vector<std::string> directories_;
  const std::vector<PluginRules> rules_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Record>> records_;
  std::map<Provided, Record*> providers_;
};

}  // namespace trellis
