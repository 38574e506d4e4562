// SPDX-License-Identifier: Apache-2.0
#include "formats.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <tuple>
#include <utility>

#include "codecs.hpp"

namespace convgpu::tools {
namespace {

struct format {
  std::string_view extension;
  bool (*recognises)(bytes);
  array (*decode)(bytes);
  std::string (*why_not)(const header&);
  std::string (*encode)(const array&);
};

constexpr format formats[] = {
    {".npy", is_npy, decode_npy, why_not_npy, encode_npy},
    {".png", is_png, decode_png, why_not_png, encode_png},
    {".jpg", is_jpeg, decode_jpeg, why_not_jpeg, encode_jpeg},
    {".jpeg", is_jpeg, decode_jpeg, why_not_jpeg, encode_jpeg},
    {".pgm", is_pnm, decode_pnm, why_not_pgm, encode_pnm},
    {".ppm", is_pnm, decode_pnm, why_not_ppm, encode_pnm},
    {".pnm", is_pnm, decode_pnm, why_not_pnm, encode_pnm},
    {".wav", is_wav, decode_wav, why_not_wav, encode_wav},
    {".flac", is_flac, decode_flac, why_not_flac, encode_flac},
    // Last, because text has no mark of its own: it is what the others have not recognised.
    {".txt", is_text, decode_text, why_not_text, encode_text},
};
constexpr const format& text_format = formats[std::size(formats) - 1];

std::string extensions() {
  std::string list;
  for (const format& f : formats) list += (list.empty() ? "" : " ") + std::string(f.extension);
  return list;
}

const format* find_by_extension(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  const auto* found = std::ranges::find(formats, extension, &format::extension);
  return found != std::end(formats) ? found : nullptr;
}

/// What the system says about the call that has just failed.
std::string system_message() {
  return std::generic_category().message(errno);
}

/// An open file; closes it.
class descriptor {
 public:
  explicit descriptor(int number) : number_(number) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }
  /// Closing is when some file systems first say that a write has failed.
  [[nodiscard]] bool close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

struct file_content {
  buffer data;
  std::size_t size = 0;

  [[nodiscard]] bytes view() const { return {data.data(), size}; }
};

/// Reads to the end, which for pipes is not known beforehand.
file_content read_all(int file, std::size_t expected) {
  // One more, so that the end is met without growing.
  file_content content{buffer(expected + 1)};
  for (;;) {
    if (content.size == content.data.size()) {
      buffer larger(2 * content.size);
      std::memcpy(larger.data(), content.data.data(), content.size);
      content.data = std::move(larger);
    }
    const ssize_t got =
        ::read(file, content.data.data() + content.size, content.data.size() - content.size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw bad_file(system_message());
    if (got == 0) return content;
    content.size += static_cast<std::size_t>(got);
  }
}

file_content read_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) throw bad_file(system_message());
  if (S_ISDIR(status.st_mode)) throw bad_file("is a folder; allowed: a file");
  // A terminal would wait for ever, other devices never end.
  if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode)) {
    throw bad_file("is a device; allowed: a file or a pipe");
  }
  const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw bad_file(system_message());
  return read_all(file.get(), static_cast<std::size_t>(status.st_size));
}

array decode_file(const std::string& path) {
  const file_content content = read_file(path);
  if (content.size == 0) throw bad_file("the file is empty");
  const format* named = find_by_extension(path);
  for (const format& f : formats) {
    const bool is_last = &f == &text_format;
    // A binary format's name promises a mark: without it the file is broken, not text.
    if (is_last && named != nullptr && named != &f) {
      throw bad_file("does not begin as a " + std::string(named->extension) + " file does");
    }
    if (f.recognises(content.view()) || (is_last && named == &f)) return f.decode(content.view());
  }
  throw bad_file("is in no known format; allowed: " + extensions());
}

array read_any(const std::string& what) {
  constexpr std::string_view chart = "chart:";
  if (what.starts_with('[')) return parse_literal(what);
  if (what.starts_with(chart)) return make_chart(std::string_view(what).substr(chart.size()));
  return decode_file(what);
}

void write_all(int file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t done = ::write(file, content.data(), content.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw write_failure(system_message());
    content.remove_prefix(static_cast<std::size_t>(done));
  }
}

void write_and_close(descriptor& file, std::string_view content) {
  if (!file.is_open()) throw write_failure(system_message());
  write_all(file.get(), content);
  if (!file.close()) throw write_failure(system_message());
}

/// A new file beside another, removed again unless it takes that one's place.
class temporary_file {
 public:
  explicit temporary_file(const std::filesystem::path& target)
      : file_(create(target.parent_path(), path_)) {}
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  [[nodiscard]] descriptor& file() { return file_; }

  void rename_to(const std::filesystem::path& target) {
    if (::rename(path_.c_str(), target.c_str()) != 0) throw write_failure(system_message());
    path_.clear();
  }

 private:
  /// Passes over names that are taken, such as by a run that was killed.
  static int create(const std::filesystem::path& folder, std::filesystem::path& path) {
    for (unsigned attempt = 0;; ++attempt) {
      path = folder / (".convgpu-" + std::to_string(::getpid()) + "-" + std::to_string(attempt));
      const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (file >= 0) return file;
      if (errno != EEXIST) throw write_failure(system_message());
    }
  }

  std::filesystem::path path_;
  descriptor file_;
};

void replace_file(const std::filesystem::path& target, const struct stat* existing,
                  std::string_view content) {
  // Renaming asks only the folder for permission, but a protected file is to stay.
  if (existing != nullptr && ::access(target.c_str(), W_OK) != 0)
    throw write_failure(system_message());
  temporary_file temporary(target);
  if (existing != nullptr) {
    // As far as the file system allows; not worth losing a result for.
    std::ignore = ::fchmod(temporary.file().get(), existing->st_mode & 07777);
  }
  write_and_close(temporary.file(), content);
  temporary.rename_to(target);
}

void store(const std::string& path, std::string_view content) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return replace_file(path, nullptr, content);
  if (S_ISREG(status.st_mode)) {
    // Through links, so that the file they lead to is replaced and not they.
    std::error_code failed;
    const std::filesystem::path target = std::filesystem::canonical(path, failed);
    if (failed) throw write_failure(failed.message());
    return replace_file(target, &status, content);
  }
  descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  write_and_close(file, content);
}

void print(std::string_view content) {
  if (std::fwrite(content.data(), 1, content.size(), stdout) != content.size() ||
      std::fflush(stdout) != 0) {
    throw write_failure(system_message());
  }
}

/// The format for an output path that is not a folder and whose own folder is there.
const format& find_output_format(const std::string& path) {
  struct stat status {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) throw bad_file("is a folder; allowed: a file");
  if (const format* named = find_by_extension(path)) {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (!folder.empty() && ::stat(folder.c_str(), &status) != 0 && errno != EACCES) {
      throw bad_file("the folder " + folder.string() + " is not there");
    }
    return *named;
  }
  if (exists && !S_ISREG(status.st_mode)) return text_format;
  throw bad_file("has no known extension; allowed: " + extensions() + ", or - for text");
}

/// Runs `action` and puts `name` before the messages of what it throws.
template <class Action>
auto with_name(const std::string& name, Action action) try {
  return action();
} catch (const bad_file& e) {
  throw bad_file(name + ": " + e.what());
} catch (const write_failure& e) {
  throw write_failure(name + ": " + e.what());
}

/// A literal may be long and hold line breaks; a path is told in full.
std::string name_of(const std::string& what) {
  return what.empty() || what.starts_with('[') ? in_quotes(what) : what;
}

}  // namespace

std::string type_objection(std::string_view format, const header& h,
                           std::initializer_list<dtype> allowed, std::string_view hint) {
  if (h.batch != 1)
    return std::string(format) + " does not hold " + shape_text(h) +
           ", four dimensions; allowed: one picture or sound; write .npy";
  if (std::ranges::find(allowed, h.type) != allowed.end()) return {};
  std::string list;
  for (const dtype type : allowed) {
    list += (list.empty() ? "" : ", ") + std::string(to_string(type));
  }
  return std::string(format) + " does not hold " + std::string(to_string(h.type)) +
         "; allowed: " + list + "; " + std::string(is_complex(h.type) ? "write .npy" : hint);
}

array read(const std::string& what) {
  return with_name(name_of(what), [&] { return read_any(what); });
}

void check_writable_format(const std::string& path, const header& h) {
  if (path == "-") return;
  with_name(name_of(path), [&] {
    if (const std::string reason = find_output_format(path).why_not(h); !reason.empty()) {
      throw bad_file(reason);
    }
  });
}

void write(const std::string& path, const array& a) {
  if (path == "-") {
    return with_name("standard output", [&] { print(encode_text(a)); });
  }
  check_writable_format(path, a);
  with_name(name_of(path), [&] { store(path, find_output_format(path).encode(a)); });
}

}  // namespace convgpu::tools
