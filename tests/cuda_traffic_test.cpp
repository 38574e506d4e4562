// SPDX-License-Identifier: Apache-2.0
// Bytes moved by each kernel, counted: as many as its tiles say, and not many more than there are to move.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "cuda/tuning.hpp"
#include "cuda_occupancy.hpp"
#include "cuda_traffic.hpp"

namespace convgpu::test {

void PrintTo(const traffic_case& c, std::ostream* to) {
  *to << c.algorithm << ", input " << c.problem.in.rows << " x " << c.problem.in.cols << ", filter "
      << c.problem.filter.rows << " x " << c.problem.filter.cols;
}

namespace {

class cuda_traffic : public testing::TestWithParam<traffic_case> {};

TEST_P(cuda_traffic, is_what_the_tiles_say) {
  const traffic_case& c = GetParam();
  const traffic t = measure(c);
  const auto input = static_cast<double>(input_bytes(c.problem));
  EXPECT_EQ(t.loaded, c.predicted(c));
  EXPECT_EQ(t.stored, output_bytes(c.problem)) << "each output once";
  EXPECT_EQ(t.launches, 1u);
  EXPECT_LE(static_cast<double>(t.loaded), c.most * input);
  EXPECT_GT(static_cast<double>(t.loaded) * 1.15, c.most * input)
      << "the bound says less than it could";
}

// What the launch bounds promise is of use only where threads and shared memory allow it, too.
TEST_P(cuda_traffic, leaves_room_for_several_blocks) {
  const traffic_case& c = GetParam();
  const traffic t = measure(c);
  EXPECT_EQ(t.threads, cuda::block_threads);
  const auto blocks_on = [&](const std::string& name) {
    const auto m = std::find_if(std::begin(multiprocessors), std::end(multiprocessors),
                                [&](const multiprocessor& one) { return one.name == name; });
    return resident_on(*m, c, t);
  };
  EXPECT_GE(blocks_on("sm_90"), c.resident);
  // Where there is less, one large block may do more than two small ones.
  EXPECT_GE(blocks_on("sm_86"), c.algorithm == "cuda/overlap_save" ? 1 : 2)
      << "of the least memory but for sm_75";
  EXPECT_GE(blocks_on("sm_75"), 1);
}

INSTANTIATE_TEST_SUITE_P(every, cuda_traffic, testing::ValuesIn(traffic_cases()),
                         [](const auto& instance) {
                           const traffic_case& c = instance.param;
                           std::string name = c.algorithm + "_" +
                                              std::to_string(c.problem.filter.rows) + "x" +
                                              std::to_string(c.problem.filter.cols) + "_on_" +
                                              std::to_string(c.problem.in.rows) + "x" +
                                              std::to_string(c.problem.in.cols) + "_in_" +
                                              std::to_string(c.problem.channels) + "_to_" +
                                              std::to_string(c.problem.filters) + "_by_" +
                                              std::to_string(c.multiprocessors) +
                                              (c.tolerance.value_or(1) < 1e-3 ? "_closely" : "");
                           std::replace(name.begin(), name.end(), '/', '_');
                           return name;
                         });

}  // namespace
}  // namespace convgpu::test
