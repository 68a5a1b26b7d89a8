// sqlite_file.h: a database file of SQLite's, as far as the store needs one: everything it does becomes a Result.
#pragma once
#include <sqlite3.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "trellis/result.h"

namespace trellis::sqlite {

/// A prepared statement. Columns are read strictly: another type than asked for comes to an empty value.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Statement() { sqlite3_finalize(handle_); }
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  // Parameters are numbered from 1, columns from 0.
  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, std::string_view value);  ///< must stay until reset()
  Statement& bind(int parameter, std::span<const std::byte> value);
  Result<bool> step();  ///< true: a row is there
  void reset() noexcept;
  std::int64_t number(int column) const;
  std::string text(int column) const;
  std::span<const std::byte> blob(int column) const;

 private:
  friend class Database;
  sqlite3_stmt* handle_ = nullptr;
};

/// An open file.
class Database {
 public:
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() { close(); }
  /// Opens it, only for its owner to read; makes it, and the folders to it, when it is not there.
  Result<void> open(const std::string& path);
  void close() noexcept;
  Result<void> run(const char* sql);
  Result<std::int64_t> number(const char* sql);  ///< the first column of the first row
  Result<Statement> prepare(const char* sql);
  std::int64_t changes() const noexcept { return sqlite3_changes64(handle_); }

 private:
  sqlite3* handle_ = nullptr;
};

/// Begins a transaction that writes; rolled back unless commit() is called.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database), begun_(database.run("BEGIN IMMEDIATE")) {}
  ~Transaction() {
    if (open_) std::ignore = database_.run("ROLLBACK");
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Result<void> begun() {
    open_ = begun_.has_value();
    return begun_;
  }
  Result<void> commit() {
    auto done = database_.run("COMMIT");
    if (done) open_ = false;
    return done;
  }

 private:
  Database& database_;
  Result<void> begun_;
  bool open_ = false;
};

}  // namespace trellis::sqlite
