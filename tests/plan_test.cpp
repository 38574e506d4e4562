// SPDX-License-Identifier: Apache-2.0
// Plans: reuse, copies, workspace, what is deduced, what is told.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "problems.hpp"

namespace {

std::atomic<int> allocations = 0;
std::atomic<int> kept = 0;  // allocations that have not been freed
std::atomic<int> until_failure =
    -1;  // allocations that succeed before one fails; below 0: none fails

void* counted(std::size_t bytes, std::size_t alignment) {
  if (until_failure >= 0 && until_failure-- == 0) throw std::bad_alloc();
  ++allocations;
  ++kept;
  void* const memory = std::aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void freed(void* memory) {
  if (memory != nullptr) --kept;
  std::free(memory);
}

/// Calls f with its n-th allocation failing, for every n there is: it may get on without, or else must throw
/// std::bad_alloc and leave nothing behind. Returns how often it threw.
template <class F, class After>
int with_each_allocation_failing(F f, After after_failure) {
  int failures = 0;
  for (int n = 0;; ++n) {
    const int before = kept;
    until_failure = n;
    bool failed = false;
    try {
      f();
    } catch (const std::bad_alloc&) {
      failed = true;
    } catch (...) {
      until_failure = -1;
      throw;
    }
    if (const bool was_there = until_failure.exchange(-1) < 0; !was_there) return failures;
    if (!failed) continue;
    ++failures;
    EXPECT_EQ(kept, before) << "allocation " << n;
    after_failure();
  }
}

}  // namespace

// The whole program's, and the library's, too: that is how its allocations are seen. The array
// forms call these.
void* operator new(std::size_t bytes) {
  return counted(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
// The library's own calls the first one; a sanitizer's does not.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return counted(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept {
  freed(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  freed(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  freed(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  freed(memory);
}

namespace convgpu::test {
namespace {

using floats = std::vector<float>;

constexpr extent size(700, 800);  // worth several threads, even with one tap that is not zero

/// 3 × 3, `value` in the middle and else 0: the output is `value` times the input.
floats times(float value) {
  return {0, 0, 0, 0, value, 0, 0, 0, 0};
}

floats counting() {
  floats x(static_cast<std::size_t>(size.count()));
  std::iota(x.begin(), x.end(), 1.0F);
  return x;
}

/// Within `error` of the largest.
bool is_times(const floats& y, float value, float error = 0) {
  floats expected = counting();
  for (float& x : expected) x *= value;
  const float allowed = error * expected.back();
  return std::equal(y.begin(), y.end(), expected.begin(), expected.end(),
                    [&](float a, float b) { return std::abs(a - b) <= allowed; });
}

class plans : public testing::TestWithParam<algorithm> {
 protected:
  [[nodiscard]] plan make(const floats& taps, options how = {}) const {
    how.algorithm = GetParam().name;
    // A column and a row of one tap each round once more than that tap.
    how.tolerance = GetParam().wants_tolerance() ? transform_tolerance(dtype::f32) : 1e-6;
    return plan({.in = size, .filter = {3, 3}, .mode = mode::same, .border = border::mirror()},
                taps, how);
  }
  /// Exactly, where the algorithm is exact.
  [[nodiscard]] static bool is_times(const floats& y, float value) {
    return test::is_times(
        y, value,
        GetParam().wants_tolerance() ? static_cast<float>(transform_tolerance(dtype::f32)) : 0);
  }
  [[nodiscard]] static floats run(const plan& made, std::span<std::byte> workspace = {}) {
    floats y(static_cast<std::size_t>(size.count()));
    made.run(counting(), y, {}, workspace);
    return y;
  }
};

TEST_P(plans, run_what_was_asked_for_as_often_as_one_likes) {
  const plan made = make(times(2));
  EXPECT_EQ(made.describe().algorithm, GetParam().name);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(is_times(run(made), 2));
}

TEST_P(plans, keep_the_taps_when_the_filters_memory_is_gone) {
  auto taps = std::make_unique<floats>(times(2));
  const plan made = make(*taps);
  std::fill(taps->begin(), taps->end(), 9.0F);
  taps.reset();
  EXPECT_TRUE(is_times(run(made), 2));
}

TEST_P(plans, keep_their_filter_when_a_copy_takes_another) {
  plan first = make(times(2));
  plan second = first;
  second.set_filter(times(3));
  EXPECT_TRUE(is_times(run(first), 2));
  EXPECT_TRUE(is_times(run(second), 3));
  const plan third = second;
  second = first;
  first.set_filter(times(4));
  EXPECT_TRUE(is_times(run(first), 4));
  EXPECT_TRUE(is_times(run(second), 2));
  EXPECT_TRUE(is_times(run(third), 3));
}

TEST_P(plans, are_unchanged_by_a_filter_they_cannot_take) {
  plan made = make(times(2));
  floats not_finite = times(3);
  not_finite[5] = NAN;
  EXPECT_THROW(made.set_filter(not_finite), invalid_problem);
  EXPECT_THROW(made.set_filter(floats(8)), invalid_problem);
  EXPECT_THROW(made.set_filter(std::vector<double>(9)), invalid_problem);
  EXPECT_THROW(made.set_filter(view<const float>(not_finite.data(), {9, 1})), invalid_problem);
  EXPECT_TRUE(is_times(run(made), 2));
  EXPECT_EQ(made.describe().algorithm, GetParam().name);
}

TEST_P(plans, take_workspace_of_any_alignment_and_stay_inside) {
  const plan made = make(times(2));
  const std::size_t needed = made.workspace_bytes();
  EXPECT_EQ(needed, made.describe().workspace_bytes);
  if (made.describe().device != "cpu") GTEST_SKIP() << "its workspace is memory of the device";
  for (const std::size_t offset : {64, 65, 100, 127}) {
    std::vector<std::byte> memory(offset + needed + 64, std::byte{0xa5});
    EXPECT_TRUE(is_times(run(made, std::span(memory).subspan(offset, needed)), 2));
    const auto untouched = [](std::byte b) { return b == std::byte{0xa5}; };
    EXPECT_TRUE(std::all_of(memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(offset),
                            untouched));
    EXPECT_TRUE(std::all_of(memory.end() - 64, memory.end(), untouched));
  }
}

TEST_P(plans, refuse_workspace_that_is_too_small) {
  const plan made = make(times(2));
  if (made.workspace_bytes() < 2) GTEST_SKIP() << "needs none";
  std::vector<std::byte> memory(made.workspace_bytes() - 1);
  EXPECT_THROW((void)run(made, memory), invalid_problem);
}

TEST_P(plans, allocate_nothing_when_they_run_with_workspace) {
  for (const int threads : {1, 3}) {
    const int before_plan = allocations;
    const plan made = make(times(2), {.max_threads = threads});
    EXPECT_GT(allocations, before_plan) << "allocations are not seen";
    if (made.describe().device != "cpu") GTEST_SKIP() << "its workspace is memory of the device";
    const floats x = counting();
    floats y(x.size());
    std::vector<std::byte> memory(made.workspace_bytes());
    // A process's first run on several threads is what starts them.
    if (threads > 1) made.run(x, y, {}, memory);
    const int before = allocations;
    made.run(x, y, {}, memory);
    EXPECT_EQ(allocations, before) << threads << " threads";
    EXPECT_TRUE(is_times(y, 2));
  }
}

TEST_P(plans, allocate_workspace_of_their_own_once) {
  const plan made = make(times(2));
  if (made.describe().device != "cpu") GTEST_SKIP() << "the CUDA runtime's own would be counted";
  const floats x = counting();
  floats y(x.size());
  made.run(x, y);
  const int before = allocations;
  made.run(x, y);
  EXPECT_EQ(allocations, before);
}

TEST_P(plans, leave_nothing_behind_when_memory_runs_out) {
  const floats two = times(2);
  const floats three = times(3);
  const floats x = counting();
  floats y(x.size());
  for (const int threads : {1, 3}) {
    const options how{.max_threads = threads};
    plan made = make(two, how);
    if (made.describe().device != "cpu") GTEST_SKIP() << "has tests of its own for that";
    made.run(x, y);  // what is made once for the process is there
    EXPECT_GT(with_each_allocation_failing([&] { (void)make(two, how); }, [] {}), 3);
    EXPECT_GT(with_each_allocation_failing([&] { made.set_filter(three); },
                                           [&] {
                                             made.run(x, y);
                                             EXPECT_TRUE(is_times(y, 2));
                                           }),
              3);
    made.run(x, y);
    EXPECT_TRUE(is_times(y, 3));
    const plan fresh = make(two, how);
    std::fill(y.begin(), y.end(), -1.0F);
    const int needed = with_each_allocation_failing(
        [&] { fresh.run(x, y); }, [&] { EXPECT_EQ(y, floats(x.size(), -1.0F)) << "untouched"; });
    EXPECT_EQ(needed > 0, fresh.workspace_bytes() > 0);
    EXPECT_TRUE(is_times(y, 2));
  }
}

TEST_P(plans, take_flat_ranges_for_images) {
  // 2 × 3 pixels of two planes, one behind the other.
  const std::vector<std::int32_t> x{1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60};
  const std::vector<std::int32_t> h{1, 1, 1, 1};
  const problem p{.in = {2, 3}, .filter = {2, 2}, .planes = 2, .mode = mode::valid};
  const plan made = GetParam().with_forced([&](const options& how) { return plan(p, h, how); });
  std::vector<std::int32_t> y(4);
  made.run(x, y);
  EXPECT_EQ(y, (std::vector<std::int32_t>{12, 16, 120, 160}));
}

INSTANTIATE_TEST_SUITE_P(every, plans, testing::ValuesIn(available_algorithms()),
                         [](const auto& instance) { return test_name(instance.param); });

TEST(plan, runs_its_parallel_parts_on_the_users_executor) {
  int calls = 0;
  options how{.device = device::cpu(), .max_threads = 3};
  how.executor = [&](std::int64_t count, const std::function<void(std::int64_t)>& task) {
    ++calls;
    while (count-- > 0) task(count);
  };
  const plan made({.in = size, .filter = {3, 3}, .mode = mode::same}, times(2), how);
  floats y(static_cast<std::size_t>(size.count()));
  made.run(counting(), y);
  EXPECT_GT(calls, 0);
  EXPECT_TRUE(is_times(y, 2));
}

// ---- what is left out of a problem

TEST(plan, keeps_small_problems_on_the_callers_thread_and_others_to_the_limit) {
  std::vector<std::int64_t> counts;
  options how{.device = device::cpu()};
  how.executor = [&](std::int64_t count, const std::function<void(std::int64_t)>& task) {
    counts.push_back(count);
    while (count-- > 0) task(count);
  };
  for (const extent small : {extent(1, 1), extent(1, 1000), extent(64, 64)})
    (void)apply({}, buffer(dtype::u8, small), buffer(dtype::u8, {3, 3}), how);
  EXPECT_EQ(counts, std::vector<std::int64_t>{});
  const floats x = counting();
  floats y(x.size());
  for (int threads = 1; threads <= 7; ++threads) {
    counts.clear();
    how.max_threads = threads;
    plan({.in = size, .filter = {3, 3}, .mode = mode::same}, times(2), how).run(x, y);
    for (const std::int64_t count : counts) EXPECT_LE(count, threads);
    EXPECT_EQ(counts.empty(), threads == 1);
    EXPECT_TRUE(is_times(y, 2));
  }
}

// On the library's threads within an executor's, and the other way round.
TEST(plan, runs_within_the_tasks_of_another) {
  const problem p{.in = size, .filter = {3, 3}, .mode = mode::same, .border = border::mirror()};
  const plan inner(p, times(3), {.device = device::cpu(), .max_threads = 3});
  std::atomic<int> right = 0;
  options how{.device = device::cpu(), .max_threads = 3};
  how.executor = [&](std::int64_t count, const std::function<void(std::int64_t)>& task) {
    std::vector<std::jthread> own;
    for (std::int64_t i = 0; i < count; ++i)
      own.emplace_back([&, i] {
        floats y(static_cast<std::size_t>(size.count()));
        inner.run(counting(), y);
        task(i);
        right += is_times(y, 3);
      });
  };
  const plan outer(p, times(2), how);
  floats y(static_cast<std::size_t>(size.count()));
  outer.run(counting(), y);
  EXPECT_TRUE(is_times(y, 2));
  EXPECT_EQ(right, 3);
}

TEST(plan, takes_from_its_filter_what_the_problem_leaves_out) {
  const std::vector<std::int16_t> h(6, 1);
  const plan made({.in = {9, 9}}, view<const std::int16_t>(h.data(), {2, 3}));
  EXPECT_EQ(made.problem().filter, extent(2, 3));
  EXPECT_EQ(made.problem().types, (types{dtype::i16, dtype::i16, dtype::i16}));
  EXPECT_EQ(made.output_extent(), extent(10, 11));
  EXPECT_EQ(made.output_extent(), output_extent(made.problem()));
}

TEST(plan, takes_a_bare_range_for_a_signal_where_no_extent_is_said) {
  const plan made({.in = extent(9)}, floats(6, 1.0F));
  EXPECT_EQ(made.problem().filter, extent(1, 6));
}

TEST(plan, keeps_the_types_that_the_problem_says) {
  const plan made({.in = extent(9), .types = {.in = dtype::u8, .out = dtype::f64}}, floats(3));
  EXPECT_EQ(made.problem().types, (types{dtype::u8, dtype::f32, dtype::f64}));
  const std::vector<std::complex<float>> h(3);
  const plan complex({.in = extent(9), .types = {.in = dtype::f32}}, h);
  EXPECT_EQ(complex.problem().types, (types{dtype::f32, dtype::cf32, dtype::cf32}));
}

TEST(one_shot_calls, take_all_from_their_arguments) {
  const std::vector<std::uint8_t> x{10, 200, 3};
  const floats h{1, 0.5F};
  EXPECT_EQ(convolve(x, h), (std::vector<std::uint8_t>{10, 205, 103, 2}));
  EXPECT_EQ(convolve<float>(x, h), (floats{10, 205, 103, 1.5F}));
  EXPECT_EQ(correlate<float>(x, h), (floats{5, 110, 201.5F, 3}));
  const std::vector<std::complex<float>> i{{0, 1}};
  EXPECT_EQ(convolve(h, i), (std::vector<std::complex<float>>{{0, 1}, {0, 0.5F}}));
  EXPECT_EQ(correlate(i, i), (std::vector<std::complex<float>>{{1, 0}}));
}

TEST(one_shot_calls, write_into_the_views_given) {
  const floats x{1, 2, 3, 4, 5, 6};
  const floats h{1, 1};
  std::vector<double> wide(4);
  floats y(4);
  const view<const float> image(x.data(), {2, 3});
  convolve(image, view<const float>(h.data(), {1, 2}), view<float>(y.data(), {2, 2}),
           {.mode = mode::valid});
  EXPECT_EQ(y, (floats{3, 5, 9, 11}));
  correlate(image, view<const float>(h.data(), {2, 1}), view<float>(y.data(), {1, 3}),
            {.mode = mode::valid});
  EXPECT_EQ(y, (floats{5, 7, 9, 11}));
  const std::vector<std::int8_t> bytes{1, 2, 3};
  convolve(bytes, bytes, std::span(wide).first(1),
           {.mode = mode::valid});  // the type of out is taken, too
  EXPECT_EQ(wide[0], 10.0);
}

TEST(one_shot_calls, shape_bare_ranges_as_the_problem_says) {
  const problem p{.in = {2, 3}, .filter = {2, 1}, .mode = mode::valid};
  EXPECT_EQ(convolve(floats{1, 2, 3, 10, 20, 30}, floats{1, 1}, p), (floats{11, 22, 33}));
}

TEST(one_shot_calls, take_planes_from_views) {
  const floats x{1, 10, 2, 20, 3, 30};  // two planes, interleaved
  const floats h{1, 1};
  EXPECT_EQ(convolve(view(x.data(), extent(3), 2, interleaved(extent(3), 2)), h),
            (floats{1, 3, 5, 3, 10, 30, 50, 30}));
}

// ---- what a plan tells

const problem nine_taps{.in = size, .filter = {3, 3}};

TEST(description, lists_every_algorithm_of_the_device_with_its_fate) {
  const plan made(nine_taps, floats(9), {.device = device::cpu()});
  const description& d = made.describe();
  const auto all = backends();
  ASSERT_EQ(all.front().name, "cpu");
  ASSERT_EQ(d.candidates.size(), all.front().algorithms.size());
  int chosen = 0;
  for (std::size_t i = 0; i < d.candidates.size(); ++i) {
    const candidate& c = d.candidates[i];
    EXPECT_EQ(c.algorithm, all.front().algorithms[i].name);
    EXPECT_NE(c.reason, "") << c.algorithm;
    if (c.outcome != candidate::verdict::chosen) continue;
    ++chosen;
    EXPECT_EQ(c.algorithm, d.algorithm);
  }
  EXPECT_EQ(chosen, 1);
  EXPECT_EQ(d.device, "cpu");
  EXPECT_NE(d.parameters, "");
}

TEST(description, does_not_choose_what_is_made_to_be_read) {
  const plan made(nine_taps, floats(9), {.device = device::cpu()});
  EXPECT_NE(made.describe().algorithm, available_algorithms().back().name);
}

TEST(description, says_that_an_algorithm_was_asked_for) {
  for (const algorithm& a : available_algorithms()) {
    const plan made(nine_taps, floats(9, 1.0F), a.allowed_errors(dtype::f32).forced());
    EXPECT_EQ(made.describe().algorithm, a.name);
    for (const candidate& c : made.describe().candidates)
      EXPECT_EQ(c.outcome,
                c.algorithm == a.name ? candidate::verdict::chosen : candidate::verdict::beaten);
  }
}

TEST(description, says_why_a_device_was_passed_over) {
  const std::string reason = backends().back().unavailable;
  if (reason.empty()) GTEST_SKIP() << "every device is there";
  const plan anywhere(nine_taps, floats(9));
  EXPECT_EQ(anywhere.describe().device, "cpu");
  ASSERT_EQ(anywhere.describe().notes.size(), 1u);
  EXPECT_NE(anywhere.describe().notes[0].find(reason), std::string::npos);
  EXPECT_NE(anywhere.explain().find(reason), std::string::npos);
  const plan here(nine_taps, floats(9), {.device = device::cpu()});
  EXPECT_TRUE(here.describe().notes.empty());
}

void expect_words(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    EXPECT_NE(text.find(word), std::string::npos) << word << "\nin " << text;
}

TEST(explain, is_the_description_in_words) {
  const plan made(nine_taps, floats(9), {.device = device::cpu()});
  std::vector<std::string> words{made.describe().parameters,
                                 std::to_string(made.workspace_bytes())};
  for (const candidate& c : made.describe().candidates)
    words.insert(words.end(), {c.algorithm, c.reason});
  expect_words(made.explain(), words);
}

TEST(explain, says_all_that_shapes_the_result) {
  const plan made({.in = size,
                   .filter = {3, 3},
                   .planes = 2,
                   .types = {.in = dtype::u8},
                   .op = operation::correlation,
                   .mode = mode::same,
                   .border = border::constant(7),
                   .origin = {1, -1},
                   .stride = {2, 3},
                   .dilation = {4, 5},
                   .overflow = overflow::wrap},
                  floats(9));
  expect_words(made.explain(),
               {"correlation", "700 x 800 u8", "3 x 3 f32", "same", "border constant 7", "2 planes",
                "origin 1,-1", "stride 2,3", "dilation 4,5", "wrap", "350 x 267 u8"});
}

TEST(backends, begin_with_the_cpu_which_is_always_there) {
  const auto all = backends();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "cpu");
  EXPECT_EQ(all[0].unavailable, "");
  ASSERT_EQ(all[0].devices.size(), 1u);
  if (const char* level = std::getenv("CONVGPU_SIMD"); level != nullptr) {
    EXPECT_TRUE(all[0].devices[0].ends_with(std::string(", ") + level)) << all[0].devices[0];
  }
  EXPECT_EQ(all[1].name, "cuda");
  EXPECT_EQ(all[1].unavailable.empty(), !all[1].devices.empty());
  for (const backend_info& b : all)
    for (const auto& a : b.algorithms) {
      EXPECT_TRUE(a.name.starts_with(b.name + "/")) << a.name;
      EXPECT_NE(a.summary, "") << a.name;
    }
}

TEST(device, names_go_there_and_back) {
  for (const device d : {device::automatic(), device::cpu(), device::cuda(), device::cuda(3)})
    EXPECT_EQ(parse_device(to_string(d)), d) << to_string(d);
  EXPECT_EQ(parse_device("cuda"), device::cuda(0));
  EXPECT_EQ(to_string(device::cuda(3)), "cuda:3");
}

TEST(version, has_three_numbers) {
  EXPECT_EQ(version(), std::to_string(CONVGPU_VERSION_MAJOR) + "." +
                           std::to_string(CONVGPU_VERSION_MINOR) + "." +
                           std::to_string(CONVGPU_VERSION_PATCH));
}

}  // namespace
}  // namespace convgpu::test
