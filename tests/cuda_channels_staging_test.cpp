// SPDX-License-Identifier: Apache-2.0
// Host data of several channels on its way to a device and back, cut into chunks of any size.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cuda_on_host.hpp>
#include <random>
#include <utility>
#include <vector>

#include "cuda/singles.hpp"
#include "cuda/staging.hpp"
#include "cuda_plan.hpp"

namespace convgpu::test {
namespace {

constexpr extent size(5, 7);
constexpr extent taps(3, 2);

/// 3 planes of 4 channels in 2 groups, 6 filters; with one channel each, 4 groups of 2 filters.
struct bank {
  explicit bank(bool one_channel)
      : p{.in = size,
          .filter = taps,
          .planes = 3,
          .channels = 4,
          .filters = one_channel ? 8 : 6,
          .groups = one_channel ? 4 : 2,
          .types = {dtype::i16, dtype::i16, dtype::i16},
          .mode = mode::same,
          .border = border::mirror()},
        x(numbers(p.planes * p.channels * size.count(), 1)),
        h(numbers(p.filters * (p.channels / p.groups) * taps.count(), 2)),
        expected(static_cast<std::size_t>(p.planes * p.filters * size.count())),
        said(p, view<const std::int16_t>(h.data(), taps, p.filters, p.channels / p.groups,
                                         dense(taps, p.channels / p.groups))) {
    plan(p,
         view<const std::int16_t>(h.data(), taps, p.filters, p.channels / p.groups,
                                  dense(taps, p.channels / p.groups)),
         {.algorithm = "cpu/reference"})
        .run(x, expected);
  }

  static std::vector<std::int16_t> numbers(std::int64_t count, unsigned seed) {
    std::mt19937 engine(seed);
    std::vector<std::int16_t> all(static_cast<std::size_t>(count));
    for (std::int16_t& n : all) n = static_cast<std::int16_t>(engine() % 19) - 9;
    return all;
  }

  problem p;
  std::vector<std::int16_t> x;
  std::vector<std::int16_t> h;
  std::vector<std::int16_t> expected;
  complete_problem said;
};

class cuda_channels_staging : public testing::Test {
 protected:
  void SetUp() override { cuda_on_host::reset(); }
  void TearDown() override {
    EXPECT_EQ(cuda_on_host::live(), cuda_on_host::live_objects{});
    cuda_on_host::reset();
  }
};

TEST_F(cuda_channels_staging, agrees_in_chunks_of_any_size) {
  struct subject {
    bool one_channel;
    make_kernels make;
    int multiprocessors;  // one: a block has all filters of its channel
  };
  for (const auto& [one_channel, make, multiprocessors] :
       {subject{false, cuda::plain_kernels, 132}, subject{true, cuda::plain_kernels, 132},
        subject{true, cuda::direct_kernels, 132}, subject{true, cuda::overlap_save_kernels, 132},
        subject{true, cuda::overlap_save_kernels, 1}})
    for (const std::size_t bytes : {2, 50, 400, 421, 1000, 1 << 20})
      for (const auto when : {cuda_on_host::execution::eager, cuda_on_host::execution::deferred,
                              cuda_on_host::execution::interleaved}) {
        cuda_on_host::machine on;
        on.device.multiProcessorCount = multiprocessors;
        cuda_on_host::reset(on);
        cuda_on_host::set_execution(when);
        const bank b(one_channel);
        const auto made = cuda::make_runnable(b.said.request(), make, {bytes, 2});
        for (const bool last : {false, true}) {  // channels last in the caller's memory
          const auto view_of = [&](auto& data, std::int64_t channels) {
            return view(data.data(), size, b.p.planes, channels,
                        last ? channels_last(size, channels) : dense(size, channels));
          };
          std::vector<std::int16_t> from(b.x.size());
          std::vector<std::int16_t> y(b.expected.size());
          cuda::unpack(view_of(from, b.p.channels), reinterpret_cast<const std::byte*>(b.x.data()),
                       0, std::ssize(b.x));
          made->run(view_of(std::as_const(from), b.p.channels), view_of(y, b.p.filters), {}, {});
          std::vector<std::int16_t> found(y.size());
          cuda::pack(reinterpret_cast<std::byte*>(found.data()),
                     view_of(std::as_const(y), b.p.filters), 0, std::ssize(y));
          ASSERT_EQ(found, b.expected)
              << bytes << ", " << one_channel << ", " << last << cuda_on_host::complaint();
        }
      }
}

// However many pieces a plane comes down in; and planes before it are on their way down by then.
TEST_F(cuda_channels_staging, computes_each_plane_once) {
  const bank b(false);
  for (const std::size_t bytes : {64, 420, 421, 840}) {
    const auto made = cuda::make_runnable(b.said.request(), cuda::plain_kernels, {bytes, 3});
    const std::size_t before = cuda_on_host::launches().size();
    std::vector<std::int16_t> y(b.expected.size());
    made->run(view(b.x.data(), size, 3, 4, dense(size, 4)),
              view(y.data(), size, 3, 6, dense(size, 6)), {}, {});
    EXPECT_EQ(y, b.expected);
    EXPECT_EQ(cuda_on_host::launches().size() - before, bytes == 840 ? 2u : 3u) << bytes;
  }
}

TEST_F(cuda_channels_staging, cuts_whole_planes_or_pieces_of_one) {
  const bank b(false);
  const std::int64_t plane = 6 * size.count();
  for (std::int64_t most = 1; most < 4 * plane; most += 13) {
    std::int64_t next = 0;
    for (const cuda::band& one : cuda::cut_into_bands(b.said.form, most)) {
      EXPECT_EQ(one.at, next);
      EXPECT_LE(one.count, most);
      EXPECT_GT(one.count, 0);
      EXPECT_LE(one.planes.first * plane, one.at);
      EXPECT_GE(one.planes.last * plane, one.at + one.count);
      EXPECT_EQ(one.needs, one.planes.last * 4 * size.count());
      EXPECT_EQ(one.made_rows, (detail::range{0, size.rows}));
      EXPECT_EQ(one.made_cols, (detail::range{0, size.cols}));
      next += one.count;
    }
    EXPECT_EQ(next, 3 * plane);
    ASSERT_FALSE(HasFailure()) << most;
  }
}

}  // namespace
}  // namespace convgpu::test
