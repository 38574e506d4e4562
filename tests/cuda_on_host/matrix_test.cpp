// SPDX-License-Identifier: Apache-2.0
// Products of matrices by warps: where fragments have their numbers, and what sums lose.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cuda_on_host.hpp>
#include <vector>

namespace {

using cuda_on_host::matrix_numbers;

constexpr int rows = 16;
constexpr int cols = 8;
int depth_of(matrix_numbers of) {
  return of == matrix_numbers::tf32 ? 8 : 16;
}

/// d += a·b of matrices of words that lie row after row (b: column after column) in memory, by each warp of a block.
__global__ void multiply_kernel(matrix_numbers of, const std::uint32_t* a, const std::uint32_t* b,
                                float* d) {
  const int group = static_cast<int>(threadIdx.x) % 32 / 4;
  const int word = static_cast<int>(threadIdx.x) % 4;
  float* const mine = d + threadIdx.x / 32 * rows * cols;
  const std::uint32_t of_a[4] = {a[group * 8 + word], a[(group + 8) * 8 + word],
                                 a[group * 8 + word + 4], a[(group + 8) * 8 + word + 4]};
  const std::uint32_t of_b[2] = {b[group * 8 + word], b[group * 8 + word + 4]};
  float of_d[4];
  for (int i = 0; i < 4; ++i) of_d[i] = mine[(group + i / 2 * 8) * cols + word * 2 + i % 2];
  cuda_on_host::multiply_add(of, of_d, of_a, of_b);
  for (int i = 0; i < 4; ++i) mine[(group + i / 2 * 8) * cols + word * 2 + i % 2] = of_d[i];
}

__global__ void any_kernel(int* out, int wanted) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int round = 0; round < 3; ++round)
    out[round * 64 + thread] = __syncthreads_or(round == 1 && thread == wanted);
}

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 block, Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = block;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

/// A small number in 16 bits: whole, or with a half.
std::uint32_t half_of(matrix_numbers of, float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if (of == matrix_numbers::bf16) return bits >> 16;
  if (x == 0) return 0;
  return (bits >> 16 & 0x8000u) | ((bits >> 23 & 0xffu) - 112) << 10 | (bits >> 13 & 0x3ffu);
}
std::vector<std::uint32_t> words_of(matrix_numbers of, const std::vector<float>& numbers) {
  std::vector<std::uint32_t> words;
  for (std::size_t i = 0; i < numbers.size(); i += of == matrix_numbers::tf32 ? 1 : 2)
    words.push_back(of == matrix_numbers::tf32
                        ? std::bit_cast<std::uint32_t>(numbers[i])
                        : half_of(of, numbers[i]) | half_of(of, numbers[i + 1]) << 16);
  return words;
}

/// On the device, with as many copies of d as there are warps.
template <class T>
class on_device {
 public:
  explicit on_device(const std::vector<T>& values) : count_(values.size()) {
    EXPECT_EQ(cudaMalloc(&data_, count_ * sizeof(T)), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice),
              cudaSuccess);
  }
  on_device(const on_device&) = delete;
  on_device& operator=(const on_device&) = delete;
  ~on_device() { (void)cudaFree(data_); }
  [[nodiscard]] T* data() const { return static_cast<T*>(data_); }
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> all(count_);
    EXPECT_EQ(cudaMemcpy(all.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost),
              cudaSuccess);
    return all;
  }

 private:
  std::size_t count_;
  void* data_ = nullptr;
};

std::vector<float> product(matrix_numbers of, const std::vector<float>& a,
                           const std::vector<float>& b, const std::vector<float>& d,
                           unsigned warps = 1) {
  const on_device<std::uint32_t> of_a(words_of(of, a));
  const on_device<std::uint32_t> of_b(words_of(of, b));
  const on_device<float> sums(d);
  EXPECT_EQ(launch(multiply_kernel, 32 * warps, of, static_cast<const std::uint32_t*>(of_a.data()),
                   static_cast<const std::uint32_t*>(of_b.data()), sums.data()),
            cudaSuccess)
      << cuda_on_host::complaint();
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  return sums.values();
}

class stand_in_matrix : public testing::TestWithParam<matrix_numbers> {
 protected:
  void SetUp() override { cuda_on_host::reset(); }
  void TearDown() override { cuda_on_host::reset(); }
};

TEST_P(stand_in_matrix, multiplies_in_fragments) {
  const int depth = depth_of(GetParam());
  std::vector<float> a;
  std::vector<float> b;
  for (int i = 0; i < rows * depth; ++i) a.push_back(static_cast<float>(i * 7 % 23) / 2 - 5);
  for (int i = 0; i < cols * depth; ++i) b.push_back(static_cast<float>(i * 5 % 19) - 9);
  std::vector<float> d;
  for (int i = 0; i < 2 * rows * cols; ++i) d.push_back(static_cast<float>(i));
  for (const auto order : {cuda_on_host::order::ascending, cuda_on_host::order::descending}) {
    cuda_on_host::set_order(order);
    const std::vector<float> found = product(GetParam(), a, b, d, 2);
    for (int i = 0; i < 2 * rows * cols; ++i) {
      float sum = static_cast<float>(i);
      for (int k = 0; k < depth; ++k)
        sum += a[static_cast<std::size_t>(i / cols % rows * depth + k)] *
               b[static_cast<std::size_t>(i % cols * depth + k)];
      ASSERT_EQ(found[static_cast<std::size_t>(i)], sum) << i;
    }
  }
}

/// Of one product of each output, what comes to `sum`.
float added(matrix_numbers of, float sum, const std::vector<float>& factors, float by) {
  const auto depth = static_cast<std::size_t>(depth_of(of));
  std::vector<float> a(rows * depth);
  for (std::size_t i = 0; i < a.size(); ++i)
    a[i] = i % depth < factors.size() ? factors[i % depth] : 0;
  return product(of, a, std::vector<float>(cols * depth, by),
                 std::vector<float>(rows * cols, sum))[5];
}

TEST_P(stand_in_matrix, cuts_off_what_it_adds) {
  EXPECT_EQ(added(GetParam(), 1, {1, 1, 1, 1}, 0x1p-14F), 1 + 4 * 0x1p-14F);
  // Half of the last bit of 2^11, four times: nothing is left of each, though they are two of these.
  EXPECT_EQ(added(GetParam(), 0x1p11F, {0x1p-6F, 0x1p-6F, 0x1p-6F, 0x1p-6F}, 0x1p-7F), 0x1p11F);
  // And towards zero, whatever the sign.
  EXPECT_EQ(added(GetParam(), -0x1p11F, {0x1p-6F, -0x1p-6F, 0, 0}, 0x1p-7F), -0x1p11F);
  EXPECT_EQ(added(GetParam(), 0x1p11F, {-0x1p-6F}, 0x1p-7F), 0x1p11F);
  // The sum is aligned to a product that is larger.
  EXPECT_EQ(added(GetParam(), 0x1p-13F, {0x1p11F}, 1), 0x1p11F);
  // A result of more than 24 bits loses the last one.
  EXPECT_EQ(added(GetParam(), 0x1p24F - 1, {2}, 1), 0x1p24F);
  EXPECT_TRUE(std::isnan(added(GetParam(), NAN, {1}, 1)));
  EXPECT_EQ(added(GetParam(), INFINITY, {0}, 1), INFINITY);
}

INSTANTIATE_TEST_SUITE_P(of, stand_in_matrix,
                         testing::Values(matrix_numbers::tf32, matrix_numbers::f16,
                                         matrix_numbers::bf16),
                         [](const auto& instance) {
                           return std::string(instance.param == matrix_numbers::tf32  ? "tf32"
                                              : instance.param == matrix_numbers::f16 ? "f16"
                                                                                      : "bf16");
                         });

TEST(stand_in_numbers, of_tf32_end_after_11_bits) {
  cuda_on_host::reset();
  EXPECT_EQ(added(matrix_numbers::tf32, 0, {1 + 0x1p-10F + 0x1p-11F + 0x1p-23F}, 1), 1 + 0x1p-10F);
}

TEST(stand_in_barriers, ask_whether_any_thread_says_so) {
  cuda_on_host::reset();
  for (const int wanted : {0, 31, 63, 64}) {
    const on_device<int> out(std::vector<int>(3 * 64, -1));
    ASSERT_EQ(launch(any_kernel, 64, out.data(), wanted), cudaSuccess);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    const std::vector<int> values = out.values();
    for (int i = 0; i < 3 * 64; ++i)
      EXPECT_EQ(values[static_cast<std::size_t>(i)], i / 64 == 1 && wanted < 64) << i;
    EXPECT_EQ(cuda_on_host::launches().back().barriers, 3u);
  }
}

}  // namespace
