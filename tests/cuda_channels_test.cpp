// SPDX-License-Identifier: Apache-2.0
// Channels, groups and banks of filters by every algorithm of the CUDA backend, in memory of the host and of the
// device. Uses nothing that the stand-in alone has.

#include <complex>
#include <limits>
#include <map>
#include <random>
#include <sstream>

#include "cuda_fixture.hpp"

namespace convgpu::test {
namespace {

class cuda_channels : public on_cuda {};

class draws {
 public:
  explicit draws(unsigned seed) : engine_(seed) {}
  [[nodiscard]] std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }

 private:
  std::mt19937 engine_;
};

problem any_layer(draws& d, dtype type) {
  const std::int64_t groups = d.between(1, 3);
  problem p{.in = {d.between(1, 9), d.between(1, 12)},
            .filter = {d.between(1, 3), d.between(1, 4)},
            .planes = d.between(1, 3),
            .channels = groups * (d.between(0, 1) == 0 ? 1 : d.between(1, 5)),
            .filters = groups * d.between(1, 4),
            .groups = groups,
            .layout = static_cast<convgpu::layout>(d.between(0, 1)),
            .types = {type, type, type},
            .op = static_cast<operation>(d.between(0, 1)),
            .mode = static_cast<mode>(d.between(0, 2)),
            .border = border(static_cast<border_kind>(d.between(0, 5)), 2.0)};
  if (d.between(0, 1) == 1) p.stride = {d.between(1, 3), d.between(1, 2)};
  if (d.between(0, 1) == 1) p.dilation = {d.between(1, 2), d.between(1, 2)};
  if (p.mode == mode::valid)  // so that windows fit whatever the input is
    p.padding = {6, 6, 6, d.between(0, 6)};
  return p;
}

std::string text(const problem& p) {
  std::ostringstream to;
  to << p.planes << " planes, " << p.channels << " -> " << p.filters << " in " << p.groups
     << " groups, " << p.in.rows << " x " << p.in.cols << " by " << p.filter.rows << " x "
     << p.filter.cols << ", stride " << p.stride.rows << ", " << p.stride.cols << ", dilation "
     << p.dilation.rows << ", " << p.dilation.cols << ", " << to_string(p.mode) << ", "
     << to_string(p.border.kind()) << ", " << to_string(p.layout) << ", " << to_string(p.types.in);
  return to.str();
}

template <class T>
std::vector<T> numbers(std::int64_t count, draws& d, std::int64_t zeros_of_8 = 0) {
  constexpr bool is_signed = !std::is_unsigned_v<T>;
  std::vector<T> all(static_cast<std::size_t>(count));
  for (T& x : all)
    if (d.between(1, 8) > zeros_of_8) {
      x = static_cast<T>(static_cast<float>(d.between(is_signed ? -3 : 0, 3)));
      if constexpr (std::is_same_v<T, std::complex<float>> ||
                    std::is_same_v<T, std::complex<double>>)
        x.imag(static_cast<float>(d.between(-3, 3)));
    }
  return all;
}

template <class T>
struct layer {
  layer(const problem& of, draws& d)
      : p(of),
        out(output_extent(p)),
        x(numbers<T>(p.planes * p.channels * p.in.count(), d)),
        h(numbers<T>(p.filters * (p.channels / p.groups) * p.filter.count(), d, 2)) {
    if (d.between(0, 1) == 0) return;
    // All rows alike: a column times a row.
    const auto cols = static_cast<std::size_t>(p.filter.cols);
    const auto count = static_cast<std::size_t>(p.filter.count());
    for (std::size_t i = 0; i < h.size(); ++i)
      if (i % count >= cols) h[i] = h[i - cols];
  }

  [[nodiscard]] view<const T> taps() const {
    return {h.data(), p.filter, p.filters, p.channels / p.groups,
            dense(p.filter, p.channels / p.groups)};
  }
  [[nodiscard]] strides step(extent size, std::int64_t channels) const {
    return p.layout == convgpu::layout::channels_last ? channels_last(size, channels)
                                                      : dense(size, channels);
  }
  [[nodiscard]] std::vector<T> none() const {
    return std::vector<T>(static_cast<std::size_t>(p.planes * p.filters * out.count()));
  }
  [[nodiscard]] std::vector<T> expected() const {
    std::vector<T> y = none();
    plan(p, taps(), {.algorithm = "cpu/reference"}).run(x, y);
    return y;
  }
  [[nodiscard]] std::vector<T> on_host(const plan& by) const {
    std::vector<T> y = none();
    by.run(x, y);
    return y;
  }
  [[nodiscard]] std::vector<T> on_device(const plan& by) const {
    const device_array<T> from(x);
    device_array<T> to(none());
    by.run(device_view<const T>(from.data(), p.in, p.planes, p.channels, step(p.in, p.channels)),
           device_view<T>(to.data(), out, p.planes, p.filters, step(out, p.filters)));
    works(cudaDeviceSynchronize());
    return to.values();
  }

  problem p;
  extent out;
  std::vector<T> x;
  std::vector<T> h;
};

/// What transforms make of whole numbers is near them.
template <class T>
void round_all(std::vector<T>& values) {
  if constexpr (std::is_floating_point_v<T>)
    for (T& v : values) v = std::nearbyint(v);
  else if constexpr (sizeof(T) >= 8)
    for (T& v : values) v = {std::nearbyint(v.real()), std::nearbyint(v.imag())};
}

template <class T>
bool same(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, f16> || std::is_same_v<T, bf16>)
    return static_cast<float>(a) == static_cast<float>(b);
  else return a == b;
}

template <class T>
void agree(int problems, std::map<std::string, int>& taken) {
  draws d(static_cast<unsigned>(sizeof(T)) + 40 * static_cast<unsigned>(dtype_of<T>));
  for (int n = 0; n < problems; ++n) {
    const layer<T> one(any_layer(d, dtype_of<T>), d);
    const std::vector<T> expected = one.expected();
    for (const std::string& name : cuda_algorithm_names()) {
      options how{.device = device::cuda(0), .algorithm = name};
      if (wants_tolerance(name)) how.tolerance = 1e-4;
      if (wants_tolerance(name) && sizeof(T) == 2)
        continue;  // whose whole numbers are not all exact
      std::optional<plan> by;
      try {
        by.emplace(one.p, one.taps(), how);
      } catch (const unsupported&) {
        continue;
      }
      ++taken[name];
      for (const bool host : {true, false}) {
        std::vector<T> found = host ? one.on_host(*by) : one.on_device(*by);
        if (wants_tolerance(name)) round_all(found);
        const auto wrong =
            std::mismatch(found.begin(), found.end(), expected.begin(), same<T>).first;
        ASSERT_TRUE(wrong == found.end()) << name << ", " << (host ? "host" : "device") << ": "
                                          << text(one.p) << ": output " << wrong - found.begin();
      }
    }
  }
}

TEST_F(cuda_channels, agree_with_the_definition) {
  std::map<std::string, int> taken;
  agree<float>(80, taken);
  agree<double>(40, taken);
  agree<std::complex<float>>(30, taken);
  agree<std::complex<double>>(20, taken);
  agree<std::uint8_t>(30, taken);
  agree<std::int16_t>(20, taken);
  agree<f16>(30, taken);
  agree<bf16>(20, taken);
  EXPECT_EQ(taken["cuda/plain"], 270);
  taken["cuda/compiled"] = 5;  // which is for one filter
  for (const std::string& name : cuda_algorithm_names()) EXPECT_GE(taken[name], 5) << name;
}

// Which outputs are not finite is the definition's to say: those that see such a sample with a tap that is not zero.
TEST_F(cuda_channels, zero_taps_see_nothing) {
  draws d(7);
  for (int n = 0; n < 60; ++n) {
    layer<float> one(any_layer(d, dtype::f32), d);
    for (int bad = 0; bad < 3; ++bad)
      one.x[static_cast<std::size_t>(d.between(0, std::ssize(one.x) - 1))] =
          bad == 0 ? std::numeric_limits<float>::infinity()
                   : std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> expected = one.expected();
    for (const std::string& name : cuda_algorithm_names()) {
      options how{.device = device::cuda(0), .algorithm = name};
      if (wants_tolerance(name)) how.tolerance = 1e-4;
      try {
        std::vector<float> found = one.on_device(plan(one.p, one.taps(), how));
        if (wants_tolerance(name)) round_all(found);
        for (std::size_t i = 0; i < found.size(); ++i)
          ASSERT_TRUE(std::isfinite(expected[i]) ? found[i] == expected[i]
                                                 : !std::isfinite(found[i]))
              << name << ": " << text(one.p) << ": output " << i << " is " << found[i] << ", not "
              << expected[i];
      } catch (const unsupported&) {
        continue;
      }
    }
  }
}

TEST_F(cuda_channels, are_looked_at_when_memory_is_checked) {
  const problem p{
      .in = {4, 4}, .filter = {1, 1}, .channels = 3, .types = {dtype::f32, dtype::f32, dtype::f32}};
  const plan by(p, view<const float>(floats(3, 1).data(), {1, 1}, 1, 3, dense({1, 1}, 3)),
                {.device = device::cuda(0)});
  const device_array<float> x(floats(48, 1));
  device_array<float> y(floats(16, 0));
  const auto run = [&](std::int64_t channel_step) {
    by.run(device_view<const float>(x.data(), {4, 4}, 1, 3, {.row = 4, .channel = channel_step}),
           device_view<float>(y.data(), {4, 4}));
  };
  run(16);
  works(cudaDeviceSynchronize());
  EXPECT_EQ(y.values(), floats(16, 3));
#if defined(CUDA_ON_HOST)
  EXPECT_THROW(run(20), invalid_problem);
  EXPECT_THROW(run(-4), invalid_problem);
#endif
}

}  // namespace
}  // namespace convgpu::test
