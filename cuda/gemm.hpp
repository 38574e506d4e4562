// SPDX-License-Identifier: Apache-2.0
// In what parts cuda/gemm makes its output: for its kernels, and for the choice among algorithms.
#pragma once

#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/backend.hpp>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>
#include <vector>

namespace convgpu::cuda {

/// The type in which it has patches and taps: that of the input where it holds the taps. 16 bits are for matrix units
/// that know the type, and f32 instead where their error is more than what is allowed.
[[nodiscard]] dtype gemm_type(const detail::request& r);
/// The type of its sums.
[[nodiscard]] dtype gemm_sum_type(const detail::request& r);
/// Of its sums at most, as a fraction of ‖h‖₁·max|x|.
[[nodiscard]] double gemm_error(const detail::request& r);

/// A patch is what an output sees: a sample for each tap of each channel. A tile is a workspace full of them, side by
/// side, and of the sums that they make with the filters:
///
///     patches[group][depth × pitch]     sums[group][filters × pitch]
struct gemm_tiles {
  std::int64_t depth = 0;   ///< numbers of a patch
  std::int64_t pitch = 0;   ///< patches, with room between the groups
  std::int64_t groups = 1;  ///< in a tile
  std::int64_t count = 1;   ///< of tiles for the whole output
  std::size_t sums_at = 0;  ///< bytes of the workspace before them, and
  std::size_t work_at = 0;  ///< before what cuBLAS works in
  std::size_t bytes = 0;
};
/// As large as the workspace may be, and no larger than the output asks for.
[[nodiscard]] gemm_tiles gemm_tiles_for(const detail::request& r);

/// Whether an output sees one sample of each channel, the one where it is itself: input that lies as a matrix is one then,
/// and no patches are needed.
[[nodiscard]] bool gemm_is_pointwise(const detail::request& r);

/// A tap in the type of patches, which holds it. Those of integers meet none.
template <class Number, class Tap>
[[nodiscard]] Number gemm_tap(const Tap& tap) {
  if constexpr (std::is_integral_v<Tap>) {
    return Number{};
  } else if constexpr (detail::is_complex_type<Number>) {
    using part = typename Number::value_type;
    if constexpr (detail::is_complex_type<Tap>) return detail::number<Number>(tap);
    else return Number(detail::number<part>(tap));
  } else if constexpr (detail::is_complex_type<Tap>) {
    return Number{};
  } else if constexpr (sizeof(Number) == 2) {
    return Number(static_cast<float>(tap));
  } else {
    return detail::number<Number>(tap);
  }
}

/// Those of all filters, each filter's with zeros behind them where patches are longer.
template <class Number>
[[nodiscard]] std::vector<Number> gemm_taps(const detail::filter_taps& filter,
                                            std::int64_t of_filter, std::int64_t depth) {
  std::vector<Number> all;
  std::visit(
      [&](const auto& taps) {
        const std::size_t filters = taps.size() / static_cast<std::size_t>(of_filter);
        all.resize(filters * static_cast<std::size_t>(depth));
        for (std::size_t t = 0; t < taps.size(); ++t) {
          const auto of = static_cast<std::int64_t>(t) / of_filter;
          all[t + static_cast<std::size_t>(of * (depth - of_filter))] = gemm_tap<Number>(taps[t]);
        }
      },
      filter.values);
  return all;
}

}  // namespace convgpu::cuda
