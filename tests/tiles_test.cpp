// SPDX-License-Identifier: Apache-2.0
// Sizes around all that the CPU's algorithms cut problems into: vectors, strips of rows, pieces of columns, bands,
// groups of taps. Against the oracle, exactly, in memory that is guarded and poisoned.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "problems.hpp"

namespace convgpu::test {
namespace {

constexpr extent filters[] = {{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5},  {6, 6},  {7, 7}, {8, 8},
                              {9, 9}, {1, 2}, {1, 3}, {1, 9}, {1, 17}, {1, 33}, {2, 1}, {3, 1},
                              {7, 1}, {8, 1}, {9, 1}, {2, 5}, {3, 17}, {7, 4},  {9, 2}, {12, 3}};

/// Which taps are zero.
enum class zeros : std::uint8_t { some, all, checkerboard, a_column, a_row, all_but_one };

void put_zeros(buffer& filter, zeros pattern, dice& d) {
  const auto [rows, cols] = filter.size();
  const std::int64_t row = d.between(0, rows - 1);
  const std::int64_t col = d.between(0, cols - 1);
  for_each_element(filter.size(), 1, [&](auto p, auto r, auto c) {
    const bool zero =
        pattern == zeros::all || (pattern == zeros::checkerboard && (r + c) % 2 == 1) ||
        (pattern == zeros::a_column && c == col) || (pattern == zeros::a_row && r == row) ||
        (pattern == zeros::all_but_one && (r != row || c != col));
    if (zero) filter.set(p, r, c, 0);
  });
}

class cpu_tiles : public testing::TestWithParam<std::tuple<algorithm, dtype>> {
 protected:
  [[nodiscard]] const algorithm& how() const { return std::get<algorithm>(GetParam()); }
  [[nodiscard]] dtype type() const { return std::get<dtype>(GetParam()); }

  /// A problem with `out` outputs along columns. All that is not given is drawn.
  [[nodiscard]] test_case draw(std::int64_t rows, std::int64_t out, extent filter) {
    test_case c;
    c.seed = static_cast<unsigned>(d_.between(0, 1 << 30));
    problem& p = c.problem;
    p.types = {type(), type(), type()};
    // Float taps for images have loops of their own.
    if (size_of(type()) == 1 && d_.one_in(2)) p.types.filter = dtype::f32;
    p.mode = d_.pick({mode::full, mode::same, mode::valid});
    p.border = border(d_.pick({border_kind::zero, border_kind::constant, border_kind::replicate,
                               border_kind::symmetric, border_kind::mirror, border_kind::wrap}),
                      3.0);
    p.op = d_.pick({operation::convolution, operation::correlation});
    p.filter = filter;
    const auto reach = [](std::int64_t taps, std::int64_t dilation) {
      return (taps - 1) * dilation;
    };
    if (d_.one_in(8)) p.dilation = d_.pick({extent(1, 2), extent(2, 1), extent(3, 3)});
    const std::int64_t rows_more = reach(filter.rows, p.dilation.rows);
    const std::int64_t cols_more = reach(filter.cols, p.dilation.cols);
    if (p.mode == mode::full && (out <= cols_more || rows <= rows_more)) p.mode = mode::same;
    p.in = {rows, out};
    if (p.mode == mode::full) p.in = {rows - rows_more, out - cols_more};
    if (p.mode == mode::valid) p.in = {rows + rows_more, out + cols_more};
    c.in = d_.pick({layout::dense, layout::dense, layout::padded, layout::reversed,
                    layout::interleaved, layout::transposed, layout::repeated});
    c.out = d_.pick({layout::dense, layout::padded, layout::padded, layout::reversed,
                     layout::interleaved, layout::transposed});
    c.threads = d_.pick({0, 1, 2, 3, 7});
    c.own_workspace = d_.one_in(2);
    c.rank = d_.one_in(3) ? 1 : c.seed % 4 == 0 ? 2 + static_cast<int>(c.seed / 4 % 2) : 0;
    return c;
  }
  void hold(const test_case& c, zeros pattern = zeros::some) {
    buffer filter = c.make_filter();
    put_zeros(filter, pattern, d_);
    const std::optional<std::string> words = verdict(how(), c, filter);
    taken_ += words.has_value();
    ASSERT_EQ(words.value_or(""), "")
        << how().name << ": " << c << ", zeros " << static_cast<int>(pattern);
  }
  zeros any_zeros() {
    return d_.pick({zeros::some, zeros::some, zeros::all, zeros::checkerboard, zeros::a_column,
                    zeros::a_row, zeros::all_but_one});
  }
  void TearDown() override {
    if (taken_ == 0 && !HasFailure()) GTEST_SKIP() << how().name << " refuses all of these";
  }

  dice d_{3000 + static_cast<unsigned>(type())};
  int taken_ = 0;
};

TEST_P(cpu_tiles, of_every_width) {
  const std::int64_t widest = type() == dtype::f32 ? 100 : 70;
  for (std::int64_t width = 1; width <= widest; ++width)
    for (const extent filter : filters) {
      if (type() != dtype::f32 && !d_.one_in(4)) continue;
      hold(draw(d_.pick({1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 19}), width, filter), any_zeros());
      if (HasFatalFailure()) return;
    }
}

TEST_P(cpu_tiles, of_long_filters) {
  for (const extent filter :
       {extent(1, 63), extent(1, 64), extent(1, 200), extent(63, 1), extent(64, 1), extent(65, 1),
        extent(129, 1), extent(70, 3), extent(66, 2), extent(3, 63)})
    for (const std::int64_t width : {1, 31, 33, 65, 130}) {
      hold(draw(d_.pick({1, 5, 9, 17}), width, filter), any_zeros());
      if (HasFatalFailure()) return;
    }
}

TEST_P(cpu_tiles, of_several_pieces) {
  for (const std::int64_t width : {1'500, 2'049, 4'111, 9'000, 21'003}) {
    hold(draw(width > 5'000 ? 3 : 9, width,
              d_.pick({extent(1, 3), extent(3, 3), extent(2, 5), extent(5, 1)})),
         any_zeros());
    if (HasFatalFailure()) return;
  }
  hold(draw(300, 40, {3, 3}));
  hold(draw(515, 18, {70, 2}));
  for (const std::int64_t width : {1'500, 9'000}) {
    test_case low_rank = draw(9, width, {7, 9});
    low_rank.rank = 2;
    if (!is_integer(type())) low_rank.data = content::reals;
    hold(low_rank);
    if (HasFatalFailure()) return;
  }
}

TEST_P(cpu_tiles, that_pass_by_the_caches_wherever_the_output_begins) {
  constexpr std::size_t line = 64;
  // The types that sums are made in, so that nothing is left to convert.
  const dtype out_type = type() == dtype::f16   ? dtype::f32
                         : size_of(type()) == 1 ? dtype::i32
                                                : type();
  const auto element = static_cast<std::int64_t>(size_of(out_type));
  for (const std::int64_t cols : {16, 272}) {
    problem p;
    p.types = {type(), type(), out_type};
    p.in = {(std::int64_t{4} << 20) / element / cols + 9, cols};
    p.mode = mode::same;
    buffer in(type(), p.in);
    for_each_element(p.in, 1, [&](auto plane, auto r, auto c) {
      in.set(plane, r, c, static_cast<real>((r * 7 + c * c) % 11));
    });
    const buffer filter(type(), {3, 3}, {1, 2, 1, 2, 4, 2, 1, 2, 1});
    const auto row_bytes = static_cast<std::size_t>(cols * element);
    const auto rows = static_cast<std::size_t>(p.in.rows);
    try {
      const plan made(p, filter.view(), how().forced());
      ++taken_;
      // Rows that do not lie alike in lines of the cache stay in the caches.
      std::vector<std::byte> expected(rows * (row_bytes + static_cast<std::size_t>(element)));
      made.run(in.view(), any_view(expected.data(), out_type, p.in, 1,
                                   {.row = cols + 1, .col = 1, .plane = 0}));
      std::vector<std::byte> memory(rows * row_bytes + 4 * line);
      const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
      std::byte* const begin = memory.data() + (line - address % line) + line;
      for (std::int64_t at = 0; at < static_cast<std::int64_t>(line) / element; ++at) {
        std::fill(memory.begin(), memory.end(), std::byte{0xa5});
        std::byte* const out = begin + at * element;
        made.run(in.view(), any_view(out, out_type, p.in, 1, {.row = cols, .col = 1, .plane = 0}));
        for (std::size_t r = 0; r < rows; ++r)
          ASSERT_EQ(
              std::memcmp(out + r * row_bytes,
                          expected.data() + r * (row_bytes + static_cast<std::size_t>(element)),
                          row_bytes),
              0)
              << how().name << ", row " << r << " of " << cols << ", " << at
              << " elements behind the beginning of a line";
        const auto untouched = [](std::byte b) { return b == std::byte{0xa5}; };
        ASSERT_TRUE(std::all_of(memory.data(), out, untouched) &&
                    std::all_of(out + rows * row_bytes, memory.data() + memory.size(), untouched))
            << how().name << ", " << cols << " columns, " << at;
      }
    } catch (const unsupported&) {
    }
  }
}

TEST_P(cpu_tiles, do_not_depend_on_threads) {
  for (const extent filter : {extent(3, 3), extent(1, 31), extent(31, 1), extent(9, 5)}) {
    test_case c = draw(130, 260, filter);
    if (!is_integer(type())) c.data = content::reals;
    const buffer in = c.make_input();
    const buffer taps = c.make_filter();
    const auto with = [&](int threads, const executor& runs) {
      options how = this->how().allowed_errors(type()).forced();
      how.max_threads = threads;
      how.executor = runs;
      return apply(c.problem, in, taps, how).values();
    };
    try {
      const std::vector<number> expected = with(1, {});
      ++taken_;
      for (int threads = 2; threads <= 7; ++threads)
        EXPECT_EQ(with(threads, {}), expected) << threads << " threads, " << c;
      const executor own = [](std::int64_t count, const std::function<void(std::int64_t)>& task) {
        std::vector<std::jthread> started;
        for (std::int64_t i = 0; i < count; ++i) started.emplace_back(std::ref(task), i);
      };
      EXPECT_EQ(with(7, own), expected) << c;
    } catch (const unsupported&) {
    }
  }
}

/// Those of the CPU but for the reference, which cuts nothing.
std::vector<algorithm> cutting_algorithms() {
  std::vector<algorithm> all = available_algorithms();
  std::erase_if(all,
                [](const algorithm& a) { return !a.name.starts_with("cpu/") || a.accepts_all; });
  return all;
}

std::string name_of(const testing::TestParamInfo<std::tuple<algorithm, dtype>>& instance) {
  return test_name(std::get<algorithm>(instance.param)) + "_" +
         std::string(to_string(std::get<dtype>(instance.param)));
}

INSTANTIATE_TEST_SUITE_P(every, cpu_tiles,
                         testing::Combine(testing::ValuesIn(cutting_algorithms()),
                                          testing::Values(dtype::u8, dtype::i8, dtype::u16,
                                                          dtype::i16, dtype::i32, dtype::f16,
                                                          dtype::f32, dtype::f64, dtype::cf32)),
                         name_of);

// ---- Integers where pairs of products, sums and biases are as large as they get.

class cpu_integer_limits : public testing::TestWithParam<std::tuple<algorithm, dtype>> {};

TEST_P(cpu_integer_limits, are_exact) {
  const auto& [a, in] = GetParam();
  const auto [low, high] = range_of(in);
  dice d(4000 + static_cast<unsigned>(in));
  int taken = 0;
  for (const types& t : supported_types()) {
    if (t.in != in || !is_integer(t.filter)) continue;
    const integer_range tap_range = range_of(t.filter);  // clang 14 captures no structured bindings
    // Σ|h| up to which sums have 32 bits, and one more.
    const std::int64_t norm = (std::int64_t{1} << 31) >> (8 * size_of(in));
    for (const extent size :
         {extent(1, 1), extent(1, 2), extent(1, 3), extent(3, 3), extent(2, 4), extent(9, 1)})
      for (const std::int64_t more : {-1, 0, 1})
        for (const int signs : {0, 1, 2}) {
          test_case c;
          c.problem.types = t;
          c.problem.in = {11, 75};
          c.problem.filter = size;
          c.problem.mode = d.pick({mode::same, mode::full, mode::valid});
          c.problem.border = border::constant(static_cast<double>(d.pick({low, high})));
          c.problem.overflow = d.pick({overflow::saturate, overflow::wrap});
          c.data = content::any_integers;
          c.seed = static_cast<unsigned>(d.between(0, 1 << 30));
          c.out = layout::padded;
          buffer filter(t.filter, size);
          std::int64_t left = norm + more;
          std::int64_t taps = size.count();
          for_each_element(size, 1, [&](auto p, auto r, auto col) {
            // As large as 16 bits and more than that allow, until the norm is used up.
            std::int64_t tap = std::min({taps == 1 ? left
                                                   : d.pick({left / taps, std::int64_t{32767},
                                                             std::int64_t{32768}, left / 2}),
                                         left, tap_range.high});
            left -= tap;
            --taps;
            if (signs == 1 || (signs == 2 && d.one_in(2))) tap = std::max(-tap, tap_range.low);
            filter.set(p, r, col, static_cast<real>(tap));
          });
          const std::optional<std::string> words = verdict(a, c, filter);
          taken += words.has_value();
          ASSERT_EQ(words.value_or(""), "")
              << a.name << ": " << c << ", norm " << norm + more - left;
        }
  }
  if (taken == 0) GTEST_SKIP() << a.name << " refuses all of these";
}

INSTANTIATE_TEST_SUITE_P(every, cpu_integer_limits,
                         testing::Combine(testing::ValuesIn(cutting_algorithms()),
                                          testing::Values(dtype::u8, dtype::i8, dtype::u16,
                                                          dtype::i16)),
                         name_of);

}  // namespace
}  // namespace convgpu::test
