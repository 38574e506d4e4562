// SPDX-License-Identifier: Apache-2.0
// Device memory in which elements lie so far apart that only 64 bits can tell how far.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cstdint>
#include <cuda_on_host.hpp>
#include <string>
#include <vector>

#include "problems.hpp"

namespace convgpu::test {
namespace {

using bytes = std::vector<std::uint8_t>;

// A tile, 64 x 64 outputs or fewer, that has all its samples, and reads the last of them 2^31 bytes from the
// first; others at the edges.
constexpr extent size(70, 70);
constexpr std::int64_t step = std::int64_t{1} << 25;
constexpr std::int64_t length = size.rows * step;
static_assert(65 * step > std::int64_t{1} << 31);

/// That much of a device: once for all algorithms, since even the stand-in takes its time to clear them.
class cuda_far_apart : public testing::Test {
 protected:
  cuda_far_apart() {
    cuda_on_host::machine large;
    large.device.totalGlobalMem = std::size_t{4} << 30;
    cuda_on_host::reset(large);
    EXPECT_EQ(cudaMalloc(&memory_, static_cast<std::size_t>(length)), cudaSuccess)
        << cuda_on_host::complaint();
  }
  ~cuda_far_apart() override {
    (void)cudaFree(memory_);
    cuda_on_host::reset();
  }

  [[nodiscard]] std::uint8_t* at(std::int64_t row, std::int64_t col) const {
    return static_cast<std::uint8_t*>(memory_) + row * step + col;
  }
  /// Between rows of the device that are far apart and dense ones of the host.
  static void copy_rows(std::uint8_t* to, std::int64_t to_step, const std::uint8_t* from,
                        std::int64_t from_step, extent of) {
    for (std::int64_t r = 0; r < of.rows; ++r)
      ASSERT_EQ(cudaMemcpy(to + r * to_step, from + r * from_step,
                           static_cast<std::size_t>(of.cols), cudaMemcpyDefault),
                cudaSuccess)
          << cuda_on_host::complaint();
  }

 private:
  void* memory_ = nullptr;
};

TEST_F(cuda_far_apart, rows_are_found) {
  const problem p{.in = size,
                  .types = {.in = dtype::u8, .filter = dtype::i8, .out = dtype::u8},
                  .mode = mode::valid};
  const std::vector<std::int8_t> h{1, 0, 2, 2, 0,
                                   4, 1, 0, 2};  // rank 1, which no algorithm refuses
  const strides apart{.row = step, .col = 1};
  bytes x;
  for (int i = 0; i < size.count(); ++i) x.push_back(static_cast<std::uint8_t>(i % 29));
  copy_rows(at(0, 0), step, x.data(), size.cols, size);

  for (const algorithm& a : available_algorithms()) {
    if (!a.name.starts_with("cuda/")) continue;
    SCOPED_TRACE(a.name);
    if (a.name == "cuda/fft" || a.name == "cuda/gemm" || a.name == "cuda/mma")
      continue;  // no integers
    const plan made(p, view<const std::int8_t>(h.data(), {3, 3}), a.forced());
    const extent out = made.output_extent();
    bytes expected(static_cast<std::size_t>(out.count()));
    made.run(x, expected);
    made.run(device_view<const std::uint8_t>(at(0, 0), size, apart),
             device_view<std::uint8_t>(at(0, 1000), out, apart));
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess) << cuda_on_host::complaint();
    bytes y(expected.size());
    copy_rows(y.data(), out.cols, at(0, 1000), step, out);
    EXPECT_EQ(y, expected);
  }
}

}  // namespace
}  // namespace convgpu::test
