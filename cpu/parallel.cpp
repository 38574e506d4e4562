// SPDX-License-Identifier: Apache-2.0

#include "parallel.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <convgpu/detail/floating_point.hpp>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

namespace convgpu::cpu {
namespace {

/// One parallel_for under way. Lives on its caller's stack; all members but `task` belong to the pool's
/// mutex.
struct job {
  const std::function<void(std::int64_t)>& task;
  std::int64_t count;
  std::int64_t next = 0;     // the first index nobody has taken
  std::int64_t running = 0;  // indices taken and not finished
  job* behind = nullptr;
};

class pool {
 public:
  void run(job& j) {
    std::unique_lock lock(mutex_);
    start_workers();
    j.behind = first_;
    first_ = &j;
    if (j.count - 1 < workers_)
      for (std::int64_t i = 1; i < j.count; ++i) work_there_.notify_one();
    else work_there_.notify_all();
    while (j.next < j.count) work_on(j, lock);
    finished_.wait(lock, [&] { return j.running == 0; });
  }

  void start() {
    const std::lock_guard lock(mutex_);
    start_workers();
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  void start_workers() {
    if (tried_to_start_) return;
    tried_to_start_ = true;
    // Signals are the application's: they go to its own threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      while (workers_ < hardware_threads() - 1) {
        std::thread([this] { serve(); }).detach();
        ++workers_;
      }
    } catch (const std::exception&) {  // no more threads to be had: those there are will do
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  [[noreturn]] void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_there_.wait(lock, [this] { return first_ != nullptr; });
      work_on(*first_, lock);
    }
  }

  /// Takes one index of the job and does it, without the lock meanwhile.
  void work_on(job& j, std::unique_lock<std::mutex>& lock) {
    const std::int64_t index = j.next++;
    ++j.running;
    if (j.next == j.count) remove(j);  // so that nobody finds an exhausted job
    lock.unlock();
    {
      const detail::default_floating_point environment;
      j.task(index);
    }
    lock.lock();
    if (--j.running == 0) finished_.notify_all();
  }

  void remove(const job& j) {
    for (job** link = &first_; *link != nullptr; link = &(*link)->behind)
      if (*link == &j) {
        *link = j.behind;
        return;
      }
  }

  std::mutex mutex_;
  std::condition_variable work_there_;
  std::condition_variable finished_;
  job* first_ = nullptr;  // newest first: what nests is finished before what waits for it
  int workers_ = 0;
  bool tried_to_start_ = false;
};

/// Never destroyed, and its threads never joined: destructors of static objects may still convolve. The
/// threads wait for work until the process ends. A forked child has none of them, and would find the lock
/// as it happened to be: there the pool starts afresh.
pool& the_pool() {
  static pool& p = *[] {
    pthread_atfork([] { the_pool().lock(); }, [] { the_pool().unlock(); },
                   [] { ::new (static_cast<void*>(&the_pool())) pool; });
    return new pool;
  }();
  return p;
}

// Made when the library is loaded, not by the first use: a thread that forks meanwhile would leave its child to wait for
// it to be finished.
[[maybe_unused]] const pool& made_at_load = the_pool();
[[maybe_unused]] const int counted_at_load = hardware_threads();

}  // namespace

int hardware_threads() noexcept {
  static const int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return count;
}

void start_workers() {
  the_pool().start();
}

void parallel_for(std::int64_t count, const executor& custom,
                  const std::function<void(std::int64_t)>& task) {
  if (custom && count > 1) {
    custom(count, [&task](std::int64_t index) {
      const detail::default_floating_point environment;
      task(index);
    });
  } else if (count == 1) {
    const detail::default_floating_point environment;
    task(0);
  } else if (count > 1) {
    job j{.task = task, .count = count};
    the_pool().run(j);
  }
}

}  // namespace convgpu::cpu
