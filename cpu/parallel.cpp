// SPDX-License-Identifier: Apache-2.0

#include "parallel.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

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
  pool() = default;
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  ~pool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_there_.notify_all();
    for (std::thread& t : workers_) t.join();
  }

  void run(job& j) {
    std::unique_lock lock(mutex_);
    start_workers();
    j.behind = first_;
    first_ = &j;
    if (j.count - 1 < static_cast<std::int64_t>(workers_.size()))
      for (std::int64_t i = 1; i < j.count; ++i) work_there_.notify_one();
    else work_there_.notify_all();
    while (j.next < j.count) work_on(j, lock);
    remove(j);
    finished_.wait(lock, [&] { return j.running == 0; });
  }

 private:
  void start_workers() {
    if (tried_to_start_) return;
    tried_to_start_ = true;
    try {
      const int wanted = hardware_threads() - 1;
      workers_.reserve(static_cast<std::size_t>(wanted));
      for (int i = 0; i < wanted; ++i) workers_.emplace_back([this] { serve(); });
    } catch (const std::exception&) {  // no threads or memory to be had: those there are will do
    }
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_there_.wait(lock, [this] { return stopping_ || first_ != nullptr; });
      if (stopping_) return;
      work_on(*first_, lock);
    }
  }

  /// Takes one index of the job and does it, without the lock meanwhile.
  void work_on(job& j, std::unique_lock<std::mutex>& lock) {
    const std::int64_t index = j.next++;
    ++j.running;
    if (j.next == j.count) remove(j);  // so that nobody finds an exhausted job
    lock.unlock();
    j.task(index);
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
  std::vector<std::thread> workers_;
  job* first_ = nullptr;  // newest first: what nests is finished before what waits for it
  bool tried_to_start_ = false;
  bool stopping_ = false;
};

pool& the_pool() {
  static pool p;
  return p;
}

}  // namespace

int hardware_threads() noexcept {
  static const int count = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return count;
}

void parallel_for(std::int64_t count, const executor& custom,
                  const std::function<void(std::int64_t)>& task) {
  if (count == 1) {
    task(0);
  } else if (custom) {
    custom(count, task);
  } else if (count > 1) {
    job j{.task = task, .count = count};
    the_pool().run(j);
  }
}

}  // namespace convgpu::cpu
