// The store `sqlite`: what is put is found by later processes, a ticket by one of them only, and nothing that is wrong
// with the file breaks anything.
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "store_world.h"

namespace trellis::test {
namespace {

struct Sqlite : testing::Test {
  StoreUser user() { return user(file); }
  StoreUser user(const std::string& path) { return StoreUser(registry, "sqlite", {{"file", path, {}}}); }
  /// Runs SQL as another program would.
  void sql(const std::string& text) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &handle), SQLITE_OK);
    // A store that was closed may still be at work for a moment, on its own thread.
    int status = SQLITE_BUSY;
    for (int tries = 0; status == SQLITE_BUSY && tries < 1'000; ++tries) {
      if (tries > 0) sqlite3_sleep(10);
      status = sqlite3_exec(handle, text.c_str(), nullptr, nullptr, nullptr);
    }
    EXPECT_EQ(status, SQLITE_OK) << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  }
  void write_file(const std::string& bytes) const {
    for (const char* side : {"-wal", "-shm", "-journal"}) std::filesystem::remove(file + side);
    std::ofstream(file, std::ios::binary) << bytes;
  }
  void fill(int entries) {
    StoreUser first = user();
    for (int i = 0; i < entries; ++i) {
      first.store->put(entry(history_key("host" + std::to_string(i)), "h" + std::to_string(i)));
      first.store->put(entry(ticket_key("host" + std::to_string(i)), "t" + std::to_string(i)));
    }
    first.ask();
  }
  Registry registry{{TRELLIS_BUILD_DIR "/plugins"}};
  TemporaryDirectory directory;
  std::string file = directory.path() + "/deep/state.sqlite";
};

// IMPL-98: it outlives the process, and what is put before a question is found by it.
TEST_F(Sqlite, KeepsWhatWasPut) {
  {
    StoreUser first = user();
    first.store->put(entry(history_key(), "old"));
    first.store->put(entry(history_key(), "new"));
    first.store->put(entry(history_key("b.example 443"), "other"));
    EXPECT_THAT(first.ask(), testing::ElementsAre("new"));
    first.store->put(entry(ticket_key(), "at the very end"));
  }
  StoreUser second = user();
  EXPECT_THAT(second.ask(), testing::UnorderedElementsAre("new", "at the very end"));
  EXPECT_THAT(second.ask({{"q", "a.example 443"}}), IsEmpty()) << "another partition";
  EXPECT_EQ(second.store->trouble(), "");
}

// RACE-109, RACE-110: of one key the newest two at a time, each once.
TEST_F(Sqlite, GivesATicketOnce) {
  StoreUser first = user(), second = user();
  for (const char* ticket : {"1", "2", "3"}) first.store->put(entry(ticket_key(), ticket));
  EXPECT_THAT(first.ask(), testing::ElementsAre("3", "2"));
  EXPECT_THAT(second.ask(), testing::ElementsAre("1"));
  EXPECT_THAT(first.ask(), IsEmpty());
}

// Two processes at once: every ticket is given to exactly one of them.
TEST_F(Sqlite, TwoUsersNeverGetTheSameTicket) {
  constexpr int kTickets = 200;
  std::multiset<std::string> given;
  std::mutex mutex;
  const auto work = [&](int number) {
    StoreUser me = user();
    for (int i = 0; i < kTickets; ++i) {
      const std::string host = "host" + std::to_string(i);
      me.store->put(entry(ticket_key(host), host + " from " + std::to_string(number)));
      me.store->put(entry(history_key(host), "seen"));
      for (const std::string& found : me.ask({{"p", host}})) {
        const std::lock_guard lock(mutex);
        if (found != "seen") given.insert(found);
      }
    }
  };
  std::thread one(work, 1), two(work, 2);
  one.join();
  two.join();
  for (const std::string& ticket : given) EXPECT_EQ(given.count(ticket), 1u) << ticket;
  StoreUser last = user();
  for (int i = 0; i < kTickets; ++i) {
    for (const std::string& found : last.ask({{"p", "host" + std::to_string(i)}})) {
      if (found != "seen") given.insert(found);
    }
  }
  EXPECT_EQ(given.size(), 2u * kTickets) << "none is lost";
}

// IMPL-96
TEST_F(Sqlite, ForgetsWhatHasExpired) {
  StoreUser first = user();
  first.store->put(entry(ticket_key(), "gone", -1s));
  EXPECT_THAT(first.ask(), IsEmpty());
  EXPECT_THAT(*first.store->list(), IsEmpty());
}

TEST_F(Sqlite, IsForItsOwnerOnly) {
  fill(1);
  struct stat status{};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(stat((directory.path() + "/deep").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  StoreUser again = user();
  again.ask();
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u) << "what was opened up is closed again";
}

TEST_F(Sqlite, IsBounded) {
  StoreUser first = user();
  for (int i = 0; i < 10'600; ++i) {
    first.store->put(entry(history_key("host" + std::to_string(i)), "x", 1000s + std::chrono::seconds(i)));
    if (i % 500 == 0) first.ask();
  }
  // What expires first has to go: not these.
  for (int i = 0; i < 20; ++i) first.store->put(entry(ticket_key(), "t", 20'000s));
  first.ask({{"p", "nobody"}});
  const auto all = first.store->list();
  ASSERT_TRUE(all);
  EXPECT_LE(all->size(), 10'000u + 300u);
  EXPECT_EQ(std::ranges::count(*all, StateKind::session_ticket, [](const StateEntry& e) { return e.key.kind; }), 8);
  first.store->put(entry(ticket_key("large"), std::string((1 << 16) + 1, 'x')));
  EXPECT_THAT(first.ask({{"p", "large"}}), IsEmpty());
}

// ---- what can be wrong with the file

void expect_trouble(StoreUser& user, const std::string& what) {
  EXPECT_THAT(user.ask(), testing::AnyOf(IsEmpty(), testing::ElementsAre("no answer")));
  const std::string trouble = user.store->trouble();
  EXPECT_THAT(trouble, HasSubstr(what));
  EXPECT_THAT(trouble, HasSubstr("going on without it"));
  EXPECT_EQ(trouble.find('\n'), std::string::npos);
  EXPECT_EQ(user.store->trouble(), "") << "told once";
  EXPECT_FALSE(user.store->usable());
  EXPECT_THAT(user.ask(), testing::ElementsAre("no answer")) << "nobody waits for it";
  user.store->put(entry(history_key(), "x"));
}

TEST_F(Sqlite, DamagedFile) {
  fill(1);
  write_file(std::string(8192, 'x'));
  StoreUser broken = user();
  expect_trouble(broken, "is damaged or no state file");
}

TEST_F(Sqlite, DamagedInside) {
  fill(200);
  sql("PRAGMA journal_mode=DELETE");
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(4096);
  stream << std::string(40'000, '\xff');
  stream.close();
  StoreUser broken = user();
  broken.ask({{"p", "host1"}});
  for (int i = 0; i < 50 && broken.store->usable(); ++i) broken.store->put(entry(history_key(), "x")), broken.ask();
  EXPECT_THAT(broken.store->trouble(), HasSubstr("damaged"));
}

TEST_F(Sqlite, FileOfTheFuture) {
  fill(1);
  sql("PRAGMA user_version=7");
  StoreUser old = user();
  expect_trouble(old, "has version 7, expected 1 at most: a newer Trellis made it");
}

TEST_F(Sqlite, FileOfAnotherProgram) {
  std::filesystem::create_directories(directory.path() + "/deep");
  sql("CREATE TABLE customers(id)");
  StoreUser wrong = user();
  expect_trouble(wrong, "belongs to another program: name another file");
}

TEST_F(Sqlite, PlaceThatCannotBe) {
  StoreUser wrong = user("/proc/self/nothing/state.sqlite");
  expect_trouble(wrong, "/proc/self/nothing/state.sqlite its folder cannot be made");
  StoreUser device = user("/dev/null");
  expect_trouble(device, "is no file of this user's");
  std::filesystem::create_directories(file);
  StoreUser folder = user();
  expect_trouble(folder, "cannot be opened");
}

TEST_F(Sqlite, RelativePathIsRefused) {
  StateStore* kind = registry.store("sqlite").value();
  const auto options =
      OptionValues::check("store", kind->options(), std::vector<OptionText>{{"file", "state.sqlite", {}}});
  const auto opened = kind->open(*options);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, HasSubstr("expected the path of a file"));
}

/// Another process that holds the file. In this one locks would mean nothing: the plugin has a SQLite of its own.
struct Holder {
  explicit Holder(const std::string& file) {
    int holding[2], until[2];
    EXPECT_TRUE(pipe(holding) == 0 && pipe(until) == 0);
    process = fork();
    if (process == 0) {
      close(until[1]);
      sqlite3* handle = nullptr;
      const bool holds = sqlite3_open(file.c_str(), &handle) == SQLITE_OK &&
                         sqlite3_exec(handle, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr) == SQLITE_OK;
      char byte = holds ? 'y' : 'n';
      if (write(holding[1], &byte, 1) == 1) std::ignore = read(until[0], &byte, 1);  // the end of the pipe
      _exit(0);
    }
    close(until[0]);
    close(holding[1]);
    char byte = 0;
    EXPECT_TRUE(read(holding[0], &byte, 1) == 1 && byte == 'y');
    close(holding[0]);
    release = until[1];
  }
  ~Holder() {
    close(release);
    waitpid(process, nullptr, 0);
  }
  pid_t process = 0;
  int release = -1;
};

// Somebody holds the file for long: trouble, then it works again.
TEST_F(Sqlite, LockedFile) {
  fill(1);
  auto holder = std::make_unique<Holder>(file);
  StoreUser waits = user();
  std::string trouble;
  while (trouble.empty()) {
    EXPECT_THAT(waits.ask({{"p", "host0"}}), testing::AnyOf(IsEmpty(), testing::ElementsAre("no answer")));
    trouble = waits.store->trouble();
  }
  EXPECT_THAT(trouble, HasSubstr("another process keeps it locked; going on without it"));
  holder.reset();
  std::vector<std::string> found;
  while (found.size() != 2) {
    std::this_thread::sleep_for(1ms);
    found = waits.ask({{"p", "host0"}});
  }
  EXPECT_EQ(waits.store->trouble(), "");
}

// A disk of the test's own, below the file's folder.
struct SqliteDisk : Sqlite {
  void SetUp() override {
    std::filesystem::create_directories(folder);
    const bool mine = unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    if (!mine || mount("disk", folder.c_str(), "tmpfs", 0, "size=512k,mode=700") != 0)
      GTEST_SKIP() << "this user may mount nothing: " << std::strerror(errno);
  }
  void TearDown() override { umount2(folder.c_str(), MNT_DETACH); }
  std::string folder = directory.path() + "/deep";
};

// What was kept can be read, what comes is lost, and nobody waits; with room it goes on.
TEST_F(SqliteDisk, FullDisk) {
  fill(1);
  const std::string filler = folder + "/filler";
  std::ofstream(filler) << std::string(1 << 20, 'x');
  ASSERT_EQ(std::filesystem::space(folder).available, 0u);
  StoreUser full = user();
  std::string trouble;
  for (int i = 0; trouble.empty() && i < 1000; ++i) {
    full.store->put(entry(history_key("host" + std::to_string(i)), std::string(50'000, 'x')));
    full.ask();
    trouble = full.store->trouble();
  }
  EXPECT_THAT(trouble, HasSubstr("state.sqlite database or disk is full; going on without it"));
  EXPECT_EQ(full.store->trouble(), "") << "told once";
  std::filesystem::remove(filler);
  std::vector<std::string> found;
  while (found != std::vector<std::string>{"again"}) {
    std::this_thread::sleep_for(1ms);
    full.store->put(entry(history_key(), "again"));
    found = full.ask();
  }
  EXPECT_EQ(full.store->trouble(), "");
}

TEST_F(SqliteDisk, ReadOnlyDisk) {
  fill(1);
  for (int tries = 0; mount(nullptr, folder.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0; ++tries) {
    ASSERT_TRUE(errno == EBUSY && tries < 1000) << std::strerror(errno);
    std::this_thread::sleep_for(10ms);  // a store that was closed may still be at work
  }
  StoreUser reads = user();
  expect_trouble(reads, "state.sqlite cannot be opened: Read-only file system");
}

// A table that this program would not have written: what is strange is passed over.
TEST_F(Sqlite, StrangeValues) {
  fill(1);
  const auto insert = [](const std::string& kind, const std::string& v, const std::string& expires) {
    return "INSERT INTO entry(kind, partition, network, endpoint, protocol, detail, value, expires) VALUES(" + kind +
           ", 'p', 'eth0', 'a.example 443', 'x', 'y', " + v + ", " + expires + ");";
  };
  sql(insert("99", "x'00'", "99999999999") + insert("-1", "x'00'", "2000000000") + insert("2", "x''", "2000000000") +
      insert("2", "zeroblob(900000)", "2000000000") + insert("2", "x'00'", "9223372036854775807") +
      insert("2", "x'6f6b'", "2000000000"));
  StoreUser reads = user();
  EXPECT_THAT(reads.ask(), testing::ElementsAre("ok"));
  EXPECT_EQ(reads.store->trouble(), "");
}

// Flipped bytes anywhere: values or trouble, never a crash, never a wait.
TEST_F(Sqlite, FlippedBytes) {
  fill(20);
  sql("PRAGMA journal_mode=DELETE");
  std::ifstream in(file, std::ios::binary);
  const std::string sound((std::istreambuf_iterator<char>(in)), {});
  in.close();
  std::mt19937_64 random(1);
  for (int round = 0; round < 150; ++round) {
    std::string damaged = sound;
    for (int i = 0; i < 1 + round % 20; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    if (round % 10 == 0) damaged.resize(random() % damaged.size());
    write_file(damaged);
    StoreUser reads = user();
    reads.ask({{"p", "host3"}});
    reads.store->put(entry(history_key("host3"), "again"));
    reads.ask({{"p", "host3"}});
    std::ignore = reads.store->list();
  }
}

}  // namespace
}  // namespace trellis::test
