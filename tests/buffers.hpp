// SPDX-License-Identifier: Apache-2.0
// Elements of every type as one type of numbers, and memory that holds them in any layout. Written
// for the tests alone: nothing here uses the library's arithmetic.
#pragma once

#include <complex>
#include <convgpu/view.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <string>
#include <vector>

namespace convgpu::test {

/// Holds every element of every type exactly, 64-bit integers included.
using real = long double;
using number = std::complex<real>;
static_assert(std::numeric_limits<real>::digits >= 64);

/// The values of a floating type: `precision` bits from 2^min_exponent up to below 2^end_exponent,
/// and with fewer bits below. A complex type's are those of its parts.
struct float_format {
  int precision = 0;
  int min_exponent = 0;
  int end_exponent = 0;
};
[[nodiscard]] float_format format_of(dtype type);

/// Half the distance of the values next to `value`.
[[nodiscard]] real half_ulp(dtype type, real value);
/// The nearest value of a floating type, the even one of two.
[[nodiscard]] real rounded(dtype type, real value);
[[nodiscard]] number rounded(dtype type, number value);

struct integer_range {
  std::int64_t low = 0;
  std::int64_t high = 0;
};
[[nodiscard]] integer_range range_of(dtype type);

[[nodiscard]] number load(dtype type, const void* element);
/// `value` must be one of the type's, or is rounded to a floating one.
void store(dtype type, void* element, number value);

enum class layout : std::uint8_t {
  dense,
  padded,       ///< gaps behind rows and planes
  reversed,     ///< negative steps along all axes
  interleaved,  ///< one more channel than there are planes
  transposed,   ///< columns one after the other
  repeated,     ///< step 0 between rows and planes; to be read only
};
std::ostream& operator<<(std::ostream& to, layout how);

/// Memory for planes of rows × cols, or for channels of planes, none of it initialised to anything that could pass for a
/// result: the bytes say NaN, or 0xa5 for integers. What is not an element stays so; `damage`
/// tells.
class buffer {
 public:
  /// `guard` elements lie before the first and behind the last one. Without, the memory ends where
  /// the elements end, and the address sanitizer sees who goes beyond.
  buffer(dtype type, extent size, std::int64_t planes = 1, layout how = layout::dense,
         std::int64_t guard = 0, std::int64_t channels = 1);
  /// One dense plane of these values.
  buffer(dtype type, extent size, std::initializer_list<real> values);

  [[nodiscard]] dtype type() const noexcept { return type_; }
  [[nodiscard]] extent size() const noexcept { return size_; }
  /// Images: channels of one plane, then those of the next.
  [[nodiscard]] std::int64_t planes() const noexcept { return planes_; }
  [[nodiscard]] any_const_view view() const noexcept;
  [[nodiscard]] any_view view() noexcept;

  [[nodiscard]] number get(std::int64_t plane, std::int64_t row, std::int64_t col) const;
  void set(std::int64_t plane, std::int64_t row, std::int64_t col, number value);
  /// All elements, plane after plane, row after row.
  [[nodiscard]] std::vector<number> values() const;

  /// Which byte that belongs to no element has been written; empty for none.
  [[nodiscard]] std::string damage() const;

 private:
  [[nodiscard]] strides steps() const noexcept;
  [[nodiscard]] std::size_t offset(std::int64_t plane, std::int64_t row, std::int64_t col) const;

  dtype type_;
  extent size_;
  std::int64_t planes_;  // times channels
  std::int64_t channels_;
  strides step_;
  std::size_t first_ = 0;  // element 0, 0, 0, in bytes
  std::vector<std::byte> bytes_;
};

/// f(plane, row, col) for every element, plane after plane, row after row.
template <class F>
void for_each_element(extent size, std::int64_t planes, F f) {
  for (std::int64_t p = 0; p < planes; ++p)
    for (std::int64_t r = 0; r < size.rows; ++r)
      for (std::int64_t c = 0; c < size.cols; ++c) f(p, r, c);
}

}  // namespace convgpu::test
