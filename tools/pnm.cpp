// SPDX-License-Identifier: Apache-2.0
// The portable grey and pixel maps of Netpbm: P2 and P3 in digits, P5 and P6 in bytes.
#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "codecs.hpp"

namespace convgpu::tools {
namespace {

constexpr std::string_view spaces = " \t\r\n\v\f";

bool is_space(char c) {
  return spaces.find(c) != spaces.npos;
}

/// Numbers in digits, with white space and comments between them.
class number_reader {
 public:
  explicit number_reader(std::string_view text) : rest_(text) {}

  [[nodiscard]] std::string_view rest() const { return rest_; }

  std::int64_t next(std::string_view what, std::int64_t least, std::int64_t most) {
    skip_space();
    std::int64_t value = -1;
    const auto [end, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (problem != std::errc{} || value < least || value > most) {
      const std::string_view token = rest_.substr(0, rest_.find_first_of(spaces));
      throw bad_file("the PNM file has " + (token.empty() ? "nothing" : in_quotes(token)) +
                     " for " + std::string(what) + "; allowed: " + std::to_string(least) + " to " +
                     std::to_string(most));
    }
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

 private:
  void skip_space() {
    while (!rest_.empty() && (is_space(rest_[0]) || rest_[0] == '#')) {
      const std::size_t length = rest_[0] == '#' ? rest_.find_first_of("\r\n") : 1;
      rest_.remove_prefix(std::min(length, rest_.size()));
    }
  }

  std::string_view rest_;
};

template <class T>
void read_digits(number_reader& numbers, std::span<T> pixels) {
  for (T& pixel : pixels)
    pixel = static_cast<T>(numbers.next("a pixel", 0, std::numeric_limits<T>::max()));
}

/// 16 bits lie in the file with the upper byte first.
template <class T>
void read_bytes(std::string_view raster, std::span<T> pixels) {
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    int value = 0;
    for (const char byte : raster.substr(i * sizeof(T), sizeof(T))) {
      value = value << 8 | static_cast<unsigned char>(byte);
    }
    pixels[i] = static_cast<T>(value);
  }
}

template <class T>
buffer read_pixels(number_reader& numbers, const header& h, bool digits, int white) {
  const std::size_t size = byte_count(h);
  std::string_view raster = numbers.rest();
  // Digits: at least a space and a digit for each value. Bytes: one space, and then they begin.
  const std::size_t needed = digits ? size / sizeof(T) * 2 : size + 1;
  if (raster.size() < needed) {
    throw bad_file("the PNM file is cut off: " + std::to_string(h.cols) + "x" +
                   std::to_string(h.rows) + " pixels need " + std::to_string(needed) +
                   " bytes, it has " + std::to_string(raster.size()));
  }
  if (!is_space(raster[0])) throw bad_file("the PNM file has no space before its pixels");
  buffer pixels(size);
  const std::span<T> values(reinterpret_cast<T*>(pixels.data()), size / sizeof(T));
  if (digits) {
    read_digits(numbers, values);
  } else {
    read_bytes(raster.substr(1), values);
  }
  if (const int largest = *std::ranges::max_element(values); largest > white) {
    throw bad_file("the PNM file has a pixel of " + std::to_string(largest) +
                   "; allowed: 0 to its maximum, " + std::to_string(white));
  }
  return pixels;
}

std::string why_not(std::string_view format, const header& h, bool grey, bool colour) {
  if (std::string reason = type_objection(format, h, {dtype::u8, dtype::u16}, image_hint);
      !reason.empty()) {
    return reason;
  }
  if (!(grey && h.planes == 1) && !(colour && h.planes == 3)) {
    return std::string(format) + " holds " + (grey ? "1 plane" : "") +
           (grey && colour ? " or " : "") + (colour ? "3 planes" : "") + ", not " +
           std::to_string(h.planes) + "; write .png";
  }
  if (h.rows < 1 || h.cols < 1) return std::string(format) + " does not hold an empty image";
  return {};
}

/// The largest value of the type, unless the picture came with another white and stays within it.
template <class T>
int white_of(const array& a) {
  const int largest = *std::ranges::max_element(a.values<T>());
  const int usual = std::numeric_limits<T>::max();
  return a.white > 0 && largest <= a.white ? std::min(a.white, usual) : usual;
}

}  // namespace

bool is_pnm(bytes file) {
  const std::string_view text = as_text(file);
  return text.size() > 2 && text[0] == 'P' && text[1] >= '1' && text[1] <= '6' &&
         (is_space(text[2]) || text[2] == '#');
}

array decode_pnm(bytes file) {
  const std::string_view text = as_text(file);
  const char variant = text[1];
  if (variant == '1' || variant == '4') {
    throw bad_file("PNM bitmaps (P1, P4) are not accepted; allowed: P2, P3, P5 and P6");
  }
  const bool digits = variant < '4';
  number_reader numbers(text.substr(2));
  header h{.type = dtype::u8, .kind = content::image};
  h.planes = variant == '3' || variant == '6' ? 3 : 1;
  h.cols = numbers.next("its width", 1, 0x7fffffff);
  h.rows = numbers.next("its height", 1, 0x7fffffff);
  const int white = static_cast<int>(numbers.next("its maximum", 1, 65535));
  if (white > 255) h.type = dtype::u16;
  if (white != 255 && white != 65535) h.white = white;

  const buffer pixels = white > 255 ? read_pixels<std::uint16_t>(numbers, h, digits, white)
                                    : read_pixels<std::uint8_t>(numbers, h, digits, white);
  return deinterleave(h, {pixels.data(), pixels.size()});
}

std::string why_not_pgm(const header& h) {
  return why_not("PGM", h, true, false);
}
std::string why_not_ppm(const header& h) {
  return why_not("PPM", h, false, true);
}
std::string why_not_pnm(const header& h) {
  return why_not("PNM", h, true, true);
}

std::string encode_pnm(const array& a) {
  const bool deep = a.type == dtype::u16;
  const int white = deep ? white_of<std::uint16_t>(a) : white_of<std::uint8_t>(a);
  std::string result = std::string(a.planes == 3 ? "P6\n" : "P5\n") + std::to_string(a.cols) + ' ' +
                       std::to_string(a.rows) + '\n' + std::to_string(white) + '\n';
  const buffer pixels = interleave(a);
  const std::size_t start = result.size();
  result.append(reinterpret_cast<const char*>(pixels.data()), pixels.size());
  if (deep) {
    for (std::size_t i = start; i < result.size(); i += 2) std::swap(result[i], result[i + 1]);
  }
  return result;
}

}  // namespace convgpu::tools
