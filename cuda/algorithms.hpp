// SPDX-License-Identifier: Apache-2.0
// The algorithms of the CUDA backend: host code, one launcher for each in a file of its own name.
#pragma once

#include <convgpu/detail/backend.hpp>

#include "params.hpp"

struct CUstream_st;

namespace convgpu::cuda {

/// Queues the computation of some rows of the output on the current device. `taps` are in its memory, of the
/// type that `with_sum_types` says.
using launcher = void (*)(const image_params& p, const void* taps, CUstream_st* on);

/// The launcher for the types of a request.
[[nodiscard]] launcher direct_launcher(const detail::request& r);
[[nodiscard]] launcher plain_launcher(const detail::request& r);

[[nodiscard]] std::string refuse_direct(const detail::request& r);
[[nodiscard]] std::unique_ptr<const detail::runnable> make_direct(const detail::request& r);
[[nodiscard]] std::unique_ptr<const detail::runnable> make_plain(const detail::request& r);

}  // namespace convgpu::cuda
