// SPDX-License-Identifier: Apache-2.0
// No library: loops that anybody would write, and what the compiler makes of them. Outputs are made some at a time,
// so that their sums may stay in registers; the border is copied around the image first, which is part of the time.
// One for images and signals, one for rows of which each has a filter of its own.

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "../buffers.hpp"
#include "../clones.hpp"
#include "../contender.hpp"

namespace convgpu::bench {
namespace {

constexpr std::int64_t strip = 64;  // outputs at a time: eight registers of AVX

/// `count` outputs. Inlined, so that it is compiled for the processor that the caller is compiled for.
__attribute__((always_inline)) inline void correlate(const float* source, std::int64_t step,
                                                     const float* taps, extent size, float* out,
                                                     std::int64_t count) {
  float sum[strip] = {};
  for (std::int64_t i = 0; i < size.rows; ++i)
    for (std::int64_t j = 0; j < size.cols; ++j)
      for (std::int64_t c = 0; c < count; ++c)
        sum[c] += taps[i * size.cols + j] * source[i * step + j + c];
  std::memcpy(out, sum, sizeof(float) * count);
}

/// A row of the output, of `cols` columns; rows of the source are `step` apart.
CONVGPU_BENCH_CLONES void correlate_row(const float* __restrict source, std::int64_t step,
                                        const float* __restrict taps, extent size,
                                        float* __restrict out, std::int64_t cols) {
  std::int64_t at = 0;
  for (; at + strip <= cols; at += strip) correlate(source + at, step, taps, size, out + at, strip);
  if (at < cols) correlate(source + at, step, taps, size, out + at, cols - at);
}

/// The work of one pass: `taps`, as convolution applies them, on an image of `size`.
class pass {
 public:
  pass(extent size, extent filter, std::vector<float> taps, int threads)
      : size_(size),
        filter_(filter),
        step_(size.cols + filter.cols - 1),
        threads_(threads),
        taps_(std::move(taps)),
        padded_(sizeof(float) * step_ * (size.rows + filter.rows - 1)) {
    std::reverse(taps_.begin(), taps_.end());
    std::memset(padded_.data(), 0, padded_.size());
  }
  void run(const float* in, float* out) const {
    auto* const padded = reinterpret_cast<float*>(padded_.data());
    float* const image = padded + filter_.rows / 2 * step_ + filter_.cols / 2;
    if (size_.rows == 1) {
      std::memcpy(image, in, sizeof(float) * size_.cols);
      // Parts of a signal are rows for this purpose.
      constexpr std::int64_t part = 8192;
      each((size_.cols + part - 1) / part, [&](std::int64_t i) {
        correlate_row(padded + i * part, step_, taps_.data(), filter_, out + i * part,
                      std::min(part, size_.cols - i * part));
      });
      return;
    }
    each(size_.rows, [&](std::int64_t r) {
      std::memcpy(image + r * step_, in + r * size_.cols, sizeof(float) * size_.cols);
    });
    each(size_.rows, [&](std::int64_t r) {
      correlate_row(padded + r * step_, step_, taps_.data(), filter_, out + r * size_.cols,
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
  [[maybe_unused]] int threads_;
  std::vector<float> taps_;
  touched_bytes padded_;
};

/// A filter that is a column times a row in two passes, others in one.
std::unique_ptr<runner> make_loop(const task& t, const buffers& b, int threads) {
  const auto* const in = reinterpret_cast<const float*>(b.in.data());
  auto* const out = reinterpret_cast<float*>(b.out.data());
  const extent size = t.problem.in;
  const extent filter = t.problem.filter;
  if (const std::optional<factors> f = make_factors(t)) {
    const auto columns = std::make_shared<pass>(size, extent(filter.rows, 1), f->column, threads);
    const auto rows = std::make_shared<pass>(size, extent(1, filter.cols), f->row, threads);
    const auto between = std::make_shared<touched_bytes>(t.out_bytes());
    return run_by([=] {
      auto* const middle = reinterpret_cast<float*>(between->data());
      columns->run(in, middle);
      rows->run(middle, out);
    });
  }
  const auto all = std::make_shared<pass>(size, filter, make_filter(t), threads);
  return run_by([=] { all->run(in, out); });
}

bool has_rows(const task& t) {
  const problem& p = t.problem;
  return p.in.rows == 1 && p.channels > 1 && p.groups == p.channels && p.filters == p.channels &&
         p.mode == mode::same && p.stride.cols == 1 && p.border == border::wrap() &&
         p.filter.cols <= p.in.cols && p.layout == layout::channels_first;
}

std::unique_ptr<runner> make_rows(const task& t, const buffers& b, int threads) {
  const auto* const in = reinterpret_cast<const float*>(b.in.data());
  auto* const out = reinterpret_cast<float*>(b.out.data());
  const std::int64_t cols = t.problem.in.cols;
  const std::int64_t rows = t.problem.planes * t.problem.channels;
  const extent filter = t.problem.filter;
  const std::int64_t before = filter.cols / 2;
  const std::int64_t after = filter.cols - 1 - before;
  const auto taps = std::make_shared<std::vector<float>>(make_flipped_filter(t));
  (void)threads;
  return run_by([=, channels = t.problem.channels] {
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads)
#endif
    {
      std::vector<float> padded(cols + filter.cols - 1);
#if defined(_OPENMP)
#pragma omp for schedule(static)
#endif
      for (std::int64_t r = 0; r < rows; ++r) {
        const float* const row = in + r * cols;
        std::copy(row + cols - before, row + cols, padded.begin());
        std::copy(row, row + cols, padded.begin() + before);
        std::copy(row, row + after, padded.begin() + before + cols);
        correlate_row(padded.data(), 0, taps->data() + r % channels * filter.cols, filter,
                      out + r * cols, cols);
      }
    }
  });
}

}  // namespace

peer_library loop_peers(int threads) {
  return {"loop",
          "no library",
          {{"loop/plain", false,
            [](const task& t) {
              return t.is_plain() && t.problem.types.in == dtype::f32 && t.problem.planes == 1;
            },
            [threads](const task& t, const buffers& b) { return make_loop(t, b, threads); }},
           {"loop/rows", false,
            [](const task& t) { return has_rows(t) && t.problem.types.in == dtype::f32; },
            [threads](const task& t, const buffers& b) { return make_rows(t, b, threads); }}}};
}

}  // namespace convgpu::bench
