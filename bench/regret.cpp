// SPDX-License-Identifier: Apache-2.0
// convgpu_regret [--quick] [--only=TEXT] [--out=FILE]: how good the library's own choice is. Times every algorithm of
// the CPU that accepts a problem, for a grid of sizes, filters, types and borders, and says how often the one that is
// taken without being told was within a tenth of the fastest. Results go to FILE as JSON, for bench/regret.py.
//
// One thread, its CPU time, in turns: what else the machine does costs all of them alike.

#include <time.h>

#include <algorithm>
#include <cmath>
#include <convgpu/convgpu.hpp>
#include <convgpu/error.hpp>
#include <cstring>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "buffers.hpp"

namespace convgpu::bench {
namespace {

using nlohmann::ordered_json;

/// How the taps of a filter come about.
enum class taps : std::uint8_t { random, gaussian, product, box, hat, three };

struct cell {
  convgpu::problem problem;
  taps kind = taps::random;
};

constexpr std::pair<taps, const char*> kinds[] = {
    {taps::random, "random"}, {taps::gaussian, "gaussian"},     {taps::product, "product"},
    {taps::box, "box"},       {taps::hat, "rank 2, symmetric"}, {taps::three, "rank 3"}};
bool is_low_rank(taps kind) {
  return kind == taps::hat || kind == taps::three;
}

const char* name_of(taps kind) {
  return std::find_if(std::begin(kinds), std::end(kinds), [&](auto k) { return k.first == kind; })
      ->second;
}

std::string size_text(extent e) {
  return std::to_string(e.rows) + "x" + std::to_string(e.cols);
}

std::string title(const cell& c) {
  const problem& p = c.problem;
  return std::string(to_string(p.types.in)) + "*" + std::string(to_string(p.types.filter)) + " " +
         size_text(p.in) + " " + size_text(p.filter) + " " + name_of(c.kind) + " " +
         std::string(to_string(p.border.kind()));
}

// ---- the grid

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

std::vector<cell> grid(bool quick) {
  std::vector<cell> cells;
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
  return cells;
}

// ---- data

template <class F>
void with_type(dtype type, F f) {
  switch (type) {
    case dtype::u8: return f(std::uint8_t{});
    case dtype::i16: return f(std::int16_t{});
    case dtype::u16: return f(std::uint16_t{});
    case dtype::i32: return f(std::int32_t{});
    case dtype::f16: return f(f16{});
    case dtype::f64: return f(double{});
    case dtype::cf32: return f(std::complex<float>{});
    default: return f(float{});
  }
}

using random_source = std::mt19937_64;

/// A number of type T that is `value`, or near it.
template <class T>
T element(double value, random_source& source) {
  if constexpr (std::is_same_v<T, std::complex<float>>) {
    return {static_cast<float>(value),
            static_cast<float>(std::uniform_real_distribution(-1.0, 1.0)(source))};
  } else if constexpr (std::is_integral_v<T> || std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else {
    return T(static_cast<float>(value));
  }
}

void fill(std::byte* to, dtype type, std::int64_t count, random_source& source) {
  with_type(type, [&]<class T>(T) {
    const double most = std::is_integral_v<T> ? 100 : 1;
    std::uniform_real_distribution some(std::is_unsigned_v<T> ? 0 : -most, most);
    for (std::int64_t i = 0; i < count; ++i) {
      const T value = element<T>(some(source), source);
      std::memcpy(to + i * static_cast<std::int64_t>(sizeof value), &value, sizeof value);
    }
  });
}

/// The taps of one axis; integers from 1 on, or their like.
std::vector<std::byte> factor(taps kind, dtype type, std::int64_t count, random_source& source) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(count) * size_of(type));
  with_type(type, [&]<class T>(T) {
    std::uniform_real_distribution some(0.5, 1.0);
    for (std::int64_t i = 0; i < count; ++i) {
      const double x = (static_cast<double>(i) - static_cast<double>(count - 1) / 2) * 5 /
                       static_cast<double>(count);
      double value = kind == taps::box        ? 1
                     : kind == taps::gaussian ? std::exp(-x * x / 2)
                                              : some(source);
      if (std::is_integral_v<T>) value = std::max(1.0, std::round(value * 4));
      const T tap = element<T>(value, source);
      std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof tap, &tap, sizeof tap);
    }
  });
  return bytes;
}

/// Taps of sums of columns times rows: two Gaussians, or three of any.
std::vector<std::byte> low_rank(const cell& c, random_source& source) {
  const extent size = c.problem.filter;
  const dtype type = c.problem.types.filter;
  std::vector<double> sum(static_cast<std::size_t>(size.count()));
  std::uniform_real_distribution some(-1.0, 1.0);
  for (int n = 0; n < (c.kind == taps::hat ? 2 : 3); ++n) {
    const auto one = [&](std::int64_t count) {
      std::vector<double> values;
      for (std::int64_t i = 0; i < count; ++i) {
        const double x = (static_cast<double>(i) - static_cast<double>(count - 1) / 2) * 5 /
                         static_cast<double>(count) / (n + 1);
        values.push_back(c.kind == taps::hat ? std::exp(-x * x / 2) : some(source));
      }
      return values;
    };
    const std::vector<double> column = one(size.rows);
    const std::vector<double> row = one(size.cols);
    const double scale = c.kind == taps::hat && n == 1 ? -0.4 : 1;
    for (std::size_t i = 0; i < sum.size(); ++i)
      sum[i] += scale * column[i / row.size()] * row[i % row.size()];
  }
  std::vector<std::byte> bytes(sum.size() * size_of(type));
  with_type(type, [&]<class T>(T) {
    for (std::size_t i = 0; i < sum.size(); ++i) {
      const T tap = element<T>(sum[i], source);
      std::memcpy(bytes.data() + i * sizeof tap, &tap, sizeof tap);
    }
  });
  return bytes;
}

plan make(const cell& c, const options& how) {
  random_source source(7);
  const problem& p = c.problem;
  const dtype type = p.types.filter;
  if (c.kind == taps::random || p.filter.rows == 1) {
    std::vector<std::byte> h(static_cast<std::size_t>(p.filter.count()) * size_of(type));
    fill(h.data(), type, p.filter.count(), source);
    return {p, any_const_view(h.data(), type, p.filter, 1, dense(p.filter)), how};
  }
  if (is_low_rank(c.kind)) {
    const std::vector<std::byte> h = low_rank(c, source);
    return {p, any_const_view(h.data(), type, p.filter, 1, dense(p.filter)), how};
  }
  const auto column = factor(c.kind, type, p.filter.rows, source);
  const auto row = factor(c.kind, type, p.filter.cols, source);
  const auto view_of = [&](const std::vector<std::byte>& b, std::int64_t n) {
    return any_const_view(b.data(), type, extent(n), 1, dense(extent(n)));
  };
  return {p, view_of(column, p.filter.rows), view_of(row, p.filter.cols), how};
}

// ---- time

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct contender {
  std::string name;
  std::function<void()> run;
  double predicted = 0;
  std::int64_t times = 1;
  std::vector<double> samples{};

  double sample() const {
    const double begin = cpu_seconds();
    for (std::int64_t n = 0; n < times; ++n) run();
    return (cpu_seconds() - begin) / static_cast<double>(times);
  }
  double median() {
    std::nth_element(samples.begin(), samples.begin() + samples.size() / 2, samples.end());
    return samples[samples.size() / 2];
  }
};

constexpr double longest = 0.6;        // seconds for one run that is waited for
constexpr double sample_time = 0.002;  // at least
constexpr int rounds = 7;

/// What became of a cell; empty where only one algorithm could be timed.
std::optional<ordered_json> measure(const cell& c, const backend_info& cpu) {
  const problem& p = c.problem;
  const plan automatic = make(c, {.device = device::cpu(), .max_threads = 1});
  const extent out = automatic.output_extent();
  touched_bytes from(static_cast<std::size_t>(p.in.count()) * size_of(p.types.in));
  touched_bytes to(static_cast<std::size_t>(out.count()) * size_of(p.types.out));
  random_source source(11);
  fill(from.data(), p.types.in, p.in.count(), source);
  const any_const_view in(from.data(), p.types.in, p.in, 1, dense(p.in));
  const any_view result(to.data(), p.types.out, out, 1, dense(out));

  std::vector<contender> who;
  const double products = static_cast<double>(out.count()) * static_cast<double>(p.filter.count());
  for (const auto& entry : cpu.algorithms) {
    if (&entry == &cpu.algorithms.back() && products > 3e5) continue;
    if (products > 2e10 && entry.name == "cpu/direct") continue;
    try {
      const plan made =
          make(c, {.device = device::cpu(), .algorithm = entry.name, .max_threads = 1});
      who.push_back({entry.name, [made, in, result] { made.run(in, result); }});
      for (const candidate& k : automatic.describe().candidates)
        if (k.algorithm == entry.name) who.back().predicted = k.predicted_seconds.value_or(0);
    } catch (const unsupported&) {
      continue;
    }
  }
  for (contender& w : who) {
    w.run();
    const double once = w.sample();
    if (once > longest) continue;
    w.times = std::max<std::int64_t>(1, static_cast<std::int64_t>(sample_time / once));
    w.samples.push_back(0);
  }
  std::erase_if(who, [](const contender& w) { return w.samples.empty(); });
  for (contender& w : who) w.samples.clear();
  for (int r = 0; r < rounds; ++r)
    for (contender& w : who) w.samples.push_back(w.sample());
  if (who.empty()) return std::nullopt;

  ordered_json entry{{"in", to_string(p.types.in)},
                     {"taps", to_string(p.types.filter)},
                     {"size", {p.in.rows, p.in.cols}},
                     {"filter", {p.filter.rows, p.filter.cols}},
                     {"kind", name_of(c.kind)},
                     {"border", to_string(p.border.kind())},
                     {"chosen", automatic.describe().algorithm}};
  for (contender& w : who)
    entry["algorithms"][w.name] = {{"seconds", w.median()}, {"predicted", w.predicted}};
  return entry;
}

struct tally {
  std::int64_t cells = 0;
  std::int64_t within = 0;  // a tenth of the fastest
  double worst = 1;
  std::string worst_title;
  double logarithms = 0;

  void add(double regret, const std::string& name) {
    ++cells;
    within += regret <= 1.1 ? 1 : 0;
    logarithms += std::log(regret);
    if (regret > worst) {
      worst = regret;
      worst_title = name;
    }
  }
  void print(const std::string& of) const {
    const auto n = static_cast<double>(cells);
    std::cout << std::left << std::setw(14) << of << std::right << std::setw(6) << cells
              << " problems, within 10%: " << std::fixed << std::setprecision(1) << std::setw(5)
              << 100 * static_cast<double>(within) / n << " %, worst " << std::setprecision(2)
              << worst << ", geometric mean " << std::setprecision(3) << std::exp(logarithms / n);
    if (!worst_title.empty()) std::cout << "; worst at " << worst_title;
    std::cout << '\n';
  }
};

int main(int argc, char** argv) {
  bool quick = false;
  std::string only;
  std::string out;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--quick") quick = true;
    else if (argument.starts_with("--only=")) only = argument.substr(7);
    else if (argument.starts_with("--out=")) out = argument.substr(6);
    else {
      std::cerr << "usage: convgpu_regret [--quick] [--only=TEXT] [--out=FILE]\n";
      return 2;
    }
  }
  const backend_info cpu = backends().front();
  ordered_json all = ordered_json::array();
  std::map<std::string, tally> by_type;
  tally total;
  for (const cell& c : grid(quick)) {
    const std::string name = title(c);
    if (name.find(only) == std::string::npos) continue;
    std::optional<ordered_json> entry = measure(c, cpu);
    if (!entry) continue;
    const auto& algorithms = (*entry)["algorithms"];
    const std::string chosen = (*entry)["chosen"];
    all.push_back(*entry);
    if (algorithms.size() < 2 || !algorithms.contains(chosen)) continue;
    double best = algorithms[chosen]["seconds"];
    const double ours = best;
    for (const auto& [_, a] : algorithms.items()) best = std::min(best, a["seconds"].get<double>());
    by_type[name.substr(0, name.find(' '))].add(ours / best, name);
    total.add(ours / best, name);
  }
  for (const auto& [type, t] : by_type) t.print(type);
  total.print("all");
  if (out.empty()) return 0;
  std::ofstream file(out);
  file << ordered_json{{"machine", cpu.devices}, {"version", version()}, {"cells", all}}.dump(1)
       << '\n';
  return file.flush() ? 0 : 1;
}

}  // namespace
}  // namespace convgpu::bench

int main(int argc, char** argv) {
  try {
    return convgpu::bench::main(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "convgpu_regret: " << e.what() << '\n';
    return 1;
  }
}
