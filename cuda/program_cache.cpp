// SPDX-License-Identifier: Apache-2.0

#include "program_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <convgpu/detail/user_cache.hpp>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffix = ".cubin";
constexpr off_t largest_file = 16 << 20;

/// FNV-1a, for names, and to see what a disk has done to a file; no protection against anybody.
std::string hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

/// What stands in a file before the code. Another number for another form.
std::string heading(std::string_view key) {
  return "convgpu program 1\n" + std::to_string(key.size()) + "\n" + std::string(key);
}

std::string content_of(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return {};
  std::string content;
  struct stat is {};
  if (::fstat(descriptor, &is) == 0 && S_ISREG(is.st_mode) && is.st_uid == ::geteuid() &&
      (is.st_mode & (S_IWGRP | S_IWOTH)) == 0 && is.st_size <= largest_file) {
    content.resize(static_cast<std::size_t>(is.st_size));
    std::size_t there = 0;
    while (there < content.size()) {
      const ssize_t n = ::read(descriptor, content.data() + there, content.size() - there);
      if (n <= 0) break;  // what is missing is found out by the hash
      there += static_cast<std::size_t>(n);
    }
    (void)::futimens(descriptor, nullptr);  // used last is removed last
  }
  ::close(descriptor);
  return content;
}

/// The code in a file for that key; empty where it is none.
std::string read(const fs::path& file, const std::string& key) {
  const std::string content = content_of(file);
  std::string_view rest = content;
  const std::string before = heading(key);
  if (!rest.starts_with(before)) return {};
  rest.remove_prefix(before.size());
  const std::size_t digits = hash_of({}).size();
  if (rest.size() <= digits || hash_of(rest.substr(digits)) != rest.substr(0, digits)) return {};
  return std::string(rest.substr(digits));
}

/// Those used least lately go. Of what lies in the folder only what was made here.
void remove_beyond(std::size_t most, const fs::path& folder) {
  std::vector<std::pair<fs::file_time_type, fs::path>> all;
  std::error_code failed;
  for (fs::directory_iterator i(folder, failed), end; !failed && i != end; i.increment(failed)) {
    if (i->path().filename().string().find(suffix) == std::string::npos) continue;
    const fs::file_time_type used = i->last_write_time(failed);
    if (!failed) all.emplace_back(used, i->path());
    failed.clear();  // another process may have removed it
  }
  if (all.size() <= most) return;
  std::sort(all.begin(), all.end());
  all.resize(all.size() - most);
  for (const auto& [used, file] : all) fs::remove(file, failed);
}

void write(const fs::path& file, const std::string& key, const std::string& code) {
  const fs::path folder = file.parent_path();
  std::error_code failed;
  fs::create_directories(folder.parent_path(), failed);
  (void)::mkdir(folder.c_str(), S_IRWXU);
  try {
    detail::unfinished_file to(file.string());
    to.write(heading(key));
    to.write(hash_of(code));
    to.write(code);
    to.finish();
  } catch (const std::system_error&) {
    return;
  }
  remove_beyond(most_cached_programs, folder);
}

}  // namespace

std::string cached_code(const std::string& key, const std::function<std::string()>& make) {
  const std::string folder = detail::place_in_cache("CONVGPU_PROGRAMS", "programs");
  if (folder.empty()) return make();
  const fs::path file = fs::path(folder) / (hash_of(key) + std::string(suffix));
  if (std::string code = read(file, key); !code.empty()) return code;
  std::string code = make();
  write(file, key, code);
  return code;
}

}  // namespace convgpu::cuda
