// The file of the store `sqlite` with any content: answers or Errors, never a crash or a hang.
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>

#include "sqlite_store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trellis;
  const std::string file =
      std::format("{}/trellis-fuzz-{}.sqlite", std::filesystem::temp_directory_path().string(), getpid());
  std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  {
    sqlite::SqliteBackend backend(file);
    if (backend.open()) {
      std::ignore = backend.fetch({{"p", "e"}});
      std::ignore = backend.put({{{StateKind::session_ticket, "p", "n", "e", "tls", "d"},
                                  StateValue(3, std::byte{1}),
                                  std::chrono::system_clock::now() + std::chrono::hours(1)}});
      std::ignore = backend.list();
      std::ignore = backend.clear();
    }
  }
  for (const char* side : {"", "-wal", "-shm", "-journal"}) std::filesystem::remove(file + side);
  return 0;
}
