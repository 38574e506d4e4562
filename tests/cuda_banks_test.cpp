// SPDX-License-Identifier: Apache-2.0

#include "cuda_banks.hpp"

#include <gtest/gtest.h>

#include <ostream>

#include "cuda/tuning.hpp"

namespace convgpu::test {

void PrintTo(const kernel_accesses& k, std::ostream* to) {
  *to << k.kernel;
}

namespace {

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

class cuda_banks : public testing::TestWithParam<kernel_accesses> {};

TEST_P(cuda_banks, have_no_conflicts) {
  for (const shared_access& a : GetParam().all)
    for (int thread = 0; thread < cuda::block_threads; thread += 32)
      ASSERT_EQ(turns(a.at, thread, a.element_bytes), a.factor * fewest_turns(a.element_bytes))
          << a.what << ", " << a.element_bytes << " bytes, warp " << thread / 32;
}

INSTANTIATE_TEST_SUITE_P(every, cuda_banks, testing::ValuesIn(all_kernels()),
                         [](const auto& instance) { return instance.param.kernel; });

}  // namespace
}  // namespace convgpu::test
