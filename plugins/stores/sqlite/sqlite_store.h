// sqlite_store.h: state in a file of SQLite's, shared by all processes of a user.
#pragma once
#include <memory>
#include <string>

#include "sqlite_file.h"
#include "store_worker.h"

namespace trellis::sqlite {

inline constexpr std::int64_t kSchemaVersion = 1;         ///< PRAGMA user_version
inline constexpr std::int64_t kApplication = 0x54724c73;  ///< PRAGMA application_id, "TrLs"
inline constexpr std::int64_t kEntriesMost = 10'000;      ///< more: those that expire first are forgotten
inline constexpr std::int64_t kTicketsOfOneKeyMost = 8;   ///< more: the oldest are forgotten

/// All access to one file. Any number of processes may have it open.
class SqliteBackend final : public StoreBackend {
 public:
  explicit SqliteBackend(std::string path) : path_(std::move(path)) {}
  Result<void> open() override;
  Result<std::vector<StateEntry>> fetch(const std::vector<StatePlace>& places) override;
  Result<void> put(std::vector<StateEntry> entries) override;
  Result<std::vector<StateEntry>> list() override;
  Result<std::uint64_t> clear() override;

 private:
  Result<void> open_file();
  void close() noexcept;
  Result<void> prepare(Statement& statement, const char* sql);
  Result<void> prepare_taking();
  Result<void> prepare_putting();
  Result<void> tidy();
  Result<void> put_one(const StateEntry& entry);
  Result<void> find(const StatePlace& place, std::vector<StateEntry>& found, std::vector<std::int64_t>& to_take);
  Result<void> take(std::int64_t row, std::vector<StateEntry>& found);
  Error named(Error error) const;

  std::string path_;
  Database file_;
  Statement find_, take_, add_, replace_, trim_;
  std::uint64_t puts_ = UINT64_MAX / 2;  // since it was tidied: the first put does it
};

/// The plugin.
class SqliteStore final : public StateStore {
 public:
  std::string_view name() const noexcept override { return "sqlite"; }
  std::span<const OptionSpec> options() const noexcept override;
  Result<std::unique_ptr<OpenStore>> open(const Options& options) noexcept override;
};

}  // namespace trellis::sqlite
