// SPDX-License-Identifier: Apache-2.0

#include "probe.hpp"

#include <barrier>
#include <convgpu/convgpu.hpp>
#include <convgpu/error.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace convgpu;
using floats = std::vector<float>;

std::string cuda_info() {
  const backend_info cuda = backends().back();
  std::string text = cuda.name + ": " + (cuda.unavailable.empty() ? "ready" : cuda.unavailable);
  for (const std::string& device : cuda.devices) text += "\n" + device;
  return text;
}

void make(std::string_view device, bool run) {
  const floats h{2, 2, 2, 2};
  const plan made({.in = extent(4)}, h, {.device = parse_device(device), .data = memory::device});
  std::cout << made.describe().device << ' ' << made.describe().algorithm << '\n';
  for (const std::string& note : made.describe().notes) std::cout << note << '\n';
  if (!run) return;
  floats y(7);
  made.run(floats{1, 1, 1, 1}, y);
  std::cout << (y == floats{2, 4, 6, 8, 6, 4, 2} ? "right" : "wrong") << '\n';
}

void race(int threads) {
  std::mutex mutex;
  std::set<std::string> answers;
  std::barrier start(threads);
  std::vector<std::jthread> all;
  for (int i = 0; i < threads; ++i)
    all.emplace_back([&] {
      start.arrive_and_wait();
      std::string answer = cuda_info();
      const std::lock_guard lock(mutex);
      answers.insert(std::move(answer));
    });
  all.clear();
  for (const std::string& answer : answers) std::cout << answer << '\n';
}

bool is_loaded() {
  std::ifstream maps("/proc/self/maps");
  const std::string text(std::istreambuf_iterator<char>(maps), {});
  return text.find("libconvgpu_cuda.so") != std::string::npos;
}

void act(std::string_view word) {
  const auto value = word.substr(word.find('=') + 1);
  if (word.starts_with("cd=")) std::filesystem::current_path(value);
  else if (word == "info") std::cout << cuda_info() << '\n';
  else if (word.starts_with("make=")) make(value, false);
  else if (word.starts_with("run=")) make(value, true);
  else if (word.starts_with("race=")) race(std::stoi(std::string(value)));
  else if (word == "loaded") std::cout << (is_loaded() ? "loaded" : "not loaded") << '\n';
  else throw std::invalid_argument(std::string(word));
}

}  // namespace

int probe(int count, char** words) {
  for (int i = 0; i < count; ++i) try {
      act(words[i]);
    } catch (const backend_unavailable& e) {
      std::cout << "backend_unavailable: " << e.what() << '\n';
    } catch (const invalid_problem& e) {
      std::cout << "invalid_problem: " << e.what() << '\n';
    } catch (const cuda_error& e) {
      std::cout << "cuda_error: " << e.what() << '\n';
    } catch (const std::bad_alloc&) {
      std::cout << "bad_alloc\n";
    }
  return 0;
}
