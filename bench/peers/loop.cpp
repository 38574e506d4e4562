// SPDX-License-Identifier: Apache-2.0
// No library: loops that anybody would write, and what the compiler makes of them. Outputs are made some at a time,
// so that their sums may stay in registers; the border is copied around the image first, which is part of the time.

#include <algorithm>
#include <cstring>
#include <vector>

#include "../buffers.hpp"
#include "../contender.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_THREAD__) && \
    (!defined(__clang__) || __clang_major__ >= 14)
#define CONVGPU_BENCH_CLONES \
  __attribute__((target_clones("default", "arch=haswell", "arch=skylake-avx512")))
#else
#define CONVGPU_BENCH_CLONES
#endif

namespace convgpu::bench {
namespace {

constexpr std::int64_t strip = 64;  // outputs at a time: eight registers of AVX

/// A row of the output, of `cols` columns; rows of the source are `step` apart.
CONVGPU_BENCH_CLONES void correlate_row(const float* __restrict source, std::int64_t step,
                                        const float* __restrict taps, extent size,
                                        float* __restrict out, std::int64_t cols) {
  const auto sum_up = [=](std::int64_t at, std::int64_t count) {
    float sum[strip] = {};
    for (std::int64_t i = 0; i < size.rows; ++i)
      for (std::int64_t j = 0; j < size.cols; ++j) {
        const float tap = taps[i * size.cols + j];
        const float* const from = source + i * step + at + j;
        for (std::int64_t c = 0; c < count; ++c) sum[c] += tap * from[c];
      }
    std::memcpy(out + at, sum, sizeof(float) * count);
  };
  std::int64_t at = 0;
  for (; at + strip <= cols; at += strip) sum_up(at, strip);
  if (at < cols) sum_up(at, cols - at);
}

class loop final : public runner {
 public:
  loop(const task& t, const buffers& b, int threads)
      : size_(t.problem.in),
        filter_(t.problem.filter),
        step_(size_.cols + filter_.cols - 1),
        in_(reinterpret_cast<const float*>(b.in.data())),
        out_(reinterpret_cast<float*>(b.out.data())),
        threads_(threads),
        taps_(make_filter(t)),
        padded_(sizeof(float) * step_ * (size_.rows + filter_.rows - 1)) {
    std::reverse(taps_.begin(), taps_.end());
    std::memset(padded_.data(), 0, padded_.size());
  }
  void run() override {
    auto* const padded = reinterpret_cast<float*>(padded_.data());
    float* const image = padded + filter_.rows / 2 * step_ + filter_.cols / 2;
    if (size_.rows == 1) {
      std::memcpy(image, in_, sizeof(float) * size_.cols);
      // Parts of a signal are rows for this purpose.
      constexpr std::int64_t part = 8192;
      each((size_.cols + part - 1) / part, [&](std::int64_t i) {
        correlate_row(padded + i * part, step_, taps_.data(), filter_, out_ + i * part,
                      std::min(part, size_.cols - i * part));
      });
      return;
    }
    each(size_.rows, [&](std::int64_t r) {
      std::memcpy(image + r * step_, in_ + r * size_.cols, sizeof(float) * size_.cols);
    });
    each(size_.rows, [&](std::int64_t r) {
      correlate_row(padded + r * step_, step_, taps_.data(), filter_, out_ + r * size_.cols,
                    size_.cols);
    });
  }

 private:
  template <class F>
  void each(std::int64_t count, F f) const {
#if defined(_OPENMP)
#pragma omp parallel for num_threads(threads_) schedule(static)
#endif
    for (std::int64_t i = 0; i < count; ++i) f(i);
  }

  extent size_, filter_;
  std::int64_t step_;
  const float* in_;
  float* out_;
  [[maybe_unused]] int threads_;
  std::vector<float> taps_;
  touched_bytes padded_;
};

}  // namespace

peer_library loop_peers(int threads) {
  return {"loop",
          "no library",
          {{"loop/plain", false,
            [](const task& t) { return t.problem.types.in == dtype::f32 && t.problem.planes == 1; },
            [threads](const task& t, const buffers& b) {
              return std::make_unique<loop>(t, b, threads);
            }}}};
}

}  // namespace convgpu::bench
