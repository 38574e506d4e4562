// SPDX-License-Identifier: Apache-2.0
// Writing JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace convgpu::detail {

/// Bytes of the character of UTF-8 that `text` begins with; 0 where it is none.
[[nodiscard]] inline std::size_t utf8_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  // Neither longer than need be, nor a half of a pair, nor beyond the last one.
  const bool is_one = first >= 0xc2 && first <= 0xf4 && !(first == 0xe0 && byte(1) < 0xa0) &&
                      !(first == 0xed && byte(1) >= 0xa0) && !(first == 0xf0 && byte(1) < 0x90) &&
                      !(first == 0xf4 && byte(1) >= 0x90);
  return is_one ? length : 0;
}

/// As a string of JSON. Names of files may be in any encoding: what is not UTF-8 becomes a question mark.
[[nodiscard]] inline std::string json_text(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string quoted = "\"";
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0) quoted += '?';
    else if (c == '"' || c == '\\') quoted += {'\\', c};
    else if (length == 1 && c < ' ')
      quoted += {'\\', 'u', '0', '0', digits[c / 16], digits[c % 16]};
    else quoted += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return quoted + '"';
}

[[nodiscard]] inline std::string json_list(const std::vector<std::string>& values) {
  std::string text = "[";
  for (const std::string& value : values) text += (text.size() > 1 ? ", " : "") + value;
  return text + "]";
}

class json_object {
 public:
  /// `value` is JSON already.
  void add(std::string_view name, const std::string& value) {
    members_ += (members_.empty() ? "" : ", ") + json_text(name) + ": " + value;
  }
  [[nodiscard]] std::string text() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

}  // namespace convgpu::detail
