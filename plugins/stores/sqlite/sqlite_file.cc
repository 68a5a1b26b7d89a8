#include "sqlite_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <tuple>

namespace trellis::sqlite {
namespace {

constexpr int kBusyMs = 200;                      // how long another process may hold the file
constexpr int kValueMost = 1 << 20;               // bytes of any text or blob
constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;  // tickets are secrets

// SQLite's words are for those who know it; what to do is added here. Damage does not go away by waiting.
Error error_of(sqlite3* handle, int code) {
  const int plain = code & 0xff;
  const std::string said = handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  if (plain == SQLITE_CORRUPT || plain == SQLITE_NOTADB)
    return {Reason::configuration, std::uint64_t(code), "sqlite",
            "is damaged or no state file (" + said + "): delete it"};
  if (plain == SQLITE_READONLY || plain == SQLITE_PERM || plain == SQLITE_CANTOPEN)
    return {Reason::configuration, std::uint64_t(code), "sqlite", "cannot be written (" + said + ")"};
  if (plain == SQLITE_BUSY || plain == SQLITE_LOCKED)
    return {Reason::timed_out, std::uint64_t(code), "sqlite", "another process keeps it locked"};
  return {Reason::exhausted, std::uint64_t(code), "sqlite", said};
}

std::unexpected<Error> system_failure(const std::string& what) {
  const int code = errno;
  return fail(Reason::configuration, what + ": " + std::strerror(code), static_cast<std::uint64_t>(code), "sqlite");
}

// SQLite makes its side files with the mode of the file itself.
Result<void> prepare_file(const std::string& path) {
  std::error_code error;
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && !std::filesystem::exists(folder, error)) {
    std::filesystem::create_directories(folder.parent_path(), error);
    if (mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) return system_failure("its folder cannot be made");
  }
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, kOwnerOnly);
  if (descriptor < 0) return system_failure("cannot be opened");
  struct stat status{};
  const bool known = fstat(descriptor, &status) == 0;
  const bool ours = known && S_ISREG(status.st_mode) && status.st_uid == geteuid();
  const bool narrowed = ours && ((status.st_mode & 077) == 0 || fchmod(descriptor, kOwnerOnly) == 0);
  close(descriptor);
  if (!ours) return fail(Reason::configuration, "is no file of this user's: name another one", 0, "sqlite");
  if (!narrowed) return system_failure("others can read it and its mode cannot be changed");
  return {};
}

}  // namespace

Statement& Statement::bind(int parameter, std::int64_t value) {
  sqlite3_bind_int64(handle_, parameter, value);
  return *this;
}
Statement& Statement::bind(int parameter, std::string_view value) {
  sqlite3_bind_text(handle_, parameter, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  return *this;
}
Statement& Statement::bind(int parameter, std::span<const std::byte> value) {
  sqlite3_bind_blob(handle_, parameter, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return std::unexpected(error_of(sqlite3_db_handle(handle_), code));
}

void Statement::reset() noexcept {
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_INTEGER ? sqlite3_column_int64(handle_, column) : -1;
}
std::string Statement::text(int column) const {
  if (sqlite3_column_type(handle_, column) != SQLITE_TEXT) return {};
  const auto* begin = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  return begin == nullptr ? std::string() : std::string(begin, std::size_t(sqlite3_column_bytes(handle_, column)));
}
std::span<const std::byte> Statement::blob(int column) const {
  if (sqlite3_column_type(handle_, column) != SQLITE_BLOB) return {};
  const auto* begin = static_cast<const std::byte*>(sqlite3_column_blob(handle_, column));
  return {begin, begin == nullptr ? 0 : std::size_t(sqlite3_column_bytes(handle_, column))};
}

Result<void> Database::open(const std::string& path) {
  close();
  if (auto prepared = prepare_file(path); !prepared) return prepared;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW;
  const int code = sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr);
  if (code != SQLITE_OK) {
    Error error = error_of(handle_, code);
    close();
    return std::unexpected(std::move(error));
  }
  sqlite3_extended_result_codes(handle_, 1);
  sqlite3_busy_timeout(handle_, kBusyMs);
  sqlite3_limit(handle_, SQLITE_LIMIT_LENGTH, kValueMost);
  // The file is input like any other.
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);  // a program that ends does not wait
  return run("PRAGMA cell_size_check=ON");
}

void Database::close() noexcept {
  sqlite3_close_v2(handle_);
  handle_ = nullptr;
}

Result<void> Database::run(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return {};
  return std::unexpected(error_of(handle_, code));
}

Result<std::int64_t> Database::number(const char* sql) {
  auto statement = prepare(sql);
  if (!statement) return fail(std::move(statement));
  auto row = statement->step();
  if (!row) return fail(std::move(row));
  return *row ? statement->number(0) : 0;
}

Result<Statement> Database::prepare(const char* sql) {
  Statement statement;
  const int code = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement.handle_, nullptr);
  if (code != SQLITE_OK) return std::unexpected(error_of(handle_, code));
  return statement;
}

}  // namespace trellis::sqlite
