// SPDX-License-Identifier: Apache-2.0
// Every mistake a caller can make, with the type of its error and the words that matter in the
// message: the argument, its value, what is allowed.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <cmath>
#include <complex>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

namespace convgpu::test {
namespace {

using floats = std::vector<float>;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t huge = std::int64_t{1} << 40;

/// `call` must throw an Error, no other one of the family, whose message has all these words.
template <class Error, class Call>
void expect(Call call, std::initializer_list<std::string_view> words) {
  try {
    call();
  } catch (const error& caught) {
    EXPECT_EQ(typeid(caught), typeid(Error)) << caught.what();
    const std::string_view message = caught.what();
    for (const std::string_view word : words)
      EXPECT_NE(message.find(word), std::string_view::npos) << '"' << word << "\" in: " << message;
    return;
  }
  ADD_FAILURE() << "nothing thrown; expected: " << ::testing::PrintToString(std::vector(words));
}

template <class Call>
void expect_invalid(Call call, std::initializer_list<std::string_view> words) {
  expect<invalid_problem>(call, words);
}

/// A sound problem; each test spoils one thing.
problem sound() {
  return {.in = {8, 9},
          .filter = {3, 4},
          .types = {dtype::f32, dtype::f32, dtype::f32},
          .mode = mode::same};
}

template <class Spoil>
void expect_invalid_problem(Spoil spoil, std::initializer_list<std::string_view> words) {
  problem p = sound();
  spoil(p);
  expect_invalid([&] { validate(p); }, words);
  expect_invalid([&] { (void)output_extent(p); }, words);
}

TEST(errors, are_a_family) {
  static_assert(std::is_base_of_v<std::runtime_error, error>);
  static_assert(
      std::is_base_of_v<error, invalid_problem> && std::is_base_of_v<error, unsupported> &&
      std::is_base_of_v<error, backend_unavailable> && std::is_base_of_v<error, cuda_error>);
  EXPECT_NO_THROW(validate(sound()));
}

// ---- problems

TEST(errors, of_sizes) {
  expect_invalid_problem([](problem& p) { p.in.rows = 0; }, {"in.rows: 0", "1 or more"});
  expect_invalid_problem([](problem& p) { p.in.cols = -3; }, {"in.cols: -3", "1 or more"});
  expect_invalid_problem([](problem& p) { p.filter = {}; }, {"filter.rows: 0", "1 or more"});
  expect_invalid_problem([](problem& p) { p.filter.cols = 0; }, {"filter.cols: 0", "1 or more"});
  expect_invalid_problem([](problem& p) { p.planes = 0; }, {"planes: 0", "1 or more"});
  expect_invalid_problem([](problem& p) { p.stride.rows = 0; }, {"stride.rows: 0", "1 or more"});
  expect_invalid_problem([](problem& p) { p.dilation.cols = -1; },
                         {"dilation.cols: -1", "1 or more"});
}

TEST(errors, of_filters_longer_than_the_input) {
  const auto valid = [](extent filter, extent dilation) {
    return [=](problem& p) { p.mode = mode::valid, p.filter = filter, p.dilation = dilation; };
  };
  expect_invalid_problem(valid({9, 3}, {1, 1}), {"filter.rows: 9", "valid", "8"});
  expect_invalid_problem(valid({3, 10}, {1, 1}), {"filter.cols: 10", "valid", "9"});
  expect_invalid_problem(valid({3, 4}, {1, 3}), {"filter.cols: 4 at dilation 3", "valid", "9"});
  problem exactly = sound();
  valid({8, 3}, {1, 4})(exactly);
  EXPECT_EQ(output_extent(exactly), extent(1, 1));
}

TEST(errors, of_sizes_whose_product_overflows) {
  expect_invalid_problem(
      [](problem& p) {
        p.in = {huge, huge};
      },
      {"in: 1099511627776 x 1099511627776", "2^63"});
  expect_invalid_problem(
      [](problem& p) {
        p.in = {huge, 1 << 20}, p.planes = 1 << 10;
      },
      {"in: ", "1024 planes", "2^63"});
  expect_invalid_problem([](problem& p) { p.filter = {huge, huge}; }, {"filter: ", "2^63"});
  expect_invalid_problem(
      [](problem& p) {
        p.in = p.filter = {1 << 30, 1 << 28}, p.planes = 3;
      },
      {"out: ", "2^63"});
  expect_invalid_problem([](problem& p) { p.dilation.rows = huge << 20; },
                         {"filter.rows: 3", "dilation 1152921504606846976"});
  expect_invalid_problem([](problem& p) { p.in.cols = std::numeric_limits<std::int64_t>::max(); },
                         {"filter.cols", "9223372036854775807"});
}

TEST(errors, of_types) {
  const auto types_are = [](dtype in, dtype filter, dtype out) {
    return [=](problem& p) { p.types = {in, filter, out}; };
  };
  using enum dtype;
  expect_invalid_problem(types_are(f32, f64, f32),
                         {"types: in f32, filter f64, out f32", "f32 -> f32"});
  expect_invalid_problem(types_are(u8, u8, i16), {"types: in u8, filter u8, out i16", "u8 -> i32"});
  expect_invalid_problem(types_are(i64, i64, i64), {"types: in i64", "table"});
  expect_invalid_problem(types_are(deduced, f32, f32), {"types: in deduced"});
}

TEST(errors, of_origins) {
  expect_invalid_problem([](problem& p) { p.mode = mode::full, p.origin.rows = 1; },
                         {"origin.rows: 1", "full", "same"});
  expect_invalid_problem([](problem& p) { p.mode = mode::valid, p.origin.cols = -1; },
                         {"origin.cols: -1", "valid", "same"});
  expect_invalid_problem([](problem& p) { p.origin.rows = 2; }, {"origin.rows: 2", "-1 to 1"});
  expect_invalid_problem([](problem& p) { p.origin.cols = -2; }, {"origin.cols: -2", "-1 to 2"});
  expect_invalid_problem([](problem& p) { p.origin.cols = 6, p.dilation.cols = 3; },
                         {"origin.cols: 6", "-4 to 5"});
}

TEST(errors, of_constants_the_input_cannot_hold) {
  const auto constant = [](dtype in, std::complex<double> value) {
    return [=](problem& p) {
      p.types = {in, is_integer(in) ? dtype::f32 : in, in};
      p.border = border::constant(value);
    };
  };
  expect_invalid_problem(constant(dtype::u8, 256), {"border value: 256", "u8", "0 to 255"});
  expect_invalid_problem(constant(dtype::u8, -1), {"border value: -1", "u8"});
  expect_invalid_problem(constant(dtype::i16, -32769), {"border value: -32769", "-32768 to 32767"});
  expect_invalid_problem(constant(dtype::i32, 2147483648.0), {"border value: 2147483648", "i32"});
  expect_invalid_problem(constant(dtype::i32, 0.5), {"border value: 0.5", "whole"});
  expect_invalid_problem(constant(dtype::i32, not_a_number), {"border value: nan", "whole"});
  expect_invalid_problem(constant(dtype::f32, {1, -2}), {"border value: 1 - 2i", "real", "f32"});
  expect_invalid_problem(constant(dtype::f32, 1e39), {"border value: 1e+39", "f32"});
  expect_invalid_problem(constant(dtype::f16, 65520), {"border value: 65520", "f16"});
  expect_invalid_problem(constant(dtype::cf32, {0, 1e39}), {"border value: ", "1e+39i", "cf32"});
  for (const auto& [in, value] : {std::pair(dtype::u8, 255.0), std::pair(dtype::i32, -2147483648.0),
                                  std::pair(dtype::f16, 65519.0)}) {
    problem p = sound();
    constant(in, value)(p);
    EXPECT_NO_THROW(validate(p));
  }
}

TEST(errors, of_enumerators_that_are_none) {
  expect_invalid_problem([](problem& p) { p.mode = static_cast<mode>(9); },
                         {"mode: 9", "full, same, valid"});
  expect_invalid_problem([](problem& p) { p.op = static_cast<operation>(9); },
                         {"op: 9", "convolution, correlation"});
  expect_invalid_problem([](problem& p) { p.border = border(static_cast<border_kind>(9)); },
                         {"border: 9", "zero, constant"});
  expect_invalid_problem([](problem& p) { p.overflow = static_cast<overflow>(9); },
                         {"overflow: 9", "saturate, wrap"});
}

// ---- names

TEST(errors, of_names) {
  expect_invalid([] { (void)parse_mode("Same"); }, {"mode", "\"Same\"", "full, same, valid"});
  expect_invalid([] { (void)parse_overflow("clip"); }, {"overflow", "\"clip\"", "saturate, wrap"});
  expect_invalid([] { (void)parse_border("edge"); },
                 {"border", "\"edge\"", "zero, constant, replicate, symmetric, mirror, wrap"});
  expect_invalid([] { (void)parse_dtype("float"); }, {"type", "\"float\"", "f16, bf16, f32"});
  expect_invalid([] { (void)parse_dtype("deduced"); }, {"type", "\"deduced\""});
  for (const char* name : {"gpu", "cuda:", "cuda:x", "cuda:1x", "cuda:-1", "cuda:99999999999", ""})
    expect_invalid([name] { (void)parse_device(name); },
                   {"device", name, "auto, cpu, cuda, cuda:N"});
  expect_invalid([] { (void)find_dialect("numpy.dot"); },
                 {"dialect", "\"numpy.dot\"", "numpy.convolve"});
}

TEST(errors, of_reflect_say_what_to_choose_between) {
  expect_invalid([] { (void)parse_border("reflect"); },
                 {"border", "reflect", "mirror", "symmetric"});
}

TEST(errors, of_dialects) {
  expect_invalid(
      [] {
        (void)in_dialect("scipy.ndimage.convolve",
                         {.in = {5, 6}, .filter = {2, 3}, .mode = mode::valid});
      },
      {"mode: valid", "scipy.ndimage.convolve", "same"});
  const problem p{.in = {5, 6}, .filter = {2, 3}, .mode = mode::same};
  expect_invalid([&] { (void)in_dialect("opencv.filter2D", p, {.border = "BORDER_WRAP"}); },
                 {"border", "\"BORDER_WRAP\"", "opencv.filter2D", "BORDER_REFLECT_101"});
  expect_invalid(
      [&] {
        (void)in_dialect("scipy.signal.convolve2d", p, {.origin = offset{0, 1}});
      },
      {"origin", "scipy.signal.convolve2d"});
  expect_invalid(
      [&] {
        (void)in_dialect("numpy.convolve",
                         {.in = extent(2), .filter = extent(3), .mode = mode::same});
      },
      {"filter", "numpy.convolve", "exchange"});
}

// ---- filters and options

TEST(errors, of_taps_that_are_not_finite) {
  floats taps(12, 1.0F);
  taps[6] = INFINITY;
  expect_invalid([&] { plan(sound(), taps); }, {"filter", "row 1, column 2", "finite"});
  taps[6] = NAN;
  expect_invalid([&] { plan(sound(), taps); }, {"filter", "row 1, column 2", "finite"});
  const std::vector<std::complex<double>> complex{1, {0, -INFINITY}};
  expect_invalid([&] { plan({.in = extent(5)}, complex); },
                 {"filter", "row 0, column 1", "finite"});
  const std::vector<f16> half{f16(1e6F)};
  expect_invalid([&] { plan({.in = extent(5)}, half); }, {"filter", "row 0, column 0", "finite"});
}

TEST(errors, of_filters_other_than_the_problem_says) {
  const floats taps(12);
  expect_invalid([&] { plan(sound(), floats(11)); }, {"filter: 11 elements", "12", "3 x 4"});
  expect_invalid(
      [&] {
        plan(sound(), view<const float>(taps.data(), {4, 3}));
      },
      {"filter", "3 x 4", "4 x 3"});
  expect_invalid(
      [&] {
        plan(sound(), view<const float>(taps.data(), {3, 4}, 1, 2, strides{4, 1, 0, 0}));
      },
      {"filter", "2 channels"});
  expect_invalid([&] { plan(sound(), std::vector<double>(12)); }, {"types.filter", "f32", "f64"});
  expect_invalid([&] { plan(sound(), view<const float>(nullptr, {3, 4})); }, {"filter", "null"});
  expect_invalid([&] { plan({.in = extent(5)}, floats()); }, {"filter.cols: 0"});
  expect_invalid([&] { plan({.in = {5, 6}}, taps); }, {"filter: 12 elements", "rows and columns"});
}

TEST(errors, of_options) {
  const auto with = [](const options& how) { return [=] { plan(sound(), floats(12), how); }; };
  expect_invalid(with({.max_threads = -1}), {"max_threads: -1", "0"});
  expect_invalid(with({.policy = static_cast<policy>(7)}), {"policy: 7", "predict, measure"});
  expect_invalid(with({.data = static_cast<memory>(9)}), {"data: 9", "host, device"});
  expect_invalid(with({.tolerance = -0.5}), {"tolerance: -0.5", "0 or more"});
  expect_invalid(with({.tolerance = not_a_number}), {"tolerance: nan", "0 or more"});
  expect_invalid(with({.algorithm = "cpu/magic"}), {"algorithm", "\"cpu/magic\"", "cpu/direct"});
  expect_invalid(with({.device = device::cpu(), .algorithm = "cuda/direct"}),
                 {"algorithm", "\"cuda/direct\"", "cpu/direct"});
  expect_invalid(with({.device = device::cuda(-1)}), {"device: cuda:-1", "0"});
  EXPECT_NO_THROW(with({.tolerance = 0.0})());
}

TEST(errors, of_devices_that_are_not_there) {
  const std::string reason = backends().back().unavailable;
  if (reason.empty()) GTEST_SKIP() << "there is a CUDA device";
  const auto with = [](const options& how) { return [=] { plan(sound(), floats(12), how); }; };
  expect<backend_unavailable>(with({.device = device::cuda()}), {"cuda:0", reason});
  expect<backend_unavailable>(with({.device = device::cuda(3)}), {"cuda:3", reason});
  expect<backend_unavailable>(with({.algorithm = "cuda/direct"}), {"cuda:0", reason});
}

// ---- runs

class runs : public testing::Test {
 protected:
  static constexpr extent size{8, 9};

  void expect_refused(const any_const_view& in, const any_view& out,
                      std::initializer_list<std::string_view> words) {
    expect_invalid([&] { plan_.run(in, out); }, words);
    EXPECT_EQ(y_, untouched_) << "written to all the same";
  }

  plan plan_{sound(), floats(12, 1.0F), {.device = device::cpu()}};
  floats x_ = floats(200, 1.0F);
  floats y_ = floats(200, -7.0F);
  floats untouched_ = y_;
  view<const float> in_{x_.data(), size};
  view<float> out_{y_.data(), size};
};

TEST_F(runs, want_memory) {
  expect_refused(view<const float>(nullptr, size), out_, {"in", "null"});
  expect_refused(in_, view<float>(nullptr, size), {"out", "null"});
  expect_refused(std::span<const float>(), out_, {"in: 0 elements", "72"});
}

TEST_F(runs, want_the_plans_types) {
  const std::vector<double> wide(72);
  expect_refused(wide, out_, {"in", "f64", "f32"});
  std::vector<std::int32_t> integers(72);
  expect_refused(in_, integers, {"out", "i32", "f32"});
}

TEST_F(runs, want_the_plans_sizes) {
  expect_refused(view<const float>(x_.data(), {9, 8}), out_, {"in: 9 x 8", "8 x 9"});
  expect_refused(in_, view<float>(y_.data(), {8, 10}), {"out: 8 x 10", "8 x 9"});
  expect_refused(std::span(x_).first(71), out_, {"in: 71 elements", "72", "8 x 9"});
  expect_refused(in_, std::span(y_).first(73), {"out: 73 elements", "72", "8 x 9"});
  expect_refused(view<const float>(x_.data(), size, 2, dense(size)), out_,
                 {"in: 8 x 9 x 2 planes", "8 x 9"});
}

TEST_F(runs, want_host_memory_and_no_stream_on_the_cpu) {
  expect_refused(device_view<const float>(x_.data(), size), out_, {"in", "device memory", "host"});
  expect_refused(in_, device_view<float>(y_.data(), size), {"out", "device memory", "host"});
  int some_stream = 0;
  expect_invalid([&] { plan_.run(in_, out_, reinterpret_cast<CUstream_st*>(&some_stream)); },
                 {"stream", "CPU"});
  EXPECT_EQ(y_, untouched_);
  expect_invalid(
      [&] {
        plan(sound(), device_view<const float>(x_.data(), {3, 4}));
      },
      {"filter", "device memory", "host"});
}

TEST_F(runs, want_aligned_memory) {
  const auto* bytes = reinterpret_cast<const std::byte*>(x_.data());
  expect_refused(any_const_view(bytes + 2, dtype::f32, size, 1, dense(size)), out_,
                 {"in", "aligned", "4"});
  auto* to = reinterpret_cast<std::byte*>(y_.data());
  expect_refused(in_, any_view(to + 1, dtype::f32, size, 1, dense(size)), {"out", "aligned", "4"});
}

TEST_F(runs, want_outputs_that_do_not_lie_on_each_other) {
  const auto out = [&](strides step) { return view<float>(y_.data(), size, step); };
  expect_refused(in_, out({.row = 0, .col = 1}),
                 {"out", "0 (row)", "1 (col)", "on top of each other"});
  expect_refused(in_, out({.row = 9, .col = 0}), {"out", "0 (col)"});
  expect_refused(in_, out({.row = 8, .col = 1}), {"out", "8 (row)"});
  expect_refused(in_, out({.row = 2, .col = 3}), {"out", "2 (row)", "3 (col)"});
  EXPECT_NO_THROW(plan_.run(view<const float>(x_.data(), size, strides{.row = 0, .col = 0}), out_));
}

TEST_F(runs, want_steps_that_stay_in_the_address_space) {
  constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max() / 4;
  expect_refused(view<const float>(x_.data(), size, strides{.row = far, .col = 1}), out_,
                 {"in", "(row)", "address space"});
  expect_refused(in_, view<float>(y_.data(), size, strides{.row = 9, .col = -far}),
                 {"out", "(col)", "address space"});
}

TEST_F(runs, do_not_write_into_their_input) {
  floats both(300, -7.0F);
  const floats before = both;
  const auto at = [&](std::int64_t offset) { return view<float>(both.data() + offset, size); };
  for (const std::int64_t offset : {0, 1, 71})
    for (const auto& [in, out] : {std::pair(at(0), at(offset)), std::pair(at(offset), at(0))})
      expect_invalid([&, from = in, to = out] { plan_.run(from, to); },
                     {"out", "shares memory with in"});
  EXPECT_EQ(both, before);
  EXPECT_NO_THROW(plan_.run(at(0), at(72)));
  // Two halves of one image, and two colours of its pixels, lie side by side and not on each other.
  const view<float> image(both.data(), {8, 18});
  EXPECT_NO_THROW(plan_.run(image.region(0, 0, size), image.region(0, 9, size)));
  const view<float> colours(both.data(), size, 3, interleaved(size, 3));
  EXPECT_NO_THROW(plan_.run(colours.plane(0), colours.plane(2)));
}

TEST_F(runs, want_workspace_that_is_nowhere_else) {
  if (plan_.workspace_bytes() == 0) GTEST_SKIP() << "needs none";
  floats large(plan_.workspace_bytes() + 2 * 72, -7.0F);  // at least 4 times too large
  const std::span<std::byte> workspace = std::as_writable_bytes(std::span(large).subspan(71));
  const view<float> part(large.data(), size);  // its last element is the workspace's first one
  expect_invalid([&] { plan_.run(part, out_, {}, workspace); }, {"workspace", "shares memory"});
  expect_invalid([&] { plan_.run(in_, part, {}, workspace); }, {"workspace", "shares memory"});
  EXPECT_NO_THROW(plan_.run(in_, part, {}, workspace.subspan(4)));
}

TEST(one_shot_errors, leave_the_output_untouched) {
  const floats x(72, 1.0F);
  floats y(72, -7.0F);
  const view<const float> in(x.data(), {8, 9});
  const view<float> out(y.data(), {8, 9});
  const floats taps(12, 1.0F);
  const view<const float> filter(taps.data(), {3, 4});
  expect_invalid(
      [&] {
        convolve(in, filter, out, {.in = {9, 8}, .mode = mode::same});
      },
      {"in", "9 x 8", "8 x 9"});
  expect_invalid(
      [&] {
        convolve(in, filter, out, {.filter = {4, 3}, .mode = mode::same});
      },
      {"filter", "4 x 3", "3 x 4"});
  expect_invalid([&] { convolve(in, filter, out, {.planes = 2, .mode = mode::same}); },
                 {"planes", "2", "1"});
  expect_invalid(
      [&] { convolve(in, filter, out, {.types = {.in = dtype::f64}, .mode = mode::same}); },
      {"types.in", "f64", "f32"});
  expect_invalid(
      [&] { convolve(in, filter, out, {.types = {.out = dtype::f64}, .mode = mode::same}); },
      {"types.out", "f64", "f32"});
  expect_invalid([&] { convolve(in, filter, out); }, {"out: 8 x 9", "10 x 12"});
  expect_invalid([&] { (void)convolve(floats(), taps); }, {"in.cols: 0"});
  expect_invalid([&] { (void)convolve(in, taps); }, {"filter: 12 elements", "rows and columns"});
  expect_invalid([&] { (void)convolve(x, filter); }, {"in: 72 elements", "rows and columns"});
  expect_invalid([&] { convolve(in, filter, out, {.op = operation::correlation}); },
                 {"op: correlation", "correlate"});
  EXPECT_EQ(y, floats(72, -7.0F));
}

}  // namespace
}  // namespace convgpu::test
