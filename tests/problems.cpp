// SPDX-License-Identifier: Apache-2.0

#include "problems.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <ostream>
#include <span>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "oracle.hpp"

namespace convgpu::test {
namespace {

constexpr mode modes[] = {mode::full, mode::same, mode::valid};
constexpr border_kind borders[] = {border_kind::zero,      border_kind::constant,
                                   border_kind::replicate, border_kind::symmetric,
                                   border_kind::mirror,    border_kind::wrap};

/// `scale` is a power of two that all reals are multiplied by.
number draw(dice& d, dtype type, content what, real scale) {
  if (is_integer(type)) {
    const auto [low, high] = range_of(type);
    if (what == content::small_integers) return static_cast<real>(d.between(low < 0 ? -8 : 0, 8));
    if (d.one_in(4)) return static_cast<real>(d.pick({low, high}));
    return static_cast<real>(d.between(low, high));
  }
  const auto part = [&]() -> real {
    return what == content::small_integers ? static_cast<real>(d.between(-8, 8))
                                           : d.any_real() * scale;
  };
  const real re = part();
  return rounded(type, number(re, is_complex(type) ? part() : 0));
}

number spoilt(dice& d, dtype type, number value) {
  constexpr real infinity = std::numeric_limits<real>::infinity();
  const real bad = d.pick({infinity, -infinity, std::numeric_limits<real>::quiet_NaN()});
  return is_complex(type) && d.one_in(2) ? number(value.real(), bad) : number(bad, value.imag());
}

content draw_content(dice& d, const types& t) {
  if (!is_integer(t.in))
    return d.pick({content::small_integers, content::reals, content::tiny, content::far_apart,
                   content::not_finite});
  return d.pick({content::small_integers, content::any_integers});
}

border draw_border(dice& d, border_kind kind, dtype in, content data) {
  if (is_integer(in) && data == content::any_integers) {
    const auto [low, high] = range_of(in);
    return border(kind, static_cast<double>(d.pick({low, high})));
  }
  const std::complex<double> value = is_integer(in) || data == content::small_integers
                                         ? std::complex(3.0, -2.0)
                                         : std::complex(0.7, -0.3);
  return border(kind, is_complex(in) ? value : value.real());
}

/// What a case says besides its size: everything that is free of it.
test_case draw_case(dice& d, const types& t, mode m, border_kind kind, operation op) {
  test_case c;
  c.seed = static_cast<unsigned>(d.between(0, 1 << 30));
  c.data = draw_content(d, t);
  c.problem.types = t;
  c.problem.mode = m;
  c.problem.op = op;
  c.problem.border = draw_border(d, kind, t.in, c.data);
  c.problem.conjugate = !d.one_in(4);
  c.problem.overflow = d.pick({overflow::saturate, overflow::wrap});
  c.problem.planes = d.pick({1, 1, 3});
  c.in = d.pick({layout::dense, layout::dense, layout::padded, layout::reversed,
                 layout::interleaved, layout::transposed, layout::repeated});
  c.filter = d.pick({layout::dense, layout::padded, layout::reversed, layout::interleaved,
                     layout::transposed, layout::repeated});
  c.out = d.pick({layout::dense, layout::dense, layout::padded, layout::reversed,
                  layout::interleaved, layout::transposed});
  c.threads = d.pick({0, 1, 2, 3});
  c.own_workspace = d.one_in(2);
  c.rank = d.one_in(3) ? 1 : c.seed % 4 == 0 ? 2 + static_cast<int>(c.seed / 4 % 2) : 0;
  c.zeros = c.seed / 16 % 2 == 0;
  return c;
}

void draw_origin(dice& d, problem& p) {
  if (p.mode != mode::same) return;
  const auto along = [&](std::int64_t taps, std::int64_t dilation) {
    const std::int64_t reach = (taps - 1) * dilation + 1;
    return d.pick({std::int64_t{0}, -((reach - 1) / 2), reach / 2});
  };
  p.origin = {along(p.filter.rows, p.dilation.rows), along(p.filter.cols, p.dilation.cols)};
}

/// One axis of a small problem.
void draw_axis(dice& d, mode m, std::int64_t& in, std::int64_t& taps, std::int64_t& stride,
               std::int64_t& dilation) {
  in = d.one_in(6) ? 1 : d.between(1, 9);
  taps = d.between(1, 6);
  stride = d.pick({1, 1, 2, 3});
  dilation = d.pick({1, 1, 2, 3});
  if (m == mode::valid) in += (taps - 1) * dilation;
  else if (d.one_in(6)) taps += 2 * in;  // more than once over the input and back
}

/// Channels, filters and groups, and what `valid` may see of the border. Of dice of their own, so that all else is as
/// it would be without.
void draw_channels(test_case& c) {
  problem& p = c.problem;
  dice d(c.seed + 3);
  if (d.one_in(3)) {
    p.groups = d.pick({1, 1, 2, 3});
    p.channels = p.groups * d.pick({1, 1, 2, 3, 5});
    p.filters = p.groups * d.pick({1, 1, 2, 3, 4});
  }
  if (p.mode == mode::valid && d.one_in(2)) {
    p.padding = {.top = d.between(0, 4),
                 .bottom = d.between(0, 4),
                 .left = d.between(0, 4),
                 .right = d.between(0, 9)};
    if (p.filter.rows == 1 && p.in.rows == 1) p.padding.top = p.padding.bottom = 0;
    // A filter may be longer than the input then.
    p.in.rows = std::max<std::int64_t>(p.in.rows - p.padding.top - p.padding.bottom, 1);
    p.in.cols = std::max<std::int64_t>(p.in.cols - p.padding.left - p.padding.right, 1);
  }
}

test_case small_case(dice& d, const types& t, mode m, border_kind kind, operation op) {
  test_case c = draw_case(d, t, m, kind, op);
  problem& p = c.problem;
  p.in = p.filter = {1, 1};
  const int axes = d.pick({1, 1, 2, 3, 3});  // bit 0: along columns, bit 1: along rows
  if ((axes & 1) != 0) draw_axis(d, m, p.in.cols, p.filter.cols, p.stride.cols, p.dilation.cols);
  if ((axes & 2) != 0) draw_axis(d, m, p.in.rows, p.filter.rows, p.stride.rows, p.dilation.rows);
  draw_origin(d, p);
  draw_channels(c);
  return c;
}

/// A case of this size; everything else is drawn, but no dilations: those are for small problems.
test_case large_case(dice& d, const types& t, extent in, extent filter) {
  const bool fits = filter.rows <= in.rows && filter.cols <= in.cols;
  const mode m =
      fits ? d.pick({mode::full, mode::same, mode::valid}) : d.pick({mode::full, mode::same});
  test_case c = draw_case(d, t, m, borders[d.between(0, 5)],
                          d.pick({operation::convolution, operation::correlation}));
  c.problem.in = in;
  c.problem.filter = filter;
  if (!d.one_in(3)) c.problem.planes = 1;
  if (d.one_in(4)) c.problem.stride = d.pick({extent(1, 2), extent(2, 1), extent(3, 2)});
  draw_origin(d, c.problem);
  return c;
}

const char* name_of(content what) {
  constexpr const char* names[] = {"small integers", "any integers", "reals",
                                   "tiny",           "far apart",    "not finite"};
  return names[static_cast<int>(what)];
}

std::ostream& operator<<(std::ostream& to, extent e) {
  return to << e.rows << 'x' << e.cols;
}

/// Runs a case as it says. Memory that it brings is of just the right size, at an odd address; a device's is
/// not this test's to bring.
void run(const plan& made, const test_case& c, const buffer& in, buffer& out) {
  if (!c.own_workspace || made.describe().device != "cpu") return made.run(in.view(), out.view());
  std::vector<std::byte> memory(made.workspace_bytes() + 1, std::byte{0xff});
  made.run(in.view(), out.view(), {}, std::span(memory).subspan(1));
}

}  // namespace

std::int64_t dice::between(std::int64_t low, std::int64_t high) {
  const auto count = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  std::uint64_t bits = engine_();
  bits = bits << 32 | engine_();
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) +
                                   (count == 0 ? bits : bits % count));
}

real dice::any_real() {
  const auto mantissa = static_cast<real>(between(-(1 << 24), 1 << 24));
  return std::ldexp(mantissa, static_cast<int>(between(-8, 2)) - 24);
}

void fill(buffer& b, content what, role as, unsigned seed, bool zeros) {
  dice d(seed);
  const dtype type = b.type();
  int scale = 0;
  if (!is_integer(type)) {
    const float_format format = format_of(type);
    if (what == content::tiny && as == role::samples) scale = format.min_exponent;
    if (what == content::far_apart)
      scale = as == role::samples ? format.end_exponent * 3 / 4 : -format.end_exponent * 3 / 4;
    // Float taps for integers of all sizes: results overflow in some cases, in others not.
    if (what == content::any_integers) scale = static_cast<int>(d.pick({0, 0, 16, 34}));
  }
  const bool all_zero = as == role::taps && zeros && d.one_in(32);
  // Few of them, so that most windows hold none.
  const auto spoilt_one_in = static_cast<int>(std::max<std::int64_t>(8, b.size().count() / 4));
  for_each_element(b.size(), b.planes(), [&](auto plane, auto row, auto col) {
    number value = draw(d, type, what, std::ldexp(real{1}, scale));
    if (as == role::taps && zeros && (all_zero || d.one_in(4))) value = 0;
    if (as == role::taps && !zeros && value == number(0)) value = 1;
    if (what == content::not_finite && as == role::samples && d.one_in(spoilt_one_in))
      value = spoilt(d, type, value);
    b.set(plane, row, col, value);
  });
}

/// Each row becomes a multiple of the first one, as well as the type can say it.
void make_rank_one(buffer& b, std::int64_t image, content what, unsigned seed, bool zeros) {
  dice d(seed);
  const dtype type = b.type();
  const bool integers = is_integer(type) || what == content::small_integers;
  std::vector<number> first;
  for (std::int64_t c = 0; c < b.size().cols; ++c) {
    const number tap = b.get(image, 0, c);
    // A third of a large integer: twice that still fits into its type, and so does its negative.
    first.push_back(std::abs(tap) > 8 && is_integer(type) ? std::trunc(tap.real() / 3) : tap);
  }
  const auto part = [&]() -> real {
    if (!integers) return zeros && d.one_in(4) ? 0 : d.any_real();
    return static_cast<real>(is_integer(type) && range_of(type).low == 0 ? d.between(0, 2)
                                                                         : d.between(-2, 2));
  };
  for (std::int64_t r = 0; r < b.size().rows; ++r) {
    const real drawn = part();
    const real re = !zeros && drawn == 0 ? 1 : drawn;
    const number factor(re, is_complex(type) ? part() : 0);
    for (std::int64_t c = 0; c < b.size().cols; ++c) {
      const number tap = first[static_cast<std::size_t>(c)] * factor;
      b.set(image, r, c, is_integer(type) ? tap : rounded(type, tap));
    }
  }
}

/// The sum of so many columns times rows, as well as the type can say it: each row a sum of the first ones. Whole rows and
/// columns are zero here and there, other taps by chance at most.
void make_low_rank(buffer& b, std::int64_t image, int rank, content what, unsigned seed) {
  dice d(seed);
  const dtype type = b.type();
  const bool integers = is_integer(type) || what == content::small_integers;
  const auto part = [&]() -> real {
    if (!integers) return d.any_real();
    return static_cast<real>(is_integer(type) && range_of(type).low == 0 ? d.between(0, 2)
                                                                         : d.between(-2, 2));
  };
  const auto drawn = [&] {
    const real re = part();
    return number(re, is_complex(type) ? part() : 0);
  };
  std::vector<std::vector<number>> rows(static_cast<std::size_t>(rank));
  for (std::int64_t c = 0; c < b.size().cols; ++c) {
    // As large as the taps that were drawn.
    const real scale = integers ? 1 : std::abs(b.get(image, 0, c));
    for (auto& row : rows) row.push_back(drawn() * scale);
  }
  for (std::int64_t r = 0; r < b.size().rows; ++r) {
    const bool zero = d.one_in(8);
    std::vector<number> factors;
    for (int n = 0; n < rank; ++n) factors.push_back(zero ? number(0) : drawn());
    for (std::int64_t c = 0; c < b.size().cols; ++c) {
      number tap = 0;
      for (std::size_t n = 0; n < rows.size(); ++n)
        tap += factors[n] * rows[n][static_cast<std::size_t>(c)];
      b.set(image, r, c, is_integer(type) ? tap : rounded(type, tap));
    }
  }
}

buffer test_case::make_input() const {
  buffer b(problem.types.in, problem.in, problem.planes, in, 0, problem.channels);
  fill(b, data, role::samples, seed);
  return b;
}

buffer test_case::make_filter() const {
  buffer b(problem.types.filter, problem.filter, problem.filters, filter, 0,
           problem.channels / problem.groups);
  fill(b, data, role::taps, seed + 1, zeros);
  for (std::int64_t image = 0; image < b.planes() && filter != layout::repeated; ++image) {
    const unsigned own = seed + 2 + 1000 * static_cast<unsigned>(image);
    if (rank == 1) make_rank_one(b, image, data, own, zeros);
    if (rank > 1) make_low_rank(b, image, rank, data, own);
  }
  return b;
}

buffer test_case::make_output(extent size) const {
  return buffer(problem.types.out, size, problem.planes, out, 37, problem.filters);
}

std::ostream& operator<<(std::ostream& to, const test_case& c) {
  const problem& p = c.problem;
  return to << to_string(p.types.in) << " * " << to_string(p.types.filter) << " -> "
            << to_string(p.types.out) << ", " << to_string(p.op)
            << (p.conjugate ? "" : " (unconjugated)") << ", " << to_string(p.mode) << ", "
            << to_string(p.border.kind()) << ' ' << p.border.value() << ", in " << p.in
            << ", filter " << p.filter << ", planes " << p.planes << ", channels " << p.channels
            << " to " << p.filters << " in " << p.groups << " groups, padding " << p.padding.top
            << ',' << p.padding.bottom << ',' << p.padding.left << ',' << p.padding.right
            << ", origin " << p.origin.rows << ',' << p.origin.cols << ", stride " << p.stride
            << ", dilation " << p.dilation << ", " << to_string(p.overflow) << "; "
            << name_of(c.data) << ", seed " << c.seed << "; " << c.in << ", " << c.filter << ", "
            << c.out << "; threads " << c.threads
            << (c.rank > 0 ? ", rank " + std::to_string(c.rank) : "")
            << (c.zeros ? "" : ", no zeros among the taps")
            << (c.own_workspace ? ", own workspace" : "");
}

std::vector<types> supported_types() {
  std::vector<types> all;
  const auto count = static_cast<int>(dtype::cf64) + 1;
  for (int in = 0; in < count; ++in)
    for (int filter = 0; filter < count; ++filter)
      for (int out = 0; out < count; ++out) {
        const types t{static_cast<dtype>(in), static_cast<dtype>(filter), static_cast<dtype>(out)};
        if (is_supported(t)) all.push_back(t);
      }
  return all;
}

std::vector<test_case> small_problems(dtype in) {
  // Integers have many triples, floats have few and more contents.
  const int repeats = is_integer(in) ? 8 : 48;
  dice d(1000 + static_cast<unsigned>(in));
  std::vector<test_case> cases;
  for (const types& t : supported_types()) {
    if (t.in != in) continue;
    for (const mode m : modes)
      for (const border_kind kind : borders)
        for (const operation op : {operation::convolution, operation::correlation})
          for (int i = 0; i < repeats; ++i) cases.push_back(small_case(d, t, m, kind, op));
  }
  return cases;
}

std::vector<test_case> large_problems(dtype in) {
  std::vector<types> triples = supported_types();
  std::erase_if(triples, [in](const types& t) { return t.in != in; });
  dice d(2000 + static_cast<unsigned>(in));
  std::vector<test_case> cases;
  const auto add = [&](extent size, extent filter) {
    const types& t = triples[cases.size() % triples.size()];
    cases.push_back(large_case(d, t, size, filter));
  };

  for (const int n :
       {15,  16,  17,  31,   32,   33,   48,   63,   64,   65,   70,   127,  128,  129,
        255, 256, 257, 1023, 1024, 1025, 2047, 2048, 2049, 4095, 4096, 4097, 10000})
    for (const int taps : {d.pick({1, 2, 3, 4, 5}), d.pick({7, 8, 9, 15, 16, 17}),
                           d.pick({31, 33, 64, 65, 129, 257})})
      add({1, n}, {1, taps});
  add({1, 300}, {1, 1000});

  const auto near_a_tile = [&] {
    return d.pick({1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 70});
  };
  for (int i = 0; i < 50; ++i)
    add({near_a_tile(), near_a_tile()},
        d.pick({extent(1, 1), extent(3, 3), extent(5, 5), extent(1, 7), extent(7, 1), extent(2, 2),
                extent(4, 3), extent(15, 15), extent(1, 33), extent(31, 1), extent(9, 2),
                extent(20, 25)}));
  for (const int wide : {255, 256, 257, 1023, 1024, 1025, 2047, 2048, 2049, 4097})
    add({d.pick({2, 3, 17, 33}), wide}, d.pick({extent(3, 3), extent(2, 5), extent(7, 4)}));
  for (const int high : {255, 256, 257, 1025, 2049})
    add({high, d.pick({1, 2, 3, 17, 33})}, d.pick({extent(3, 3), extent(2, 5), extent(7, 4)}));
  // Columns times rows of all lengths, for those who take them apart.
  for (const extent taps : {extent(7, 7), extent(31, 31), extent(40, 33), extent(64, 5),
                            extent(3, 65), extent(66, 2), extent(70, 67)}) {
    add({near_a_tile() + 20, near_a_tile() + 20}, taps);
    cases.back().rank = 1;
    cases.back().problem.stride = {1, 1};
  }
  // Sums of some of these.
  for (const extent taps : {extent(7, 7), extent(9, 12), extent(15, 15), extent(31, 31),
                            extent(40, 33), extent(64, 64), extent(10, 66)})
    for (const int rank : {2, 3, 4}) {
      add({near_a_tile() + 20, near_a_tile() + 20}, taps);
      cases.back().rank = rank;
      cases.back().problem.stride = {1, 1};
    }
  // More rows from the first tap to the last than a cache can be expected to hold.
  add({70, 2100}, {3, 2});
  cases.back().problem.dilation.rows = 33;
  // Sums over channels: as deep, as high and as wide as blocks of products of matrices are, and a bit more.
  for (const extent taps : {extent(3, 3), extent(1, 1), extent(5, 7), extent(2, 40), extent(1, 3),
                            extent(7, 7), extent(3, 3), extent(31, 1)}) {
    add({d.pick({1, 5, 14, 33}), d.pick({1, 7, 14, 31, 33, 65, 400})}, taps);
    problem& p = cases.back().problem;
    p.groups = d.pick({1, 1, 2});
    p.channels = p.groups * d.pick({2, 3, 19});
    p.filters = p.groups * d.pick({1, 2, 11, 12, 13, 26});
    p.planes = d.pick({1, 1, 2, 5});
    if (p.mode != mode::valid) p.mode = mode::same;
    if (taps == extent(1, 1)) p.planes = 40, p.in = {2, 3}, p.filters = p.groups * 250;
  }
  // Many filters for a channel, and channels that have some each.
  for (const int groups : {1, 7, 40}) {
    add({9, 70}, {3, 5});
    problem& p = cases.back().problem;
    p.groups = p.channels = groups;
    p.filters = groups * d.pick({1, 2, 9});
  }
  // Images filtered along their rows only.
  for (const int taps : {2, 9, 31, 70}) add({d.pick({2, 9, 17}), 300}, {1, taps});
  return cases;
}

buffer apply(problem p, const buffer& in, const buffer& filter, const options& how) {
  p.in = in.size();
  p.planes = in.planes();
  p.types.in = in.type();
  const plan made(p, filter.view(), how);
  buffer out(made.problem().types.out, made.output_extent(), p.planes, layout::dense, 37);
  made.run(in.view(), out.view());
  if (const std::string damage = out.damage(); !damage.empty()) throw std::logic_error(damage);
  return out;
}

buffer apply(const problem& p, const buffer& in, const buffer& filter, const algorithm& a) {
  return a.with_forced([&](const options& how) { return apply(p, in, filter, how); });
}

const solved_case& solved(const test_case& c, const buffer& filter) {
  // All that the answer depends on: the input is drawn from what is printed of the case.
  std::ostringstream key;
  key.precision(std::numeric_limits<double>::max_digits10);
  key << c << ';' << std::hexfloat;
  for (const number& tap : filter.values()) key << tap;

  static std::map<std::string, solved_case> kept;
  static std::size_t outputs = 0;
  if (const auto found = kept.find(key.str()); found != kept.end()) return found->second;
  if (outputs > std::size_t{1} << 21) {  // of 48 to 64 bytes each
    kept.clear();
    outputs = 0;
  }
  buffer in = c.make_input();
  answer expected = solve(c.problem, in.view(), filter.view());
  outputs += expected.sums.size();
  return kept.emplace(key.str(), solved_case{std::move(in), std::move(expected)}).first->second;
}

std::optional<std::string> verdict(const algorithm& a, const test_case& c, const buffer& filter) {
  options how = a.allowed_errors(c.problem.types.in, c.seed % 2 == 0).forced();
  how.max_threads = c.threads;
  std::optional<plan> made;
  try {
    made.emplace(c.problem, filter.view(), how);
  } catch (const unsupported& refusal) {
    if (a.accepts_all) return refusal.what();
    return std::nullopt;
  }
  if (made->describe().algorithm != a.name) return "ran " + made->describe().algorithm;

  const auto& [in, expected] = solved(c, filter);
  if (made->output_extent() != expected.size)
    return "the output's extent is " + std::to_string(made->output_extent().rows) + " x " +
           std::to_string(made->output_extent().cols) + ", expected " +
           std::to_string(expected.size.rows) + " x " + std::to_string(expected.size.cols);
  buffer out = c.make_output(expected.size);
  run(*made, c, in, out);
  const bool exact = c.data == content::small_integers && made->describe().exact_on_integers;
  real tolerance = how.tolerance.value_or(0);
  // Sums of terms, and those of tensor cores, are off by a part of the filter's norm, not of each tap: what they say
  // themselves is held to.
  const bool says_itself = a.name.ends_with("/mma");
  if (says_itself || made->describe().parameters.starts_with("rank "))
    for (const candidate& k : made->describe().candidates)
      if (k.algorithm == a.name)
        tolerance = std::max<real>(says_itself ? 0 : tolerance, k.error_bound.value_or(0));
  return out.damage() +
         difference(c.problem, expected, std::as_const(out).view(), exact, tolerance);
}

std::size_t every_nth() {
  const char* const text = std::getenv("CONVGPU_TEST_EVERY");
  return text == nullptr ? 1 : std::max<std::size_t>(std::strtoul(text, nullptr, 10), 1);
}

double transform_tolerance(dtype in) {
  return unit_roundoff({.in = in}) > 0x1p-30L ? 1e-4 : 1e-12;
}

std::vector<algorithm> available_algorithms() {
  std::vector<algorithm> all;
  for (const backend_info& b : backends()) {
    if (!b.unavailable.empty()) continue;
    for (const auto& a : b.algorithms)
      all.push_back({.name = a.name, .accepts_all = a.name == b.algorithms.back().name});
  }
  return all;
}

std::string test_name(const algorithm& a) {
  std::string name = a.name;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

}  // namespace convgpu::test
