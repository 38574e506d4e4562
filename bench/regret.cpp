// SPDX-License-Identifier: Apache-2.0
// convgpu_regret [--quick] [--only=TEXT] [--out=FILE]: how good the library's own choice is. Times every algorithm of
// the CPU that accepts a problem, for the grid in regret_grid.cpp or those whose titles have that text, and says how
// often the one that is taken without being told was within a tenth of the fastest, where it was worst, and how far off
// predictions were. Results go to FILE as JSON, for bench/regret.py.
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
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "buffers.hpp"
#include "problems.hpp"
#include "regret_grid.hpp"

namespace convgpu::bench {
namespace {

using nlohmann::ordered_json;

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
    const std::int64_t channels = p.channels / p.groups;
    const std::int64_t count = p.filter.count() * channels * p.filters;
    std::vector<std::byte> h(static_cast<std::size_t>(count) * size_of(type));
    fill(h.data(), type, count, source);
    return {
        p, any_const_view(h.data(), type, p.filter, p.filters, channels, dense(p.filter, channels)),
        how};
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
  double once = 0;
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
constexpr double far_behind = 4;  // times as slow as the fastest: one sample will do

/// What became of a cell; empty where only one algorithm could be timed.
std::optional<ordered_json> measure(const cell& c, const backend_info& cpu) {
  const problem& p = c.problem;
  const plan automatic = make(c, {.device = device::cpu(), .max_threads = 1});
  const std::int64_t samples = p.in.count() * p.planes * p.channels;
  const std::int64_t outputs = automatic.output_extent().count() * p.planes * p.filters;
  touched_bytes from(static_cast<std::size_t>(samples) * size_of(p.types.in));
  touched_bytes to(static_cast<std::size_t>(outputs) * size_of(p.types.out));
  random_source source(11);
  fill(from.data(), p.types.in, samples, source);
  const any_const_view in = input_view(p, from.data());
  const any_view result = output_view(p, to.data());

  std::vector<contender> who;
  const double products = products_of(p);
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
  // Where nothing but the definition stands beside an algorithm there is nothing to choose.
  const bool is_alone = c.part != images && who.back().name == cpu.algorithms.back().name;
  if (who.size() < (is_alone ? 3 : 2)) return std::nullopt;
  double least = longest;
  for (contender& w : who) {
    w.run();
    w.once = w.sample();
    w.times = std::max<std::int64_t>(1, static_cast<std::int64_t>(sample_time / w.once));
    least = std::min(least, w.once);
  }
  std::erase_if(who, [](const contender& w) { return w.once > longest; });
  for (int r = 0; r < rounds; ++r)
    for (contender& w : who)
      if (r == 0 || w.once < far_behind * least) w.samples.push_back(w.sample());
  if (who.size() < 2) return std::nullopt;

  ordered_json entry{{"in", to_string(p.types.in)},
                     {"taps", to_string(p.types.filter)},
                     {"size", {p.in.rows, p.in.cols}},
                     {"filter", {p.filter.rows, p.filter.cols}},
                     {"part", c.part},
                     {"kind", name_of(c.kind)},
                     {"border", to_string(p.border.kind())},
                     {"chosen", automatic.describe().algorithm}};
  if (c.part != images)
    entry.update({{"planes", p.planes},
                  {"channels", p.channels},
                  {"filters", p.filters},
                  {"groups", p.groups},
                  {"stride", p.stride.cols},
                  {"layout", to_string(p.layout)}});
  for (contender& w : who)
    entry["algorithms"][w.name] = {{"seconds", w.median()}, {"predicted", w.predicted}};
  return entry;
}

struct tally {
  std::int64_t cells = 0;
  std::int64_t within = 0;  // a tenth of the fastest
  double worst = 1;
  double logarithms = 0;

  void add(double regret) {
    ++cells;
    within += regret <= 1.1 ? 1 : 0;
    logarithms += std::log(regret);
    worst = std::max(worst, regret);
  }
  void print(const std::string& of) const {
    if (cells == 0) {
      std::cout << of << ": nothing that at least two algorithms accept\n";
      return;
    }
    const auto n = static_cast<double>(cells);
    std::cout << std::left << std::setw(18) << of << std::right << std::setw(6) << cells
              << " problems, within 10%: " << std::fixed << std::setprecision(1) << std::setw(5)
              << 100 * static_cast<double>(within) / n << " %, worst " << std::setprecision(2)
              << worst << ", geometric mean " << std::setprecision(3) << std::exp(logarithms / n)
              << '\n';
  }
};

/// How far off the predictions of one algorithm are.
struct accuracy {
  std::vector<double> ratios;  // measured over predicted
  double worst = 1;            // of these or the reverse
  std::string worst_title;

  void add(double measured, double predicted, const std::string& name) {
    const double ratio = measured / predicted;
    ratios.push_back(ratio);
    if (std::max(ratio, 1 / ratio) <= worst) return;
    worst = std::max(ratio, 1 / ratio);
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << name << ": " << measured * 1e6
         << " us, predicted " << predicted * 1e6;
    worst_title = text.str();
  }
  void print(const std::string& of) {
    std::sort(ratios.begin(), ratios.end());
    const auto at = [&](std::size_t tenths) { return ratios[(ratios.size() - 1) * tenths / 10]; };
    std::cout << std::left << std::setw(18) << of << std::right << std::fixed
              << std::setprecision(2) << " took " << at(5) << " times as long as predicted ("
              << at(1) << " to " << at(9) << " without a tenth at each end); furthest off at "
              << worst_title << '\n';
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
  std::map<std::string, tally> by_part;
  std::map<std::string, accuracy> by_algorithm;
  std::multimap<double, std::string> worst;
  constexpr std::size_t worst_shown = 12;
  tally total;
  for (const cell& c : grid(quick)) {
    const std::string name = title(c);
    if (name.find(only) == std::string::npos) continue;
    std::optional<ordered_json> entry = measure(c, cpu);
    if (!entry) continue;
    const auto& algorithms = (*entry)["algorithms"];
    const std::string chosen = (*entry)["chosen"];
    all.push_back(*entry);
    if (!algorithms.contains(chosen)) continue;
    double best = algorithms[chosen]["seconds"];
    const double ours = best;
    std::string fastest = chosen;
    for (const auto& [who, a] : algorithms.items()) {
      const double seconds = a["seconds"];
      const double predicted = a["predicted"];
      if (predicted > 0) by_algorithm[who].add(seconds, predicted, name);
      if (seconds >= best) continue;
      best = seconds;
      fastest = who;
    }
    const std::string type = name.substr(0, name.find(' '));
    by_part[c.part == images ? type : type + " " + c.part].add(ours / best);
    total.add(ours / best);
    std::ostringstream line;
    line << std::fixed << std::setprecision(2) << std::setw(6) << ours / best << "  " << name
         << ": " << chosen << ' ' << std::setprecision(1) << ours * 1e6 << " us, " << fastest << ' '
         << best * 1e6 << " us";
    worst.emplace(ours / best, line.str());
    if (worst.size() > worst_shown) worst.erase(worst.begin());
  }
  for (const auto& [part, t] : by_part) t.print(part);
  total.print("all");
  for (auto& [algorithm, a] : by_algorithm) a.print(algorithm);
  for (auto w = worst.rbegin(); w != worst.rend(); ++w)
    if (w->first > 1.1) std::cout << w->second << '\n';
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
