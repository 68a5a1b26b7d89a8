# The libraries that the framework's own libraries link; read by the build and by find_package(Trellis).

find_package(Boost 1.83 CONFIG REQUIRED)
find_package(tinyxml2 CONFIG REQUIRED)

# Older versions of Botan let a TLS 1.3 client skip the authentication that a server asks for (CVE-2026-34582).
find_package(Botan CONFIG QUIET COMPONENTS)
if(NOT Botan_FOUND OR Botan_VERSION VERSION_LESS 3.11.1)
  set(found "${Botan_VERSION}")
  if(NOT found)
    set(found "none")
  endif()
  message(FATAL_ERROR "Trellis needs Botan 3.11.1 or newer, found: ${found}. Older versions let a TLS 1.3 client skip the "
                      "authentication that a server asks for (CVE-2026-34582). On Debian sdk/setup installs a fixed one.")
endif()

# Only the core of libevent, which comes without a CMake package.
if(NOT TARGET Trellis::libevent)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(TRELLIS_LIBEVENT REQUIRED IMPORTED_TARGET libevent_core>=2.1.12)
  add_library(Trellis::libevent INTERFACE IMPORTED)
  target_link_libraries(Trellis::libevent INTERFACE PkgConfig::TRELLIS_LIBEVENT)
endif()
