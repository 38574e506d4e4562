// SPDX-License-Identifier: Apache-2.0

#include "problems.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
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

std::int64_t parse_number(const std::string& text) {
  std::istringstream from(text);
  std::int64_t number = 0;
  if (!(from >> number) || !from.eof()) throw std::runtime_error("'" + text + "' is no number");
  return number;
}

/// "channels=64"
void parse_setting(task& t, const std::string& word) {
  const auto equals = word.find('=');
  const std::string name = word.substr(0, equals);
  const std::string value = equals == word.npos ? "" : word.substr(equals + 1);
  problem& p = t.problem;
  if (name == "channels") p.channels = parse_number(value);
  else if (name == "filters") p.filters = parse_number(value);
  else if (name == "groups") p.groups = parse_number(value);
  else if (name == "stride") p.stride.rows = p.stride.cols = parse_number(value);
  else if (name == "layout") p.layout = parse_layout(value);
  else if (name == "border") p.border = border(parse_border(value));
  else if (name == "tolerance") t.tolerance = std::stod(value);
  else if (name == "padding") {
    const std::int64_t width = parse_number(value);
    p.mode = mode::valid;
    p.padding = {width, width, width, width};
  } else throw std::runtime_error("'" + word + "' is no setting");
}

task parse(const std::string& line) {
  std::istringstream from(line);
  std::string where, type, in, taps, filter;
  task t;
  t.line = line;
  if (!(from >> where >> t.name >> type >> t.problem.planes >> in >> taps >> filter) ||
      !purposes.contains(where) || !dtypes.contains(type) || !filters.contains(filter))
    throw std::runtime_error("not WHERE NAME TYPE PLANES INPUT TAPS FILTER [SETTING=VALUE …]");
  t.where = purposes.at(where);
  t.problem.in = parse_extent(in);
  t.problem.filter = parse_extent(taps);
  t.filter = filters.at(filter);
  const dtype taps_are = t.filter == filter_kind::integer ? dtype::i32 : dtype::f32;
  t.problem.types = {dtypes.at(type), taps_are, dtypes.at(type)};
  t.problem.mode = mode::same;
  for (std::string word; from >> word;) parse_setting(t, word);
  validate(t.problem);
  if (!t.is_plain() && t.filter != filter_kind::random)
    throw std::runtime_error("filters of layers are random");
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

bool task::is_bank() const {
  const convgpu::problem& p = problem;
  return p.channels == 1 && p.layout == layout::channels_first && p.stride == extent(1, 1) &&
         p.mode == mode::same && p.border == border::zero();
}

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

any_const_view input_view(const problem& p, const void* data, memory where) {
  return {
      data,
      p.types.in,
      p.in,
      p.planes,
      p.channels,
      p.layout == layout::channels_last ? channels_last(p.in, p.channels) : dense(p.in, p.channels),
      where};
}

any_view output_view(const problem& p, void* data, memory where) {
  const extent size = output_extent(p);
  return {
      data,
      p.types.out,
      size,
      p.planes,
      p.filters,
      p.layout == layout::channels_last ? channels_last(size, p.filters) : dense(size, p.filters),
      where};
}

padding margins(const problem& p) {
  if (p.mode == mode::valid) return p.padding;
  const extent taps = p.filter;
  return {taps.rows / 2, (taps.rows - 1) / 2, taps.cols / 2, (taps.cols - 1) / 2};
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
  const std::int64_t channels = t.problem.channels / t.problem.groups;
  for (std::int64_t n = 0; n < t.problem.filters * channels; ++n)
    for (const double c : column)
      for (const double r : row)
        taps.push_back(has_factors(t) ? c * r : static_cast<double>(random()) * 0x1p-32 + 0x1p-10);
  if (t.filter == filter_kind::sparse) {
    std::vector<std::size_t> places(taps.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
    std::shuffle(places.begin(), places.end(), random);
    for (std::size_t i = 0; i < places.size() / 2; ++i) taps[places[i]] = 0;
  }
  std::vector<float> rounded;
  for (auto filter = taps.begin(); filter != taps.end(); filter += t.taps()) {
    const double sum = std::accumulate(filter, filter + t.taps(), 0.0);
    std::transform(filter, filter + t.taps(), std::back_inserter(rounded),
                   [&](double tap) { return static_cast<float>(tap / sum); });
  }
  return rounded;
}

std::vector<float> make_flipped_filter(const task& t) {
  std::vector<float> taps = make_filter(t);
  const std::int64_t count = t.problem.filter.count();
  for (auto channel = taps.begin(); channel != taps.end(); channel += count)
    std::reverse(channel, channel + count);
  return taps;
}

plan make_plan(const problem& p, const task& t, options how) {
  if (t.tolerance) how.tolerance = t.tolerance;
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
    problem some = t.problem;
    some.stride = {some.stride.rows * stride.rows, some.stride.cols * stride.cols};
    const any_const_view all = output_view(t.problem, const_cast<std::byte*>(out.data()));
    const any_const_view few = output_view(some, const_cast<std::byte*>(expected.data()));
    const auto at = [](const any_const_view& v, std::int64_t p, std::int64_t f, std::int64_t r,
                       std::int64_t c) {
      return p * v.step().plane + f * v.step().channel + r * v.step().row + c * v.step().col;
    };
    for (std::int64_t p = 0; p < few.planes(); ++p)
      for (std::int64_t f = 0; f < few.channels(); ++f)
        for (std::int64_t r = 0; r < few.size().rows; ++r)
          for (std::int64_t c = 0; c < few.size().cols; ++c) {
            const auto a = static_cast<float>(got[at(all, p, f, r * stride.rows, c * stride.cols)]);
            const auto b = static_cast<float>(right[at(few, p, f, r, c)]);
            // A NaN, such as the output is full of beforehand, is no match either.
            if (std::abs(static_cast<double>(a) - static_cast<double>(b)) <= bound) continue;
            std::ostringstream text;
            text << "plane " << p << ", filter " << f << ", row " << r * stride.rows << ", column "
                 << c * stride.cols << " is " << a << ", expected " << b << " to within " << bound;
            return text.str();
          }
    return {};
  });
}

}  // namespace convgpu::bench
