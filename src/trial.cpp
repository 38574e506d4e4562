// SPDX-License-Identifier: Apache-2.0

#include "trial.hpp"

#include <algorithm>
#include <convgpu/detail/arithmetic.hpp>
#include <cstring>

namespace convgpu::detail {

std::vector<std::byte> elements(dtype type, std::int64_t count,
                                const std::function<double(std::int64_t)>& value) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(count) * size_of(type));
  with_element_type(type, [&]<class T>() {
    std::byte* to = bytes.data();
    for (std::int64_t i = 0; i < count; ++i, to += sizeof(T)) {
      T element{};
      if constexpr (is_complex_type<T>) {
        using part = typename T::value_type;
        element = {static_cast<part>(value(i)), static_cast<part>(value(i))};
      } else {
        element = element_of<T>(value(i), overflow::saturate);
      }
      std::memcpy(to, &element, sizeof(T));
    }
  });
  return bytes;
}

namespace {

/// Small whole numbers that repeat after a while that is no power of two: sums of them round and overflow like
/// usual ones, that is, hardly.
double sample(std::int64_t i) {
  return static_cast<double>((i * 7 + 3) % 101) / 4;
}

std::int64_t shortened(axis& a, std::int64_t in) {
  const std::int64_t entries = (a.out - 1) * a.stride + 1 - (a.in - in);
  a.in = in;
  return a.out = entries > 0 ? (entries - 1) / a.stride + 1 : 0;
}

}  // namespace

trial::trial(const normal_form& form)
    : form_(form),
      in_(elements(form.types.in, form.planes * form.in_channels() * form.row.in * form.col.in,
                   sample)),
      out_(static_cast<std::size_t>(form.planes * form.out_channels() * form.row.out *
                                    form.col.out) *
           size_of(form.types.out)) {}

double trial::bytes(const normal_form& form) noexcept {
  return form.samples() * static_cast<double>(size_of(form.types.in)) +
         form.outputs() * static_cast<double>(size_of(form.types.out));
}

void trial::run(const runnable& a, std::vector<std::byte>& workspace) {
  const extent in{form_.row.in, form_.col.in};
  const extent out{form_.row.out, form_.col.out};
  a.run(any_const_view(in_.data(), form_.types.in, in, form_.planes, form_.in_channels(),
                       dense(in, form_.in_channels())),
        any_view(out_.data(), form_.types.out, out, form_.planes, form_.out_channels(),
                 dense(out, form_.out_channels())),
        {}, workspace);
}

std::optional<normal_form> cut(normal_form form, double bytes) {
  form.planes = std::clamp<std::int64_t>(
      static_cast<std::int64_t>(static_cast<double>(form.planes) * bytes / trial::bytes(form)), 1,
      form.planes);
  for (axis* a : {&form.row, &form.col}) {
    const double all = trial::bytes(form);
    if (all <= bytes) return form;
    // Outputs that an axis has beyond its input, or lacks, stay: a part of the rest.
    const auto in = static_cast<std::int64_t>(static_cast<double>(a->in) * bytes / all / 2);
    axis shorter = *a;
    if (in < 1 || shortened(shorter, in) < 1) continue;
    *a = shorter;
  }
  if (trial::bytes(form) <= bytes) return form;
  return std::nullopt;
}

}  // namespace convgpu::detail
