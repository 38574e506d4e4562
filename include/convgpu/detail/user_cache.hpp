// SPDX-License-Identifier: Apache-2.0
// What is kept between processes: where, and how a file gets there. Not installed.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace convgpu::detail {

/// What the environment variable `variable` names, nothing where that is "none"; without the variable `name` in the
/// folder `convgpu` of the user's cache. Empty: nowhere.
inline std::string place_in_cache(const char* variable, std::string_view name) {
  const auto value_of = [](const char* of) {
    const char* const value = std::getenv(of);
    return std::string(value != nullptr ? value : "");
  };
  if (std::getenv(variable) != nullptr) {
    std::string named = value_of(variable);
    return named == "none" ? std::string() : named;
  }
  std::string folder = value_of("XDG_CACHE_HOME");
  // A relative one is not to be taken, says the convention that it is from.
  if (!folder.starts_with('/')) {
    folder = value_of("HOME");
    if (!folder.starts_with('/')) return {};
    folder += "/.cache";
  }
  return folder.append("/convgpu/").append(name);
}

/// A file of the user alone, under a name of its own until all of it is on the disk. \throws std::system_error
class unfinished_file {
 public:
  explicit unfinished_file(std::string file)
      : file_(std::move(file)), name_(file_ + ".XXXXXX"), descriptor_(::mkstemp(name_.data())) {
    if (descriptor_ < 0) fail();
  }
  unfinished_file(const unfinished_file&) = delete;
  unfinished_file& operator=(const unfinished_file&) = delete;
  ~unfinished_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!name_.empty()) ::unlink(name_.c_str());
  }

  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::write(descriptor_, text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail();
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void finish() {
    if (::fsync(descriptor_) != 0) fail();
    if (::close(std::exchange(descriptor_, -1)) != 0) fail();
    if (::rename(name_.c_str(), file_.c_str()) != 0) fail();
    name_.clear();
  }

 private:
  [[noreturn]] void fail() const { throw std::system_error(errno, std::generic_category(), file_); }

  std::string file_;
  std::string name_;
  int descriptor_;
};

}  // namespace convgpu::detail
