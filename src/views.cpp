// SPDX-License-Identifier: Apache-2.0

#include "views.hpp"

#include <convgpu/error.hpp>
#include <cstdint>
#include <limits>
#include <string>

#include "overlap.hpp"
#include "problem.hpp"

namespace convgpu::detail {
namespace {

std::string what_is_expected(const expected_view& e) {
  return shape_text(e.size, e.planes, e.channels);
}

std::string steps_of(const any_const_view& v) {
  const strides step = v.step();
  return "steps of " + std::to_string(step.row) + " (row), " + std::to_string(step.col) +
         " (col), " + std::to_string(step.plane) + " (plane)" +
         (v.channels() == 1 ? "" : ", " + std::to_string(step.channel) + " (channel)");
}

const char* name_of(memory where) {
  return where == memory::host ? "host" : "device";
}

/// Whether every element's address, from the first, fits into the address space on either side.
bool addressable(const any_const_view& v) {
  std::int64_t low = 0;
  std::int64_t high = 0;
  const auto reach = [&](std::int64_t step, std::int64_t count) {
    std::int64_t distance = 0;
    if (__builtin_mul_overflow(step, count - 1, &distance)) return false;
    std::int64_t& end = distance < 0 ? low : high;
    return !__builtin_add_overflow(end, distance, &end);
  };
  const std::int64_t limit =
      std::numeric_limits<std::int64_t>::max() / 2 / static_cast<std::int64_t>(size_of(v.type()));
  return reach(v.step().row, v.size().rows) && reach(v.step().col, v.size().cols) &&
         reach(v.step().plane, v.planes()) && reach(v.step().channel, v.channels()) &&
         low >= -limit && high <= limit;
}

template <class Void>
basic_any_view<Void> with_shape(const basic_any_view<Void>& v, const expected_view& e) {
  if (!v.shapeless()) return v;
  const std::int64_t count = e.size.count() * e.planes * e.channels;
  if (v.size().count() != count)
    throw invalid_problem(std::string(e.name) + ": " + std::to_string(v.size().count()) +
                          " elements; allowed: " + std::to_string(count) + ", for " +
                          what_is_expected(e));
  const strides step = e.order == layout::channels_last ? channels_last(e.size, e.channels)
                                                        : dense(e.size, e.channels);
  return {v.data(), v.type(), e.size, e.planes, e.channels, step, v.where()};
}

template <class Void>
basic_any_view<Void> check(const basic_any_view<Void>& given, const expected_view& e) {
  const std::string name = e.name;
  if (given.type() != e.type)
    throw invalid_problem(name + ": elements of " + std::string(to_string(given.type())) +
                          "; allowed: " + std::string(to_string(e.type)));
  const basic_any_view<Void> v = with_shape(given, e);
  if (v.size() != e.size || v.planes() != e.planes || v.channels() != e.channels)
    throw invalid_problem(name + ": " + shape_text(v.size(), v.planes(), v.channels()) +
                          "; allowed: " + what_is_expected(e));
  if (v.data() == nullptr) throw invalid_problem(name + ": a null pointer; allowed: memory");
  if (v.where() != e.where)
    throw invalid_problem(name + ": " + name_of(v.where()) +
                          " memory; allowed: " + name_of(e.where) + " memory here");
  const std::size_t alignment = is_complex(v.type()) ? size_of(v.type()) / 2 : size_of(v.type());
  if (reinterpret_cast<std::uintptr_t>(v.data()) % alignment != 0)
    throw invalid_problem(name + ": address not aligned; allowed: multiples of " +
                          std::to_string(alignment) + " bytes");
  if (!addressable(v))
    throw invalid_problem(name + ": " + steps_of(v) + " leave the address space");
  return v;
}

}  // namespace

any_const_view checked(const any_const_view& v, const expected_view& expected) {
  return check(v, expected);
}

any_view checked_output(const any_view& v, const expected_view& expected) {
  const any_view out = check(v, expected);
  if (overlaps_itself(out))
    throw invalid_problem(
        std::string(expected.name) + ": " + steps_of(out) +
        " put elements on top of each other; allowed: each in a place of its own");
  return out;
}

void check_workspace(std::span<const std::byte> workspace, std::size_t needed,
                     std::initializer_list<any_const_view> views, const char* called) {
  if (workspace.empty()) return;
  if (workspace.size() < needed)
    throw invalid_problem("workspace: " + std::to_string(workspace.size()) +
                          " bytes; allowed: none, or at least " + std::to_string(needed));
  const any_const_view bytes(workspace.data(), dtype::u8, extent(workspace.size()), 1, {});
  for (const any_const_view& v : views)
    if (overlap(bytes, v))
      throw invalid_problem(std::string("workspace: shares memory with ") + called +
                            "; allowed: memory of its own");
}

}  // namespace convgpu::detail
