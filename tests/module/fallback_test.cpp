// SPDX-License-Identifier: Apache-2.0
// Plans where the device fails while they are made: device::automatic goes on with the CPU and says why,
// who asked for the device is told.

#include <gtest/gtest.h>

#include <convgpu/convgpu.hpp>
#include <convgpu/error.hpp>
#include <cuda_on_host.hpp>
#include <limits>
#include <new>
#include <string>
#include <vector>

namespace convgpu::test {
namespace {

using floats = std::vector<float>;

/// Data of the host so small would stay on the CPU.
const options automatic{.data = memory::device};

plan make(const options& how) {
  return {{.in = extent(4)}, floats{2, 2, 2, 2}, how};
}

bool is_right(const plan& made) {
  floats y(7);
  made.run(floats{1, 1, 1, 1}, y);
  return y == floats{2, 4, 6, 8, 6, 4, 2};
}

candidate of_chosen(const plan& p) {
  for (const candidate& c : p.describe().candidates)
    if (c.outcome == candidate::verdict::chosen) return c;
  return {};
}

/// Calls of the runtime that making such a plan takes.
std::int64_t calls_to_make(const options& how) {
  cuda_on_host::reset();
  const plan made = make(how);
  return static_cast<std::int64_t>(cuda_on_host::calls().size());
}

class cuda_fallback : public testing::TestWithParam<cudaError_t> {
 protected:
  void TearDown() override { cuda_on_host::reset(); }
};

TEST_P(cuda_fallback, of_automatic_whichever_call_fails) {
  const std::int64_t calls = calls_to_make(automatic);
  ASSERT_GT(calls, 4) << "it was to be made on the device";
  int fallen_back = 0;
  for (std::int64_t n = 1; n <= calls; ++n) {
    SCOPED_TRACE(n);
    cuda_on_host::reset();
    cuda_on_host::fail_call(n, GetParam());
    const plan made = make(automatic);
    EXPECT_TRUE(is_right(made));
    const description& d = made.describe();
    if (d.device != "cpu") continue;  // the call was one that may fail
    ++fallen_back;
    EXPECT_TRUE(d.algorithm.starts_with("cpu/")) << d.algorithm;
    ASSERT_FALSE(d.candidates.empty());
    for (const candidate& c : d.candidates)
      EXPECT_TRUE(c.algorithm.starts_with("cpu/")) << c.algorithm;
    ASSERT_EQ(d.notes.size(), 1u);
    // Also where it is not a call that allocates: its name comes with it then.
    EXPECT_NE(d.notes[0].find(GetParam() == cudaErrorMemoryAllocation
                                  ? "out of memory"
                                  : "cudaErrorUnknown, unknown error"),
              std::string::npos)
        << d.notes[0];
    EXPECT_NE(made.explain().find(d.notes[0]), std::string::npos);
    EXPECT_EQ(cuda_on_host::live(), cuda_on_host::live_objects{});
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  }
  EXPECT_GT(fallen_back, 4);
}

TEST_P(cuda_fallback, is_not_for_those_who_asked_for_the_device) {
  for (const options& how : {options{.device = device::cuda()}, options{.algorithm = "cuda/direct"},
                             options{.algorithm = "cuda/plain"}}) {
    const std::int64_t calls = calls_to_make(how);
    int unavailable = 0;
    int failed = 0;
    for (std::int64_t n = 1; n <= calls; ++n) {
      SCOPED_TRACE(how.algorithm + " " + std::to_string(n));
      cuda_on_host::reset();
      cuda_on_host::fail_call(n, GetParam());
      try {
        EXPECT_EQ(make(how).describe().device, "cuda:0");
      } catch (const backend_unavailable&) {
        ++unavailable;
      } catch (const cuda_error&) {
        ++failed;
      } catch (const std::bad_alloc&) {
        ++failed;
        EXPECT_EQ(GetParam(), cudaErrorMemoryAllocation);
      }
    }
    EXPECT_GT(unavailable, 1) << "when the device is looked at";
    EXPECT_GT(failed, 1) << "when the plan is made";
  }
}

INSTANTIATE_TEST_SUITE_P(every, cuda_fallback,
                         testing::Values(cudaErrorMemoryAllocation, cudaErrorUnknown),
                         [](const auto& instance) {
                           return instance.param == cudaErrorUnknown ? "failure" : "memory";
                         });

TEST(fallback, is_not_needed_where_the_cpu_is_faster_by_prediction) {
  cuda_on_host::reset();
  const plan small = make({});
  EXPECT_EQ(small.describe().device, "cpu");
  ASSERT_EQ(small.describe().notes.size(), 1u);
  EXPECT_TRUE(small.describe().notes[0].starts_with("cuda: not asked for"))
      << small.describe().notes[0];
  EXPECT_TRUE(cuda_on_host::calls().empty()) << "the driver was asked";

  // Copies take longer than a 3x3 filter on the CPU, and a small part of the time of 61x61 taps.
  const problem image{.in = {2000, 2000}, .mode = mode::same};
  const floats few(9, 1);
  const plan stays(image, view<const float>(few.data(), {3, 3}));
  EXPECT_EQ(stays.describe().device, "cpu");
  ASSERT_EQ(stays.describe().notes.size(), 1u);
  EXPECT_NE(stays.describe().notes[0].find("copies there and back"), std::string::npos);
  for (const std::string& call : cuda_on_host::calls())
    EXPECT_TRUE(call.starts_with("cudaDriverGetVersion") || call.starts_with("cudaGetDevice") ||
                call.starts_with("cudaDeviceGetAttribute") || call == "cudaGetLastError")
        << call << " would make a context";
  floats many;
  for (int i = 0; i < 61 * 61; ++i) many.push_back(static_cast<float>(i * 7919 % 1009));
  const plan goes(image, view<const float>(many.data(), {61, 61}));
  EXPECT_EQ(goes.describe().device, "cuda:0");
  ASSERT_EQ(goes.describe().notes.size(), 1u);
  EXPECT_TRUE(goes.describe().notes[0].starts_with("cpu: ")) << goes.describe().notes[0];
  // Asked for, it is taken whatever its prediction.
  EXPECT_EQ(make({.device = device::cuda()}).describe().device, "cuda:0");
}

TEST(measure, tries_algorithms_of_a_device_and_leaves_nothing_there) {
  cuda_on_host::reset();
  {
    const floats g{1, 2, 3, 4, 3, 2, 1};
    const problem image{.in = {40, 50}, .mode = mode::same};
    const plan tried(image, g, g, {.device = device::cuda(), .policy = policy::measure});
    int measured = 0;
    for (const candidate& c : tried.describe().candidates) measured += c.measured_seconds ? 1 : 0;
    EXPECT_GE(measured, 2) << tried.explain();
    EXPECT_EQ(of_chosen(tried).bound_by, bound::transfer);
    const floats x(2000, 1);
    floats y(2000);
    floats expected(2000);
    tried.run(x, y);
    plan(image, g, g, {.device = device::cpu()}).run(x, expected);
    EXPECT_EQ(y, expected);
  }
  EXPECT_EQ(cuda_on_host::live(), cuda_on_host::live_objects{});
}

TEST(fallback, hides_no_mistake_of_the_caller) {
  cuda_on_host::reset();
  EXPECT_THROW(plan({.in = extent(9), .stride = {1, 2}}, floats(3), {.algorithm = "cuda/direct"}),
               unsupported);
  EXPECT_THROW(plan({.in = extent(9)}, floats{std::numeric_limits<float>::infinity()}),
               invalid_problem);
  EXPECT_THROW(make({.algorithm = "cuda/magic"}), invalid_problem);
}

TEST(fallback, makes_the_other_filter_s_plan_on_the_cpu) {
  cuda_on_host::reset();
  plan made = make(automatic);
  ASSERT_EQ(made.describe().device, "cuda:0");
  const plan before = made;
  cuda_on_host::fail_call(1, cudaErrorMemoryAllocation);
  made.set_filter(floats{4, 4, 4, 4});
  EXPECT_EQ(made.describe().device, "cpu");
  EXPECT_TRUE(is_right(before)) << "copies keep theirs";
}

}  // namespace
}  // namespace convgpu::test
