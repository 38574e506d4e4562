// SPDX-License-Identifier: Apache-2.0
// Filters that see one channel each, by cuda/direct in one launch: tiles and lines of all kinds, of which one serves
// several filters, on a stand-in with so few multiprocessors that they are not shared out.

#include <gtest/gtest.h>

#include <complex>
#include <cuda_on_host.hpp>
#include <random>
#include <string>
#include <vector>

#include "cuda_fixture.hpp"

namespace convgpu::test {
namespace {

struct shape {
  extent in;
  extent filter;
  std::int64_t planes;
  std::int64_t groups;
  std::int64_t filters;  // of each
};

class cuda_direct : public on_cuda {
 protected:
  static void with_multiprocessors(int count) {
    cuda_on_host::machine on;
    on.device.multiProcessorCount = count;
    cuda_on_host::reset(on);
  }
};

template <class T>
std::vector<T> numbers(std::int64_t count, std::mt19937& engine) {
  std::vector<T> all(static_cast<std::size_t>(count));
  for (T& x : all) x = static_cast<T>(static_cast<float>(engine() % 4));
  return all;
}

/// Launches of a run; its result is compared with the definition's.
template <class T>
std::size_t launches_of(const shape& s, border around, mode m, layout l, std::string* parameters) {
  std::mt19937 engine(static_cast<unsigned>(s.in.cols + 7 * s.filter.cols));
  const problem p{.in = s.in,
                  .filter = s.filter,
                  .planes = s.planes,
                  .channels = s.groups,
                  .filters = s.groups * s.filters,
                  .groups = s.groups,
                  .layout = l,
                  .types = {dtype_of<T>, dtype_of<T>, dtype_of<T>},
                  .mode = m,
                  .border = around,
                  .overflow = overflow::wrap};
  const extent out = output_extent(p);
  const auto h = numbers<T>(p.filters * p.filter.count(), engine);
  const auto x = numbers<T>(p.planes * p.channels * p.in.count(), engine);
  const view<const T> taps(h.data(), p.filter, p.filters, 1, dense(p.filter, 1));
  std::vector<T> expected(static_cast<std::size_t>(p.planes * p.filters * out.count()));
  plan(p, taps, {.algorithm = "cpu/reference"}).run(x, expected);

  const plan by(p, taps, {.device = device::cuda(0), .algorithm = "cuda/direct"});
  if (parameters != nullptr) *parameters = by.describe().parameters;
  const device_array<T> from(x);
  device_array<T> to(std::vector<T>(expected.size()));
  const auto step = [&](extent size, std::int64_t channels) {
    return l == layout::channels_last ? channels_last(size, channels) : dense(size, channels);
  };
  const std::size_t before = cuda_on_host::launches().size();
  by.run(device_view<const T>(from.data(), p.in, p.planes, p.channels, step(p.in, p.channels)),
         device_view<T>(to.data(), out, p.planes, p.filters, step(out, p.filters)));
  works(cudaDeviceSynchronize());
  const std::size_t launches = cuda_on_host::launches().size() - before;
  EXPECT_EQ(to.values(), expected)
      << s.planes << " x " << s.groups << " x " << s.filters << ", " << s.in.rows << " x "
      << s.in.cols << " by " << s.filter.rows << " x " << s.filter.cols << ", "
      << to_string(around.kind()) << ", " << by.describe().parameters << cuda_on_host::complaint();
  return launches;
}

const std::vector<shape> shapes = {
    // Tiles of all kernels; more filters than have their taps loaded at once; chunks.
    {{70, 70}, {3, 3}, 1, 1, 3},
    {{41, 80}, {5, 5}, 1, 2, 2},
    {{60, 66}, {7, 7}, 4, 1, 23},
    {{5, 12}, {2, 4}, 8, 1, 130},
    {{33, 50}, {2, 4}, 1, 1, 12},
    {{9, 14}, {3, 3}, 3, 4, 2},
    {{20, 35}, {35, 3}, 1, 2, 2},
    {{7, 7}, {3, 18}, 1, 1, 3},
    // Lines of 64, 128 and 256, with ends; several pieces; chunks; rows of images.
    {{1, 5}, {1, 3}, 1, 70, 1},
    {{1, 64}, {1, 4}, 3, 11, 1},
    {{1, 100}, {1, 3}, 1, 37, 2},
    {{1, 300}, {1, 7}, 2, 3, 3},
    {{1, 50}, {1, 70}, 1, 3, 2},
    {{1, 270}, {1, 260}, 1, 2, 2},
    {{11, 20}, {1, 5}, 2, 3, 3},
    {{1, 90}, {1, 9}, 13, 1, 1},
};

TEST_F(cuda_direct, of_all_filters_is_one_launch) {
  const border borders[] = {border::zero(),      border::constant(2), border::replicate(),
                            border::symmetric(), border::mirror(),    border::wrap()};
  unsigned n = 0;
  for (const int multiprocessors : {1, 132})
    for (const shape& s : shapes) {
      with_multiprocessors(multiprocessors);
      const border around = borders[n % 6];
      const auto l = static_cast<layout>(n % 2);
      const mode m = n % 5 < 3 ? mode::same : mode::full;
      ++n;
      EXPECT_EQ(launches_of<float>(s, around, m, l, nullptr), 1u);
      EXPECT_EQ(launches_of<double>(s, around, m, l, nullptr), 1u);
      EXPECT_EQ(launches_of<std::uint8_t>(s, around, m, l, nullptr), 1u);
      EXPECT_EQ(launches_of<std::complex<float>>(s, around, m, l, nullptr), 1u);
      ASSERT_FALSE(HasFailure());
    }
  for (const shape& s : shapes) {
    with_multiprocessors(1);
    for (const border& around : borders)
      launches_of<float>(s, around, mode::same, layout::channels_first, nullptr);
    launches_of<std::complex<double>>(s, borders[n++ % 6], mode::same, layout::channels_first,
                                      nullptr);
    launches_of<std::int32_t>(s, borders[n++ % 6], mode::same, layout::channels_first, nullptr);
    ASSERT_FALSE(HasFailure());
  }
}

TEST_F(cuda_direct, takes_more_filters_than_can_be_made_ready_one_by_one) {
  EXPECT_EQ(launches_of<float>({{1, 20}, {1, 3}, 1, 3000, 1}, border::wrap(), mode::same,
                               layout::channels_first, nullptr),
            1u);
  EXPECT_EQ(launches_of<float>({{4, 6}, {3, 3}, 1, 1, 1500}, border::wrap(), mode::same,
                               layout::channels_last, nullptr),
            1u);
}

TEST_F(cuda_direct, shares_filters_out_among_multiprocessors) {
  std::string words;
  const auto made = [&](int multiprocessors, const shape& s) {
    with_multiprocessors(multiprocessors);
    launches_of<float>(s, border::zero(), mode::same, layout::channels_first, &words);
    return words;
  };
  // 8 blocks for each: an image is 4 tiles, a signal of 2000 is one of 8 pieces for 8 lines, of which one is used.
  EXPECT_EQ(made(1, {{128, 128}, {3, 3}, 1, 1, 9}), "tiles of 64 x 64, each for 5 filters");
  EXPECT_EQ(made(5, {{128, 128}, {3, 3}, 1, 1, 9}), "tiles of 64 x 64, each for 1 filters");
  EXPECT_EQ(made(1, {{1, 2000}, {1, 3}, 1, 1, 9}), "lines of 256, 8 a block, each for 9 filters");
}

}  // namespace
}  // namespace convgpu::test
