// SPDX-License-Identifier: Apache-2.0
// The one parallel loop.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cpu/parallel.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace convgpu::test {
namespace {

using cpu::hardware_threads;
using cpu::parallel_for;

/// How often each index was called.
class tally {
 public:
  explicit tally(std::int64_t count) : calls_(static_cast<std::size_t>(count)) {}

  void operator()(std::int64_t i) { ++calls_.at(static_cast<std::size_t>(i)); }
  [[nodiscard]] bool all_once() const {
    return std::all_of(calls_.begin(), calls_.end(), [](const auto& n) { return n == 1; });
  }

 private:
  std::vector<std::atomic<int>> calls_;
};

TEST(parallel_for, calls_each_index_once) {
  for (const std::int64_t count : {0, 1, 2, 3, 7, 64, 1000})
    for (int repeat = 0; repeat < 20; ++repeat) {
      tally calls(count);
      parallel_for(count, {}, std::ref(calls));
      EXPECT_TRUE(calls.all_once()) << count;
    }
}

TEST(parallel_for, has_finished_all_on_return) {
  std::vector<int> done(500);  // plain ints: a task still running would be a race
  parallel_for(500, {}, [&](std::int64_t i) {
    if (i % 100 == 99) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    done[static_cast<std::size_t>(i)] = 1;
  });
  EXPECT_EQ(std::count(done.begin(), done.end(), 1), 500);
}

TEST(parallel_for, works_on_several_threads) {
  if (hardware_threads() < 2) GTEST_SKIP() << "one thread only";
  // Each of two tasks waits until both have begun, which one thread alone cannot bring about.
  std::mutex mutex;
  std::condition_variable change;
  int begun = 0;
  int met = 0;
  parallel_for(2, {}, [&](std::int64_t) {
    std::unique_lock lock(mutex);
    ++begun;
    change.notify_all();
    met += change.wait_for(lock, std::chrono::seconds(20), [&] { return begun == 2; });
  });
  EXPECT_EQ(met, 2);
}

TEST(parallel_for, nests) {
  std::atomic<int> innermost = 0;
  parallel_for(5, {}, [&](std::int64_t) {
    parallel_for(4, {},
                 [&](std::int64_t) { parallel_for(3, {}, [&](std::int64_t) { ++innermost; }); });
  });
  EXPECT_EQ(innermost, 60);
}

TEST(parallel_for, serves_many_callers_at_once) {
  std::atomic<int> right = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller)
    callers.emplace_back([&right] {
      for (int repeat = 0; repeat < 50; ++repeat) {
        tally calls(17);
        parallel_for(17, {}, std::ref(calls));
        right += calls.all_once();
      }
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(right, 8 * 50);
}

TEST(parallel_for, calls_the_users_executor_instead) {
  const auto this_thread = std::this_thread::get_id();
  std::vector<std::int64_t> order;
  bool here = true;
  const executor backwards = [](std::int64_t count, const std::function<void(std::int64_t)>& task) {
    while (count-- > 0) task(count);
  };
  parallel_for(4, backwards, [&](std::int64_t i) {
    order.push_back(i);
    here = here && std::this_thread::get_id() == this_thread;
  });
  EXPECT_EQ(order, (std::vector<std::int64_t>{3, 2, 1, 0}));
  EXPECT_TRUE(here);
}

TEST(parallel_for, lets_the_users_executor_throw) {
  const executor broken = [](std::int64_t, const std::function<void(std::int64_t)>&) {
    throw std::runtime_error("no more threads");
  };
  EXPECT_THROW(parallel_for(3, broken, [](std::int64_t) {}), std::runtime_error);
  tally calls(3);
  parallel_for(3, {}, std::ref(calls));
  EXPECT_TRUE(calls.all_once());
}

// A forked child has none of its parent's threads, nobody told it so, and locks stay as they were
// at that moment: here, while other threads are at work.
TEST(parallel_for, works_in_a_forked_child) {
  std::atomic<bool> stop = false;
  std::thread busy([&stop] {
    while (!stop) parallel_for(hardware_threads(), {}, [](std::int64_t) {});
  });
  int failed = 0;
  for (int i = 0; i < 50 && failed == 0; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(10);                   // to fail rather than to hang
      std::atomic<int> calls = 0;  // allocates nothing, which is not safe here under sanitizers
      parallel_for(9, {}, [&calls](std::int64_t) { ++calls; });
      _exit(calls == 9 ? 0 : 1);
    }
    int status = -1;
    failed += child < 0 || waitpid(child, &status, 0) != child || status != 0;
  }
  stop = true;
  busy.join();
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace convgpu::test
