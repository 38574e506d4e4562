// SPDX-License-Identifier: Apache-2.0
// The overlap check against sets of bytes, over thousands of small layouts, and on large ones.

#include <gtest/gtest.h>
#include <src/overlap.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace convgpu::test {
namespace {

// Only addresses count: nothing is ever read or written there.
constexpr std::uintptr_t base = std::uintptr_t{1} << 40;

any_const_view at(std::int64_t offset, dtype type, extent size, std::int64_t planes, strides step) {
  return {reinterpret_cast<const void*>(base + static_cast<std::uintptr_t>(offset)), type, size,
          planes, step};
}

constexpr std::int64_t before =
    4096;  // the lowest byte of a random layout lies less than that before `base`

/// How many elements of the view hold each byte around `base`.
std::vector<int> bytes_of(const any_const_view& v) {
  std::vector<int> count(2 * before);
  const auto first = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(v.data()) - base);
  const auto width = static_cast<std::int64_t>(size_of(v.type()));
  for (std::int64_t p = 0; p < v.planes(); ++p)
    for (std::int64_t r = 0; r < v.size().rows; ++r)
      for (std::int64_t c = 0; c < v.size().cols; ++c) {
        const std::int64_t element = p * v.step().plane + r * v.step().row + c * v.step().col;
        for (std::int64_t b = 0; b < width; ++b)
          ++count.at(static_cast<std::size_t>(before + first + element * width + b));
      }
  return count;
}

class random_layouts {
 public:
  any_const_view operator()() {
    const dtype type =
        std::array{dtype::u8, dtype::i16, dtype::f32, dtype::cf32, dtype::cf64}[below(5)];
    const auto step = [this] { return static_cast<std::int64_t>(below(23)) - 11; };
    const auto count = [this] { return static_cast<std::int64_t>(below(4)) + 1; };
    // Offsets in bytes: what overlaps by a part of an element overlaps, too.
    return at(static_cast<std::int64_t>(below(200)), type, {count(), count()}, count(),
              {.row = step(), .col = step(), .plane = step()});
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(engine_() % n); }

  std::mt19937 engine_{7};
};

constexpr int tries = 20'000;

TEST(overlap, agrees_with_sets_of_bytes) {
  random_layouts next;
  int overlapping = 0;
  for (int i = 0; i < tries; ++i) {
    const any_const_view a = next();
    const any_const_view b = next();
    const std::vector<int> bytes_of_a = bytes_of(a);
    const std::vector<int> bytes_of_b = bytes_of(b);
    bool expected = false;
    for (std::size_t k = 0; k < bytes_of_a.size(); ++k)
      expected = expected || (bytes_of_a[k] != 0 && bytes_of_b[k] != 0);
    ASSERT_EQ(detail::overlap(a, b), expected) << "case " << i;
    ASSERT_EQ(detail::overlap(b, a), expected) << "case " << i << ", exchanged";
    overlapping += expected;
  }
  EXPECT_GT(overlapping, tries / 5);
  EXPECT_LT(overlapping, tries * 4 / 5);
}

TEST(overlaps_itself, agrees_with_sets_of_bytes) {
  random_layouts next;
  int overlapping = 0;
  for (int i = 0; i < tries; ++i) {
    const any_const_view v = next();
    const std::vector<int> bytes = bytes_of(v);
    const bool expected =
        std::any_of(bytes.begin(), bytes.end(), [](int count) { return count > 1; });
    ASSERT_EQ(detail::overlaps_itself(v), expected) << "case " << i;
    overlapping += expected;
  }
  EXPECT_GT(overlapping, tries / 5);
  EXPECT_LT(overlapping, tries * 4 / 5);
}

TEST(overlap, tells_regions_of_one_large_image_apart) {
  constexpr std::int64_t width = 5000;
  const auto region = [](std::int64_t row, std::int64_t col, extent size) {
    return at(row * width + col, dtype::u8, size, 1, {.row = width, .col = 1});
  };
  const any_const_view left = region(0, 0, {1000, 100});
  EXPECT_FALSE(detail::overlap(left, region(0, 100, {1000, 4900})));
  EXPECT_TRUE(detail::overlap(left, region(0, 99, {1000, 4901})));
  EXPECT_FALSE(detail::overlap(region(0, 0, {1, 5000}), region(1, 0, {999, 5000})));
}

TEST(overlap, tells_interleaved_colours_apart) {
  const extent size(1080, 1920);
  const auto colour = [&](std::int64_t c) {
    return at(c, dtype::u8, size, 1, interleaved(size, 4));
  };
  for (std::int64_t a = 0; a < 4; ++a)
    for (std::int64_t b = 0; b < 4; ++b) EXPECT_EQ(detail::overlap(colour(a), colour(b)), a == b);
}

TEST(overlap, sees_large_views_that_share_one_byte) {
  const extent size(3000, 4000);
  const auto dense_at = [&](std::int64_t offset) {
    return at(offset, dtype::u8, size, 3, dense(size));
  };
  EXPECT_TRUE(detail::overlap(dense_at(0), dense_at(3 * size.count() - 1)));
  EXPECT_FALSE(detail::overlap(dense_at(0), dense_at(3 * size.count())));
}

TEST(overlaps_itself, knows_the_usual_layouts_of_large_images) {
  const extent size(2160, 3840);
  const auto whole = [&](strides step) { return at(0, dtype::f32, size, 3, step); };
  EXPECT_FALSE(detail::overlaps_itself(whole(dense(size))));
  EXPECT_FALSE(detail::overlaps_itself(whole(interleaved(size, 3))));
  EXPECT_FALSE(detail::overlaps_itself(whole({.row = -3840, .col = -1, .plane = -3840 * 2160})));
  EXPECT_FALSE(detail::overlaps_itself(whole({.row = 1, .col = 2160, .plane = 3840 * 2160})));
  EXPECT_TRUE(detail::overlaps_itself(whole({.row = 3839, .col = 1, .plane = 3840 * 2160})));
  EXPECT_TRUE(detail::overlaps_itself(whole({.row = 3840, .col = 1, .plane = 3840 * 2160 - 1})));
  EXPECT_TRUE(detail::overlaps_itself(whole({.row = 3840, .col = 1, .plane = 0})));
}

// What a caller may hand in before anything is known about its steps.
TEST(overlap, bears_steps_as_large_as_views_may_have) {
  constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max() / 2 / 16;
  const any_const_view a =
      at(0, dtype::cf64, {2, 2}, 2, {.row = far / 3, .col = -far / 3, .plane = far / 3 - 1});
  const any_const_view b = at(16, dtype::cf64, {2, 2}, 1, {.row = -far, .col = 5});
  EXPECT_FALSE(detail::overlap(a, b));
  EXPECT_TRUE(detail::overlap(a, a));
  EXPECT_TRUE(detail::overlaps_itself(a));  // one row down and one column on is back at the start
  EXPECT_FALSE(detail::overlaps_itself(b));
}

}  // namespace
}  // namespace convgpu::test
