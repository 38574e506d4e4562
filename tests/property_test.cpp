// SPDX-License-Identifier: Apache-2.0
// What convolution has to satisfy whatever the data: laws that need no oracle.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "buffers.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

using numbers = std::vector<number>;

/// A dense buffer with f(plane, row, col) everywhere.
template <class F>
buffer filled(dtype type, extent size, std::int64_t planes, F f) {
  buffer b(type, size, planes);
  for_each_element(size, planes, [&](auto p, auto r, auto c) { b.set(p, r, c, f(p, r, c)); });
  return b;
}

buffer random(dtype type, extent size, content what, unsigned seed, std::int64_t planes = 1) {
  buffer b(type, size, planes);
  fill(b, what, role::samples, seed);
  return b;
}

/// `size` elements of `b` from (row, col) on; zero where there are none.
buffer window(const buffer& b, std::int64_t row, std::int64_t col, extent size) {
  return filled(b.type(), size, b.planes(), [&](auto p, auto r, auto c) {
    const bool inside =
        r + row >= 0 && r + row < b.size().rows && c + col >= 0 && c + col < b.size().cols;
    return inside ? b.get(p, r + row, c + col) : number{};
  });
}

class properties : public testing::TestWithParam<std::tuple<algorithm, dtype>> {
 protected:
  [[nodiscard]] dtype type() const { return std::get<dtype>(GetParam()); }
  [[nodiscard]] algorithm how() const {
    return std::get<algorithm>(GetParam()).allowed_errors(type());
  }
  [[nodiscard]] buffer result(const problem& p, const buffer& in, const buffer& filter) const {
    return how().with_forced([&](options chosen) {
      // Where the algorithm refuses, those take its place that are exact on integers.
      if (chosen.algorithm.empty()) chosen.tolerance = 0;
      return apply(p, in, filter, chosen);
    });
  }

  /// Small whole numbers, whose sums and products of sums are exact in f32 and wider types.
  [[nodiscard]] buffer integers(extent size, unsigned seed) const {
    return random(type(), size, content::small_integers, seed);
  }
  /// The values of a result that must be whole numbers, freed of the error that an algorithm may
  /// make which does not claim to be exact on them.
  [[nodiscard]] numbers whole(const buffer& b) const {
    numbers values = b.values();
    const bool exact = how().with_forced([&](const options& chosen) {
      return plan({.in = {9, 9}, .types = {.in = type()}}, integers({3, 3}, 1).view(), chosen)
          .describe()
          .exact_on_integers;
    });
    if (!exact)
      for (number& v : values) v = {std::nearbyint(v.real()), std::nearbyint(v.imag())};
    return values;
  }
};

TEST_P(properties, a_delta_gives_the_filter) {
  const buffer h = integers({4, 3}, 1);
  const buffer one = filled(type(), {1, 1}, 1, [](auto...) { return 1; });
  EXPECT_EQ(whole(result({}, one, h)), h.values());
  const buffer delta =
      filled(type(), {5, 7}, 1, [](auto, auto r, auto c) { return r == 2 && c == 5 ? 1 : 0; });
  EXPECT_EQ(whole(result({}, delta, h)), window(h, -2, -5, {8, 9}).values());
}

TEST_P(properties, a_shifted_input_gives_a_shifted_result) {
  const buffer x = integers({6, 8}, 1);
  const buffer h = integers({3, 4}, 2);
  const buffer shifted = result({}, window(x, -3, -5, {12, 15}), h);
  EXPECT_EQ(whole(shifted), whole(window(result({}, x, h), -3, -5, {14, 18})));
}

TEST_P(properties, linear) {
  const buffer x = integers({9, 11}, 1);
  const buffer y = integers({9, 11}, 2);
  const buffer h = integers({4, 3}, 3);
  const buffer both = filled(type(), {9, 11}, 1, [&](auto, auto r, auto c) {
    return real{2} * x.get(0, r, c) + real{3} * y.get(0, r, c);
  });
  for (const mode m : {mode::full, mode::same, mode::valid}) {
    const problem p{.mode = m, .border = border::mirror()};
    const numbers of_x = whole(result(p, x, h));
    const numbers of_y = whole(result(p, y, h));
    numbers expected;
    for (std::size_t i = 0; i < of_x.size(); ++i)
      expected.push_back(real{2} * of_x[i] + real{3} * of_y[i]);
    EXPECT_EQ(whole(result(p, both, h)), expected) << to_string(m);
  }
}

TEST_P(properties, commutative) {
  const buffer x = integers({5, 9}, 1);
  const buffer h = integers({3, 4}, 2);
  const buffer longer = integers({7, 2}, 3);
  EXPECT_EQ(whole(result({}, x, h)), whole(result({}, h, x)));
  EXPECT_EQ(whole(result({}, x, longer)), whole(result({}, longer, x)));
}

TEST_P(properties, associative) {
  const buffer x = integers({5, 9}, 1);
  const buffer g = integers({3, 4}, 2);
  const buffer h = integers({2, 3}, 3);
  EXPECT_EQ(whole(result({}, result({}, x, g), h)), whole(result({}, x, result({}, g, h))));
}

TEST_P(properties, correlation_is_convolution_with_the_flipped_conjugate) {
  const buffer x = random(type(), {9, 8}, content::reals, 1);
  const buffer h = random(type(), {4, 3}, content::reals, 2);
  const auto flipped = [&](bool conjugate) {
    return filled(type(), h.size(), 1, [&](auto, auto r, auto c) {
      const number v = h.get(0, 3 - r, 2 - c);
      return conjugate ? std::conj(v) : v;
    });
  };
  for (const mode m : {mode::full, mode::same, mode::valid}) {
    problem p{.op = operation::correlation, .mode = m, .border = border::replicate()};
    const problem convolution{.mode = m, .border = border::replicate()};
    EXPECT_EQ(result(p, x, h).values(), result(convolution, x, flipped(true)).values());
    p.conjugate = false;
    EXPECT_EQ(result(p, x, h).values(), result(convolution, x, flipped(false)).values());
  }
}

TEST_P(properties, rows_and_columns_are_alike) {
  const auto transposed = [](const buffer& b) {
    return filled(b.type(), {b.size().cols, b.size().rows}, 1,
                  [&](auto, auto r, auto c) { return b.get(0, c, r); });
  };
  const buffer x = integers({6, 9}, 1);
  const buffer h = integers({2, 5}, 2);
  const problem p{.mode = mode::same,
                  .border = border::symmetric(),
                  .origin = {1, -2},
                  .stride = {2, 1},
                  .dilation = {1, 3}};
  const problem q{.mode = mode::same,
                  .border = border::symmetric(),
                  .origin = {-2, 1},
                  .stride = {1, 2},
                  .dilation = {3, 1}};
  EXPECT_EQ(whole(result(p, x, h)), whole(transposed(result(q, transposed(x), transposed(h)))));
}

TEST_P(properties, same_and_valid_are_parts_of_full) {
  const buffer x = integers({7, 9}, 1);
  const buffer h = integers({4, 3}, 2);
  for (const border b : {border::zero(), border::mirror(), border::wrap()}) {
    const buffer full = result({.border = b}, x, h);
    EXPECT_EQ(whole(result({.mode = mode::same, .border = b}, x, h)),
              whole(window(full, 1, 1, {7, 9})));
    EXPECT_EQ(whole(result({.mode = mode::same, .border = b, .origin = {2, -1}}, x, h)),
              whole(window(full, 3, 0, {7, 9})));
    EXPECT_EQ(whole(result({.mode = mode::valid, .border = b}, x, h)),
              whole(window(full, 3, 2, {4, 7})));
  }
}

TEST_P(properties, a_stride_skips_entries) {
  const buffer x = integers({8, 11}, 1);
  const buffer h = integers({3, 4}, 2);
  for (const mode m : {mode::full, mode::same, mode::valid}) {
    const problem p{.mode = m, .border = border::wrap()};
    const buffer all = result(p, x, h);
    problem q = p;
    q.stride = {3, 2};
    const buffer some = result(q, x, h);
    EXPECT_EQ(some.size(), extent((all.size().rows + 2) / 3, (all.size().cols + 1) / 2));
    EXPECT_EQ(whole(some), whole(filled(type(), some.size(), 1, [&](auto, auto r, auto c) {
                return all.get(0, 3 * r, 2 * c);
              })));
  }
}

TEST_P(properties, a_dilation_puts_zeros_between_taps) {
  const buffer x = integers({8, 11}, 1);
  const buffer h = integers({3, 4}, 2);
  const buffer apart = filled(type(), {5, 10}, 1, [&](auto, auto r, auto c) {
    return r % 2 == 0 && c % 3 == 0 ? h.get(0, r / 2, c / 3) : number{};
  });
  for (const mode m : {mode::full, mode::same, mode::valid})
    EXPECT_EQ(whole(result({.mode = m, .border = border::mirror(), .dilation = {2, 3}}, x, h)),
              whole(result({.mode = m, .border = border::mirror()}, x, apart)));
}

TEST_P(properties, planes_do_not_know_of_each_other) {
  const buffer x = random(type(), {7, 9}, content::reals, 1, 3);
  const buffer h = random(type(), {3, 4}, content::reals, 2);
  const problem p{.mode = mode::same, .border = border::symmetric()};
  numbers expected;
  for (std::int64_t plane = 0; plane < 3; ++plane) {
    const buffer alone =
        filled(type(), {7, 9}, 1, [&](auto, auto r, auto c) { return x.get(plane, r, c); });
    const numbers values = result(p, alone, h).values();
    expected.insert(expected.end(), values.begin(), values.end());
  }
  EXPECT_EQ(result(p, x, h).values(), expected);
}

// To the last bit: powers of two round nothing.
TEST_P(properties, scale_with_powers_of_two) {
  const buffer x = random(type(), {9, 70}, content::reals, 1);
  const buffer h = random(type(), {4, 5}, content::reals, 2);
  const problem p{.mode = mode::same, .border = border::mirror()};
  const auto scaled = [](const buffer& b, int exponent) {
    return filled(b.type(), b.size(), 1, [&](auto, auto r, auto c) {
      return b.get(0, r, c) * std::ldexp(real{1}, exponent);
    });
  };
  const buffer y = result(p, x, h);
  EXPECT_EQ(result(p, scaled(x, 60), h).values(), scaled(y, 60).values());
  EXPECT_EQ(result(p, scaled(x, -60), h).values(), scaled(y, -60).values());
  EXPECT_EQ(result(p, x, scaled(h, 50)).values(), scaled(y, 50).values());
  EXPECT_EQ(result(p, scaled(x, -70), scaled(h, 70)).values(), y.values());
}

TEST_P(properties, steps_in_memory_do_not_change_a_bit) {
  const problem p{.mode = mode::same, .border = border::mirror()};
  const buffer x = random(type(), {20, 90}, content::reals, 1, 3);
  const buffer h = random(type(), {4, 5}, content::reals, 2);
  const numbers expected = result(p, x, h).values();
  for (const layout how :
       {layout::padded, layout::reversed, layout::interleaved, layout::transposed}) {
    const auto laid_out = [how](const buffer& from) {
      buffer b(from.type(), from.size(), from.planes(), how);
      for_each_element(b.size(), b.planes(), [&](auto... at) { b.set(at..., from.get(at...)); });
      return b;
    };
    EXPECT_EQ(result(p, laid_out(x), h).values(), expected) << how;
    EXPECT_EQ(result(p, x, laid_out(h)).values(), expected) << how;
  }
}

TEST_P(properties, threads_do_not_change_a_bit) {
  const problem p{.mode = mode::same, .border = border::mirror()};
  // Each of a million products: worth seven threads.
  for (const auto& [size, taps] :
       {std::pair(extent(100, 160), extent(7, 9)), std::pair(extent(16'000), extent(63))}) {
    const buffer x = random(type(), size, content::reals, 1);
    const buffer h = random(type(), taps, content::reals, 2);
    const auto result_with = [&](int threads, const executor& runs) {
      return how().with_forced([&](options chosen) {
        chosen.max_threads = threads;
        chosen.executor = runs;
        return apply(p, x, h, chosen).values();
      });
    };
    const numbers expected = result_with(1, {});
    for (int threads = 2; threads <= 7; ++threads)
      EXPECT_EQ(result_with(threads, {}), expected) << threads << " threads";
    EXPECT_EQ(result_with(7,
                          [](std::int64_t count, const std::function<void(std::int64_t)>& task) {
                            while (count-- > 0) task(count);
                          }),
              expected)
        << "tasks from the last to the first";
  }
}

INSTANTIATE_TEST_SUITE_P(every, properties,
                         testing::Combine(testing::ValuesIn(available_algorithms()),
                                          testing::Values(dtype::f32, dtype::f64, dtype::cf32,
                                                          dtype::cf64)),
                         [](const auto& instance) {
                           return test_name(std::get<algorithm>(instance.param)) + "_" +
                                  std::string(to_string(std::get<dtype>(instance.param)));
                         });

class regions : public testing::TestWithParam<algorithm> {};

TEST_P(regions, of_an_image_are_filtered_like_copies_of_them) {
  const extent size(40, 50);
  std::vector<float> pixels(static_cast<std::size_t>(size.count()));
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i * i % 101);
  const view<const float> image(pixels.data(), size);
  const std::vector<float> taps{1, 2, 3, 2, 4, 6, 1, 2, 3};  // a column times a row
  const view<const float> filter(taps.data(), {3, 3});
  const extent part(11, 13);
  const view<const float> region = image.region(7, 20, part);
  std::vector<float> copy;
  for (std::int64_t r = 0; r < part.rows; ++r)
    for (std::int64_t c = 0; c < part.cols; ++c)
      copy.push_back(pixels[static_cast<std::size_t>((7 + r) * size.cols + 20 + c)]);

  const options how = GetParam().allowed_errors(dtype::f32).forced();
  // The border is the region's own, whatever lies around it.
  const problem p{.mode = mode::same, .border = border::replicate()};
  EXPECT_EQ(convolve(region, filter, p, how),
            convolve(view<const float>(copy.data(), part), filter, p, how));

  // And into a region: nothing around it changes.
  std::vector<float> canvas(pixels.size(), -1.0F);
  convolve(region, filter, view<float>(canvas.data(), size).region(3, 4, part), p, how);
  EXPECT_EQ(std::count(canvas.begin(), canvas.end(), -1.0F), size.count() - part.count());
}

INSTANTIATE_TEST_SUITE_P(every, regions, testing::ValuesIn(available_algorithms()),
                         [](const auto& instance) { return test_name(instance.param); });

}  // namespace
}  // namespace convgpu::test
