// SPDX-License-Identifier: Apache-2.0
// The six borders, written out by hand: against the one function that knows them, and against what
// comes out of every algorithm when a delta shifts the input this way and that.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>
#include <convgpu/detail/border_index.hpp>

#include <string_view>
#include <vector>

#include "buffers.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

/// A signal and nine more samples on either side; '.' is the border's value.
struct continued {
  border_kind kind;
  std::string_view drawing;

  [[nodiscard]] std::int64_t length() const {
    return static_cast<std::int64_t>(drawing.rfind('|') - drawing.find('|') - 1);
  }
  /// The index of the sample at position `at`, −9 … length+8, or −1 for the border's value.
  [[nodiscard]] std::int64_t operator[](std::int64_t at) const {
    const std::int64_t bars = (at >= 0) + (at >= length());
    const char letter = drawing[static_cast<std::size_t>(9 + at + bars)];
    return letter == '.' ? -1 : letter - 'a';
  }
};
constexpr std::int64_t outside = 9;

constexpr continued table[] = {
    {border_kind::zero, ".........|abc|........."},
    {border_kind::constant, ".........|abc|........."},
    {border_kind::replicate, "aaaaaaaaa|abc|ccccccccc"},
    {border_kind::symmetric, "cbaabccba|abc|cbaabccba"},
    {border_kind::mirror, "babcbabcb|abc|babcbabcb"},
    {border_kind::wrap, "abcabcabc|abc|abcabcabc"},

    {border_kind::zero, ".........|ab|........."},
    {border_kind::constant, ".........|ab|........."},
    {border_kind::replicate, "aaaaaaaaa|ab|bbbbbbbbb"},
    {border_kind::symmetric, "aabbaabba|ab|baabbaabb"},
    {border_kind::mirror, "babababab|ab|ababababa"},
    {border_kind::wrap, "babababab|ab|ababababa"},

    {border_kind::zero, ".........|a|........."},
    {border_kind::constant, ".........|a|........."},
    {border_kind::replicate, "aaaaaaaaa|a|aaaaaaaaa"},
    {border_kind::symmetric, "aaaaaaaaa|a|aaaaaaaaa"},
    {border_kind::mirror, "aaaaaaaaa|a|aaaaaaaaa"},
    {border_kind::wrap, "aaaaaaaaa|a|aaaaaaaaa"},
};

TEST(border_index, is_as_drawn) {
  for (const continued& x : table)
    for (std::int64_t i = -outside; i < x.length() + outside; ++i)
      EXPECT_EQ(detail::border_index(x.kind, i, x.length()), x[i]) << x.drawing << " at " << i;
}

// The way back, for every piece of what is drawn.
TEST(border_index, says_where_each_sample_stands) {
  for (const continued& x : table)
    for (std::int64_t first = -outside; first < x.length() + outside; ++first)
      for (std::int64_t last = first; last <= x.length() + outside; ++last)
        for (std::int64_t m = 0; m < x.length(); ++m) {
          std::vector<std::int64_t> expected;
          for (std::int64_t i = first; i < last; ++i)
            if (x[i] == m) expected.push_back(i);
          std::vector<std::int64_t> found;
          detail::for_each_position(x.kind, m, x.length(), first, last,
                                    [&](std::int64_t i) { found.push_back(i); });
          ASSERT_EQ(found, expected) << x.drawing << " from " << first << " to " << last;
        }
}

class borders : public testing::TestWithParam<std::tuple<algorithm, dtype>> {};

// One tap far out in a filter that is several times longer than the input: full shows x̃ shifted.
TEST_P(borders, of_images_and_signals_are_as_drawn) {
  const auto& [a, type] = GetParam();
  constexpr std::int64_t taps = outside + 1;
  const auto sample = [](std::int64_t row, std::int64_t col) {
    return static_cast<real>(row < 0 || col < 0 ? 0 : 10 * row + col + 1);
  };
  for (const continued& x : table)
    for (const std::int64_t rows : {std::int64_t{1}, x.length()})
      for (const std::int64_t k : {0, 4, 9})
        for (const std::int64_t l : {0, 3, 9}) {
          if (rows == 1 && k != 0) continue;
          const std::int64_t tap_rows = rows == 1 ? 1 : taps;
          buffer in(type, {rows, x.length()});
          for_each_element(in.size(), 1,
                           [&](auto, auto r, auto c) { in.set(0, r, c, sample(r, c)); });
          buffer filter(type, {tap_rows, taps});
          for_each_element(filter.size(), 1, [&](auto, auto r, auto c) {
            filter.set(0, r, c, r == k && c == l ? 1 : 0);
          });
          buffer expected(type, {rows + tap_rows - 1, x.length() + taps - 1});
          for_each_element(expected.size(), 1, [&](auto, auto r, auto c) {
            // A signal has no rows outside.
            const std::int64_t row = rows == 1 ? 0 : x[r - k];
            const std::int64_t col = x[c - l];
            const bool constant = x.kind == border_kind::constant && (row < 0 || col < 0);
            expected.set(0, r, c, constant ? 99 : sample(row, col));
          });
          const buffer y = apply({.border = border(x.kind, 99.0)}, in, filter, a);
          EXPECT_EQ(y.values(), expected.values())
              << x.drawing << ", " << rows << " rows, tap " << k << ", " << l;
        }
}

INSTANTIATE_TEST_SUITE_P(every, borders,
                         testing::Combine(testing::ValuesIn(available_algorithms()),
                                          testing::Values(dtype::u8, dtype::f32, dtype::cf64)),
                         [](const auto& instance) {
                           return test_name(std::get<algorithm>(instance.param)) + "_" +
                                  std::string(to_string(std::get<dtype>(instance.param)));
                         });

}  // namespace
}  // namespace convgpu::test
