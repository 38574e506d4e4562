// SPDX-License-Identifier: Apache-2.0
#include "array.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

namespace convgpu::tools {
namespace {

template <class T>
constexpr bool is_complex_type = convgpu::is_complex(dtype_of<T>);
template <class T>
constexpr bool is_half = std::same_as<T, f16> || std::same_as<T, bf16>;

/// To f32 such that a second rounding, to 16 bits, gives what one rounding would have: where digits
/// are lost the last bit is set, so that no tie appears that was none.
float round_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || std::isnan(value)) return nearest;
  auto bits = std::bit_cast<std::uint32_t>(nearest);
  if (std::abs(static_cast<double>(nearest)) > std::abs(value)) --bits;  // towards zero
  return std::bit_cast<float>(bits | 1u);
}

template <std::integral To>
To round_and_saturate(double value) {
  if (std::isnan(value)) return 0;
  const double rounded = std::nearbyint(value);
  // One past the largest value: a power of two, hence exact also where the largest value is not.
  const double end = std::ldexp(1.0, std::numeric_limits<To>::digits);
  if (rounded >= end) return std::numeric_limits<To>::max();
  if (rounded < static_cast<double>(std::numeric_limits<To>::min())) {
    return std::numeric_limits<To>::min();
  }
  return static_cast<To>(rounded);
}

template <std::integral To>
To saturate(std::integral auto value) {
  if (std::cmp_less(value, std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
  if (std::cmp_greater(value, std::numeric_limits<To>::max())) {
    return std::numeric_limits<To>::max();
  }
  return static_cast<To>(value);
}

template <class To, class From>
To convert_value(From value) {
  if constexpr (std::same_as<To, From>) {
    return value;
  } else if constexpr (is_complex_type<From>) {
    using part = typename To::value_type;
    return {static_cast<part>(value.real()), static_cast<part>(value.imag())};
  } else if constexpr (is_complex_type<To>) {
    return convert_value<typename To::value_type>(value);
  } else if constexpr (is_half<From>) {
    return convert_value<To>(static_cast<float>(value));
  } else if constexpr (is_half<To>) {
    return To(round_to_odd(static_cast<double>(value)));
  } else if constexpr (std::integral<To> && std::integral<From>) {
    return saturate<To>(value);
  } else if constexpr (std::integral<To>) {
    return round_and_saturate<To>(static_cast<double>(value));
  } else {
    return static_cast<To>(value);
  }
}

/// `count` matrices one after the other.
template <class T>
void transpose(const T* from, std::int64_t count, std::int64_t rows, std::int64_t cols, T* to) {
  for (std::int64_t i = 0; i < count; ++i, from += rows * cols, to += rows * cols) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < cols; ++c) to[c * rows + r] = from[r * cols + c];
    }
  }
}

}  // namespace

layout order_of(const header& h) {
  return h.order.value_or(h.kind == content::numbers ? layout::channels_first
                                                     : layout::channels_last);
}

std::vector<std::int64_t> shape_of(const header& h) {
  const bool has_planes = h.dimensions >= 3 || h.planes > 1;
  const layout order = order_of(h);
  std::vector<std::int64_t> shape;
  if (h.dimensions == 4) shape.push_back(h.batch);
  if (has_planes && order == layout::channels_first) shape.push_back(h.planes);
  if (h.dimensions >= 2) shape.push_back(h.rows);
  shape.push_back(h.cols);
  if (has_planes && order == layout::channels_last) shape.push_back(h.planes);
  return shape;
}

std::string shape_text(const header& h) {
  std::string text;
  for (const std::int64_t size : shape_of(h))
    text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

std::size_t byte_count(const header& h) {
  auto total = static_cast<std::int64_t>(size_of(h.type));
  bool overflow = false;
  for (const std::int64_t size : {h.batch, h.planes, h.rows, h.cols}) {
    // A size of zero does not excuse the others: products of only some of them are taken, too.
    const std::int64_t factor = std::max<std::int64_t>(size, 1);
    overflow = overflow || size < 0 || __builtin_mul_overflow(total, factor, &total);
  }
  if (overflow) {
    throw bad_file("an array of " + std::to_string(h.rows) + " rows, " + std::to_string(h.cols) +
                   " columns and " + std::to_string(h.planes) + " planes" +
                   (h.batch == 1 ? "" : ", " + std::to_string(h.batch) + " times,") +
                   " is not possible; its bytes must fit 63 bits");
  }
  return h.count() == 0 ? 0 : static_cast<std::size_t>(total);
}

array convert(const array& from, dtype to) {
  if (is_complex(from.type) && !is_complex(to)) {
    throw bad_file("complex values (" + std::string(to_string(from.type)) +
                   ") do not become real (" + std::string(to_string(to)) +
                   "); allowed: cf32, cf64");
  }
  header h = static_cast<const header&>(from);
  h.type = to;
  array result(h);
  visit_type(from.type, [&]<class From>(std::type_identity<From>) {
    visit_type(to, [&]<class To>(std::type_identity<To>) {
      if constexpr (is_complex_type<To> || !is_complex_type<From>) {
        std::ranges::transform(from.values<From>(), result.values<To>().begin(),
                               convert_value<To, From>);
      }
    });
  });
  return result;
}

bool fits(const array& from, dtype to) {
  if (is_complex(from.type) || !is_integer(to)) return false;
  return visit_type(from.type, [&]<class From>(std::type_identity<From>) {
    return visit_type(to, [&]<class To>(std::type_identity<To>) {
      if constexpr (std::integral<From> && std::integral<To>) {
        return std::ranges::all_of(from.values<From>(),
                                   [](From value) { return std::in_range<To>(value); });
      } else if constexpr (std::integral<To> && !is_complex_type<From>) {
        // Both limits of To are exact as doubles, the upper one as one more than it.
        const double low = static_cast<double>(std::numeric_limits<To>::min());
        const double end = std::ldexp(1.0, std::numeric_limits<To>::digits);
        return std::ranges::all_of(from.values<From>(), [&](From value) {
          const auto v = convert_value<double>(value);
          return v >= low && v < end && v == std::floor(v);
        });
      } else {
        return false;
      }
    });
  });
}

buffer interleave(const array& from) {
  buffer result(byte_count(from));
  visit_type(from.type, [&]<class T>(std::type_identity<T>) {
    transpose(from.values<T>().data(), from.batch, from.planes, from.rows * from.cols,
              reinterpret_cast<T*>(result.data()));
  });
  return result;
}

array deinterleave(const header& h, std::span<const std::byte> values) {
  array result(h);
  visit_type(h.type, [&]<class T>(std::type_identity<T>) {
    transpose(reinterpret_cast<const T*>(values.data()), h.batch, h.rows * h.cols, h.planes,
              result.values<T>().data());
  });
  return result;
}

array with_channels_last(const array& a) {
  header h = a;
  h.rows = a.planes;
  h.cols = a.rows;
  h.planes = a.cols;
  h.order = layout::channels_last;
  return deinterleave(h, {a.data.data(), a.data.size()});
}

}  // namespace convgpu::tools
