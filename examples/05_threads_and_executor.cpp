// SPDX-License-Identifier: Apache-2.0
// Threads: several run one plan at once; the parallel parts run on threads of the caller's own.

#include <algorithm>
#include <atomic>
#include <convgpu/convgpu.hpp>
#include <cstddef>
#include <iostream>
#include <thread>
#include <vector>

int main() {
  const std::vector<float> image(600 * 800, 2.0f), box(9 * 9, 1.0f);
  const convgpu::problem p{.in = {600, 800}, .filter = {9, 9}, .mode = convgpu::mode::valid};

  // An executor calls task(0) … task(count−1), each once, in any order, on any threads.
  std::atomic<int> calls = 0;
  const convgpu::executor mine = [&calls](std::int64_t count, const auto& task) {
    ++calls;
    std::vector<std::jthread> crew;  // a real one would ask a pool that is there already
    for (std::int64_t i = 1; i < count; ++i) crew.emplace_back([&task, i] { task(i); });
    task(0);
  };
  const convgpu::plan sum(p, box, {.max_threads = 4, .executor = mine});
  std::cout << sum.explain();

  // Any number of threads may run one plan. Each brings its own output, and here its own workspace,
  // so that a run allocates nothing; without one the plan keeps a piece for each run at a time.
  const auto size = static_cast<std::size_t>(sum.output_extent().count());
  std::vector<std::vector<float>> results(3, std::vector<float>(size));
  {
    std::vector<std::jthread> users;
    for (std::vector<float>& out : results)
      users.emplace_back([&] {
        std::vector<std::byte> workspace(sum.workspace_bytes());
        sum.run(image, out, {}, workspace);
      });
  }

  // Neither the threads nor the executor change a bit of the result.
  std::vector<float> alone(size);
  convgpu::plan(p, box, {.max_threads = 1}).run(image, alone);
  const bool same =
      std::all_of(results.begin(), results.end(), [&](const auto& out) { return out == alone; });
  std::cout << "executor called " << calls << " times; results are "
            << (same ? "the same\n" : "not the same\n");
  return same && alone[0] == 162.0f ? 0 : 1;
}
