// SPDX-License-Identifier: Apache-2.0
// How large the error of a convolution by cpu/fft.hpp can be at most, whatever the data.
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

#include <cmath>
#include <cstdint>

#include "fft.hpp"

namespace convgpu::cpu {

/// Of an output, as a fraction of ‖h‖₁·max|x|. `norms` is ‖h‖₂/‖h‖₁, `roundoff` u, `samples` how many a point holds.
inline double fft_error(fft_size size, int lanes, double norms, double roundoff, int samples) {
  const auto n = static_cast<double>(size.points());
  const double of_product = std::sqrt(5.0);
  double error = (of_product + 1) * norms * std::sqrt(n);
  for_each_pass(size, lanes, [&](int radix, std::int64_t points) {
    const double step = of_product + std::sqrt(0.5) + (radix == 4 ? 2 : 1);
    const double nodes = n / static_cast<double>(points);
    error += step * std::fmin(norms * std::sqrt(n), std::sqrt(nodes * radix));  // there
    error += step * std::sqrt(nodes);                                           // and back
  });
  return 1.01 * roundoff * std::sqrt(static_cast<double>(samples)) * error;
}

}  // namespace convgpu::cpu
