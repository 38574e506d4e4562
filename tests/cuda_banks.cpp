// SPDX-License-Identifier: Apache-2.0

#include "cuda_banks.hpp"

#include <convgpu/types.hpp>

#include <algorithm>
#include <array>
#include <complex>
#include <cstdint>
#include <set>

#include "cuda/transform.hpp"
#include "cuda/tuning.hpp"

namespace convgpu::test {

int turns(const access& a, int first_thread, int element_bytes) {
  const int lanes = std::min(32, 128 / element_bytes);
  int total = 0;
  for (int lane = 0; lane < 32; lane += lanes) {
    std::array<std::set<int>, 32> words;
    for (int i = lane; i < lane + lanes; ++i) {
      const int begin = a(first_thread + i) * element_bytes;
      for (int byte = begin; byte < begin + std::max(element_bytes, 4); byte += 4)
        words[static_cast<std::size_t>(byte / 4 % 32)].insert(byte / 4);
    }
    const auto busiest = std::max_element(words.begin(), words.end(),
                                          [](auto& x, auto& y) { return x.size() < y.size(); });
    total += static_cast<int>(busiest->size());
  }
  return total;
}

int fewest_turns(int element_bytes) {
  return std::max(1, element_bytes * 32 / 128);
}

namespace {

/// What load_tile writes and store_tile reads: neighbours, spread by `Group`. The places left free push the
/// last ones of a warp into banks of the first, which is a second turn; once for each sample that is loaded,
/// and paid back by every run of samples that is then read without.
template <int Group>
void add_neighbours(accesses& to, const std::string& what, int element_bytes) {
  for (const int from : {0, 32, 64, 96})
    to.push_back({what, element_bytes,
                  [=](int thread) { return cuda::spread<Group>(from + thread % 32); },
                  Group == 0 ? 1 : 2});
}

template <class Sample, class Sum>
accesses of_direct() {
  accesses all;
  add_neighbours<0>(all, "loads", sizeof(Sample));
  for (const bool narrow : {false, true}) {
    const cuda::direct_tile t = cuda::direct_tile_for(sizeof(Sum), narrow);
    for (const int taps : {1, 2, 7, t.chunk})
      for (int r = 0; r < t.rows; ++r)
        for (int c = 0; c < (t.together ? 1 : t.cols); ++c)
          all.push_back(
              {"reads samples",
               t.together ? 4 * static_cast<int>(sizeof(Sample)) : static_cast<int>(sizeof(Sample)),
               [=](int thread) {
                 const int at = t.first(thread, t.pitch(taps)) + t.offset(r, c, t.pitch(taps));
                 return t.together ? at / 4 : at;
               }});
  }
  return all;
}

template <class Sample, class Sum>
accesses of_direct_line() {
  constexpr cuda::line_tile t = cuda::line_tile_for(sizeof(Sum));
  accesses all;
  for (const int lanes : {8, 16, 32})
    for (const int taps : {1, 2, 3, 7, 63}) {
      for (int q = 0; q < t.outputs; ++q) {
        all.push_back({"reads samples", sizeof(Sample), [=](int thread) {
                         return t.run(thread, lanes, t.pitch(lanes, taps, sizeof(Sample))) + q;
                       }});
        all.push_back({"writes sums", sizeof(Sum), [=](int thread) {
                         return t.run(thread, lanes, t.pitch(lanes, 1, sizeof(Sum))) + q;
                       }});
      }
    }
  return all;
}

template <class Sample, class Sum>
accesses of_direct_row() {
  constexpr cuda::row_tile t = cuda::row_tile_for(sizeof(Sum));
  accesses all;
  add_neighbours<t.outputs>(all, "loads", sizeof(Sample));
  add_neighbours<t.outputs>(all, "stores", sizeof(Sum));
  for (const int lines : {1, cuda::row_lines})
    for (const int taps : {1, 2, 7, 63})
      for (int q = 0; q < t.outputs; ++q) {
        const auto at = [=](int thread) { return t.run(thread, lines, t.pitch(lines, taps)) + q; };
        all.push_back({"reads samples", sizeof(Sample), at});
        if (taps == 1) all.push_back({"writes sums", sizeof(Sum), at});
      }
  return all;
}

template <class Sample, class Sum>
accesses of_separable() {
  constexpr cuda::separable_tile t = cuda::separable_tile_for(sizeof(Sum));
  accesses all;
  add_neighbours<t.outputs>(all, "loads", sizeof(Sample));
  add_neighbours<0>(all, "stores", sizeof(Sum));
  for (const int taps : {1, 3, 7, 31, 64}) {
    const cuda::separable_layout layout = cuda::separable_layout_for<Sample, Sum>(taps, taps);
    for (int q = 0; q < t.outputs; ++q)
      all.push_back({"reads samples", sizeof(Sample),
                     [=](int thread) { return t.run(thread, layout.pitch) + q; }});
  }
  for (int q = 0; q < t.outputs; ++q)
    all.push_back({"writes the ring", sizeof(Sum), [=](int thread) {
                     return t.line(thread) * t.template ring_pitch<Sum>() +
                            t.template in_ring<Sum>(thread, q);
                   }});
  all.push_back({"reads the ring", sizeof(Sum), [=](int thread) {
                   return t.first(thread) * t.template ring_pitch<Sum>() +
                          cuda::swizzle<Sum>(t.column(thread));
                 }});
  all.push_back({"writes results", sizeof(Sum),
                 [=](int thread) { return t.first(thread) * t.cols() + t.column(thread); }});
  return all;
}

template <class Sample, class Sum>
accesses of_separable_terms() {
  constexpr cuda::separable_tile t = cuda::separable_tile_for(sizeof(Sum));
  accesses all;
  add_neighbours<0>(all, "loads", sizeof(Sample));
  add_neighbours<t.outputs>(all, "stores", sizeof(Sum));
  for (const int taps : {1, 3, 7, 31, 64}) {
    const auto layout = cuda::terms_layout_for<Sample, Sum, Sum>(taps, taps, 2);
    all.push_back({"reads the ring", sizeof(Sample), [=](int thread) {
                     return layout.first(thread) * layout.width + layout.column(thread);
                   }});
    all.push_back({"writes the lines", sizeof(Sum),
                   [=](int thread) {
                     return layout.first(thread) * layout.pitch +
                            cuda::spread<t.outputs>(layout.column(thread));
                   },
                   2});
    for (int q = 0; q < t.outputs; ++q)
      all.push_back({"reads the lines, writes results", sizeof(Sum),
                     [=](int thread) { return t.run(thread, layout.pitch) + q; }});
  }
  return all;
}

/// Fragments of samples and of taps, and pairs of results, for all lengths of a row of taps that chunks tell apart.
template <class Sample>
accesses of_mma() {
  accesses all;
  for (const std::int64_t taps : {1, 9, 15, 17, 18, 31, 40}) {
    const cuda::mma_layout l = cuda::mma_layout_for(sizeof(Sample), 1, 9, taps);
    using unit = cuda::mma_unit<sizeof(Sample)>;
    add_neighbours<0>(all, "loads", sizeof(Sample));
    for (const int part : {0, 8 * l.pitch, 4, 8 * l.pitch + 4})
      all.push_back({"reads samples", 4, [=](int thread) {
                       return cuda::mma_tile::first_word(thread, l.pitch, sizeof(Sample)) + part;
                     }});
    all.push_back({"reads taps", 4,
                   [=](int thread) { return l.tap_pitch + unit::first_tap(thread) + unit::half; }});
  }
  for (const int q : {0, 2})
    all.push_back({"writes results", 8, [=](int thread) {
                     constexpr int pitch = cuda::mma_tile::results_pitch;
                     return (cuda::mma_tile::output(thread, pitch) +
                             cuda::mma_tile::output_offset(3, q, pitch)) /
                            2;
                   }});
  add_neighbours<0>(all, "stores", 4);
  return all;
}

/// Of every size of transform: loads of neighbours, each stage there and back, stores of outputs, which begin anywhere.
template <class T>
accesses of_overlap_save() {
  constexpr int bytes = sizeof(T);
  accesses all;
  for (const int from : {0, 32, 4096})
    all.push_back({"loads", bytes, [=](int thread) { return cuda::place<T>(from + thread % 32); }});
  all.push_back({"stores", bytes, [](int thread) { return cuda::place<T>(5 + thread % 32); }, 2});
  constexpr cuda::overlap_save_sizes s;
  const auto add = [&](cuda::transform_size size) {
    const cuda::transform t = cuda::transform_of(size);
    for (int i = 0; i < t.count; ++i)
      for (int q = 0; q < 1 << t.stages[i].radix_bits; ++q)
        all.push_back(
            {"stage " + std::to_string(i) + " of " + std::to_string(size.rows) + " x " +
                 std::to_string(size.cols),
             bytes, [stage = t.stages[i], q, points = t.points](int thread) {
               const int b = thread % (points >> stage.radix_bits);
               return cuda::place<T>(
                          cuda::butterfly_at<T>(b, stage.radix_bits, stage.part_bits).first) +
                      cuda::place<T>(q << stage.part_bits);
             }});
  };
  for (int points = s.fewest; points <= s.most; points *= 2) {
    add({1, points});
    for (int cols = s.narrowest; cols <= s.widest; cols *= 2) add({points / cols, cols});
  }
  return all;
}

/// The kernels of one file for all pairs of samples and sums that there are.
template <class F>
void add_kernels(std::vector<kernel_accesses>& to, const std::string& name, F f) {
  using cf32 = std::complex<float>;
  using cf64 = std::complex<double>;
  const auto add = [&]<class Sample, class Sum>(const char* types) {
    to.push_back({name + types, f.template operator()<Sample, Sum>()});
  };
  add.template operator()<float, float>("_f32");
  add.template operator()<double, double>("_f64");
  add.template operator()<float, cf32>("_f32_cf32");
  add.template operator()<cf32, cf32>("_cf32");
  add.template operator()<double, cf64>("_f64_cf64");
  add.template operator()<cf64, cf64>("_cf64");
  add.template operator()<std::int32_t, std::int32_t>("_i32");
  add.template operator()<std::int32_t, std::int64_t>("_i32_i64");
}

}  // namespace

std::vector<kernel_accesses> all_kernels() {
  std::vector<kernel_accesses> all;
  add_kernels(all, "direct", []<class Sample, class Sum>() { return of_direct<Sample, Sum>(); });
  add_kernels(all, "direct_line",
              []<class Sample, class Sum>() { return of_direct_line<Sample, Sum>(); });
  add_kernels(all, "direct_row",
              []<class Sample, class Sum>() { return of_direct_row<Sample, Sum>(); });
  add_kernels(all, "separable",
              []<class Sample, class Sum>() { return of_separable<Sample, Sum>(); });
  add_kernels(all, "separable_terms",
              []<class Sample, class Sum>() { return of_separable_terms<Sample, Sum>(); });
  all.push_back({"mma_f32", of_mma<float>()});
  all.push_back({"mma_f16", of_mma<f16>()});
  all.push_back({"overlap_save_f32", of_overlap_save<float>()});
  all.push_back({"overlap_save_f64", of_overlap_save<double>()});
  return all;
}

}  // namespace convgpu::test
