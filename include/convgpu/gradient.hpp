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
//
// Data are in host memory, or all in the memory of one CUDA device; never some here and some there. A run on
// - host memory is over when it returns. It takes neither stream nor workspace.
// - device memory (managed memory included) is queued on the stream `on` when it returns; it has waited for nothing,
//   copied no data to the host, and may be captured in a graph. The gradient, or a copy of it, must stay for as long as
//   such a graph is launched. `workspace` is memory of that device, at least `workspace_bytes()`, at any address, and
//   serves one run at a time, until that run's work is done. Without, it is taken from a pool, a piece for each run at
//   once; a graph that is captured must be given its own.
// Elements are gathered in an order that the problem and the algorithm decide: the same bits in every run.
#pragma once

#include <convgpu/detail/export.hpp>
#include <convgpu/plan.hpp>
#include <convgpu/problem.hpp>
#include <convgpu/stream.hpp>
#include <convgpu/view.hpp>
#include <cstddef>
#include <memory>
#include <span>

namespace convgpu {

namespace detail {
class input_gradient_state;
class filter_gradient_state;
}  // namespace detail

/// ∂L/∂x for one problem and its filters. Immutable, cheap to copy, and safe to run from several threads at once.
class CONVGPU_API input_gradient {
 public:
  /// Prepares it. `p`, `filter`, in host memory, and `how` are those of the convolution, all of `p` said;
  /// `how.tolerance` is relative to the taps and the gradient that comes in, and `how.max_workspace` is for the plan
  /// that is made. Where that plan is on a CUDA device, runs take memory of that device, too: always with
  /// `device::cuda()`, with `device::automatic` for `how.data` = `memory::device`, if there is one.
  /// \throws as `plan`; invalid_problem also for types other than floating ones with the same input and output
  input_gradient(const problem& p, const any_const_view& filter, const options& how = {});

  /// From the gradient of the output, of the output's type, extent, planes and channels, to that of the input, of the
  /// input's, in any steps. With host memory it allocates what it needs beside, as the plan's `run` does without
  /// workspace.
  /// \throws as `plan::run`; invalid_problem also where one view is of host memory and the other one of a device's, and
  ///         for a stream or a workspace with host memory
  void run(const any_const_view& out_gradient, const any_view& in_gradient, stream on = {},
           std::span<std::byte> workspace = {}) const;

  /// Bytes that a run on device memory needs: the gradient of x̃, that of the output with zeros between where there is a
  /// stride, and what the plan needs. 0 where runs take host memory only.
  [[nodiscard]] std::size_t workspace_bytes() const noexcept;

  /// The problem that is solved for it: the gradient of the output, with zeros between where there is a stride, by the
  /// filters turned round, its groups' channels and filters exchanged.
  [[nodiscard]] const description& describe() const noexcept;

 private:
  std::shared_ptr<const detail::input_gradient_state> state_;
};

/// ∂L/∂h for one problem. Immutable, cheap to copy, and safe to run from several threads at once.
class CONVGPU_API filter_gradient {
 public:
  /// All of `p` must be said. Runs take memory of a CUDA device, too, where `how.device` is that device, or is
  /// automatic with `how.data` = `memory::device`, for the first one if there is one.
  /// \throws as `plan`; invalid_problem also for types other than floating ones with the same input and output
  explicit filter_gradient(const problem& p, const options& how = {});

  /// From the input and the gradient of the output to that of the filters, of their type: a plane for each, of
  /// channels/groups channels, in any steps.
  ///
  /// With host memory it makes a plan of which the gradient of the output is the filter, and allocates what that needs.
  /// With device memory, where a plan would have to fetch that filter, products are summed directly, by a kernel of
  /// their own, in the type that plans sum in (f32 for 16-bit floats); `how.algorithm` and `how.tolerance` have no say.
  /// A gradient that is NaN or infinite is then multiplied like any other; one of 0 sees nothing, NaN included.
  /// \throws as `plan` and `plan::run`; invalid_problem also where `out_gradient` in host memory has an element that is
  ///         NaN or infinite, where some views are of host memory and some of a device's, and for a stream or a
  ///         workspace with host memory
  void run(const any_const_view& in, const any_const_view& out_gradient, const any_view& gradient,
           stream on = {}, std::span<std::byte> workspace = {}) const;

  /// Bytes that a run on device memory needs: sums of parts of the outputs. 0 where runs take host memory only.
  [[nodiscard]] std::size_t workspace_bytes() const noexcept;

 private:
  std::shared_ptr<const detail::filter_gradient_state> state_;
};

}  // namespace convgpu
