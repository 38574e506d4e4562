// SPDX-License-Identifier: Apache-2.0
// The size arithmetic against the definition of the modes, counted out entry by entry.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>
#include <convgpu/detail/normal_form.hpp>

#include <vector>

namespace convgpu::test {
namespace {

struct one_axis {
  std::int64_t in = 1;
  std::int64_t taps = 1;
  std::int64_t stride = 1;
  std::int64_t dilation = 1;

  /// Whether entry n of y[n] = Σ_k h[k]·x[n − k·dilation] has a sample between its first and last
  /// tap, and whether it has nothing else.
  [[nodiscard]] bool touches(std::int64_t n) const {
    return n >= 0 && n - (taps - 1) * dilation < in;
  }
  [[nodiscard]] bool inside(std::int64_t n) const {
    return n < in && n - (taps - 1) * dilation >= 0;
  }

  /// The n of the entries that make up the output.
  [[nodiscard]] std::vector<std::int64_t> entries(mode m, std::int64_t origin) const {
    std::vector<std::int64_t> full;
    std::vector<std::int64_t> valid;
    for (std::int64_t n = -100; n <= 100; ++n) {
      if (touches(n)) full.push_back(n);
      if (inside(n)) valid.push_back(n);
    }
    std::vector<std::int64_t> wanted = m == mode::valid ? valid : full;
    if (m == mode::same) {
      // As many as there are samples, the surplus cut off at both ends; what is odd goes at the
      // end.
      const std::int64_t surplus = static_cast<std::int64_t>(full.size()) - in;
      wanted.clear();
      for (std::int64_t i = 0; i < in; ++i)
        wanted.push_back(full[static_cast<std::size_t>(surplus / 2)] + i + origin);
    }
    std::vector<std::int64_t> every_stride;
    for (std::size_t i = 0; i < wanted.size(); i += static_cast<std::size_t>(stride))
      every_stride.push_back(wanted[i]);
    return every_stride;
  }
};

template <class F>
void for_each_axis(F f) {
  for (std::int64_t in = 1; in <= 7; ++in)
    for (std::int64_t taps = 1; taps <= 8; ++taps)
      for (std::int64_t stride = 1; stride <= 3; ++stride)
        for (std::int64_t dilation = 1; dilation <= 3; ++dilation)
          f(one_axis{in, taps, stride, dilation});
}

TEST(normal_form, lists_the_entries_of_the_mode) {
  for_each_axis([](const one_axis& x) {
    for (const mode m : {mode::full, mode::same, mode::valid}) {
      const std::int64_t reach = (x.taps - 1) * x.dilation + 1;
      const std::int64_t low = m == mode::same ? -((reach - 1) / 2) : 0;
      const std::int64_t high = m == mode::same ? reach / 2 : 0;
      for (std::int64_t origin = low; origin <= high; ++origin) {
        const detail::axis a = detail::make_axis(x.in, x.taps, m, origin, x.stride, x.dilation);
        std::vector<std::int64_t> listed;
        for (std::int64_t i = 0; i < a.out; ++i) listed.push_back(a.at(i, 0));
        EXPECT_EQ(listed, x.entries(m, origin))
            << x.in << " samples, " << x.taps << " taps, stride " << x.stride << ", dilation "
            << x.dilation << ", " << to_string(m) << ", origin " << origin;
        EXPECT_EQ(a.at(0, x.taps - 1), a.at(0, 0) - (reach - 1));
      }
    }
  });
}

// The same numbers where callers ask for them, rows and columns not exchanged.
TEST(normal_form, output_extent_has_rows_and_columns_of_the_mode) {
  const one_axis row{.in = 5, .taps = 2, .stride = 2, .dilation = 1};
  for_each_axis([&](const one_axis& col) {
    for (const mode m : {mode::full, mode::same, mode::valid}) {
      if (m == mode::valid && col.entries(m, 0).empty()) continue;
      const problem p{.in = {row.in, col.in},
                      .filter = {row.taps, col.taps},
                      .types = {dtype::f32, dtype::f32, dtype::f32},
                      .mode = m,
                      .stride = {row.stride, col.stride},
                      .dilation = {row.dilation, col.dilation}};
      EXPECT_EQ(output_extent(p), extent(row.entries(m, 0).size(), col.entries(m, 0).size()));
    }
  });
}

// By numbers, so that a formula is not only compared with a formula.
TEST(normal_form, same_starts_at_half_the_filter_rounded_down) {
  const auto start = [](std::int64_t taps, std::int64_t origin) {
    return detail::make_axis(9, taps, mode::same, origin, 1, 1).start;
  };
  EXPECT_EQ(start(1, 0), 0);
  EXPECT_EQ(start(2, 0), 0);
  EXPECT_EQ(start(3, 0), 1);
  EXPECT_EQ(start(4, 0), 1);
  EXPECT_EQ(start(5, 0), 2);
  EXPECT_EQ(start(4, -1), 0);
  EXPECT_EQ(start(4, 2), 3);
}

}  // namespace
}  // namespace convgpu::test
