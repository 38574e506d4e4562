// SPDX-License-Identifier: Apache-2.0
// libconvgpu: convolution and cross-correlation in 1D and 2D, on the CPU or an NVIDIA GPU.
//
//     std::vector<float> y = convgpu::convolve(x, h);
//
// This header includes all others and has the one-shot calls: a plan made, run once and dropped.
#pragma once

#include <convgpu/calibration.hpp>
#include <convgpu/dialect.hpp>
#include <convgpu/error.hpp>
#include <convgpu/gradient.hpp>
#include <convgpu/plan.hpp>
#include <convgpu/problem.hpp>
#include <convgpu/stream.hpp>
#include <convgpu/types.hpp>
#include <convgpu/version.hpp>
#include <convgpu/view.hpp>
#include <type_traits>
#include <vector>

namespace convgpu {

/// out = in ∗ filter. Extents, planes, channels and types are those of the views; `p` says the rest (mode, border,
/// origin …). The name of the call is the operation: where `p` has it, as from `in_dialect`, make a `plan`.
/// A bare range is a signal, or has the extent that `p` says.
/// \throws as `plan` and `plan::run`; `out` is untouched then.
CONVGPU_API void convolve(const any_const_view& in, const any_const_view& filter,
                          const any_view& out, const problem& p = {}, const options& how = {});

/// out = in ⋆ filter: the filter unflipped, and conjugated where it is complex.
CONVGPU_API void correlate(const any_const_view& in, const any_const_view& filter,
                           const any_view& out, const problem& p = {}, const options& how = {});

/// The same for a filter that is a column times a row: see `plan`.
CONVGPU_API void convolve(const any_const_view& in, const any_const_view& column,
                          const any_const_view& row, const any_view& out, const problem& p = {},
                          const options& how = {});
CONVGPU_API void correlate(const any_const_view& in, const any_const_view& column,
                           const any_const_view& row, const any_view& out, const problem& p = {},
                           const options& how = {});

namespace detail {

/// `p` with `op`, extents, planes and types as these arguments have them. \throws invalid_problem where
/// `p` says otherwise.
[[nodiscard]] CONVGPU_API problem complete(problem p, operation op, const any_const_view& in,
                                           const any_const_view& filter, dtype out);

template <class A>
struct element_of;
template <element T>
struct element_of<view<T>> {
  using type = std::remove_cv_t<T>;
};
template <element_range R>
struct element_of<R> {
  using type = std::remove_cv_t<range_element<R>>;
};

/// Something to read from: a view, or a contiguous range of elements.
template <class A>
concept readable = requires {
  typename element_of<std::remove_cvref_t<A>>::type;
};

template <class A>
using value_of = typename element_of<std::remove_cvref_t<A>>::type;

/// `default_out` as a C++ type: the input's, made complex by a complex filter.
template <class In, class Filter>
using result_of =
    std::conditional_t<default_out(dtype_of<value_of<In>>, dtype_of<value_of<Filter>>) ==
                           dtype_of<value_of<Filter>>,
                       value_of<Filter>, value_of<In>>;

template <class In, class Filter, class Out>
inline constexpr bool goes_together = is_supported({dtype_of<value_of<In>>,
                                                    dtype_of<value_of<Filter>>, dtype_of<Out>});

template <class Out>
std::vector<Out> run_once(operation op, const any_const_view& in, const any_const_view& filter,
                          const problem& p, const options& how) {
  const problem whole = complete(p, op, in, filter, dtype_of<Out>);
  const plan once(whole, filter, how);
  std::vector<Out> out(static_cast<std::size_t>(once.output_extent().count() * whole.planes *
                                                once.problem().filters));
  once.run(in, out);
  return out;
}

}  // namespace detail

/// in ∗ filter as a new vector: plane after plane, channel after channel, row after row, or as `problem::layout`
/// says. The element type is the input's, made
/// complex by a complex filter; name another one of the table as in `convolve<float>(bytes, taps)`.
/// \throws as `plan` and `plan::run`.
template <class Out = void, detail::readable In, detail::readable Filter>
[[nodiscard]] auto convolve(const In& in, const Filter& filter, const problem& p = {},
                            const options& how = {}) {
  using T = std::conditional_t<std::is_void_v<Out>, detail::result_of<In, Filter>, Out>;
  static_assert(detail::goes_together<In, Filter, T>, "no such triple of types: see is_supported");
  return detail::run_once<T>(operation::convolution, in, filter, p, how);
}

/// in ⋆ filter as a new vector, like `convolve`.
template <class Out = void, detail::readable In, detail::readable Filter>
[[nodiscard]] auto correlate(const In& in, const Filter& filter, const problem& p = {},
                             const options& how = {}) {
  using T = std::conditional_t<std::is_void_v<Out>, detail::result_of<In, Filter>, Out>;
  static_assert(detail::goes_together<In, Filter, T>, "no such triple of types: see is_supported");
  return detail::run_once<T>(operation::correlation, in, filter, p, how);
}

}  // namespace convgpu
