// SPDX-License-Identifier: Apache-2.0
// Plans among threads. Few and small, for the thread sanitizer; the answers are known beforehand,
// so that a race shows as a wrong number, too. Nothing else of the tests is linked.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace convgpu::test {
namespace {

using floats = std::vector<float>;

constexpr int callers = 4;
constexpr extent size(256, 256);  // with nine taps worth several threads of the library's own

const problem circular{.in = size, .filter = {3, 3}, .mode = mode::same, .border = border::wrap()};

/// f(0) … f(callers−1), each on a thread of its own, all begun at once.
void at_once(const std::function<void(int)>& f) {
  std::latch start(callers);
  std::vector<std::jthread> threads;
  for (int i = 0; i < callers; ++i)
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      f(i);
    });
}

/// What an algorithm that wants it is allowed, as a fraction of the result; others are exact.
double error_of(const std::string& algorithm) {
  for (const char* name : {"/overlap_save", "/fft", "/winograd", "/mma"})
    if (algorithm.ends_with(name)) return 1e-4;
  return 0;
}

/// Ones, filtered with nine times `tap`.
bool is_right(const plan& made, float tap, std::vector<std::byte> workspace = {}) {
  const floats x(static_cast<std::size_t>(size.count()), 1.0F);
  floats y(x.size());
  made.run(x, y, {}, workspace);
  const double allowed = error_of(made.describe().algorithm) * 9 * static_cast<double>(tap);
  return std::all_of(y.begin(), y.end(), [&](float v) {
    return std::abs(static_cast<double>(v - 9 * tap)) <= allowed;
  });
}

class threads : public testing::TestWithParam<std::string> {
 protected:
  threads() : how_{.algorithm = GetParam(), .max_threads = 3} {
    if (const double error = error_of(GetParam()); error > 0) how_.tolerance = error;
  }

  options how_;
};

TEST_P(threads, run_one_plan_at_once) {
  const plan made(circular, floats(9, 2.0F), how_);
  std::atomic<int> right = 0;
  at_once([&](int) {
    for (int i = 0; i < 3; ++i) right += is_right(made, 2.0F);
    // A device's would be memory of the device.
    const bool on_cpu = made.describe().device == "cpu";
    right += is_right(made, 2.0F, std::vector<std::byte>(on_cpu ? made.workspace_bytes() : 0));
  });
  EXPECT_EQ(right, callers * 4);
}

// Taps in one place for all, as some libraries have them, would be mixed up here.
TEST_P(threads, run_different_filters_at_once) {
  std::atomic<int> right = 0;
  at_once([&](int caller) {
    const auto tap = static_cast<float>(caller + 1);
    const plan made(circular, floats(9, tap), how_);
    for (int i = 0; i < 3; ++i) right += is_right(made, tap);
  });
  EXPECT_EQ(right, callers * 3);
}

TEST_P(threads, change_the_filters_of_copies_while_the_first_one_runs) {
  const plan first(circular, floats(9, 50.0F), how_);
  std::atomic<int> right = 0;
  at_once([&](int caller) {
    plan copy = first;
    for (int i = 0; i < 3; ++i) {
      const auto tap = static_cast<float>(caller * 3 + i + 1);  // zeros alone have no factors
      copy.set_filter(floats(9, tap));
      right += is_right(copy, tap) && is_right(first, 50.0F);
    }
  });
  EXPECT_EQ(right, callers * 3);
}

TEST_P(threads, call_the_users_executor_from_several_threads) {
  how_.executor = [](std::int64_t count, const std::function<void(std::int64_t)>& task) {
    std::vector<std::jthread> own;
    for (std::int64_t i = 0; i < count; ++i) own.emplace_back(std::ref(task), i);
  };
  const plan made(circular, floats(9, 2.0F), how_);
  std::atomic<int> right = 0;
  at_once([&](int) { right += is_right(made, 2.0F); });
  EXPECT_EQ(right, callers);
}

INSTANTIATE_TEST_SUITE_P(every, threads, testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const backend_info& b : backends())
                             if (b.unavailable.empty())
                               for (const auto& a : b.algorithms) names.push_back(a.name);
                           return names;
                         }()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace(name.begin(), name.end(), '/', '_');
                           return name;
                         });

TEST(first_use, of_everything_may_come_from_several_threads) {
  std::atomic<int> right = 0;
  at_once([&](int) {
    const floats x{1, 2, 3};
    right += !backends().empty() && convolve(x, x) == floats{1, 4, 10, 12, 9} &&
             !in_dialect("numpy.convolve", {.in = extent(3), .filter = extent(3)}).origin.cols;
  });
  EXPECT_EQ(right, callers);
}

}  // namespace
}  // namespace convgpu::test
