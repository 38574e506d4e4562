// SPDX-License-Identifier: Apache-2.0
// How large the error of a convolution by the transforms of cpu/fft.hpp and cuda/transform.hpp can be at most, whatever
// the data, and what of it is allowed: the same on all backends. Not installed.
//
// Notation: n points; a pass turns nodes of L points into nodes of L/r; u is the unit roundoff; κ is √2 where a point
// holds two real samples, else 1. Samples are at most 1, so that points are at most κ; ρ = ‖h‖₂/‖h‖₁.
//
// A pass multiplies by rounded twiddles, each off by at most u/√2 (both parts are below 1), with an error of at most
// √5·u of the product (Brent, Percival, Zimmermann, "Error bounds on complex floating-point multiplication", 2007; a
// fused multiplication does not add to it), and adds log₂ r times, each time with u of the sum. As r numbers are turned
// by √r times a unitary matrix, what a pass adds is at most η = (√5 + 1/√2 + log₂ r)·u of the length of its r results.
//
// What becomes of it. Nodes of m points are polynomials x mod (x^m − ρ_k), k = 1 … n/m; their coefficients i satisfy
// Σ_k |z_k,i|² = n/m·Σ_q |x_(i+qm)|². An error e of all coefficients is multiplied by h mod (x^m − ρ_k), and what it
// adds to an output is m/n·Σ_k Σ_i |e_k,i|·|h_k,j−i|. That is at most, by Cauchy and Schwarz over k and i and the
// equation above for e and h, η·‖x‖₂·‖h‖₂ ≤ η·κ√n·ρ·‖h‖₁; or, because |h_k,l| ≤ Σ_q |h_(l+qm)| and Σ_l of that is ‖h‖₁,
// by Cauchy and Schwarz over k alone, η·κ√(n/m)·‖h‖₁. The smaller one counts, m = L/r on the way there.
//
// The product's own error, √5·u and u for the rounded spectrum, is of the first kind. On the way back there is no h
// left: an error in nodes of L points reaches an output as L/n·Σ_k |e_k,i| ≤ η·√(n/L)·max|y|, max|y| ≤ κ‖h‖₁.
//
// Compare N. Higham, "Accuracy and Stability of Numerical Algorithms", chapter 24, whose bound for all outputs
// together is taken apart here by levels: it grows with √n where the one for a norm would with √n·log n, and knows
// that filters of many taps forgive. Terms of second order, and the errors of tables and spectra, which are computed in
// a wider type, are covered by a hundredth more. Scaling is by powers of two. Errors are random rather than bad: what tests
// make to reach the bound comes to 6% of it, random data to less.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <convgpu/detail/backend.hpp>
#include <convgpu/detail/error_bound.hpp>
#include <convgpu/detail/separable.hpp>
#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>

namespace convgpu::detail {

/// Of an output, as a fraction of ‖h‖₁·max|x|. `norms` is ‖h‖₂/‖h‖₁, `roundoff` u, `samples` how many a point holds;
/// `for_each_pass` calls f(radix, points of a node) for each pass of radix 2 or 4, first to last. One of radix 16 counts
/// as two of 4, of 8 as one of 2 and one of 4: its twiddles are ahead of both, those between the two are constants, and
/// what lies between has the magnitudes of their nodes.
template <class ForEachPass>
[[nodiscard]] double transform_error(std::int64_t points, double norms, double roundoff,
                                     int samples, const ForEachPass& for_each_pass) {
  const auto n = static_cast<double>(points);
  const double of_product = std::sqrt(5.0);
  double error = (of_product + 1) * norms * std::sqrt(n);
  for_each_pass([&](int radix, std::int64_t of_node) {
    const double step = of_product + std::sqrt(0.5) + (radix == 4 ? 2 : 1);
    const double nodes = n / static_cast<double>(of_node);
    error += step * std::fmin(norms * std::sqrt(n), std::sqrt(nodes * radix));  // there
    error += step * std::sqrt(nodes);                                           // and back
  });
  return 1.01 * roundoff * std::sqrt(static_cast<double>(samples)) * error;
}

/// Σ|h| and the root of Σ|h|².
struct filter_norms {
  long double one = 0;
  long double two = 0;

  [[nodiscard]] double ratio() const { return one == 0 ? 1 : static_cast<double>(two / one); }
};
[[nodiscard]] inline filter_norms norms_of(const tap_values& values) {
  filter_norms n;
  // Relative to the largest, so that no square overflows.
  const auto size = []<class Tap>(Tap tap) {
    if constexpr (std::is_same_v<Tap, std::int32_t>)
      return std::fabs(static_cast<long double>(tap));
    else return static_cast<long double>(std::abs(tap));
  };
  std::visit(
      [&](const auto& taps) {
        long double largest = 0;
        for (const auto& tap : taps) largest = std::fmax(largest, size(tap));
        if (largest == 0) return;
        for (const auto& tap : taps) {
          const long double part = size(tap) / largest;
          n.one += part;
          n.two += part * part;
        }
        n.one *= largest;
        n.two = std::sqrt(n.two) * largest;
      },
      values);
  return n;
}

/// Real samples and taps go two to a point.
[[nodiscard]] inline int samples_per_point(const types& t) {
  return is_complex(t.in) || is_complex(t.filter) ? 1 : 2;
}

/// One magnitude more than any sample of the type has.
[[nodiscard]] inline double largest_sample(dtype in) {
  const bool is_unsigned = in == dtype::u8 || in == dtype::u16;
  return std::exp2(static_cast<double>(8 * size_of(in)) - (is_unsigned ? 0 : 1));
}

/// The largest error that is allowed, as a fraction of ‖h‖₁·max|x|.
[[nodiscard]] inline double allowed_transform_error(const request& r) {
  if (is_integer(r.form.types.filter)) {
    // Rounding gives the integer that it is.
    const auto largest =
        static_cast<double>(norms_of(r.filter.values).one) * largest_sample(r.form.types.in);
    return largest < 0x1p51 ? 0.49 / std::max(largest, 1.0) : 0;
  }
  if (r.how.tolerance) return *r.how.tolerance;
  return 4 * direct_error(r);
}

/// Why blocks will not do of which the least error is this one.
[[nodiscard]] inline std::string refuse_transform_error(const request& r, double least) {
  const double allowed = allowed_transform_error(r);
  if (is_integer(r.form.types.filter))
    return "rounding its sums to integers might not be exact: their error may reach " +
           short_text(least) + " of the largest, allowed: " + short_text(allowed);
  return "its error may reach " + short_text(least) + ", " +
         (r.how.tolerance
              ? "more than options.tolerance"
              : "more than " + short_text(allowed) +
                    ", four times that of direct summation; options.tolerance may allow it");
}

}  // namespace convgpu::detail
