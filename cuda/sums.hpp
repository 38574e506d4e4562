// SPDX-License-Identifier: Apache-2.0
// In which types a request is computed: the same rules as on the CPU.
#pragma once

#include <complex>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/backend.hpp>

namespace convgpu::cuda {

/// Calls f.template operator()<Sample, Tap, Sum>(): samples as they lie in shared memory, taps as they lie
/// in device memory, and what products are summed in.
template <class F>
decltype(auto) with_sum_types(const detail::request& r, F&& f) {
  using cf32 = std::complex<float>;
  using cf64 = std::complex<double>;
  using i32 = std::int32_t;
  const dtype in = r.form.types.in;
  if (is_integer(r.form.types.filter)) {
    switch (detail::integer_sum_bits(in, r.filter.facts.integer_norm1)) {
      case 32: return f.template operator()<i32, i32, i32>();
      case 64: return f.template operator()<i32, i32, std::int64_t>();
      default: return f.template operator()<i32, i32, detail::int128>();
    }
  }
  if (is_complex(r.form.types.filter)) {
    switch (in) {
      case dtype::f32: return f.template operator()<float, cf32, cf32>();
      case dtype::f64: return f.template operator()<double, cf64, cf64>();
      case dtype::cf32: return f.template operator()<cf32, cf32, cf32>();
      default: return f.template operator()<cf64, cf64, cf64>();
    }
  }
  switch (in) {
    case dtype::f16:
    case dtype::bf16:
    case dtype::f32: return f.template operator()<float, float, float>();
    case dtype::cf32: return f.template operator()<cf32, float, cf32>();
    case dtype::cf64: return f.template operator()<cf64, double, cf64>();
    default: return f.template operator()<double, double, double>();
  }
}

}  // namespace convgpu::cuda
