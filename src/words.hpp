// SPDX-License-Identifier: Apache-2.0
// Numbers as people want to read them.
#pragma once

#include <charconv>
#include <string>
#include <utility>

namespace convgpu::detail {

/// "1.8", "180"
[[nodiscard]] inline std::string short_number(double value) {
  char text[400];
  const int digits = value < 9.95 ? 1 : 0;
  return {text,
          std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits).ptr};
}

/// "350 ns", "1.2 ms"
[[nodiscard]] inline std::string duration(double seconds) {
  for (const auto& [unit, name] :
       {std::pair(1.0, " s"), std::pair(1e-3, " ms"), std::pair(1e-6, " us")})
    if (seconds >= unit) return short_number(seconds / unit) + name;
  return short_number(seconds / 1e-9) + " ns";
}

}  // namespace convgpu::detail
