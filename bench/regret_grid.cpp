// SPDX-License-Identifier: Apache-2.0

#include "regret_grid.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace convgpu::bench {
namespace {

constexpr std::pair<taps, const char*> kinds[] = {
    {taps::random, "random"}, {taps::gaussian, "gaussian"},     {taps::product, "product"},
    {taps::box, "box"},       {taps::hat, "rank 2, symmetric"}, {taps::three, "rank 3"}};

std::string size_text(extent e) {
  return std::to_string(e.rows) + "x" + std::to_string(e.cols);
}

struct triple {
  types of;
  bool all_sizes;
};

const std::vector<triple>& types_of_grid() {
  using enum dtype;
  static const std::vector<triple> all{{{f32, f32, f32}, true},     {{f64, f64, f64}, false},
                                       {{u8, i32, u8}, true},       {{u8, f64, u8}, false},
                                       {{i16, i32, i16}, false},    {{i32, i32, i32}, false},
                                       {{u16, f64, u16}, false},    {{f16, f16, f16}, false},
                                       {{cf32, cf32, cf32}, false}, {{cf32, f32, cf32}, false}};
  return all;
}

void add_images(std::vector<cell>& cells, bool quick) {
  const auto add = [&](const types& t, extent in, extent filter, taps kind, const border& around) {
    cells.push_back(
        {{.in = in, .filter = filter, .types = t, .mode = mode::same, .border = around}, kind});
  };
  std::vector<extent> images{{8, 8},     {16, 16},   {64, 64},     {200, 300},  {512, 512},
                             {4, 20000}, {20000, 4}, {1024, 1024}, {2048, 2048}};
  std::vector<extent> filters{{2, 2},   {3, 3},   {5, 5},   {7, 7}, {9, 9}, {11, 11}, {15, 15},
                              {21, 21}, {31, 31}, {63, 63}, {3, 9}, {9, 3}, {3, 31},  {31, 3}};
  std::vector<std::int64_t> signals{64, 1000, 1 << 14, 1 << 20};
  std::vector<std::int64_t> lengths{3, 16, 64, 256, 1024, 4096};
  if (quick) {
    images = {{16, 16}, {200, 300}, {4, 20000}};
    filters = {{3, 3}, {7, 7}, {15, 15}, {31, 31}};
    signals = {1000, 1 << 17};
    lengths = {3, 64, 1024};
  }
  for (const auto& [t, all_sizes] : types_of_grid()) {
    for (const extent in : images)
      for (const extent filter : filters) {
        if (!all_sizes && in.count() > 1 << 19) continue;
        for (const auto& [kind, _] : kinds) {
          if (kind == taps::random && filter.rows != filter.cols) continue;
          if (kind == taps::box && is_complex(t.filter)) continue;
          if (is_low_rank(kind) && t.filter != dtype::f32 && t.filter != dtype::f64) continue;
          for (const border& around : {border::zero(), border::mirror()})
            if (around.kind() == border_kind::zero || in.count() <= 1 << 18)
              add(t, in, filter, kind, around);
        }
      }
    for (const std::int64_t n : signals)
      for (const std::int64_t m : lengths)
        if (m <= n) add(t, extent(n), extent(m), taps::random, border::zero());
  }
}

using numbers = std::vector<std::int64_t>;

/// Layers of one type, mode `same`, borders of zeros but for the rows.
class layers {
 public:
  layers(std::vector<cell>& cells, types t, bool quick, double most)
      : cells_(cells), types_(t), quick_(quick), most_(most) {}

  void add_all() {
    for (const std::int64_t size : some({7, 14, 28, 56, 112, 224}, {14, 56}))
      for (const std::int64_t taps : some({1, 3, 5, 7}, {1, 3, 7})) {
        for (const std::int64_t channels : some({2, 3, 8, 16, 64, 256}, {3, 64}))
          for (const std::int64_t filters : some({1, 2, 4, 8, 16, 64, 256}, {4, 64}))
            add_dense(size, taps, channels, filters);
        if (taps > 1) add_depthwise(size, taps);
      }
    for (const std::int64_t size : some({32, 128, 512, 1024}, {128, 512})) {
      for (const std::int64_t taps : some({3, 5, 7, 11, 15, 21, 31}, {3, 7, 15}))
        for (const std::int64_t filters : some({2, 4, 16, 64}, {4, 16}))
          add("banks", problem_of({size, size}, {taps, taps}, 1, filters));
      for (const std::int64_t taps : some({3, 5, 7, 11, 15}, {3, 7}))
        for (const std::int64_t stride : some({2, 3, 4}, {2})) {
          problem p = problem_of({size, size}, {taps, taps}, 1, 1);
          p.stride = {stride, stride};
          add("strides", p);
        }
    }
    add_rows();
  }

 private:
  [[nodiscard]] numbers some(numbers all, numbers few) const { return quick_ ? few : all; }

  [[nodiscard]] problem problem_of(extent in, extent filter, std::int64_t channels,
                                   std::int64_t filters, std::int64_t groups = 1) const {
    return {.in = in,
            .filter = filter,
            .channels = channels,
            .filters = filters,
            .groups = groups,
            .types = types_,
            .mode = mode::same};
  }
  void add(const char* part, const problem& p) {
    if (products_of(p) <= most_) cells_.push_back({p, taps::random, part});
  }
  /// As it is, and in other ways where they are usual.
  void add_dense(std::int64_t size, std::int64_t taps, std::int64_t channels,
                 std::int64_t filters) {
    problem p = problem_of({size, size}, {taps, taps}, channels, filters);
    add("layers", p);
    problem last = p;
    last.layout = layout::channels_last;
    if (taps % 4 == 3 && channels % 64 == 3 % 64) add("layers", last);
    if (taps == 3 && channels == filters) {
      add("layers", last);
      problem many = p;
      many.planes = 8;
      add("layers", many);
      problem grouped = p;
      grouped.groups = std::min<std::int64_t>(4, channels / 2);
      add("layers", grouped);
    }
    p.stride = {2, 2};
    if (taps == 3 || taps == 7) add("layers", p);
  }
  void add_depthwise(std::int64_t size, std::int64_t taps) {
    for (const std::int64_t channels : some({8, 64, 256}, {64}))
      for (const std::int64_t stride : {1, 2}) {
        problem p = problem_of({size, size}, {taps, taps}, channels, channels, channels);
        p.stride = {stride, stride};
        add("depthwise", p);
        p.filters = 2 * channels;
        if (stride == 1) add("depthwise", p);
        p.filters = channels;
        p.layout = layout::channels_last;
        add("depthwise", p);
      }
  }
  /// Signals: each with a filter of its own, and layers of them.
  void add_rows() {
    for (const std::int64_t length : some({16, 128, 1000, 16000}, {128, 1000}))
      for (const std::int64_t taps : some({3, 7, 15, 31, 101}, {3, 15})) {
        if (taps > length) continue;
        for (const std::int64_t channels : some({4, 64, 4096}, {64, 4096})) {
          problem p = problem_of(extent(length), extent(taps), channels, channels, channels);
          p.border = border::wrap();
          if (length * channels <= 1 << 20) add("rows", p);
        }
        for (const std::int64_t channels : some({2, 16, 64}, {16}))
          add("rows", problem_of(extent(length), extent(taps), channels, channels));
      }
  }

  std::vector<cell>& cells_;
  types types_;
  bool quick_;
  double most_;  // multiply-adds
};

}  // namespace

const char* name_of(taps kind) {
  return std::find_if(std::begin(kinds), std::end(kinds), [&](auto k) { return k.first == kind; })
      ->second;
}

bool is_low_rank(taps kind) {
  return kind == taps::hat || kind == taps::three;
}

std::string title(const cell& c) {
  const problem& p = c.problem;
  std::string text = std::string(to_string(p.types.in)) + "*" +
                     std::string(to_string(p.types.filter)) + " " + size_text(p.in) + " " +
                     size_text(p.filter) + " " + name_of(c.kind) + " " +
                     std::string(to_string(p.border.kind()));
  if (c.part == images) return text;
  text += " " + c.part + " " + std::to_string(p.channels) + "->" + std::to_string(p.filters);
  if (p.groups > 1) text += ", groups " + std::to_string(p.groups);
  if (p.planes > 1) text += ", planes " + std::to_string(p.planes);
  if (p.stride.cols > 1) text += ", stride " + std::to_string(p.stride.cols);
  if (p.layout == layout::channels_last) text += ", channels last";
  return text;
}

double products_of(const problem& p) {
  return static_cast<double>(output_extent(p).count() * p.planes * p.filters) *
         static_cast<double>(p.filter.count() * p.channels / p.groups);
}

std::vector<cell> grid(bool quick) {
  using enum dtype;
  std::vector<cell> cells;
  add_images(cells, quick);
  layers(cells, {f32, f32, f32}, quick, 3e8).add_all();
  for (const types& t : {types{f64, f64, f64}, types{u8, i32, u8}, types{f16, f16, f16}})
    layers(cells, t, true, 1e8).add_all();
  return cells;
}

}  // namespace convgpu::bench
