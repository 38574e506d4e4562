// SPDX-License-Identifier: Apache-2.0
// Every kernel, and every branch of it, on few and small problems: for the thread sanitizer, to which CUDA
// threads on the stand-in are threads that only barriers order.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cuda_on_host.hpp>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "buffers.hpp"
#include "oracle.hpp"
#include "problems.hpp"

namespace convgpu::test {
namespace {

test_case a_case(types t, extent in, extent filter, border b = border::zero(), mode m = mode::same,
                 content data = content::small_integers) {
  test_case c;
  c.problem = {.in = in, .filter = filter, .types = t, .mode = m, .border = b};
  c.data = data;
  c.rank = 1;
  c.seed = 1;
  return c;
}

/// Types and contents that are summed in each of the types of sums.
struct summed {
  types in_types;
  content data = content::small_integers;
};
std::vector<summed> all_sums() {
  using enum dtype;
  return {{{f32, f32, f32}},
          {{f64, f64, f64}},
          {{cf32, f32, cf32}},
          {{cf32, cf32, cf32}},
          {{f32, cf32, cf32}},
          {{cf64, f64, cf64}},
          {{cf64, cf64, cf64}},
          {{f64, cf64, cf64}},
          {{u8, i8, u8}},
          {{i16, i16, i16}, content::any_integers},
          {{i32, i32, i32}, content::any_integers}};
}

/// What decides about a kernel, and the branches within: sums of each type, elements of each type, tiles
/// inside and at each border, several tiles along each axis, several chunks of taps along each, planes,
/// filters that are made for, that travel with the launch, and that do not.
std::vector<test_case> cases() {
  using enum dtype;
  constexpr types f32s{f32, f32, f32};
  std::vector<test_case> all{
      a_case(f32s, {200, 200}, {7, 7}, border::mirror()),  // the tile in the middle is inside
      a_case(f32s, {200, 300}, {9, 9}, border::zero()),
      a_case(f32s, {70, 80}, {35, 3}, border::wrap(), mode::full),
      a_case(f32s, {70, 80}, {3, 35}, border::symmetric()),
      a_case(f32s, {40, 40}, {34, 36}, border::constant(2), mode::valid),
      a_case(f32s, {1, 4500}, {1, 9}, border::replicate()),
      a_case(f32s, {1, 3000}, {1, 600}),
      a_case(f32s, {20, 600}, {1, 9}, border::mirror()),
      a_case(f32s, {300, 1}, {40, 1}, border::mirror()),
      a_case({f16, f16, f16}, {20, 70}, {3, 3}),
      a_case({bf16, f32, f32}, {20, 70}, {3, 3}),
      a_case({bf16, bf16, bf16}, {20, 70}, {5, 5}),
      a_case({i8, i8, i32}, {40, 70}, {3, 3}),
      a_case({u16, i16, u16}, {40, 70}, {5, 5}, {}, mode::same, content::any_integers),
      a_case({i16, i16, i64}, {40, 70}, {5, 5}, {}, mode::same, content::any_integers),
      a_case({u8, f32, u8}, {40, 70}, {3, 3}),
      a_case({i16, f32, f32}, {40, 70}, {3, 3}),
      a_case({i32, f64, f64}, {40, 70}, {3, 3}),
  };
  all[0].problem.planes = 2;
  for (const int taps : {3, 5, 7, 18}) {  // none of which is zero
    all.push_back(a_case(f32s, {40, 70}, {taps, taps}, border::mirror()));
    all.back().zeros = false;
  }
  for (const summed& s : all_sums()) {
    const auto add = [&](extent in, extent filter) {
      all.push_back(a_case(s.in_types, in, filter, border::mirror(), mode::same, s.data));
    };
    add({40, 70}, {18, 3});
    add({3, 140}, {1, 5});
    add({3, 140}, {1, 66});
    for (const int taps : {3, 5, 7}) add({40, 70}, {taps, taps});
    add({14, 20}, {3, 3});
    add({1, 100}, {1, 5});
    all.back().problem.planes = 2;
    add({20, 140}, {66, 3});  // too long for one pass of cuda/separable, in either way
    add({20, 140}, {3, 66});
  }
  for (const types& t :
       {f32s, types{f64, f64, f64}, types{cf32, f32, cf32}, types{cf64, f64, cf64}})
    for (const extent filter : {extent(9, 9), extent(20, 12)}) {
      all.push_back(a_case(t, {70, 150}, filter, border::mirror(), mode::same, content::reals));
      all.back().rank = 2;
    }
  const auto in_steps = [&](extent stride, extent dilation) {
    test_case c = a_case(f32s, {40, 70}, {3, 3}, border::mirror());
    c.problem.stride = stride;
    c.problem.dilation = dilation;
    return c;
  };
  all.push_back(in_steps({2, 3}, {1, 1}));
  all.push_back(in_steps({1, 1}, {3, 2}));
  return all;
}

/// What is wrong with the answer of `a`; none if it refuses.
std::optional<std::string> verdict(const algorithm& a, const test_case& c, bool coarse) {
  const buffer filter = c.make_filter();
  const options how = a.allowed_errors(c.problem.types.in, coarse).forced();
  std::optional<plan> made;
  try {
    made.emplace(c.problem, filter.view(), how);
  } catch (const unsupported&) {
    return std::nullopt;
  }
  const auto& [in, expected] = solved(c, filter);
  buffer out = c.make_output(expected.size);
  made->run(in.view(), out.view());
  return out.damage() + difference(c.problem, expected, std::as_const(out).view(),
                                   c.data != content::reals && made->describe().exact_on_integers,
                                   how.tolerance.value_or(0));
}

/// Banks of filters that see one channel each, on a machine so small that a block has several; the definition's answer
/// is exact.
template <class T>
void hold_banks(const algorithm& a) {
  struct bank {
    extent in;
    extent filter;
  };
  std::vector<bank> banks{{{40, 70}, {7, 7}}, {{1, 100}, {1, 5}}};
  if (a.name == "cuda/direct")
    banks.insert(
        banks.end(),
        {{{40, 70}, {3, 3}}, {{40, 70}, {5, 5}}, {{20, 12}, {35, 2}}, {{1, 70}, {1, 130}}});
  for (const bank& b : banks) {
    const problem p{.in = b.in,
                    .filter = b.filter,
                    .planes = 2,
                    .channels = 3,
                    .filters = 9,
                    .groups = 3,
                    .types = {dtype_of<T>, dtype_of<T>, dtype_of<T>},
                    .mode = mode::same,
                    .border = border::wrap()};
    std::vector<T> h(static_cast<std::size_t>(p.filters * p.filter.count()));
    std::vector<T> x(static_cast<std::size_t>(p.planes * p.channels * p.in.count()));
    for (std::size_t i = 0; i < h.size(); ++i) h[i] = static_cast<T>(static_cast<float>(i * 5 % 7));
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<T>(static_cast<float>(i * 11 % 13));
    const view<const T> taps(h.data(), p.filter, p.filters, 1, dense(p.filter, 1));
    std::vector<T> expected(static_cast<std::size_t>(p.planes * p.filters * p.in.count()));
    std::vector<T> y(expected.size());
    plan(p, taps, {.algorithm = "cpu/reference"}).run(x, expected);
    plan(p, taps, a.allowed_errors(p.types.in).forced()).run(x, y);
    for (T& v : y) {  // what transforms make of whole numbers is near them
      if constexpr (std::is_floating_point_v<T>) v = std::nearbyint(v);
      else if constexpr (!std::is_integral_v<T>)
        v = {std::nearbyint(v.real()), std::nearbyint(v.imag())};
    }
    EXPECT_EQ(y, expected) << b.in.rows << " x " << b.in.cols << " by " << b.filter.rows << " x "
                           << b.filter.cols;
  }
}

class cuda_threads : public testing::TestWithParam<algorithm> {
 protected:
  ~cuda_threads() override { cuda_on_host::reset(); }

  /// All of the algorithm's cases on a machine with grids of so many blocks; which kernels they took.
  static std::set<const void*> hold(int most_blocks, cuda_on_host::order order) {
    cuda_on_host::machine small;
    small.device.maxGridSize[0] = most_blocks;
    std::set<const void*> kernels;
    const auto add_kernels = [&] {
      for (const cuda_on_host::launch_record& l : cuda_on_host::launches()) {
        EXPECT_LE(l.grid.x, static_cast<unsigned>(most_blocks));
        kernels.insert(l.kernel);
      }
    };
    cuda_on_host::reset(small);
    cuda_on_host::set_order(order);
    for (const test_case& c : cases()) {
      EXPECT_EQ(verdict(GetParam(), c, false).value_or(""), "") << c;
      if (GetParam().name == "cuda/mma") {
        EXPECT_EQ(verdict(GetParam(), c, true).value_or(""), "") << c;
      }
    }
    add_kernels();
    const bool transforms = GetParam().name == "cuda/overlap_save";
    if (GetParam().name == "cuda/direct" || transforms) {
      small.device.multiProcessorCount = 1;
      cuda_on_host::reset(small);
      cuda_on_host::set_order(order);
      hold_banks<float>(GetParam());
      hold_banks<double>(GetParam());
      hold_banks<std::int16_t>(GetParam());
      if (transforms) {
        hold_banks<std::complex<float>>(GetParam());
        hold_banks<std::complex<double>>(GetParam());
      }
      add_kernels();
    }
    return kernels;
  }
};

// How many kernels there are the library does not tell; a new one has to be counted here.
TEST_P(cuda_threads, of_every_kernel_agree) {
  const std::set<const void*> kernels = hold(1 << 30, cuda_on_host::order::ascending);
  const std::vector<std::pair<std::string, std::size_t>> expected{
      {"cuda/separable", 42},    {"cuda/direct", 61}, {"cuda/mma", 4},   {"cuda/compiled", 16},
      {"cuda/overlap_save", 10}, {"cuda/fft", 16},    {"cuda/gemm", 18}, {"cuda/plain", 11}};
  const auto found = std::find_if(expected.begin(), expected.end(),
                                  [](const auto& e) { return e.first == GetParam().name; });
  ASSERT_NE(found, expected.end()) << GetParam().name << " has " << kernels.size() << " kernels";
  EXPECT_EQ(kernels.size(), found->second);
}

// Blocks that make one tile after another.
TEST_P(cuda_threads, agree_where_blocks_are_few) {
  hold(2, cuda_on_host::order::descending);
}

// In whatever memory the taps travel, it is the plan's own.
TEST_P(cuda_threads, plans_keep_their_taps) {
  using floats = std::vector<float>;
  for (const extent taps :
       {extent(3, 3), extent(9, 9), extent(1, 5), extent(1, 66), extent(66, 3)}) {
    const problem p{.in = {20, 140}, .filter = taps, .mode = mode::same};
    const floats ones(static_cast<std::size_t>(taps.count()), 1.0F);
    const floats twos(ones.size(), 2.0F);
    const floats x(static_cast<std::size_t>(p.in.count()), 1.0F);
    const plan of_ones = GetParam().allowed_errors(dtype::f32).with_forced([&](const options& how) {
      return plan(p, ones, how);
    });
    const plan of_twos = GetParam().allowed_errors(dtype::f32).with_forced([&](const options& how) {
      return plan(p, twos, how);
    });
    floats once(x.size());
    floats twice(x.size());
    of_ones.run(x, once);
    of_twos.run(x, twice);
    for (float& v : once) v *= 2;
    for (std::size_t i = 0; i < once.size(); ++i)
      ASSERT_NEAR(once[i], twice[i], GetParam().wants_tolerance() ? 1e-3F : 0)
          << taps.rows << " x " << taps.cols;
  }
}

INSTANTIATE_TEST_SUITE_P(every, cuda_threads, testing::ValuesIn([] {
                           std::vector<algorithm> all = available_algorithms();
                           std::erase_if(all, [](const algorithm& a) {
                             return !a.name.starts_with("cuda/");
                           });
                           return all;
                         }()),
                         [](const auto& instance) { return test_name(instance.param); });

}  // namespace
}  // namespace convgpu::test
