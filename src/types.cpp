// SPDX-License-Identifier: Apache-2.0
// Names of the element types.

#include <convgpu/types.hpp>

#include "names.hpp"

namespace convgpu {
namespace {

constexpr detail::named<dtype> dtype_names[] = {
    {"u8", dtype::u8},   {"i8", dtype::i8},   {"u16", dtype::u16},   {"i16", dtype::i16},
    {"i32", dtype::i32}, {"i64", dtype::i64}, {"f16", dtype::f16},   {"bf16", dtype::bf16},
    {"f32", dtype::f32}, {"f64", dtype::f64}, {"cf32", dtype::cf32}, {"cf64", dtype::cf64},
};

}  // namespace

std::string_view to_string(dtype type) noexcept {
  return type == dtype::deduced ? "deduced" : detail::name_of(dtype_names, type);
}

dtype parse_dtype(std::string_view name) {
  return detail::value_of(dtype_names, name, "type");
}

}  // namespace convgpu
