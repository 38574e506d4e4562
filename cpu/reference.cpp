// SPDX-License-Identifier: Apache-2.0
// cpu/reference: convolution as it is defined.
//
//     y[i] = Σ_k h[k] · x̃[start + i·stride − k·dilation]
//
// along rows and columns, and over the channels of a group, where x̃ is the input continued by its border. Flip, shift, multiply, sum: the
// minus sign is the flip, i the shift. This is what every other algorithm is compared with, and the place
// to read what they all compute. Sums are made in a wider type than the data's: integers in 128 bits, where
// they are exact, f32 in f64, and f64 in long double.

#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/border_index.hpp>
#include <string>

#include "algorithms.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;  // numbers: what both backends compute with

template <class T>
struct wider {
  using type = long double;  // f64, and integers with taps that are not
};
template <>
struct wider<float> {
  using type = double;
};
template <>
struct wider<f16> : wider<float> {};
template <>
struct wider<bf16> : wider<float> {};
template <class T>
struct wider<std::complex<T>> {
  using type = std::complex<typename wider<T>::type>;
};

template <class In, class Tap>
class reference final : public detail::runnable {
  static constexpr bool integers = std::is_same_v<Tap, std::int32_t>;
  using sample_t = std::conditional_t<integers, int128, typename wider<In>::type>;
  // A real sum of complex taps is complex; a real tap stays real when it meets complex data.
  using sum_t = std::conditional_t<is_complex_type<Tap> && !is_complex_type<In>,
                                   std::complex<sample_t>, sample_t>;

 public:
  reference(const detail::normal_form& form, const std::vector<Tap>& taps)
      : form_(form), taps_(taps) {}

  [[nodiscard]] std::string parameters() const override { return "one thread"; }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override { return 0; }

  void run(const any_const_view& in, const any_view& out, stream,
           std::span<std::byte>) const override {
    with_element_type(out.type(), [&]<class Out>() {
      if constexpr (can_store<Out, sum_t>) {
        const auto step = out.step();
        for (std::int64_t plane = 0; plane < form_.planes; ++plane)
          for (std::int64_t f = 0; f < form_.out_channels(); ++f)
            for (std::int64_t i = 0; i < form_.row.out; ++i)
              for (std::int64_t j = 0; j < form_.col.out; ++j)
                static_cast<Out*>(out.data())[plane * step.plane + f * step.channel + i * step.row +
                                              j * step.col] =
                    element_of<Out>(output(in, plane, f, i, j), form_.overflow);
      }
    });
  }

 private:
  /// One output, by filter f.
  sum_t output(const any_const_view& in, std::int64_t plane, std::int64_t f, std::int64_t i,
               std::int64_t j) const {
    sum_t sum{};
    const std::int64_t first = f / form_.filters * form_.channels;  // of its group
    for (std::int64_t c = 0; c < form_.channels; ++c)
      for (std::int64_t k = 0; k < form_.row.taps; ++k)
        for (std::int64_t l = 0; l < form_.col.taps; ++l) {
          const Tap tap = taps_[static_cast<std::size_t>(
              ((f * form_.channels + c) * form_.row.taps + k) * form_.col.taps + l)];
          if (tap == Tap{}) continue;  // a zero tap sees nothing: 0 · NaN stays out
          sum += product<sum_t>(
              tap, sample(in, plane, first + c, form_.row.at(i, k), form_.col.at(j, l)));
        }
    return sum;
  }

  /// x̃ at any row and column of a channel.
  sample_t sample(const any_const_view& in, std::int64_t plane, std::int64_t channel,
                  std::int64_t row, std::int64_t col) const {
    const border_kind border = form_.border.kind();
    const std::int64_t r = detail::border_index(border, row, form_.row.in);
    const std::int64_t c = detail::border_index(border, col, form_.col.in);
    if (r < 0 || c < 0) return border_value<sample_t>(form_.border);
    const strides step = in.step();
    return number<sample_t>(static_cast<const In*>(
        in.data())[plane * step.plane + channel * step.channel + r * step.row + c * step.col]);
  }

  detail::normal_form form_;
  std::vector<Tap> taps_;
};

}  // namespace

std::unique_ptr<const detail::runnable> make_reference(const detail::request& r) {
  return std::visit(
      [&]<class Tap>(const std::vector<Tap>& taps) {
        return with_element_type(
            r.form.types.in, [&]<class In>() -> std::unique_ptr<const detail::runnable> {
              // Integer taps meet integers only, complex taps floats only.
              constexpr bool in_the_table =
                  std::is_same_v<Tap, double> ||
                  (std::is_same_v<Tap, std::int32_t> ? std::is_integral_v<In>
                                                     : sizeof(In) >= 4 && !std::is_integral_v<In>);
              if constexpr (in_the_table && !std::is_same_v<In, std::int64_t>)
                return std::make_unique<reference<In, Tap>>(r.form, taps);
              else return nullptr;  // no such triple: validation has refused it
            });
      },
      r.filter.values);
}

}  // namespace convgpu::cpu
