// SPDX-License-Identifier: Apache-2.0
// The last stage: sums to elements of the output.
#pragma once

#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/normal_form.hpp>
#include <convgpu/view.hpp>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "rows.hpp"
#include "simd.hpp"

namespace convgpu::cpu {

// Outputs of this size leave no room for themselves in a cache.
inline constexpr std::int64_t streamed_bytes = std::int64_t{4} << 20;

/// Stores rows of sums of one type as elements of whatever type the output has.
template <class Sum>
class row_store {
 public:
  row_store(dtype out, overflow policy) : type_(out), policy_(policy), store_(storer_for(out)) {}

  /// `count` sums to `to` and every `step` elements from there on.
  void operator()(const Sum* sums, std::int64_t count, std::byte* to, std::int64_t step) const {
    if constexpr (std::is_same_v<Sum, std::int32_t>) {
      if (step == 1 && policy_ == overflow::saturate) {
        const simd::kernels& s = simd::best();
        switch (type_) {
          case dtype::u8: return s.saturate_u8(sums, reinterpret_cast<std::uint8_t*>(to), count);
          case dtype::i8: return s.saturate_i8(sums, reinterpret_cast<std::int8_t*>(to), count);
          case dtype::u16: return s.saturate_u16(sums, reinterpret_cast<std::uint16_t*>(to), count);
          case dtype::i16: return s.saturate_i16(sums, reinterpret_cast<std::int16_t*>(to), count);
          default: break;
        }
      }
    }
    if constexpr (std::is_same_v<Sum, double>) {
      if (step == 1 && policy_ == overflow::saturate) {
        const simd::kernels& s = simd::best();
        switch (type_) {
          case dtype::u8: return s.u8_f64(sums, reinterpret_cast<std::uint8_t*>(to), count);
          case dtype::i8: return s.i8_f64(sums, reinterpret_cast<std::int8_t*>(to), count);
          case dtype::u16: return s.u16_f64(sums, reinterpret_cast<std::uint16_t*>(to), count);
          case dtype::i16: return s.i16_f64(sums, reinterpret_cast<std::int16_t*>(to), count);
          case dtype::i32: return s.i32_f64(sums, reinterpret_cast<std::int32_t*>(to), count);
          default: break;
        }
      }
    }
    if constexpr (std::is_same_v<Sum, float>) {
      const auto to_halves = simd::best().f16_float;
      if (step == 1 && type_ == dtype::f16 && to_halves != nullptr)
        return to_halves(sums, reinterpret_cast<std::uint16_t*>(to), count);
    }
    store_(sums, count, to, step, policy_);
  }

 private:
  using storer = void (*)(const Sum*, std::int64_t, void*, std::int64_t, overflow);

  static storer storer_for(dtype out) {
    return detail::with_element_type(out, []<class Out>() -> storer {
      if constexpr (detail::can_store<Out, Sum>)
        return [](const Sum* sums, std::int64_t count, void* data, std::int64_t step,
                  overflow policy) {
          auto* const to = static_cast<Out*>(data);
          for (std::int64_t j = 0; j < count; ++j)
            to[j * step] = detail::element_of<Out>(sums[j], policy);
        };
      else return nullptr;
    });
  }

  dtype type_;
  overflow policy_;
  storer store_;
};

/// Whether sums may go from registers to the output without a stay in the caches: it is too large for those, and all
/// of its rows lie alike in lines of the cache.
inline bool streams(const detail::normal_form& form, const any_view& out) noexcept {
  const auto element = static_cast<std::int64_t>(size_of(form.types.out));
  const auto place = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(out.data()));
  return form.row.out * form.col.out * form.planes * element >= streamed_bytes &&
         place % element == 0 &&
         out.step().row * element % static_cast<std::int64_t>(alignment) == 0;
}

/// Whether rows of both that belong together have nearly the same place within their pages, all of them. To tell whether
/// a load has to wait for a store, processors begin with the last 12 bits of addresses: loads of the next samples then
/// wait for stores past the caches, which take long.
inline bool lie_alike(const any_const_view& in, const any_view& out) noexcept {
  constexpr std::int64_t page = 4096;
  constexpr std::int64_t near = 256;
  const auto of_row = [](const auto& view) {
    return view.step().row * static_cast<std::int64_t>(size_of(view.type())) % page;
  };
  const auto distance = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(out.data()) -
                                                  reinterpret_cast<std::uintptr_t>(in.data())) &
                        (page - 1);
  return of_row(in) == 0 && of_row(out) == 0 && (distance < near || distance > page - near);
}

}  // namespace convgpu::cpu
