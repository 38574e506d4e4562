// SPDX-License-Identifier: Apache-2.0
// The one list of problems that every algorithm is held against, and the data for them.
//
// A full cross product of all that a problem can say would never end. Types, modes, borders and
// both operations are crossed in full; all else is drawn from a seeded generator, differently for
// each case.
#pragma once

#include <convgpu/error.hpp>
#include <convgpu/plan.hpp>
#include <convgpu/problem.hpp>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "buffers.hpp"
#include "oracle.hpp"

namespace convgpu::test {

/// Draws the same on every machine, which the distributions of <random> need not.
class dice {
 public:
  explicit dice(unsigned seed) : engine_(seed) {}

  [[nodiscard]] std::int64_t between(std::int64_t low, std::int64_t high);  ///< both included
  /// True once in `n` times.
  [[nodiscard]] bool one_in(int n) { return between(1, n) == 1; }
  /// From −1 to 1, in 24 bits, with an exponent from −8 to 2.
  [[nodiscard]] real any_real();
  template <class T>
  [[nodiscard]] T pick(std::initializer_list<T> from) {
    return from.begin()[between(0, static_cast<std::int64_t>(from.size()) - 1)];
  }

 private:
  std::mt19937 engine_;
};

enum class content : std::uint8_t {
  small_integers,  ///< in any type; sums are exact in every type of sums
  any_integers,    ///< all of an integer type's range, its ends above all; results overflow
  reals,
  tiny,        ///< around the smallest normal number
  far_apart,   ///< input huge, filter small
  not_finite,  ///< some samples are NaN or infinite
};

/// Taps are zero here and there, in every content, unless there are to be no `zeros`; samples are not.
enum class role : std::uint8_t { samples, taps };
void fill(buffer& b, content what, role as, unsigned seed, bool zeros = true);

struct test_case {
  convgpu::problem problem;
  content data = content::small_integers;
  int rank =
      0;  ///< the filter is the sum of so many columns times rows, rounded to its type; 0: any
  bool zeros = true;  ///< among the taps; elsewhere loops may be others
  layout in = layout::dense;
  layout filter = layout::dense;
  layout out = layout::dense;
  int threads = 0;
  bool own_workspace = false;
  unsigned seed = 0;

  [[nodiscard]] buffer make_input() const;
  [[nodiscard]] buffer make_filter() const;
  /// Poisoned, and guarded on all sides.
  [[nodiscard]] buffer make_output(extent size) const;
};
std::ostream& operator<<(std::ostream& to, const test_case& c);

/// Every triple of the table.
[[nodiscard]] std::vector<types> supported_types();

/// A few samples each: every triple of types with that input, mode, border and operation.
[[nodiscard]] std::vector<test_case> small_problems(dtype in);
/// Sizes around those that tiles, vectors and blocks may have.
[[nodiscard]] std::vector<test_case> large_problems(dtype in);

/// What the environment variable CONVGPU_TEST_EVERY says, or 1: where a run takes long, as that of kernels under a
/// sanitizer does, of long lists of like cases one of so many is enough.
[[nodiscard]] std::size_t every_nth();

/// What algorithms that transform are allowed for an input of this type, as a fraction of ‖h‖₁·max|x|.
[[nodiscard]] double transform_tolerance(dtype in);

struct algorithm {
  std::string name;
  bool accepts_all;  ///< the last of its backend

  /// Of an algorithm that wants it.
  std::optional<double> tolerance{};

  /// Options that force it.
  [[nodiscard]] options forced() const { return {.algorithm = name, .tolerance = tolerance}; }
  /// Those that transform refuse small filters without one, tensor cores f32.
  [[nodiscard]] bool wants_tolerance() const {
    return name.ends_with("/overlap_save") || name.ends_with("/fft") ||
           name.ends_with("/winograd") || name.ends_with("/mma");
  }
  /// For tests that bear an error. `coarse`: for those who then have a faster way of their own, in TF32.
  [[nodiscard]] algorithm allowed_errors(dtype in, bool coarse = false) const {
    std::optional<double> allowed;
    if (wants_tolerance()) allowed = transform_tolerance(in);
    if (coarse && name.ends_with("/mma")) allowed = 2e-3;
    return {name, accepts_all, allowed};
  }
  /// f(options) with those, or, where it refuses the problem, with options that leave the choice to its
  /// backend: what holds for each holds among several, too.
  template <class F>
  auto with_forced(F f) const {
    try {
      return f(forced());
    } catch (const unsupported&) {
      if (accepts_all) throw;
      return f(options{.device = parse_device(name.substr(0, name.find('/')))});
    }
  }
};
/// The library's answer. Extents, planes, the types of input and filter are the buffers'; the type
/// of the output is the default unless `p` says it.
[[nodiscard]] buffer apply(problem p, const buffer& in, const buffer& filter,
                           const options& how = {});
[[nodiscard]] buffer apply(const problem& p, const buffer& in, const buffer& filter,
                           const algorithm& a);
/// What a case has to become: found once, kept for the algorithms that are asked next, and given up at some time.
struct solved_case {
  buffer in;
  answer expected;
};
[[nodiscard]] const solved_case& solved(const test_case& c, const buffer& filter);
/// What is wrong with the answer of `a` to this case with this filter; empty if nothing is, none if it refuses
/// the problem.
[[nodiscard]] std::optional<std::string> verdict(const algorithm& a, const test_case& c,
                                                 const buffer& filter);
/// Those of all backends that this machine has.
[[nodiscard]] std::vector<algorithm> available_algorithms();
/// For the names of parameterised tests, which may have letters and digits only.
[[nodiscard]] std::string test_name(const algorithm& a);

}  // namespace convgpu::test
