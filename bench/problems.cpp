// SPDX-License-Identifier: Apache-2.0

#include "problems.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <sstream>
#include <stdexcept>

namespace convgpu::bench {
namespace {

const std::map<std::string, purpose> purposes{{"cpu", purpose::cpu},
                                              {"gpu", purpose::gpu},
                                              {"both", purpose::both},
                                              {"host", purpose::host},
                                              {"check", purpose::check}};
const std::map<std::string, dtype> dtypes{
    {"f32", dtype::f32}, {"f16", dtype::f16}, {"u8", dtype::u8}};

const std::map<std::string, filter_kind> filters{{"random", filter_kind::random},
                                                 {"gaussian", filter_kind::gaussian},
                                                 {"box", filter_kind::box},
                                                 {"sparse", filter_kind::sparse},
                                                 {"integer", filter_kind::integer}};

/// Calls f with a value of the C++ type of `type`, one of those above.
template <class F>
auto with_type(dtype type, F f) {
  if (type == dtype::u8) return f(std::uint8_t{});
  if (type == dtype::f16) return f(f16{});
  return f(float{});
}

/// "480x640"
extent parse_extent(const std::string& text) {
  std::istringstream from(text);
  extent size;
  char by = 0;
  if (!(from >> size.rows >> by >> size.cols) || by != 'x' || !from.eof())
    throw std::runtime_error("'" + text + "' is no extent");
  return size;
}

task parse(const std::string& line) {
  std::istringstream from(line);
  std::string where, type, in, taps, filter, rest;
  task t;
  t.line = line;
  if (!(from >> where >> t.name >> type >> t.problem.planes >> in >> taps >> filter) ||
      from >> rest || !purposes.contains(where) || !dtypes.contains(type) ||
      !filters.contains(filter))
    throw std::runtime_error("not WHERE NAME TYPE PLANES INPUT TAPS FILTER");
  t.where = purposes.at(where);
  t.problem.in = parse_extent(in);
  t.problem.filter = parse_extent(taps);
  t.filter = filters.at(filter);
  const dtype taps_are = t.filter == filter_kind::integer ? dtype::i32 : dtype::f32;
  t.problem.types = {dtypes.at(type), taps_are, dtypes.at(type)};
  t.problem.mode = mode::same;
  validate(t.problem);
  return t;
}

/// Adds up to 1: a bell over six standard deviations, or a box.
std::vector<double> profile(std::int64_t length, filter_kind kind) {
  std::vector<double> h(static_cast<std::size_t>(length), 1.0);
  const double sigma = static_cast<double>(length) / 6;
  double sum = 0;
  for (std::int64_t i = 0; i < length; ++i) {
    const double x = (static_cast<double>(i) - static_cast<double>(length - 1) / 2) / sigma;
    if (kind == filter_kind::gaussian) h[i] = std::exp(-x * x / 2);
    sum += h[i];
  }
  for (double& tap : h) tap /= sum;
  return h;
}

bool has_factors(const task& t) {
  return t.filter == filter_kind::gaussian || t.filter == filter_kind::box;
}

/// From -3 to 3 without 0, but for one that makes the sum 1.
std::vector<float> whole_numbers(std::size_t count) {
  std::mt19937 random(2);
  std::vector<float> taps(count);
  float sum = 0;
  for (float& tap : taps) {
    const auto bits = random() >> 8;
    tap = static_cast<float>(1 + bits / 2 % 3) * (bits % 2 == 0 ? 1.0f : -1.0f);
    sum += tap;
  }
  float& centre = taps[count / 2];
  centre += 1 - sum;
  if (centre == 0) centre = 1;
  return taps;
}

}  // namespace

bool task::suits(const std::string& backend) const {
  if (where == purpose::both) return true;
  return (where == purpose::cpu) == (backend == "cpu");
}

std::string task::title(const std::string& algorithm) const {
  const std::string special = where == purpose::host    ? "/host"
                              : where == purpose::check ? "/check"
                                                        : "";
  return algorithm + "/" + std::string(to_string(problem.types.in)) + "/" + name + "/" +
         std::string(to_string(problem.border.kind())) + special;
}

std::size_t task::in_bytes() const {
  return static_cast<std::size_t>(elements()) * size_of(problem.types.in);
}

std::size_t task::out_bytes() const {
  return static_cast<std::size_t>(outputs()) * size_of(problem.types.out);
}

std::vector<task> read_tasks(const std::string& path) {
  std::ifstream from(path);
  if (!from) throw std::runtime_error("cannot read " + path);
  std::vector<task> tasks;
  std::string line;
  for (int number = 1; std::getline(from, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    try {
      tasks.push_back(parse(line));
    } catch (const std::exception& e) {
      throw std::runtime_error(path + ":" + std::to_string(number) + ": " + e.what());
    }
  }
  return tasks;
}

std::vector<std::byte> make_input(const task& t) {
  // A block of random elements again and again, since gigabytes of them would take longer than all the
  // rest. Its length is prime: rows and tiles never see the same.
  constexpr std::size_t period = 1048583;
  return with_type(t.problem.types.in, [&](auto zero) {
    using element = decltype(zero);
    std::mt19937 random(1);
    std::vector<element> block(period);
    for (element& e : block) {
      if constexpr (std::is_integral_v<element>) e = static_cast<element>(random());
      else e = element(static_cast<float>(random() >> 8) * 0x1p-23f - 1.0f);
    }
    std::vector<std::byte> bytes(t.in_bytes());
    for (std::size_t at = 0; at < bytes.size(); at += period * sizeof(element))
      std::memcpy(bytes.data() + at, block.data(),
                  std::min(period * sizeof(element), bytes.size() - at));
    return bytes;
  });
}

std::vector<float> make_filter(const task& t) {
  const extent size = t.problem.filter;
  if (t.filter == filter_kind::integer)
    return whole_numbers(static_cast<std::size_t>(size.count()));
  std::vector<double> taps;
  std::mt19937 random(2);
  const auto column = profile(size.rows, t.filter);
  const auto row = profile(size.cols, t.filter);
  for (const double c : column)
    for (const double r : row)
      taps.push_back(has_factors(t) ? c * r : static_cast<double>(random()) * 0x1p-32 + 0x1p-10);
  if (t.filter == filter_kind::sparse) {
    std::vector<std::size_t> places(taps.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    std::shuffle(places.begin(), places.end(), random);
    for (std::size_t i = 0; i < places.size() / 2; ++i) taps[places[i]] = 0;
  }
  double sum = 0;
  for (const double tap : taps) sum += tap;
  std::vector<float> rounded;
  for (const double tap : taps) rounded.push_back(static_cast<float>(tap / sum));
  return rounded;
}

plan make_plan(const problem& p, const task& t, const options& how) {
  const std::vector<float> taps = make_filter(t);
  if (t.filter != filter_kind::integer) return plan(p, taps, how);
  return plan(p, std::vector<std::int32_t>(taps.begin(), taps.end()), how);
}

std::optional<factors> make_factors(const task& t) {
  if (!has_factors(t)) return std::nullopt;
  const auto column = profile(t.problem.filter.rows, t.filter);
  const auto row = profile(t.problem.filter.cols, t.filter);
  return factors{{column.begin(), column.end()}, {row.begin(), row.end()}};
}

double task::least_flops() const {
  const auto count = static_cast<double>(taps());
  const extent size = problem.filter;
  switch (filter) {
    case filter_kind::gaussian:
      return size.rows == 1 || size.cols == 1 ? 2 * count
                                              : 2 * static_cast<double>(size.rows + size.cols);
    case filter_kind::box: return 4;  // what enters and what leaves the sum, along each axis
    case filter_kind::sparse: return 2 * std::ceil(count / 2);
    default: return 2 * count;
  }
}

double allowed_error(const task& t, bool transforms) {
  const auto taps = static_cast<double>(t.taps());
  switch (t.problem.types.out) {
    case dtype::u8: return t.filter == filter_kind::integer ? 0 : 1;
    case dtype::f16: return taps * 0x1p-23 + 0x1p-11;
    default: return (transforms ? std::max(taps, 32.0) : taps) * 0x1p-23;
  }
}

std::string difference(const task& t, std::span<const std::byte> out,
                       std::span<const std::byte> expected, extent stride, double bound) {
  return with_type(t.problem.types.out, [&](auto zero) -> std::string {
    using element = decltype(zero);
    const auto* got = reinterpret_cast<const element*>(out.data());
    const auto* right = reinterpret_cast<const element*>(expected.data());
    const extent size = output_extent(t.problem);
    for (std::int64_t p = 0; p < t.problem.planes; ++p)
      for (std::int64_t r = 0; r < size.rows; r += stride.rows)
        for (std::int64_t c = 0; c < size.cols; c += stride.cols) {
          const auto a = static_cast<float>(got[(p * size.rows + r) * size.cols + c]);
          const auto b = static_cast<float>(*right++);
          // A NaN, such as the output is full of beforehand, is no match either.
          if (std::abs(static_cast<double>(a) - static_cast<double>(b)) <= bound) continue;
          std::ostringstream text;
          text << "plane " << p << ", row " << r << ", column " << c << " is " << a << ", expected "
               << b << " to within " << bound;
          return text.str();
        }
    return {};
  });
}

}  // namespace convgpu::bench
