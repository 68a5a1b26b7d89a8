// plugin_file.cc: trust in files is trust in whoever can write them, or replace them in their directory.
#include "core/plugin_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <format>
#include <string_view>
#include <utility>

#include "core/layer_names.h"
#include "core/text.h"

namespace trellis {
namespace {

std::unexpected<Error> refuse(std::string detail, int code = 0) {
  return fail(Reason::configuration, std::move(detail), static_cast<std::uint64_t>(code), kLoaderLayer);
}

/// Nobody else may write it. `what` begins the sentence ("a file"), `path` is for the commands that it recommends.
Result<void> check_writers(const struct stat& status, std::string_view what, const std::string& path) {
  const uid_t me = geteuid();
  if (status.st_uid != 0 && status.st_uid != me) {
    const std::string expected = me == 0 ? "one of root" : std::format("one of root or of user {}", me);
    return refuse(std::format("found {} of user {}, expected {}: run \"chown {} {}\" if you trust its content", what,
                              status.st_uid, expected, me, path));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0) return {};
  return refuse(
      std::format("found {} that {} can write (mode {:04o}), expected one that only its owner can write: "
                  "run \"chmod go-w {}\" if you trust its content",
                  what, (status.st_mode & S_IWOTH) != 0 ? "everybody" : "its group", status.st_mode & 07777u, path));
}

Result<void> check_directory(const std::string& directory) {
  struct stat status{};
  if (stat(directory.c_str(), &status) != 0) {
    const int code = errno;
    return refuse(
        std::format("found directory {} closed to us ({}), expected one that can be read: check its path and mode",
                    printable(directory), std::strerror(code)),
        code);
  }
  return check_writers(status, "it in directory " + printable(directory), printable(directory));
}

std::string parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return path.substr(0, std::max<std::size_t>(slash, 1));
}

// The kernel knows it of the open file; a path that was resolved by itself could lead elsewhere by now.
Result<std::string> real_path(int descriptor) {
  char path[PATH_MAX];
  const ssize_t length = readlink(("/proc/self/fd/" + std::to_string(descriptor)).c_str(), path, sizeof path);
  if (length >= 0 && static_cast<std::size_t>(length) < sizeof path)
    return std::string(path, static_cast<std::size_t>(length));
  const int code = length < 0 ? errno : ENAMETOOLONG;
  return refuse(std::format("found no /proc/self/fd ({}), expected it: mount /proc", std::strerror(code)), code);
}

}  // namespace

Result<PluginFile> PluginFile::open(const std::string& path) {
  // Nonblocking, because opening a named pipe would wait for its writer.
  PluginFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.descriptor_ < 0) {
    const int code = errno;
    if (code != ENOENT && code != ENOTDIR && code != ELOOP) {
      return refuse(std::format("found a file closed to us ({}), expected one that can be read: check its mode",
                                std::strerror(code)),
                    code);
    }
    return refuse(std::format("found nothing to open ({}), expected a plugin: check the path", std::strerror(code)),
                  code);
  }
  auto real = real_path(file.descriptor_);
  if (!real) return fail(std::move(real));
  file.path_ = std::move(*real);
  if (auto fine = file.check(); !fine) return fail(std::move(fine));
  const std::string found_in = parent(path), lies_in = parent(file.path_);
  if (auto fine = check_directory(found_in); !fine) return fail(std::move(fine));
  if (found_in == lies_in) return file;
  if (auto fine = check_directory(lies_in); !fine) return fail(std::move(fine));
  return file;
}

Result<void> PluginFile::check() noexcept {
  if (fstat(descriptor_, &status_) != 0)
    return refuse("found a file without a status, expected one: check the file system");
  if (!S_ISREG(status_.st_mode)) {
    return refuse(std::format("found {}, expected a plugin: only plugins may be named *.so here",
                              S_ISDIR(status_.st_mode) ? "a directory" : "a device, pipe or socket"));
  }
  return check_writers(status_, "a file", printable(path_));
}

PluginFile::PluginFile(PluginFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), status_(other.status_) {}

PluginFile::~PluginFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

bool PluginFile::unchanged() const noexcept {
  struct stat now{};
  if (stat(path_.c_str(), &now) != 0) return false;
  return now.st_dev == status_.st_dev && now.st_ino == status_.st_ino && now.st_size == status_.st_size &&
         now.st_ctim.tv_sec == status_.st_ctim.tv_sec && now.st_ctim.tv_nsec == status_.st_ctim.tv_nsec;
}

}  // namespace trellis
