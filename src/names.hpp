// SPDX-License-Identifier: Apache-2.0
// Tables of names: an enum's texts in one place, from which to_string, parse and messages are made.
#pragma once

#include <convgpu/error.hpp>
#include <span>
#include <string>
#include <string_view>

namespace convgpu::detail {

template <class T>
struct named {
  std::string_view name;
  T value;
};

template <class T, std::size_t N>
constexpr std::string_view name_of(const named<T> (&table)[N], T value) noexcept {
  for (const auto& row : table)
    if (row.value == value) return row.name;
  return "?";
}

/// "a, b, c"
template <class Rows, class Name>
std::string list_of(const Rows& rows, Name name) {
  std::string text;
  for (const auto& row : rows) {
    if (!text.empty()) text += ", ";
    text += name(row);
  }
  return text;
}

template <class T, std::size_t N>
T value_of(const named<T> (&table)[N], std::string_view name, std::string_view argument) {
  for (const auto& row : table)
    if (row.name == name) return row.value;
  throw invalid_problem(std::string(argument) + ": unknown name \"" + std::string(name) +
                        "\"; allowed: " + list_of(table, [](const auto& row) { return row.name; }));
}

}  // namespace convgpu::detail
