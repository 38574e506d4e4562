// SPDX-License-Identifier: Apache-2.0
// FFTW: overlap-save. FFTW has no convolution; this is what one writes with it, blocks of a signal or tiles of an
// image, transformed, multiplied by the filter's spectrum and transformed back; with several filters a block is
// transformed once. The size of the blocks is the fastest of several for the task at hand. Plans and spectra are
// made beforehand.

#include <fftw3.h>

#include <algorithm>
#include <cstring>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "../clones.hpp"
#include "../contender.hpp"

namespace convgpu::bench {
namespace {

/// a·b of `count` complex numbers, into c, which may be a.
CONVGPU_BENCH_CLONES void multiply(const float* a, const float* b, float* c, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float re = a[2 * i] * b[2 * i] - a[2 * i + 1] * b[2 * i + 1];
    const float im = a[2 * i] * b[2 * i + 1] + a[2 * i + 1] * b[2 * i];
    c[2 * i] = re;
    c[2 * i + 1] = im;
  }
}

struct fftw_release {
  void operator()(void* memory) const { fftwf_free(memory); }
};
using reals = std::unique_ptr<float[], fftw_release>;

reals allocate(std::int64_t count) {
  auto* const memory = static_cast<float*>(fftwf_malloc(sizeof(float) * count));
  if (memory == nullptr) throw std::bad_alloc();
  std::fill(memory, memory + count, 0.0f);
  return reals(memory);
}

class overlap_save final : public runner {
 public:
  /// Transforms of block.rows × block.cols, which yields fewer outputs by a filter less one.
  overlap_save(const task& t, const buffers& b, extent block, int threads)
      : size_(t.problem.in),
        taps_(t.problem.filter),
        block_(block),
        valid_(block.rows - taps_.rows + 1, block.cols - taps_.cols + 1),
        in_(reinterpret_cast<const float*>(b.in.data())),
        out_(reinterpret_cast<float*>(b.out.data())),
        threads_(threads),
        half_(block.rows * (block.cols / 2 + 1)) {
    for (int i = 0; i < threads; ++i) {
      real_.push_back(allocate(block.count()));
      complex_.push_back(allocate(2 * half_));
      if (t.problem.filters > 1) product_.push_back(allocate(2 * half_));
    }
    float* const real = real_.front().get();
    auto* const complex = reinterpret_cast<fftwf_complex*>(complex_.front().get());
    const auto rows = static_cast<int>(block.rows);
    const auto cols = static_cast<int>(block.cols);
    if (rows == 1) {
      there_ = fftwf_plan_dft_r2c_1d(cols, real, complex, FFTW_MEASURE);
      back_ = fftwf_plan_dft_c2r_1d(cols, complex, real, FFTW_MEASURE);
    } else {
      there_ = fftwf_plan_dft_r2c_2d(rows, cols, real, complex, FFTW_MEASURE);
      back_ = fftwf_plan_dft_c2r_2d(rows, cols, complex, real, FFTW_MEASURE);
    }
    const std::vector<float> filter = make_filter(t);
    const float scale = 1.0f / static_cast<float>(block.count());
    for (std::int64_t f = 0; f < t.problem.filters; ++f) {
      const float* const taps = filter.data() + f * taps_.count();
      std::fill(real, real + block.count(), 0.0f);  // planning and transforms have overwritten it
      for (std::int64_t r = 0; r < taps_.rows; ++r)
        for (std::int64_t c = 0; c < taps_.cols; ++c)
          real[r * block.cols + c] = taps[r * taps_.cols + c] * scale;
      spectra_.push_back(allocate(2 * half_));
      fftwf_execute_dft_r2c(there_, real, reinterpret_cast<fftwf_complex*>(spectra_.back().get()));
    }
  }
  ~overlap_save() override {
    fftwf_destroy_plan(there_);
    fftwf_destroy_plan(back_);
  }
  overlap_save(const overlap_save&) = delete;
  overlap_save& operator=(const overlap_save&) = delete;

  void run() override {
    const std::int64_t across = (size_.cols + valid_.cols - 1) / valid_.cols;
    const std::int64_t blocks = (size_.rows + valid_.rows - 1) / valid_.rows * across;
#if defined(_OPENMP)
#pragma omp parallel for num_threads(threads_) schedule(static)
#endif
    for (std::int64_t i = 0; i < blocks; ++i)
      compute(i / across * valid_.rows, i % across * valid_.cols);
  }
  [[nodiscard]] std::string remark() const override {
    return "blocks of " + std::to_string(block_.rows) + "x" + std::to_string(block_.cols);
  }

 private:
  /// The outputs from (row, col) on.
  void compute(std::int64_t row, std::int64_t col) {
#if defined(_OPENMP)
    const int thread = omp_get_thread_num();
#else
    const int thread = 0;
#endif
    float* const real = real_[thread].get();
    float* const complex = complex_[thread].get();
    load(real, row + (taps_.rows - 1) / 2 - (taps_.rows - 1),
         col + (taps_.cols - 1) / 2 - (taps_.cols - 1));
    fftwf_execute_dft_r2c(there_, real, reinterpret_cast<fftwf_complex*>(complex));
    // Transforms back overwrite what they read.
    float* const product = spectra_.size() > 1 ? product_[thread].get() : complex;
    const std::int64_t rows = std::min(valid_.rows, size_.rows - row);
    const std::int64_t cols = std::min(valid_.cols, size_.cols - col);
    float* out = out_ + row * size_.cols + col;
    for (const reals& spectrum : spectra_) {
      multiply(complex, spectrum.get(), product, half_);
      fftwf_execute_dft_c2r(back_, reinterpret_cast<fftwf_complex*>(product), real);
      for (std::int64_t r = 0; r < rows; ++r)
        std::memcpy(out + r * size_.cols,
                    real + (taps_.rows - 1 + r) * block_.cols + taps_.cols - 1,
                    sizeof(float) * cols);
      out += size_.count();
    }
  }

  /// The block whose corner is sample (row, col), zeros outside.
  void load(float* to, std::int64_t row, std::int64_t col) const {
    const std::int64_t left = std::clamp(-col, std::int64_t{0}, block_.cols);
    const std::int64_t right = std::clamp(size_.cols - col, left, block_.cols);
    for (std::int64_t r = 0; r < block_.rows; ++r, to += block_.cols) {
      if (row + r < 0 || row + r >= size_.rows) {
        std::fill(to, to + block_.cols, 0.0f);
        continue;
      }
      std::fill(to, to + left, 0.0f);
      std::memcpy(to + left, in_ + (row + r) * size_.cols + col + left,
                  sizeof(float) * (right - left));
      std::fill(to + right, to + block_.cols, 0.0f);
    }
  }

  extent size_, taps_, block_, valid_;
  const float* in_;
  float* out_;
  [[maybe_unused]] int threads_;
  std::int64_t half_;                            // complex numbers of a spectrum
  std::vector<reals> spectra_;                   // of each filter
  std::vector<reals> real_, complex_, product_;  // of each thread
  fftwf_plan there_ = nullptr;
  fftwf_plan back_ = nullptr;
};

/// Five powers of two from four times the filter on, but not beyond twice the input: smaller ones spend most of
/// their work on overlaps, larger ones leave the caches.
std::vector<extent> block_sizes(const task& t) {
  const extent in = t.problem.in;
  const std::int64_t taps = std::max(t.problem.filter.rows, t.problem.filter.cols);
  const bool is_signal = in.rows == 1;
  std::int64_t n = is_signal ? 512 : 32;
  while (n < (is_signal ? 4 : 2) * taps) n *= 2;
  std::vector<extent> sizes;
  for (int i = 0; i < 5 && n <= 2 * in.cols; ++i, n *= 2) sizes.emplace_back(is_signal ? 1 : n, n);
  return sizes;
}

std::unique_ptr<runner> fastest(const task& t, const buffers& b, int threads) {
  std::unique_ptr<runner> best;
  double least = 0;
  for (const extent size : block_sizes(t)) {
    auto r = std::make_unique<overlap_save>(t, b, size, threads);
    r->run();
    const double time = std::min(r->seconds(1, stopwatch::wall), r->seconds(1, stopwatch::wall));
    if (best && time >= least) continue;
    least = time;
    best = std::move(r);
  }
  return best;
}

}  // namespace

peer_library fftw_peers(int threads) {
  return {"fftw",
          fftwf_version,
          {{"fftw/overlap_save", true,
            [](const task& t) {
              return t.is_bank() && t.problem.types.in == dtype::f32 && t.problem.planes == 1 &&
                     !block_sizes(t).empty();
            },
            [threads](const task& t, const buffers& b) { return fastest(t, b, threads); }}}};
}

}  // namespace convgpu::bench
