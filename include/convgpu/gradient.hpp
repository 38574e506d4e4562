// SPDX-License-Identifier: Apache-2.0
// Gradients: for y = x ∗ h and a real function L(y), from ∂L/∂y to ∂L/∂x and ∂L/∂h. Each is a convolution again:
//
//     ∂L/∂x[m]  = Σ_k h[k] · ∂L/∂y[(m − start + k·dilation) / stride]     where that is a whole number, and then what
//                                                                       lies outside folded back to where the border
//                                                                       took it from
//     ∂L/∂h[k]  = Σ_i ∂L/∂y[i] · x̃[start + i·stride − k·dilation]         summed over planes
//
// as said in convgpu/detail/normal_form.hpp. Of complex numbers they are what the adjoint gives, with the other factor
// conjugated: the real part of Σ conj(∂L/∂y)·δy is that of Σ conj(∂L/∂x)·δx.
#pragma once

#include <convgpu/detail/export.hpp>
#include <convgpu/plan.hpp>
#include <convgpu/problem.hpp>
#include <convgpu/view.hpp>
#include <memory>

namespace convgpu {

namespace detail {
class input_gradient_state;
class filter_gradient_state;
}  // namespace detail

/// ∂L/∂x for one problem and its filters. Immutable, cheap to copy, and safe to run from several threads at once.
class CONVGPU_API input_gradient {
 public:
  /// Prepares it. `p`, `filter` and `how` are those of the convolution, all of `p` said; `how.tolerance` is relative to
  /// the taps and the gradient that comes in.
  /// \throws as `plan`; invalid_problem also for types other than floating ones with the same input and output
  input_gradient(const problem& p, const any_const_view& filter, const options& how = {});

  /// From the gradient of the output, of the output's type, extent, planes and channels, to that of the input, of the
  /// input's; host memory, in any steps. Allocates what it needs beside, as the plan's `run` does without workspace.
  /// \throws as `plan::run`
  void run(const any_const_view& out_gradient, const any_view& in_gradient) const;

  /// The problem that is solved for it: the gradient of the output, with zeros between where there is a stride, by the
  /// filters turned round, its groups' channels and filters exchanged.
  [[nodiscard]] const description& describe() const noexcept;

 private:
  std::shared_ptr<const detail::input_gradient_state> state_;
};

/// ∂L/∂h for one problem. Immutable, cheap to copy, and safe to run from several threads at once.
class CONVGPU_API filter_gradient {
 public:
  /// All of `p` must be said.
  /// \throws as `plan`; invalid_problem also for types other than floating ones with the same input and output
  explicit filter_gradient(const problem& p, const options& how = {});

  /// From the input and the gradient of the output to that of the filters, of their type: a plane for each, of
  /// channels/groups channels; host memory, in any steps. Makes a plan of which the gradient of the output is the
  /// filter, and allocates what that needs.
  /// \throws as `plan` and `plan::run`; invalid_problem also where `out_gradient` has an element that is NaN or infinite
  void run(const any_const_view& in, const any_const_view& out_gradient,
           const any_view& gradient) const;

 private:
  std::shared_ptr<const detail::filter_gradient_state> state_;
};

}  // namespace convgpu
