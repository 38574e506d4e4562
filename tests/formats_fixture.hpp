// SPDX-License-Identifier: Apache-2.0
// What the tests of the program's file formats share: a folder to write to, and arrays to fill it with.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <complex>
#include <concepts>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "formats.hpp"

namespace convgpu::tools {

namespace fs = std::filesystem;
using std::string;
using namespace std::string_literals;

/// A folder of its own for each test, which may run beside others.
class formats : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "convgpu_formats_XXXXXX";
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] string path(const string& name) const { return folder_ + "/" + name; }
  [[nodiscard]] string store(const string& name, const string& content) const {
    fs::remove(path(name));  // overwriting makes some file systems wait for the disk
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  [[nodiscard]] string load(const string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] auto entries() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }
  [[nodiscard]] array round_trip(const array& a, const string& name) const {
    write(path(name), a);
    return read(path(name));
  }

 private:
  string folder_;
};

/// Values of both signs, none the same as its neighbours, with the extremes of integers among them.
inline array make(const header& h) {
  array a(h);
  visit_type(h.type, [&]<class T>(std::type_identity<T>) {
    std::int64_t i = 0;
    for (T& value : a.values<T>()) {
      ++i;
      const double real = static_cast<double>(i % 2 == 0 ? i : -i) * 0.37;
      if constexpr (std::integral<T>) {
        value = i == 1   ? std::numeric_limits<T>::min()
                : i == 2 ? std::numeric_limits<T>::max()
                         : static_cast<T>(i * 37);
      } else if constexpr (is_complex(dtype_of<T>)) {
        using part = typename T::value_type;
        value = {static_cast<part>(real), static_cast<part>(1 - real)};
      } else {
        value = T(static_cast<float>(real));
      }
    }
  });
  return a;
}

inline array make_image(dtype type, std::int64_t planes) {
  return make({.type = type,
               .kind = content::image,
               .rows = 5,
               .cols = 7,
               .planes = planes,
               .alpha = planes % 2 == 0});
}

inline array make_sound(dtype type, std::int64_t channels) {
  return make({.type = type,
               .kind = content::sound,
               .dimensions = 1,
               .cols = 50,
               .planes = channels,
               .sample_rate = 22050});
}

inline void expect_same(const array& a, const array& b) {
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(std::tie(a.dimensions, a.rows, a.cols, a.planes, a.batch),
            std::tie(b.dimensions, b.rows, b.cols, b.planes, b.batch));
  EXPECT_EQ(std::tie(a.alpha, a.sample_rate, a.white), std::tie(b.alpha, b.sample_rate, b.white));
  ASSERT_EQ(a.data.size(), b.data.size());
  EXPECT_EQ(std::memcmp(a.data.data(), b.data.data(), a.data.size()), 0);
}

template <class T>
std::vector<T> values(const array& a) {
  const auto all = a.values<T>();
  return {all.begin(), all.end()};
}

using doubles = std::vector<double>;
using integers = std::vector<std::int64_t>;

/// The message of the `Error` that the call throws.
template <class Error, class Call>
string message_of(Call call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

inline string read_error(const string& what) {
  return message_of<bad_file>([&] { std::ignore = read(what); });
}

/// A file of NumPy's with that header.
inline string npy(const string& dictionary, const string& data, int version = 1) {
  string size(version == 1 ? 2 : 4, '\0');
  size[0] = static_cast<char>(dictionary.size());
  return "\x93NUMPY"s + static_cast<char>(version) + '\0' + size + dictionary + data;
}

}  // namespace convgpu::tools
