// SPDX-License-Identifier: Apache-2.0

#include "limits.hpp"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "buffers.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace convgpu::bench {
namespace {

// Multiply-adds and nothing else, into so many sums that none waits for its own last result: two multiply-adds
// each cycle, each four or five cycles long, need ten, and sixteen registers hold twelve beside the factors. The
// array of them is in registers once the loops are unrolled.
//
// Each is compiled for its instructions, whatever the rest of the program is compiled for, and called only where
// the processor has them. They return something of all sums, without which the compiler would drop them.

constexpr int turns = 4096;  // of the loop in each call

struct kernel {
  const char* instructions;
  double (*call)();
  double count;  // multiply-adds in one call
};

/// The same, without the compiler's knowing.
template <class T>
T unknown(T value) {
  const volatile T here = value;
  return here;
}

#if defined(__x86_64__)

#define CONVGPU_BENCH_UNROLL _Pragma("GCC unroll 32")

__attribute__((target("avx512f"))) double fma_avx512() {
  constexpr int sums = 12;
  __m512 sum[sums];
  CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] =
      _mm512_set1_ps(static_cast<float>(i));
  const __m512 a = _mm512_set1_ps(unknown(0.5f));
  const __m512 b = _mm512_set1_ps(unknown(1.0f));
  for (int n = 0; n < turns; ++n)
    CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] = _mm512_fmadd_ps(sum[i], a, b);
  for (int i = 1; i < sums; ++i) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  return static_cast<double>(_mm512_cvtss_f32(sum[0]));
}

__attribute__((target("avx2,fma"))) double fma_avx2() {
  constexpr int sums = 12;
  __m256 sum[sums];
  CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] =
      _mm256_set1_ps(static_cast<float>(i));
  const __m256 a = _mm256_set1_ps(unknown(0.5f));
  const __m256 b = _mm256_set1_ps(unknown(1.0f));
  for (int n = 0; n < turns; ++n)
    CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] = _mm256_fmadd_ps(sum[i], a, b);
  for (int i = 1; i < sums; ++i) sum[0] = _mm256_add_ps(sum[0], sum[i]);
  return static_cast<double>(_mm256_cvtss_f32(sum[0]));
}

double fma_sse2() {
  constexpr int sums = 12;
  __m128 sum[sums];
  CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] = _mm_set1_ps(static_cast<float>(i));
  const __m128 a = _mm_set1_ps(unknown(0.5f));
  const __m128 b = _mm_set1_ps(unknown(1.0f));
  for (int n = 0; n < turns; ++n)
    CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] =
        _mm_add_ps(_mm_mul_ps(sum[i], a), b);
  for (int i = 1; i < sums; ++i) sum[0] = _mm_add_ps(sum[0], sum[i]);
  return static_cast<double>(_mm_cvtss_f32(sum[0]));
}

// The product of pairs does not depend on the sum, so that the multiplications never wait. The factor changes with
// the turn, or they would be done once.

__attribute__((target("avx512bw"))) double pairs_avx512() {
  constexpr int sums = 12;
  __m512i sum[sums];
  CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] = _mm512_set1_epi32(i);
  __m512i a = _mm512_set1_epi16(3);
  for (int n = 0; n < turns; ++n) {
    CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] =
        _mm512_add_epi32(a, _mm512_madd_epi16(sum[i], a));
    a = _mm512_add_epi16(a, a);
  }
  for (int i = 1; i < sums; ++i) sum[0] = _mm512_add_epi32(sum[0], sum[i]);
  std::int32_t all[16];
  std::memcpy(all, sum, sizeof all);
  return static_cast<double>(all[0]);
}

__attribute__((target("avx2"))) double pairs_avx2() {
  constexpr int sums = 12;
  __m256i sum[sums];
  CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] = _mm256_set1_epi32(i);
  __m256i a = _mm256_set1_epi16(3);
  for (int n = 0; n < turns; ++n) {
    CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] =
        _mm256_add_epi32(a, _mm256_madd_epi16(sum[i], a));
    a = _mm256_add_epi16(a, a);
  }
  for (int i = 1; i < sums; ++i) sum[0] = _mm256_add_epi32(sum[0], sum[i]);
  return static_cast<double>(_mm256_cvtsi256_si32(sum[0]));
}

double pairs_sse2() {
  constexpr int sums = 12;
  __m128i sum[sums];
  CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] = _mm_set1_epi32(i);
  __m128i a = _mm_set1_epi16(3);
  for (int n = 0; n < turns; ++n) {
    CONVGPU_BENCH_UNROLL for (int i = 0; i < sums; ++i) sum[i] =
        _mm_add_epi32(a, _mm_madd_epi16(sum[i], a));
    a = _mm_add_epi16(a, a);
  }
  for (int i = 1; i < sums; ++i) sum[0] = _mm_add_epi32(sum[0], sum[i]);
  return static_cast<double>(_mm_cvtsi128_si32(sum[0]));
}

// All that the processor has: on some, wider vectors come with a slower clock.

std::vector<kernel> fma_kernels() {
  std::vector<kernel> all{{"sse2", fma_sse2, 12.0 * 4 * turns}};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    all.push_back({"avx2", fma_avx2, 12.0 * 8 * turns});
  if (__builtin_cpu_supports("avx512f")) all.push_back({"avx512", fma_avx512, 12.0 * 16 * turns});
  return all;
}

std::vector<kernel> pair_kernels() {
  std::vector<kernel> all{{"sse2", pairs_sse2, 12.0 * 8 * turns}};
  if (__builtin_cpu_supports("avx2")) all.push_back({"avx2", pairs_avx2, 12.0 * 16 * turns});
  if (__builtin_cpu_supports("avx512bw"))
    all.push_back({"avx512", pairs_avx512, 12.0 * 32 * turns});
  return all;
}

/// Writes past the caches, which saves reading every line that is about to be overwritten. Both begin on a line.
void copy_past_caches(std::byte* to, const std::byte* from, std::size_t bytes) {
  const std::size_t whole = bytes / 64 * 64;
  for (std::size_t at = 0; at < whole; at += 64)
    for (std::size_t part = 0; part < 64; part += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + at + part),
                       _mm_load_si128(reinterpret_cast<const __m128i*>(from + at + part)));
  std::memcpy(to + whole, from + whole, bytes - whole);
  _mm_sfence();
}

#else

// What the compiler makes of it for the processor it compiles for.
template <class T, class Sum>
double portable() {
  constexpr int sums = 64;
  Sum sum[sums];
  for (int i = 0; i < sums; ++i) sum[i] = static_cast<Sum>(i);
  const T a = unknown(T{1});
  for (int n = 0; n < turns; ++n)
    for (int i = 0; i < sums; ++i) sum[i] = static_cast<Sum>(static_cast<T>(sum[i]) * a + a);
  for (int i = 1; i < sums; ++i) sum[0] += sum[i];
  return static_cast<double>(sum[0]);
}

std::vector<kernel> fma_kernels() {
  return {{"portable", portable<float, float>, 64.0 * turns}};
}
std::vector<kernel> pair_kernels() {
  return {{"portable", portable<std::int16_t, std::int32_t>, 64.0 * turns}};
}

void copy_past_caches(std::byte* to, const std::byte* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}

#endif

/// Seconds that `threads` take to do work(thread) `times` times each, all beginning together: until the last
/// one is done.
double together(int threads, int times, const std::function<void(int)>& work) {
  using steady = std::chrono::steady_clock;
  std::vector<steady::time_point> ends(threads);
  steady::time_point begin;
  std::barrier start(threads, [&]() noexcept { begin = steady::now(); });
  std::vector<std::thread> others;
  const auto go = [&](int thread) {
    work(thread);  // once beforehand: clocks and caches
    start.arrive_and_wait();
    for (int n = 0; n < times; ++n) work(thread);
    ends[thread] = steady::now();
  };
  for (int t = 1; t < threads; ++t) others.emplace_back(go, t);
  go(0);
  for (std::thread& t : others) t.join();
  return std::chrono::duration<double>(*std::max_element(ends.begin(), ends.end()) - begin).count();
}

/// The rate of `work`, which does `amount` in all threads together.
rate measure(int threads, double amount, const std::function<void(int)>& work) {
  // Short ones: some of them fall between disturbances.
  constexpr double sample = 0.003;  // seconds
  constexpr int samples = 50;
  int times = 1;
  while (times < 1 << 24 && together(threads, times, work) < sample) times *= 2;
  std::vector<double> rates;
  for (int n = 0; n < samples; ++n)
    rates.push_back(amount * times / together(threads, times, work));
  std::sort(rates.begin(), rates.end());
  return {rates.back(), rates[rates.size() / 2], {}};
}

rate measure(int threads, const std::vector<kernel>& kernels) {
  rate found;
  for (const kernel& k : kernels) {
    const rate r = measure(threads, k.count * threads, [&](int) { (void)unknown(k.call()); });
    if (r.best > found.best) found = {r.best, r.median, k.instructions};
  }
  return found;
}

}  // namespace

const rate& cpu_limits::fma() {
  if (fma_.best == 0) fma_ = measure(threads_, fma_kernels());
  return fma_;
}

const rate& cpu_limits::integer_fma() {
  if (integer_fma_.best == 0) integer_fma_ = measure(threads_, pair_kernels());
  return integer_fma_;
}

const rate& cpu_limits::copy(std::size_t bytes) {
  rate& found = copies_[bytes];
  if (found.best != 0) return found;
  touched_bytes from(bytes);
  touched_bytes to(bytes);
  // Each thread has its part, of whole lines.
  const std::size_t part = (bytes / threads_ + 63) / 64 * 64;
  const auto in_parts = [&](const char* how, auto copy_bytes) {
    rate r = measure(threads_, 2.0 * static_cast<double>(bytes), [&](int thread) {
      const std::size_t begin = std::min(part * thread, bytes);
      copy_bytes(to.data() + begin, from.data() + begin, std::min(part, bytes - begin));
    });
    r.how = how;
    return r;
  };
  const rate ordinary = in_parts(
      "memcpy", [](std::byte* t, const std::byte* f, std::size_t n) { std::memcpy(t, f, n); });
  const rate past = in_parts("past the caches", copy_past_caches);
  return found = ordinary.best > past.best ? ordinary : past;
}

}  // namespace convgpu::bench
