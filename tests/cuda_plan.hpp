// SPDX-License-Identifier: Apache-2.0
// What plans on CUDA devices consist of, put together by tests: kernels of their choice, data in chunks of
// any size. For the stand-in, where the library's inside can be linked.
#pragma once

#include <convgpu/convgpu.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "buffers.hpp"
#include "cuda/algorithms.hpp"
#include "cuda/singles.hpp"
#include "src/problem.hpp"

namespace convgpu::test {

using make_kernels = std::unique_ptr<const cuda::kernels> (*)(const detail::request&);

/// An algorithm of the backend below the way of its data.
struct cuda_algorithm {
  std::string name;
  std::string (*refusal)(const detail::request&);
  make_kernels make;

  [[nodiscard]] bool wants_tolerance() const {
    return name == "overlap_save" || name == "fft" || name == "mma";
  }
};
[[nodiscard]] inline std::vector<cuda_algorithm> cuda_algorithms() {
  return {
      {"separable", detail::refuse_each<cuda::refuse_separable>,
       cuda::each_kernels<cuda::separable_kernels>},
      {"direct", cuda::refuse_direct, cuda::direct_kernels},
      {"mma", detail::refuse_each<cuda::refuse_mma>, cuda::each_kernels<cuda::mma_kernels>},
      {"compiled", cuda::refuse_compiled, cuda::compiled_kernels},
      {"overlap_save", detail::refuse_each<cuda::refuse_overlap_save>, cuda::overlap_save_kernels},
      {"fft", detail::refuse_each<cuda::refuse_fft>, cuda::fft_kernels},
      {"gemm", cuda::refuse_gemm, cuda::gemm_kernels},
      {"plain", [](const detail::request&) { return std::string(); }, cuda::plain_kernels}};
}

/// A problem of which everything is said, with its filter.
struct complete_problem {
  complete_problem(const problem& p, const any_const_view& filter)
      : said(plan(p, filter, {.device = device::cpu()}).problem()),
        form(detail::normalise(said)),
        taps(detail::read_taps(said, filter)) {}

  [[nodiscard]] detail::request request(int device = 0) const { return {form, taps, how, device}; }
  [[nodiscard]] extent output_extent() const { return {form.row.out, form.col.out}; }

  problem said;
  detail::normal_form form;
  detail::filter_taps taps;
  options how;
};

/// Kernels that copy their input, of u8 and dense, to their output by way of the workspace: two runs that
/// share a workspace at the same time mix up their data. Problems for them have one tap, 1.
[[nodiscard]] std::unique_ptr<const cuda::kernels> copying_kernels(const detail::request& r);

/// cuda/direct, writing to a workspace besides.
[[nodiscard]] std::unique_ptr<const cuda::kernels> direct_kernels_with_workspace(
    const detail::request& r);

}  // namespace convgpu::test
