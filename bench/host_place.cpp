// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <chrono>
#include <cstring>

#include "place.hpp"

namespace convgpu::bench {
namespace {

using steady = std::chrono::steady_clock;

double since(steady::time_point begin) {
  return std::chrono::duration<double>(steady::now() - begin).count();
}

class host_place final : public place {
 public:
  void load(std::span<const std::byte> in, std::size_t out_bytes) override {
    in_.assign(in.begin(), in.end());
    out_.assign(out_bytes, std::byte{0xff});
  }
  [[nodiscard]] const void* in() const override { return in_.data(); }
  [[nodiscard]] void* out() override { return out_.data(); }
  [[nodiscard]] memory where() const override { return memory::host; }
  [[nodiscard]] std::vector<std::byte> fetch() override { return out_; }

  [[nodiscard]] double seconds(const work& run) override {
    const auto begin = steady::now();
    run({});
    return since(begin);
  }
  [[nodiscard]] double copy_seconds(std::size_t in_bytes, std::size_t out_bytes) override {
    const std::size_t bytes = (in_bytes + out_bytes) / 2;
    if (from_.size() != bytes) {
      from_.assign(bytes, std::byte{1});
      to_.assign(bytes, std::byte{2});
    }
    const auto begin = steady::now();
    std::memcpy(to_.data(), from_.data(), bytes);
    return since(begin);
  }
  [[nodiscard]] double fma_rate() override { return 0; }

 private:
  std::vector<std::byte> in_, out_;
  std::vector<std::byte> from_, to_;  // of copies
};

}  // namespace

timing repeat(const std::function<double()>& sample) {
  constexpr double enough = 0.2;  // seconds
  (void)sample();                 // the first one finds caches, clocks and page tables as they were
  std::vector<double> times;
  double sum = 0;
  while (times.size() < 5 || (sum < enough && times.size() < 1000)) {
    times.push_back(sample());
    sum += times.back();
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times.front(), times.back(), times.size()};
}

std::unique_ptr<place> make_host_place() {
  return std::make_unique<host_place>();
}

}  // namespace convgpu::bench
