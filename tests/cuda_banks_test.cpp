// SPDX-License-Identifier: Apache-2.0
// Bank conflicts, worked out from the functions by which kernels find their way in shared memory.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "cuda/tuning.hpp"

namespace convgpu::test {
namespace {

/// Which element each thread of a block reads or writes.
using access = std::function<int(int thread)>;

/// Turns that the lanes of a warp take at an access: shared memory has 32 banks of 4 bytes, each gives one
/// word in a turn, and to everybody who wants it. Elements of 8 (16) bytes are asked for by half (a
/// quarter) of the warp at a time.
int turns(const access& a, int first_thread, int element_bytes) {
  const int lanes = std::min(32, 128 / element_bytes);
  int total = 0;
  for (int lane = 0; lane < 32; lane += lanes) {
    std::array<std::set<int>, 32> words;
    for (int i = lane; i < lane + lanes; ++i) {
      const int begin = a(first_thread + i) * element_bytes;
      for (int byte = begin; byte < begin + std::max(element_bytes, 4); byte += 4)
        words[static_cast<std::size_t>(byte / 4 % 32)].insert(byte / 4);
    }
    const auto busiest = std::max_element(words.begin(), words.end(),
                                          [](auto& x, auto& y) { return x.size() < y.size(); });
    total += static_cast<int>(busiest->size());
  }
  return total;
}

int fewest_turns(int element_bytes) {
  return std::max(1, element_bytes * 32 / 128);
}

TEST(cuda_banks, are_counted) {
  const auto count = [](int bytes, int factor) {
    return turns([=](int thread) { return thread * factor; }, 0, bytes);
  };
  EXPECT_EQ(count(4, 0), 1) << "one word for all";
  EXPECT_EQ(count(4, 1), 1);
  EXPECT_EQ(count(4, 2), 2);
  EXPECT_EQ(count(4, 3), 1);
  EXPECT_EQ(count(4, 32), 32);
  EXPECT_EQ(count(4, 33), 1);
  EXPECT_EQ(count(8, 1), 2);
  EXPECT_EQ(count(8, 2), 4);
  EXPECT_EQ(count(16, 1), 4);
  EXPECT_EQ(count(16, 2), 8);
  EXPECT_EQ(count(16, 0), 4) << "one element for each quarter";
}

/// An access of a kernel to elements of some size.
struct shared_access {
  std::string what;
  int element_bytes = 4;
  access at;
};

/// All accesses of cuda/direct by its own index functions, for sums, samples and taps of these sizes.
std::vector<shared_access> of_direct(int sample, int sum) {
  const cuda::direct_tile t = cuda::direct_tile_for(static_cast<std::size_t>(sum));
  std::vector<shared_access> all;
  for (const int pitch :
       {t.out_cols(), t.out_cols() + 1, t.out_cols() + 6, t.out_cols() + t.chunk - 1})
    for (int r = 0; r < t.rows; ++r)
      for (int c = 0; c < t.cols; ++c)
        all.push_back({"reads samples, pitch " + std::to_string(pitch), sample,
                       [=](int thread) { return t.first(thread, pitch) + t.offset(r, c, pitch); }});
  for (int r = 0; r < t.rows; ++r)
    for (int c = 0; c < t.cols; ++c)
      all.push_back({"writes sums", sum, [=](int thread) {
                       return t.first(thread, t.out_cols()) + t.offset(r, c, t.out_cols());
                     }});
  return all;
}

class cuda_banks
    : public testing::TestWithParam<std::pair<std::string, std::vector<shared_access>>> {};

TEST_P(cuda_banks, have_no_conflicts) {
  for (const shared_access& a : GetParam().second)
    for (int thread = 0; thread < cuda::block_threads; thread += 32)
      ASSERT_EQ(turns(a.at, thread, a.element_bytes), fewest_turns(a.element_bytes))
          << a.what << ", " << a.element_bytes << " bytes, warp " << thread / 32;
}

INSTANTIATE_TEST_SUITE_P(every, cuda_banks,
                         testing::Values(std::pair("direct_f32", of_direct(4, 4)),
                                         std::pair("direct_i32_i64", of_direct(4, 8)),
                                         std::pair("direct_i32_i128", of_direct(4, 16)),
                                         std::pair("direct_f64", of_direct(8, 8)),
                                         std::pair("direct_f32_cf32", of_direct(4, 8)),
                                         std::pair("direct_f64_cf64", of_direct(8, 16)),
                                         std::pair("direct_cf64", of_direct(16, 16))),
                         [](const auto& instance) { return instance.param.first; });

}  // namespace
}  // namespace convgpu::test
