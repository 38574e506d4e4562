// SPDX-License-Identifier: Apache-2.0
// What tests of gradients share: problems with data of small whole numbers, and the products that adjoints keep.
#pragma once

#include <complex>
#include <convgpu/convgpu.hpp>
#include <vector>

#include "problems.hpp"

namespace convgpu::test {

/// The real part of Σ conj(a)·b.
inline real inner_product(const buffer& a, const buffer& b) {
  const std::vector<number> left = a.values();
  const std::vector<number> right = b.values();
  real sum = 0;
  for (std::size_t n = 0; n < left.size(); ++n) sum += (std::conj(left[n]) * right[n]).real();
  return sum;
}

/// A problem with data of small whole numbers, so that all sums are exact.
struct given {
  convgpu::problem problem;
  buffer x;
  buffer h;
  extent out_size;
  buffer y;   // of x and h
  buffer y0;  // of zeros and h: what a constant border adds
  buffer dy;

  static convgpu::problem with_whole_border(convgpu::problem p) {
    p.border = border(p.border.kind(), is_complex(p.types.in) ? std::complex(3.0, -2.0) : 3.0);
    return p;
  }
  static buffer filled(dtype type, extent size, std::int64_t planes, std::int64_t channels,
                       layout how, unsigned seed) {
    buffer b(type, size, planes, how, 0, channels);
    fill(b, content::small_integers, role::samples, seed);
    return b;
  }
  static buffer zeros(const convgpu::problem& p) {
    buffer b(p.types.in, p.in, p.planes, layout::dense, 0, p.channels);
    for_each_element(b.size(), b.planes(), [&](auto i, auto r, auto c) { b.set(i, r, c, 0); });
    return b;
  }

  explicit given(const test_case& c)
      : problem(with_whole_border(c.problem)),
        x(filled(problem.types.in, problem.in, problem.planes, problem.channels, c.in, c.seed)),
        h(filled(problem.types.filter, problem.filter, problem.filters,
                 problem.channels / problem.groups, c.filter, c.seed + 1)),
        out_size(output_extent(problem)),
        y(solved(x)),
        y0(solved(zeros(problem))),
        dy(filled(problem.types.out, out_size, problem.planes, problem.filters, c.out,
                  c.seed + 2)) {}

  [[nodiscard]] buffer solved(const buffer& samples) const {
    buffer out(problem.types.out, out_size, problem.planes, layout::dense, 0, problem.filters);
    plan(problem, h.view(), {.algorithm = "cpu/reference"}).run(samples.view(), out.view());
    return out;
  }
};

/// Calls f(case) for one of so many of the problems with input of that type that have gradients, and says how many those
/// are. Steps of 0 are for what is read.
template <class F>
int for_each_gradient_problem(dtype type, int nth, const F& f) {
  int count = 0;
  for (const test_case& c : small_problems(type)) {
    const types& t = c.problem.types;
    if (t.in != t.out || c.in == layout::repeated || c.filter == layout::repeated) continue;
    if (++count % nth == 0) f(c);
  }
  return count;
}

}  // namespace convgpu::test
