// SPDX-License-Identifier: Apache-2.0

#include "gemm.hpp"

#include <algorithm>
#include <convgpu/detail/error_bound.hpp>
#include <string>

#include "algorithms.hpp"
#include "cublas.hpp"
#include "memory.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {

namespace {

/// Matrix units sum exact products in f32, but cut off what does not fit rather than round it.
double error_of_matrix_units(const detail::request& r) {
  return 2 * detail::direct_error(r);
}

bool has_matrix_units_for(dtype type, int device) {
  if (type == dtype::f16) return true;  // all since 7.0
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
        "cudaDeviceGetAttribute");
  return major >= 8;
}

}  // namespace

dtype gemm_type(const detail::request& r) {
  const types& t = r.form.types;
  if (is_complex(t.in)) return t.in;
  if (is_complex(t.filter)) return t.in == dtype::f64 ? dtype::cf64 : dtype::cf32;
  if (t.in == dtype::f64) return t.in;
  const bool narrow = (t.in == dtype::f16 || t.in == dtype::bf16) && t.in == t.filter &&
                      (!r.how.tolerance || *r.how.tolerance >= error_of_matrix_units(r)) &&
                      has_matrix_units_for(t.in, r.device);
  return narrow ? t.in : dtype::f32;
}

double gemm_error(const detail::request& r) {
  return size_of(gemm_type(r)) == 2 ? error_of_matrix_units(r) : detail::direct_error(r);
}

dtype gemm_sum_type(const detail::request& r) {
  const dtype type = gemm_type(r);
  return type == dtype::f16 || type == dtype::bf16 ? dtype::f32 : type;
}

gemm_tiles gemm_tiles_for(const detail::request& r) {
  const detail::normal_form& form = r.form;
  const auto up = [](std::int64_t n, std::int64_t to) { return (n + to - 1) / to * to; };
  const std::size_t width = size_of(gemm_type(r));
  gemm_tiles t;
  t.depth =
      up(form.channels * form.row.taps * form.col.taps, width == 2 ? gemm_depth_of_16_bits : 1);
  const auto sums =
      static_cast<double>(form.filters) * static_cast<double>(size_of(gemm_sum_type(r)));
  // Of a group, for each output of a filter; a part of it is left to cuBLAS.
  const double each = static_cast<double>(t.depth) * static_cast<double>(width) + sums;
  const auto allowed = static_cast<double>(std::min(r.how.max_workspace, gemm_workspace));
  const double room =
      (allowed - 6.0 * device_alignment - gemm_least_work) * (1 - gemm_part_of_work);
  const auto most = [&](double images) {  // outputs
    const double n = std::clamp(room / (each * images), 1.0, 0x1p30);
    return std::max(static_cast<std::int64_t>(n) / gemm_pitch * gemm_pitch, gemm_pitch);
  };
  const std::int64_t outputs =
      detail::saturated_product(form.planes, detail::saturated_product(form.row.out, form.col.out));
  // Of all groups, unless too few outputs of each would be left to be worth a product.
  const std::int64_t worth = std::min(outputs, gemm_outputs_worth_a_product);
  t.groups = form.groups;
  if (most(static_cast<double>(form.groups)) < worth)
    t.groups = std::clamp<std::int64_t>(
        static_cast<std::int64_t>(room / (each * static_cast<double>(up(worth, gemm_pitch)))), 1,
        form.groups);
  const std::int64_t here = most(static_cast<double>(t.groups));
  const std::int64_t along = (outputs - 1) / here + 1;
  t.pitch = up((outputs - 1) / along + 1, gemm_pitch);
  t.count = detail::saturated_product(along, (form.groups - 1) / t.groups + 1);
  const auto images = static_cast<double>(t.groups) * static_cast<double>(t.pitch);
  const double work = std::clamp(gemm_work_of_sums * sums * images, 1.0 * gemm_least_work,
                                 std::max(allowed * gemm_part_of_work, 1.0 * gemm_least_work));
  // Where not even the least fits, so much the more: nobody will ask for it.
  const auto bytes = [](double n) {
    return aligned(static_cast<std::size_t>(std::min(n, 0x1p60)));
  };
  t.sums_at = bytes(images * (each - sums));
  t.work_at = t.sums_at + bytes(images * sums);
  t.bytes = t.work_at + bytes(work);
  return t;
}

bool gemm_is_pointwise(const detail::request& r) {
  for (const detail::axis* a : {&r.form.row, &r.form.col})
    if (a->taps != 1 || a->stride != 1 || a->start != 0 || a->out != a->in) return false;
  return r.form.types.in == gemm_type(r) && gemm_tiles_for(r).depth == r.form.channels;
}

std::string refuse_gemm(const detail::request& r) {
  const detail::normal_form& form = r.form;
  if (is_integer(form.types.in))
    return "its input is of integers, which cuBLAS does not sum in types wide enough";
  if (form.row.out > gemm_most_lines || form.col.out > gemm_most_lines)
    return "more than 2^30 rows or columns";
  if (const std::size_t least = gemm_tiles_for(r).bytes; least > gemm_workspace)
    return "its filters of " + std::to_string(form.channels * form.row.taps * form.col.taps) +
           " taps need " + std::to_string(least) + " bytes for a few outputs, more than the " +
           std::to_string(gemm_workspace) + " that it keeps to";
  return cublas_missing();
}

}  // namespace convgpu::cuda
