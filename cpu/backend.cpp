// SPDX-License-Identifier: Apache-2.0
// The CPU backend: its algorithms; of those predicted to be equally fast, the first.

#include <convgpu/detail/backend.hpp>
#include <convgpu/error.hpp>

#include "algorithms.hpp"
#include "parallel.hpp"
#include "rates.hpp"
#include "simd.hpp"
#include "singles.hpp"

namespace convgpu::detail {
namespace {

std::string nothing(const request&) {
  return {};
}

constexpr algorithm algorithms[] = {
    {.name = "cpu/overlap_save",
     .summary = "transforms of overlapping blocks, borders resolved where blocks are loaded",
     .refusal = cpu::refuse_overlap_save,
     .cost = cpu::cost_of_overlap_save,
     .make = cpu::make_overlap_save},
    {.name = "cpu/separable",
     .summary = "sums down columns, then along rows, of a filter that is a column times a row",
     .refusal = refuse_each<cpu::refuse_separable>,
     .cost = cost_of_each<cpu::cost_of_separable>,
     .make = cpu::make_each<cpu::make_separable>},
    {.name = "cpu/direct",
     .summary =
         "direct summation, row by row on all threads, borders resolved where rows are loaded",
     .refusal = refuse_each<cpu::refuse_direct>,
     .cost = cost_of_each<cpu::cost_of_direct>,
     .make = cpu::make_each<cpu::make_direct>},
    {.name = "cpu/depthwise",
     .summary =
         "filters that see one channel each, all in one go, taps as shifts of rows in the cache",
     .refusal = cpu::refuse_depthwise,
     .cost = cpu::cost_of_depthwise,
     .make = cpu::make_depthwise},
    {.name = "cpu/winograd",
     .summary =
         "tiles of outputs of 3x3 filters, by products of matrices that are fewer than theirs",
     .refusal = cpu::refuse_winograd,
     .cost = cpu::cost_of_winograd,
     .make = cpu::make_winograd},
    {.name = "cpu/gemm",
     .summary = "products of matrices, patches put together block by block in the cache",
     .refusal = cpu::refuse_gemm,
     .cost = cpu::cost_of_gemm,
     .make = cpu::make_gemm},
    {.name = "cpu/reference",
     .summary = "the definition, written plainly, summed in wider types",
     .refusal = nothing,
     .cost = cpu::cost_of_reference,
     .make = cpu::make_reference},
};

}  // namespace

const backend& cpu_backend() {
  static const backend cpu{
      .name = "cpu",
      .unavailable =
          [](int) {
            try {
              (void)cpu::simd::best();
              return std::string();
            } catch (const backend_unavailable& reason) {
              return std::string(reason.what());
            }
          },
      .device_count = [] { return 1; },
      .devices =
          [] {
            const int threads = cpu::hardware_threads();
            return std::vector{"cpu: " + std::to_string(threads) +
                               (threads == 1 ? " thread, " : " threads, ") +
                               cpu::simd::best().name};
          },
      .algorithms = algorithms,
      .table = cpu::table_of_rates(),
  };
  return cpu;
}

}  // namespace convgpu::detail
