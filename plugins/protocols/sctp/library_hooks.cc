// library_hooks.cc: writes entries of the table through which usrsctp's shared object calls others (ELF: the
// relocations of kind JUMP_SLOT). The table is read-only after the start, so its page is opened for the write.
#include "library_hooks.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <usrsctp.h>

#include <cstdarg>
#include <cstdint>
#include <string_view>

#include "library_memory.h"

namespace trellis::sctp {
namespace {

LibraryHooks hooks_in_use{};

int hooked_gettimeofday(timeval* now, void*) {
  hooks_in_use.time(*now);
  return 0;
}

long hooked_syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[4];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_getrandom) {
    const auto bytes = static_cast<std::size_t>(a[1]);
    if (hooks_in_use.random(reinterpret_cast<void*>(a[0]), bytes)) return a[1];
  }
  return syscall(number, a[0], a[1], a[2], a[3]);
}

// usrsctp's own function that takes a packet, between its source files.
using TakePacket = void (*)(void** packet, int, int, int, sockaddr* from, sockaddr* to, void*, void*, std::uint8_t,
                            std::uint8_t, std::uint32_t, std::uint16_t);
TakePacket take_packet = nullptr;

void hooked_take_packet(void** packet, int header, int offset, int length, sockaddr* from, sockaddr* to, void* sctp,
                        void* chunk, std::uint8_t check, std::uint8_t ecn, std::uint32_t routes, std::uint16_t port) {
  if (to->sa_family == AF_CONN) reinterpret_cast<sockaddr_conn*>(to)->sconn_addr = hooks_in_use.own_address;
  take_packet(packet, header, offset, length, from, to, sctp, chunk, check, ecn, routes, port);
}

struct Tables {
  const Elf64_Sym* symbols = nullptr;
  const char* names = nullptr;
  const Elf64_Rela* calls = nullptr;
  std::size_t calls_size = 0;
};

Tables tables_of(const dl_phdr_info& object) noexcept {
  Tables tables;
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    if (object.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const auto* entry = reinterpret_cast<const Elf64_Dyn*>(object.dlpi_addr + object.dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_SYMTAB) tables.symbols = reinterpret_cast<const Elf64_Sym*>(entry->d_un.d_ptr);
      if (entry->d_tag == DT_STRTAB) tables.names = reinterpret_cast<const char*>(entry->d_un.d_ptr);
      if (entry->d_tag == DT_JMPREL) tables.calls = reinterpret_cast<const Elf64_Rela*>(entry->d_un.d_ptr);
      if (entry->d_tag == DT_PLTRELSZ) tables.calls_size = entry->d_un.d_val;
    }
  }
  return tables;
}

bool write_entry(void** entry, void* target) noexcept {
  const auto size = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  auto* const page = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(entry) & ~(size - 1));
  if (mprotect(page, size, PROT_READ | PROT_WRITE) != 0) return false;
  *entry = target;
  return mprotect(page, size, PROT_READ) == 0;
}

int redirect_calls(dl_phdr_info* object, std::size_t, void* count) noexcept {
  const std::string_view path = object->dlpi_name;
  if (!path.substr(path.rfind('/') + 1).starts_with("libusrsctp.so")) return 0;
  const Tables tables = tables_of(*object);
  if (tables.symbols == nullptr || tables.names == nullptr || tables.calls == nullptr) return 1;
  for (std::size_t i = 0; i < tables.calls_size / sizeof(Elf64_Rela); ++i) {
    const Elf64_Rela& call = tables.calls[i];
    const Elf64_Sym& symbol = tables.symbols[ELF64_R_SYM(call.r_info)];
    const std::string_view name = tables.names + symbol.st_name;
    void* target = nullptr;
    if (name == "malloc") target = reinterpret_cast<void*>(&library_malloc);
    if (name == "free") target = reinterpret_cast<void*>(&library_free);
    if (name == "gettimeofday") target = reinterpret_cast<void*>(&hooked_gettimeofday);
    if (name == "syscall") target = reinterpret_cast<void*>(&hooked_syscall);
    if (name == "sctp_common_input_processing" && symbol.st_value != 0) {
      take_packet = reinterpret_cast<TakePacket>(object->dlpi_addr + symbol.st_value);
      target = reinterpret_cast<void*>(&hooked_take_packet);
    }
    if (target == nullptr) continue;
    if (write_entry(reinterpret_cast<void**>(object->dlpi_addr + call.r_offset), target)) ++*static_cast<int*>(count);
  }
  return 1;
}

}  // namespace

bool redirect_library(const LibraryHooks& hooks) noexcept {
  hooks_in_use = hooks;
  int redirected = 0;
  dl_iterate_phdr(redirect_calls, &redirected);
  return redirected == 5;
}

}  // namespace trellis::sctp
