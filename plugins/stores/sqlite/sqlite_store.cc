#include "sqlite_store.h"

#include <algorithm>
#include <format>

namespace trellis::sqlite {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;
using std::chrono::system_clock;

constexpr OptionSpec kOptions[] = {
    {"file", std::string_view{}, "where, from the root on; only its owner may read it; made when it is not there"},
};

constexpr std::uint64_t kTidyEvery = 256;    // puts
constexpr std::int64_t kPagesMost = 16'384;  // 64 MiB
constexpr int kLogPages = 64;                // what a process leaves in the log that is killed, the next one reads

constexpr const char* kSchema = R"(
  CREATE TABLE entry(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, partition TEXT NOT NULL, network TEXT NOT NULL,
    endpoint TEXT NOT NULL, protocol TEXT NOT NULL, detail TEXT NOT NULL, value BLOB NOT NULL,
    expires INTEGER NOT NULL) STRICT;
  CREATE INDEX entry_place ON entry(partition, endpoint);
  CREATE INDEX entry_expires ON entry(expires);
)";
#define TRELLIS_COLUMNS "id, kind, partition, network, endpoint, protocol, detail, value, expires"

std::int64_t seconds_of(system_clock::time_point at) { return duration_cast<seconds>(at.time_since_epoch()).count(); }

// Strict: what this version would not have written is passed over.
bool read(const Statement& row, StateEntry& out) {
  const std::int64_t kind = row.number(1);
  if (kind < 0 || kind > static_cast<std::int64_t>(StateKind::support)) return false;
  out.key = {static_cast<StateKind>(kind), row.text(2), row.text(3), row.text(4), row.text(5), row.text(6)};
  const auto value = row.blob(7);
  if (value.empty() || value.size() > StoreWorker::kValueMost) return false;
  out.value.assign(value.begin(), value.end());
  constexpr std::int64_t kYears = 100LL * 366 * 24 * 3600;
  const std::int64_t expires = row.number(8);
  if (expires <= 0 || expires > seconds_of(system_clock::now()) + kYears) return false;
  out.expires = system_clock::time_point(seconds(expires));
  return true;
}

Statement& bind_key(Statement& statement, const StateKey& key) {
  return statement.bind(1, static_cast<std::int64_t>(key.kind))
      .bind(2, key.partition)
      .bind(3, key.network)
      .bind(4, key.endpoint)
      .bind(5, key.protocol)
      .bind(6, key.detail);
}

Result<void> run_once(Statement& statement) {
  auto stepped = statement.step();
  statement.reset();
  if (!stepped) return fail(std::move(stepped));
  return {};
}

bool same_key(const StateKey& a, const StateKey& b) {
  return a.kind == b.kind && a.partition == b.partition && a.network == b.network && a.endpoint == b.endpoint &&
         a.protocol == b.protocol && a.detail == b.detail;
}

}  // namespace

Error SqliteBackend::named(Error error) const {
  if (!error.detail.starts_with(path_)) error.detail = path_ + " " + error.detail + "; going on without it";
  return error;
}

void SqliteBackend::close() noexcept {
  for (Statement* statement : {&find_, &take_, &add_, &replace_, &trim_}) *statement = Statement();
  file_.close();
}

Result<void> SqliteBackend::open() {
  close();
  auto opened = open_file();
  if (opened) return opened;
  close();
  return std::unexpected(named(std::move(opened).error()));
}

Result<void> SqliteBackend::open_file() {
  if (auto opened = file_.open(path_); !opened) return opened;
  const auto version = file_.number("PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  const auto application = file_.number("PRAGMA application_id");
  if (!application) return std::unexpected(application.error());
  const auto tables = file_.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::unexpected(tables.error());
  if (*tables != 0 && *application != kApplication)
    return fail(Reason::configuration, "belongs to another program: name another file", 0, "sqlite");
  if (*version > kSchemaVersion)
    return fail(Reason::configuration,
                std::format("has version {}, expected {} at most: a newer Trellis made it", *version, kSchemaVersion),
                0, "sqlite");
  if (auto set = file_.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=FAST"); !set)
    return set;
  const auto limits = std::format("PRAGMA max_page_count={}; PRAGMA wal_autocheckpoint={}", kPagesMost, kLogPages);
  if (auto set = file_.run(limits.c_str()); !set) return set;
  if (*version < kSchemaVersion) {
    Transaction making(file_);  // another process may be making it too
    if (auto begun = making.begun(); !begun) return begun;
    const auto now = file_.number("PRAGMA user_version");
    if (!now) return std::unexpected(now.error());
    if (*now == 0) {
      const std::string mark =
          std::format("PRAGMA application_id={}; PRAGMA user_version={}", kApplication, kSchemaVersion);
      if (auto made = file_.run(kSchema); !made) return made;
      if (auto marked = file_.run(mark.c_str()); !marked) return marked;
    }
    if (auto done = making.commit(); !done) return done;
  }
  return prepare(find_, "SELECT " TRELLIS_COLUMNS
                        " FROM entry WHERE partition=?1 AND endpoint=?2 AND expires>?3 "
                        "ORDER BY id DESC LIMIT ?4");
}

Result<void> SqliteBackend::prepare(Statement& statement, const char* sql) {
  auto made = file_.prepare(sql);
  if (!made) return fail(std::move(made));
  statement = std::move(*made);
  return {};
}

// Each statement not before it is needed: the first connection of a process waits for its question only.
Result<void> SqliteBackend::prepare_taking() {
  if (take_) return {};
  return prepare(take_, "DELETE FROM entry WHERE id=?1 RETURNING " TRELLIS_COLUMNS);
}

Result<void> SqliteBackend::prepare_putting() {
  if (trim_) return {};
  if (auto made = prepare(add_,
                          "INSERT INTO entry(kind, partition, network, endpoint, protocol, detail, value, expires) "
                          "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
      !made)
    return made;
  constexpr const char* kKey = "kind=?1 AND partition=?2 AND network=?3 AND endpoint=?4 AND protocol=?5 AND detail=?6";
  if (auto made = prepare(replace_, std::format("DELETE FROM entry WHERE {}", kKey).c_str()); !made) return made;
  return prepare(trim_,
                 std::format("DELETE FROM entry WHERE {0} AND id NOT IN (SELECT id FROM entry WHERE {0} ORDER BY "
                             "id DESC LIMIT {1})",
                             kKey, kTicketsOfOneKeyMost)
                     .c_str());
}

Result<void> SqliteBackend::tidy() {
  return file_.run(
      std::format("DELETE FROM entry WHERE expires<={}; DELETE FROM entry WHERE id IN (SELECT id FROM entry "
                  "ORDER BY expires DESC LIMIT -1 OFFSET {})",
                  seconds_of(system_clock::now()), kEntriesMost)
          .c_str());
}

Result<void> SqliteBackend::find(const StatePlace& place, std::vector<StateEntry>& found,
                                 std::vector<std::int64_t>& to_take) {
  find_.bind(1, place.partition).bind(2, place.endpoint).bind(3, seconds_of(system_clock::now()));
  find_.bind(4, static_cast<std::int64_t>(OpenStore::kAnswerMost));
  std::vector<StateKey> taken;
  for (;;) {
    auto row = find_.step();
    if (!row || !*row) {
      find_.reset();
      if (!row) return fail(std::move(row));
      return {};
    }
    StateEntry entry;
    if (!read(find_, entry) || found.size() + to_take.size() >= OpenStore::kAnswerMost) continue;
    if (!single_use(entry.key.kind)) {
      found.push_back(std::move(entry));
      continue;
    }
    const auto had = std::ranges::count_if(taken, [&](const StateKey& key) { return same_key(key, entry.key); });
    if (had >= static_cast<std::ptrdiff_t>(OpenStore::kGivenMost)) continue;
    to_take.push_back(find_.number(0));
    taken.push_back(std::move(entry.key));
  }
}

// Whoever deletes the row has the ticket: another process finds nothing to delete.
Result<void> SqliteBackend::take(std::int64_t row, std::vector<StateEntry>& found) {
  take_.bind(1, row);
  auto deleted = take_.step();
  StateEntry entry;
  const bool mine = deleted && *deleted && read(take_, entry);
  while (deleted && *deleted) deleted = take_.step();  // to the end, so that it is done
  take_.reset();
  if (!deleted) return fail(std::move(deleted));
  if (mine) found.push_back(std::move(entry));
  return {};
}

Result<std::vector<StateEntry>> SqliteBackend::fetch(const std::vector<StatePlace>& places) {
  std::vector<StateEntry> found;
  std::vector<std::int64_t> to_take;
  const auto all = [&]() -> Result<void> {
    for (const StatePlace& place : places) {
      if (auto done = find(place, found, to_take); !done) return done;
    }
    if (to_take.empty()) return {};
    if (auto prepared = prepare_taking(); !prepared) return prepared;
    Transaction taking(file_);
    if (auto begun = taking.begun(); !begun) return begun;
    for (const std::int64_t row : to_take) {
      if (auto done = take(row, found); !done) return done;
    }
    return taking.commit();
  };
  if (auto done = all(); !done) return std::unexpected(named(std::move(done).error()));
  return found;
}

Result<void> SqliteBackend::put_one(const StateEntry& entry) {
  if (!single_use(entry.key.kind)) {
    if (auto replaced = run_once(bind_key(replace_, entry.key)); !replaced) return replaced;
  }
  bind_key(add_, entry.key).bind(7, std::span<const std::byte>(entry.value)).bind(8, seconds_of(entry.expires));
  if (auto added = run_once(add_); !added) return added;
  return single_use(entry.key.kind) ? run_once(bind_key(trim_, entry.key)) : Result<void>();
}

Result<void> SqliteBackend::put(std::vector<StateEntry> entries) {
  const auto all = [&]() -> Result<void> {
    if (auto prepared = prepare_putting(); !prepared) return prepared;
    Transaction putting(file_);
    if (auto begun = putting.begun(); !begun) return begun;
    for (const StateEntry& entry : entries) {
      if (auto done = put_one(entry); !done) return done;
    }
    puts_ += entries.size();
    if (puts_ >= kTidyEvery) {
      puts_ = 0;
      if (auto done = tidy(); !done) return done;
    }
    return putting.commit();
  };
  if (auto done = all(); !done) return std::unexpected(named(std::move(done).error()));
  return {};
}

Result<std::vector<StateEntry>> SqliteBackend::list() {
  auto rows = file_.prepare("SELECT " TRELLIS_COLUMNS " FROM entry ORDER BY endpoint, kind, id");
  if (!rows) return std::unexpected(named(std::move(rows).error()));
  std::vector<StateEntry> all;
  for (;;) {
    auto row = rows->step();
    if (!row) return std::unexpected(named(std::move(row).error()));
    if (!*row) return all;
    if (StateEntry entry; read(*rows, entry)) all.push_back(std::move(entry));
  }
}

Result<std::uint64_t> SqliteBackend::clear() {
  if (auto cleared = file_.run("DELETE FROM entry"); !cleared)
    return std::unexpected(named(std::move(cleared).error()));
  const auto count = static_cast<std::uint64_t>(file_.changes());
  std::ignore = file_.run("PRAGMA wal_checkpoint(TRUNCATE)");  // what was deleted shall not stay in the log
  return count;
}

std::span<const OptionSpec> SqliteStore::options() const noexcept { return kOptions; }

Result<std::unique_ptr<OpenStore>> SqliteStore::open(const Options& options) noexcept {
  std::string file(options.text("file"));
  if (file.empty() || file.front() != '/')
    return fail(Reason::configuration, "found file='" + file + "', expected the path of a file, from the root on", 0,
                "sqlite");
  return std::make_unique<StoreWorker>(std::make_unique<SqliteBackend>(std::move(file)));
}

}  // namespace trellis::sqlite
