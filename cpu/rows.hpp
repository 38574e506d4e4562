// SPDX-License-Identifier: Apache-2.0
// Rows of x̃, the input continued by its border: in place where they lie inside the input and have the right type
// already, else loaded, converted and continued into a ring of rows. The loops that do the work never test for a
// border.
#pragma once

#include <algorithm>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/border_index.hpp>
#include <convgpu/detail/normal_form.hpp>
#include <convgpu/view.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simd.hpp"

namespace convgpu::cpu {

using simd::alignment;

/// So that pieces of a workspace begin at lines of the cache.
constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

/// The first place for a piece in memory of any alignment.
inline std::byte* aligned(std::byte* memory) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  return memory + (alignment - address % alignment) % alignment;
}

/// What is subtracted from samples of a type for them to fit into one of the same size with a sign.
template <class Element, class In>
inline constexpr std::int32_t bias =
    std::is_same_v<Element, std::int16_t>&& std::is_same_v<In, std::uint16_t> ? 32768 : 0;

/// Loads x̃[first … first+count) of the input row that starts at `data`.
template <class Element, class In>
void load_row(Element* to, const void* data, std::int64_t step, std::int64_t first,
              std::int64_t count, const detail::normal_form& form) {
  using wide = std::conditional_t<std::is_same_v<Element, std::int16_t>, std::int32_t, Element>;
  const auto* const from = static_cast<const In*>(data);
  const auto loaded = [](auto value) {
    return static_cast<Element>(value - static_cast<wide>(bias<Element, In>));
  };
  const Element outside = loaded(detail::border_value<wide>(form.border));
  const border_kind kind = form.border.kind();
  const auto continued = [&](std::int64_t begin, std::int64_t end) {
    if (kind == border_kind::zero || kind == border_kind::constant)
      return static_cast<void>(std::fill(to + begin, to + end, outside));
    for (std::int64_t j = begin; j < end; ++j)
      to[j] = loaded(
          detail::number<wide>(from[detail::border_index(kind, first + j, form.col.in) * step]));
  };
  const std::int64_t left = std::clamp<std::int64_t>(-first, 0, count);
  const std::int64_t right = std::clamp(form.col.in - first, left, count);
  continued(0, left);
  if (step == 1 && left < right) {  // loops of their own, for the compiler to vectorise
    const In* const inside = from + (first + left);
    Element* const there = to + left;
    const std::int64_t length = right - left;
    if constexpr (std::is_same_v<Element, std::int16_t> && std::is_same_v<In, std::uint8_t>)
      simd::best().widen_u8(inside, there, length);
    else if constexpr (std::is_same_v<Element, std::int16_t> && std::is_same_v<In, std::int8_t>)
      simd::best().widen_i8(inside, there, length);
    else if constexpr (std::is_same_v<Element, std::int16_t> && std::is_same_v<In, std::uint16_t>)
      simd::best().widen_u16(inside, there, length);
    else if constexpr (std::is_same_v<Element, float> && std::is_same_v<In, std::uint8_t>)
      simd::best().float_u8(inside, there, length);
    else if constexpr (std::is_same_v<Element, float> && std::is_same_v<In, std::int8_t>)
      simd::best().float_i8(inside, there, length);
    else if constexpr (std::is_same_v<Element, In>)
      std::memcpy(static_cast<void*>(there), inside,
                  static_cast<std::size_t>(length) * sizeof(Element));
    else if (std::is_same_v<Element, float> && std::is_same_v<In, f16> &&
             simd::best().float_f16 != nullptr)
      simd::best().float_f16(reinterpret_cast<const std::uint16_t*>(inside),
                             reinterpret_cast<float*>(there), length);
    else
      for (std::int64_t j = 0; j < length; ++j) there[j] = loaded(detail::number<wide>(inside[j]));
  } else {
    for (std::int64_t j = left; j < right; ++j)
      to[j] = loaded(detail::number<wide>(from[(first + j) * step]));
  }
  continued(right, count);
}

/// Where rows of x̃ come from, for one thread, one piece of columns and a plane at a time.
template <class Element>
class row_ring {
 public:
  using loader = void (*)(Element*, const void*, std::int64_t, std::int64_t, std::int64_t,
                          const detail::normal_form&);

  /// The loader for inputs of this type; null where there is no such pair in the table of types.
  static loader loader_for(dtype in) {
    return detail::with_element_type(in, []<class In>() -> loader {
      constexpr bool integers = std::is_integral_v<In> && !std::is_same_v<In, std::int64_t>;
      constexpr bool fits = !std::is_same_v<Element, std::int16_t> ||
                            (integers && sizeof(In) <= sizeof(std::int16_t));
      if constexpr (detail::is_complex_type<In> == detail::is_complex_type<Element> && fits)
        return load_row<Element, In>;
      else return nullptr;
    });
  }

  /// Bytes for `slots` rows of `length` samples: a power of two, so that finding a row takes no division. As many
  /// rows as there are slots, next to one another, can be held at a time.
  static std::size_t bytes(std::int64_t slots, std::int64_t length) noexcept {
    return aligned(static_cast<std::size_t>(slots) * sizeof(std::int64_t)) +
           static_cast<std::size_t>(slots) * pitch(length);
  }

  row_ring(std::byte* memory, std::int64_t slots, std::int64_t length, loader load,
           const detail::normal_form& form, const any_const_view& in) noexcept
      : held_(reinterpret_cast<std::int64_t*>(memory)),
        rows_(memory + aligned(static_cast<std::size_t>(slots) * sizeof(std::int64_t))),
        mask_(slots - 1),
        pitch_(pitch(length)),
        load_(load),
        form_(form),
        in_(in) {}

  /// From now on rows are those of this plane, from sample `first` of x̃ on, `count` of them. There is memory for
  /// `beyond` more, which may be read, but holds anything. Rows in place are not for those who read them in an order
  /// in which they displace one another.
  void begin(std::int64_t plane, std::int64_t first, std::int64_t count, std::int64_t beyond = 0,
             bool may_be_in_place = true) noexcept {
    plane_ = plane;
    first_ = first;
    count_ = count;
    in_place_ = may_be_in_place && form_.types.in == dtype_of<Element> && in_.step().col == 1 &&
                first >= 0 && first + count + beyond <= form_.col.in;
    std::fill_n(held_, mask_ + 1, nothing);
  }

  /// Whether row `r` of x̃ needs no loading.
  [[nodiscard]] bool in_place(std::int64_t r) const noexcept {
    return in_place_ && r >= 0 && r < form_.row.in;
  }

  /// Row `r` of x̃: stays until one is asked for that is `slots` or more away.
  const Element* operator[](std::int64_t r) {
    const std::int64_t source = detail::border_index(form_.border.kind(), r, form_.row.in);
    const std::byte* const data = source < 0
                                      ? nullptr
                                      : static_cast<const std::byte*>(in_.data()) +
                                            (plane_ * in_.step().plane + source * in_.step().row) *
                                                static_cast<std::int64_t>(size_of(form_.types.in));
    if (data != nullptr && in_place_) return reinterpret_cast<const Element*>(data) + first_;
    const std::int64_t slot = r & mask_;
    auto* const row = reinterpret_cast<Element*>(rows_ + static_cast<std::size_t>(slot) * pitch_);
    if (held_[slot] == r) return row;
    // A row that is all outside looks like any row beyond its ends.
    if (data != nullptr) load_(row, data, in_.step().col, first_, count_, form_);
    else load_(row, nullptr, 0, -count_, count_, form_);
    held_[slot] = r;
    return row;
  }

 private:
  /// Not a power of two, or rows would displace one another from the first-level cache.
  static std::size_t pitch(std::int64_t length) noexcept {
    return aligned(static_cast<std::size_t>(length) * sizeof(Element)) / 128 * 128 + 192;
  }

  static constexpr std::int64_t nothing = std::numeric_limits<std::int64_t>::min();

  std::int64_t* held_;  // row in each slot
  std::byte* rows_;
  std::int64_t mask_;  // slots less one
  std::size_t pitch_;
  loader load_;
  const detail::normal_form& form_;
  const any_const_view& in_;
  std::int64_t plane_ = 0;
  std::int64_t first_ = 0;
  std::int64_t count_ = 0;
  bool in_place_ = false;
};

}  // namespace convgpu::cpu
