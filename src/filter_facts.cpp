// SPDX-License-Identifier: Apache-2.0
// Reads a filter into the form that backends see, and finds its facts on the way.

#include <algorithm>
#include <cmath>
#include <convgpu/error.hpp>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "factor.hpp"
#include "problem.hpp"

namespace convgpu::detail {
namespace {

std::int32_t widen(std::uint8_t v) {
  return v;
}
std::int32_t widen(std::int8_t v) {
  return v;
}
std::int32_t widen(std::uint16_t v) {
  return v;
}
std::int32_t widen(std::int16_t v) {
  return v;
}
std::int32_t widen(std::int32_t v) {
  return v;
}
double widen(f16 v) {
  return static_cast<double>(static_cast<float>(v));
}
double widen(bf16 v) {
  return static_cast<double>(static_cast<float>(v));
}
double widen(float v) {
  return static_cast<double>(v);
}
double widen(double v) {
  return v;
}
std::complex<double> widen(std::complex<float> v) {
  return {widen(v.real()), widen(v.imag())};
}
std::complex<double> widen(std::complex<double> v) {
  return v;
}

void count(filter_facts& facts, std::int32_t tap) {
  const auto magnitude = static_cast<std::uint64_t>(std::abs(static_cast<std::int64_t>(tap)));
  facts.nonzeros += tap != 0;
  if (__builtin_add_overflow(facts.integer_norm1, magnitude, &facts.integer_norm1))
    facts.integer_norm1 = std::numeric_limits<std::uint64_t>::max();
}

template <class Tap>  // double or complex<double>
void count(filter_facts& facts, Tap tap) {
  facts.nonzeros += tap != Tap{};
}

bool is_finite(std::int32_t) {
  return true;
}
bool is_finite(double tap) {
  return std::isfinite(tap);
}
bool is_finite(std::complex<double> tap) {
  return is_finite(tap.real()) && is_finite(tap.imag());
}

/// The taps of a view, flipped and conjugated where the operation wants it; `size` and `name` are its own.
template <class T>
auto read(const problem& p, const any_const_view& filter, extent size, const std::string& name) {
  using tap = decltype(widen(T{}));
  const bool flip = p.op == operation::correlation;
  const auto [rows, cols] = size;
  const strides step = filter.step();
  const std::int64_t count = size.count();
  std::vector<tap> values(static_cast<std::size_t>(filter.planes() * filter.channels() * count));
  tap* to = values.data();
  for (std::int64_t f = 0; f < filter.planes(); ++f)
    for (std::int64_t g = 0; g < filter.channels(); ++g, to += count) {
      const auto* const data =
          static_cast<const T*>(filter.data()) + f * step.plane + g * step.channel;
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < cols; ++c) {
          tap value = widen(data[r * step.row + c * step.col]);
          if (!is_finite(value))
            throw invalid_problem(
                name + ": the tap in " +
                (filter.planes() == 1 ? "" : "filter " + std::to_string(f) + ", ") +
                (filter.channels() == 1 ? "" : "channel " + std::to_string(g) + ", ") + "row " +
                std::to_string(r) + ", column " + std::to_string(c) +
                " is NaN or infinite; allowed: finite taps");
          if constexpr (std::is_same_v<tap, std::complex<double>>)
            if (flip && p.conjugate) value = std::conj(value);
          to[flip ? (rows - 1 - r) * cols + (cols - 1 - c) : r * cols + c] = value;
        }
    }
  return values;
}

tap_values read_values(const problem& p, const any_const_view& filter, extent size,
                       const std::string& name) {
  switch (filter.type()) {
    case dtype::u8: return read<std::uint8_t>(p, filter, size, name);
    case dtype::i8: return read<std::int8_t>(p, filter, size, name);
    case dtype::u16: return read<std::uint16_t>(p, filter, size, name);
    case dtype::i16: return read<std::int16_t>(p, filter, size, name);
    case dtype::i32: return read<std::int32_t>(p, filter, size, name);
    case dtype::f16: return read<f16>(p, filter, size, name);
    case dtype::bf16: return read<bf16>(p, filter, size, name);
    case dtype::f32: return read<float>(p, filter, size, name);
    case dtype::f64: return read<double>(p, filter, size, name);
    case dtype::cf32: return read<std::complex<float>>(p, filter, size, name);
    case dtype::cf64: return read<std::complex<double>>(p, filter, size, name);
    case dtype::i64:
    case dtype::deduced: break;  // not in the table of types: `normalise` has refused it
  }
  return {};
}

/// The most that any of so many filters has.
filter_facts facts_of(const tap_values& values, std::int64_t filters = 1) {
  filter_facts most;
  std::visit(
      [&](const auto& taps) {
        const std::size_t each = taps.size() / static_cast<std::size_t>(filters);
        for (std::size_t begin = 0; begin < taps.size(); begin += each) {
          filter_facts facts;
          for (std::size_t t = begin; t < begin + each; ++t) count(facts, taps[t]);
          most.nonzeros = std::max(most.nonzeros, facts.nonzeros);
          most.integer_norm1 = std::max(most.integer_norm1, facts.integer_norm1);
        }
      },
      values);
  return most;
}

filter_taps one_filter(extent size, tap_values values) {
  filter_taps taps{.size = size, .values = std::move(values), .facts = {}};
  taps.facts = facts_of(taps.values);
  taps.facts.factors = factor(taps.values, taps.size);
  taps.facts.terms = factor_terms(taps.values, taps.size, taps.facts.factors);
  return taps;
}

}  // namespace

filter_taps read_taps(const problem& p, const any_const_view& filter) {
  tap_values values = read_values(p, filter, p.filter, "filter");
  if (p.channels == 1 && p.filters == 1) return one_filter(p.filter, std::move(values));
  filter_taps taps{.size = p.filter, .values = std::move(values), .facts = {}};
  taps.facts = facts_of(taps.values, p.filters);
  if (p.channels != p.groups || p.filters > filter_taps::most_singles) return taps;
  std::visit(
      [&]<class Tap>(const std::vector<Tap>& all) {
        const auto each = static_cast<std::ptrdiff_t>(p.filter.count());
        for (auto from = all.begin(); from != all.end(); from += each)
          taps.singles.push_back(one_filter(p.filter, std::vector<Tap>(from, from + each)));
      },
      taps.values);
  return taps;
}

filter_taps read_factors(const problem& p, const any_const_view& column,
                         const any_const_view& row) {
  given_product product = multiply(read_values(p, column, extent(p.filter.rows), "column"),
                                   read_values(p, row, extent(p.filter.cols), "row"));
  filter_taps taps{.size = p.filter, .values = std::move(product.taps), .facts = {}};
  taps.facts = facts_of(taps.values);
  taps.facts.factors = std::move(product.factors);
  return taps;
}

}  // namespace convgpu::detail
