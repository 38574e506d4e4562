// SPDX-License-Identifier: Apache-2.0

#include "filtering.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <complex>
#include <convgpu/convgpu.hpp>
#include <limits>
#include <utility>
#include <vector>

#include "formats.hpp"
#include "named_filters.hpp"

namespace convgpu::tools {
namespace {

using std::string;

string name_of(dtype type) {
  return string(to_string(type));
}

/// Whether every value survives the conversion.
bool converts_exactly(const array& from, dtype to) {
  if (from.type == to) return true;
  if (is_complex(from.type) && !is_complex(to)) return false;
  if (is_integer(to)) return fits(from, to);
  const bool gains_a_part = is_complex(to) && !is_complex(from.type);
  const dtype there = gains_a_part ? (to == dtype::cf32 ? dtype::f32 : dtype::f64) : to;
  // Integers come back as wide ones: in their own type 2^31 would saturate to what it was made from.
  const dtype home = is_integer(from.type) ? dtype::i64 : from.type;
  const array sent = convert(from, home);
  const array back = convert(convert(from, there), home);
  return std::equal(sent.data.data(), sent.data.data() + sent.data.size(), back.data.data());
}

/// Whether every value of one type is a value of the other.
bool widens(dtype from, dtype to) {
  if (from == to) return true;
  switch (to) {
    case dtype::i32: return is_integer(from) && size_of(from) < 4;
    case dtype::f32:
    case dtype::cf32:
      return (is_integer(from) && size_of(from) < 4) || from == dtype::f16 || from == dtype::bf16 ||
             (to == dtype::cf32 && from == dtype::f32);
    case dtype::f64: return !is_complex(from) && from != dtype::i64;
    case dtype::cf64: return from != dtype::i64;
    default: return false;
  }
}

/// The library takes integers up to 32 bits; files often hold them in 64.
array without_i64(const array& a, const char* what) {
  if (a.type != dtype::i64) return convert(a, a.type);
  if (!fits(a, dtype::i32))
    throw bad_file(string(what) +
                   ": 64-bit integers that do not fit into 32 bits; allowed: values from "
                   "-2147483648 to 2147483647, or floats");
  return convert(a, dtype::i32);
}

/// The types to compute in: the triple of the library's table that widens input and filter least, and
/// gives the wanted output; failing that, one whose output converts to it.
types choose_types(const array& in, const array& filter, bool adapts, dtype wanted) {
  const auto ladder = [](dtype own) {
    return std::array{own, dtype::i32, dtype::f32, dtype::f64, dtype::cf32, dtype::cf64};
  };
  const auto taps_allowed = [&](dtype to) {
    const bool same_kind = is_complex(to) == is_complex(filter.type);
    return (adapts && same_kind && !is_integer(to)) || converts_exactly(filter, to);
  };
  const auto ins = ladder(in.type);
  const auto taps = ladder(filter.type);
  for (const bool exactly_wanted : {true, false})
    for (std::size_t cost = 0; cost <= ins.size() + taps.size(); ++cost)
      for (std::size_t i = 0; i < ins.size() && i <= cost; ++i) {
        const std::size_t f = cost - i;
        if (f >= taps.size() || !widens(in.type, ins[i])) continue;
        types t{ins[i], taps[f], wanted};
        if (!exactly_wanted) {
          t.out = default_out(t.in, t.filter);
          const bool integers = is_integer(t.filter) && is_integer(wanted);
          if (is_integer(t.in)) t.out = integers ? wide_integer(t.in) : dtype::f64;
          if (size_of(t.in) == 2 && !is_integer(t.in)) t.out = dtype::f32;  // as the sums are
        }
        if (is_supported(t) && taps_allowed(t.filter)) return t;
      }
  throw bad_file("input of " + name_of(in.type) + " and filter of " + name_of(filter.type) +
                 ": no types to compute in; allowed: numbers of one kind");
}

/// All planes of an array, `channels` of them summed or made at a time.
any_const_view view_of(const header& h, const buffer& data, std::int64_t channels = 1,
                       layout order = layout::channels_first) {
  const extent size{h.rows, h.cols};
  return {data.data(),
          h.type,
          size,
          h.batch * h.planes / channels,
          channels,
          order == layout::channels_last ? channels_last(size, channels) : dense(size, channels)};
}

any_view view_of(const header& h, buffer& data, std::int64_t channels = 1,
                 layout order = layout::channels_first) {
  const any_const_view v = view_of(h, std::as_const(data), channels, order);
  return {data.data(), v.type(), v.size(), v.planes(), v.channels(), v.step()};
}

/// The filter for signals: on an image whose rows are all the same it would come out as this does.
array summed_rows(const array& taps) {
  header h = taps;
  h.dimensions = 1;
  h.rows = 1;
  array line(h);
  const auto to = line.values<double>();
  std::ranges::fill(to, 0.0);
  const auto from = taps.values<double>();
  for (std::size_t i = 0; i < from.size(); ++i) to[i % to.size()] += from[i];
  return line;
}

/// What an image's values are fractions of.
double white_of(const header& image) {
  return image.white > 0 ? image.white : (image.type == dtype::u16 ? 65535.0 : 255.0);
}

std::size_t plane_size(const header& h) {
  return static_cast<std::size_t>(h.rows * h.cols);
}

/// Takes the alpha plane off an image, as a fraction, and multiplies the colours with it.
array split_alpha(array& image) {
  const array all = convert(image, dtype::f64);
  const std::size_t plane = plane_size(all);
  header one = all;
  one.planes = 1;
  array alpha(one);
  std::ranges::transform(all.values<double>().last(plane), alpha.values<double>().begin(),
                         [&](double a) { return a / white_of(image); });
  header colours = all;
  colours.planes -= 1;
  image = array(colours);
  const auto to = image.values<double>();
  for (std::size_t i = 0; i < to.size(); ++i)
    to[i] = all.values<double>()[i] * alpha.values<double>()[i % plane];
  return alpha;
}

/// How much of each output is picture, 0 … 1. A filter whose taps sum to something positive carries alpha
/// along like a colour, its gain taken out; one that finds differences has no say in alpha but by the
/// reach of its taps.
array coverage(const prepared& p, const options& how) {
  array taps = convert(p.filter, dtype::f64);
  double sum = 0;
  double norm = 0;
  for (const double tap : taps.values<double>()) sum += tap, norm += std::abs(tap);
  const bool differences = sum <= norm * 1e-9;
  if (differences)
    for (double& tap : taps.values<double>()) tap = std::abs(tap);

  problem one = p.problem;
  one.planes = 1;
  if (one.border.kind() == border_kind::constant) one.border = border::constant(1.0);
  header h = *p.alpha;
  h.rows = output_extent(one).rows;
  h.cols = output_extent(one).cols;
  array result(h);
  plan(one, view_of(taps, taps.data), how)
      .run(view_of(*p.alpha, p.alpha->data), view_of(result, result.data));
  const double gain = differences ? norm : sum;
  for (double& v : result.values<double>()) v = gain > 0 ? std::clamp(v / gain, 0.0, 1.0) : 0.0;
  return result;
}

/// What the other layout would have made of an array's channels, where that is what is wanted.
string layout_hint(const header& in, std::int64_t wanted) {
  if (in.kind != content::numbers || in.dimensions < 3) return {};
  const bool last = order_of(in) == layout::channels_last;
  if ((last ? in.rows : in.cols) != wanted) return {};
  return string(", or --layout ") + (last ? "channels_first" : "channels_last");
}

/// How the planes of input and filter go together, into `p`: a filter of up to two dimensions filters each plane by
/// itself, one of more sums channels.
void pair_channels(const array& in, const array& taps, std::int64_t groups, prepared& p) {
  p.sums_channels = taps.dimensions > 2 || taps.planes > 1;
  if (!p.sums_channels) {
    if (groups != 1)
      throw bad_file(
          "--groups: " + std::to_string(groups) + ", for a filter of " + shape_text(taps) +
          ", which filters each plane by itself; allowed: 1, or a filter of three or four "
          "dimensions");
    p.problem.planes = in.batch * in.planes;
    return;
  }
  if (in.alpha)
    throw bad_file("filter: " + shape_text(taps) +
                   ", which sums planes, for a picture with alpha; allowed: a filter of two "
                   "dimensions");
  const string input = "an input of " + shape_text(in) + " with " + std::to_string(in.planes) +
                       (in.planes == 1 ? " channel" : " channels");
  if (groups < 1 || in.planes % groups != 0)
    throw bad_file("--groups: " + std::to_string(groups) + ", for " + input +
                   "; allowed: a divisor of the channels" + layout_hint(in, groups));

  // The axis that three dimensions leave out is that of which there can be but one.
  const std::int64_t wanted = in.planes / groups;
  const bool one_filter = taps.dimensions < 4 && wanted != 1;
  const std::int64_t channels = taps.dimensions == 4 ? taps.planes : one_filter ? taps.planes : 1;
  if (channels != wanted || (one_filter && groups != 1))
    throw bad_file("filter: " + shape_text(taps) + " with " + std::to_string(channels) +
                   (channels == 1 ? " channel" : " channels") + ", for " + input +
                   (groups == 1 ? "" : " in " + std::to_string(groups) + " groups") +
                   "; allowed: four dimensions, filters x " + std::to_string(wanted) +
                   " x rows x columns" + (groups == 1 ? layout_hint(in, channels) : ""));
  p.problem.planes = in.batch;
  p.problem.channels = in.planes;
  p.problem.filters = taps.dimensions == 4 ? taps.batch : one_filter ? 1 : taps.planes;
  p.problem.groups = groups;
  p.problem.layout = in.order.value_or(layout::channels_first);
}

padding padding_of(const wishes& w, const header& in) {
  const std::vector<std::int64_t>& n = w.padding;
  if (n.empty()) return {};
  const bool signal = in.dimensions == 1;
  if (n.size() == 1 && signal) return {0, 0, n[0], n[0]};
  if (n.size() == 1) return {n[0], n[0], n[0], n[0]};
  if (n.size() == 2 && signal) return {0, 0, n[0], n[1]};
  if (n.size() == 2) return {n[0], n[0], n[1], n[1]};
  if (signal)
    throw bad_file("--padding: above and below a signal; allowed: one number, or left, right");
  return {n[0], n[1], n[2], n[3]};
}

}  // namespace

filter_source read_filter(const string& what) {
  if (std::optional<array> named = named_filter(what)) return {std::move(*named), true, true};
  array taps = read(what);
  if (taps.kind != content::numbers && taps.planes != 1)
    throw bad_file("filter " + what + ": " + std::to_string(taps.planes) +
                   " planes; allowed: one, such as a grey picture, or an array");
  const bool typed = what.starts_with('[') || what.ends_with(".txt");
  return {std::move(taps), typed, false};
}

prepared prepare(const array& input, const filter_source& filter, const wishes& w) {
  const bool to_one_row = input.dimensions == 1 && filter.named;
  if (input.dimensions == 1 && filter.taps.rows > 1 && !to_one_row)
    throw bad_file("filter: " + std::to_string(filter.taps.rows) +
                   " rows for a signal; allowed: one row");
  const dtype own_type = input.type;
  array in = without_i64(input, "input");
  if (w.order == layout::channels_last && in.dimensions > 2) in = with_channels_last(in);
  in.order = w.order;
  array taps = to_one_row ? summed_rows(filter.taps) : without_i64(filter.taps, "filter");
  if (is_integer(in.type) && converts_exactly(taps, dtype::i32)) taps = convert(taps, dtype::i32);

  prepared p;
  pair_channels(in, taps, w.groups, p);
  const bool complex_result = is_complex(taps.type) && !is_complex(in.type);
  p.result_type = w.out_type.value_or(
      complex_result ? (in.type == dtype::f32 ? dtype::cf32 : dtype::cf64) : own_type);
  if (is_complex(p.result_type) != (is_complex(in.type) || is_complex(taps.type)))
    throw bad_file(
        "--out-type: " + name_of(p.result_type) + " for a result that is " +
        (is_complex(p.result_type) ? "real; allowed: real types" : "complex; allowed: cf32, cf64"));
  if (in.alpha && is_complex(taps.type))
    throw bad_file("filter: complex taps for a picture with alpha; allowed: real taps");

  types t = in.alpha ? types{dtype::f64, dtype::f64, dtype::f64}
                     : choose_types(in, taps, filter.adapts, p.result_type);
  if (w.overflow == overflow::wrap && is_integer(p.result_type) && t.out != p.result_type)
    throw bad_file(
        "--overflow: wrap, for an output of " + name_of(p.result_type) + " made from " +
        name_of(t.out) +
        "; allowed: wrap of integers, without alpha, into the input's own type or a wide one");
  p.filter = convert(taps, t.filter);
  const bool image = in.kind == content::image;
  p.white = white_of(in);
  if (in.alpha) p.alpha = split_alpha(in);
  p.in = convert(in, t.in);
  p.problem.in = {p.in.rows, p.in.cols};
  p.problem.filter = {p.filter.rows, p.filter.cols};
  p.problem.types = t;
  p.problem.op = w.op;
  p.problem.mode = w.mode.value_or(image ? mode::same : mode::full);
  p.problem.border = w.border.value_or(image ? border::mirror() : border::zero());
  p.problem.origin = w.origin;
  p.problem.padding = padding_of(w, input);
  p.problem.stride = w.stride;
  p.problem.dilation = w.dilation;
  p.problem.overflow = w.overflow;
  if (p.alpha) p.problem.planes -= 1;
  return p;
}

header result_header(const prepared& p) {
  header h = p.in;
  const extent size = output_extent(p.problem);
  h.type = p.result_type;
  h.rows = size.rows;
  h.cols = size.cols;
  if (p.alpha) h.planes += 1;
  if (p.sums_channels) h.planes = p.problem.filters;
  // A matrix or signal of numbers has got an axis for them.
  if (h.kind == content::numbers && p.sums_channels && h.planes > 1)
    h.dimensions = std::max(h.dimensions, 3);
  return h;
}

outcome run(const prepared& p, const options& how, int runs) {
  using clock = std::chrono::steady_clock;
  const problem& the = p.problem;
  const plan made(the, view_of(p.filter, p.filter.data, the.channels / the.groups), how);
  header h = result_header(p);
  h.type = the.types.out;
  if (p.alpha) h.planes -= 1;
  outcome o{.result = array(h),
            .why = made.describe(),
            .explanation = made.explain(),
            .explanation_json = made.explain_json()};
  // Arrays lie with their channels first here; the library is to have them as the files do.
  const bool last = the.layout == layout::channels_last;
  const buffer pixels = last ? interleave(p.in) : buffer();
  buffer responses = last ? buffer(byte_count(h)) : buffer();
  const any_const_view in = view_of(p.in, last ? pixels : p.in.data, the.channels, the.layout);
  const any_view out = view_of(h, last ? responses : o.result.data, the.filters, the.layout);
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) {
    const auto start = clock::now();
    made.run(in, out);
    seconds.push_back(std::chrono::duration<double>(clock::now() - start).count());
  }
  if (last) o.result = deinterleave(h, {responses.data(), responses.size()});
  std::ranges::sort(seconds);
  o.seconds = seconds[seconds.size() / 2];
  return o;
}

array finish(const prepared& p, array result, const options& how) {
  if (!p.alpha) {
    array stored = convert(result, p.result_type);
    // Nothing is whiter than the white of a picture that has one of its own.
    if (p.in.white > 0 && p.result_type == dtype::u16)
      for (std::uint16_t& v : stored.values<std::uint16_t>())
        v = std::min(v, static_cast<std::uint16_t>(p.in.white));
    if (p.in.white > 0 && p.result_type == dtype::u8)
      for (std::uint8_t& v : stored.values<std::uint8_t>())
        v = std::min(v, static_cast<std::uint8_t>(p.in.white));
    return stored;
  }
  const array alpha = coverage(p, how);
  const auto share = alpha.values<double>();
  header h = result;
  h.planes += 1;
  array whole(h);
  const auto from = result.values<double>();
  const auto to = whole.values<double>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const double a = share[i % share.size()];
    to[i] = a > 0 ? from[i] / a : 0.0;
  }
  std::ranges::transform(share, to.last(share.size()).begin(),
                         [&](double a) { return a * p.white; });
  return convert(whole, p.result_type);
}

double largest_difference(const array& a, const array& b) {
  if (a.type == dtype::i64 && b.type == dtype::i64) {  // more than a double holds
    std::uint64_t largest = 0;
    for (std::int64_t i = 0; i < a.count(); ++i) {
      const std::int64_t u = a.values<std::int64_t>()[static_cast<std::size_t>(i)];
      const std::int64_t v = b.values<std::int64_t>()[static_cast<std::size_t>(i)];
      largest = std::max(largest, static_cast<std::uint64_t>(std::max(u, v)) -
                                      static_cast<std::uint64_t>(std::min(u, v)));
    }
    return static_cast<double>(largest);
  }
  const array x = convert(a, dtype::cf64);
  const array y = convert(b, dtype::cf64);
  const auto u = x.values<std::complex<double>>();
  const auto v = y.values<std::complex<double>>();
  double largest = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    const bool finite_u = std::isfinite(u[i].real()) && std::isfinite(u[i].imag());
    const bool finite_v = std::isfinite(v[i].real()) && std::isfinite(v[i].imag());
    if (finite_u != finite_v) return std::numeric_limits<double>::infinity();
    if (finite_u) largest = std::max(largest, std::abs(u[i] - v[i]));
  }
  return largest;
}

}  // namespace convgpu::tools
