// SPDX-License-Identifier: Apache-2.0
// The file formats, from memory to memory. formats.cpp picks among them, does the input and output
// and puts the file's name before their messages; nobody else needs this header.
//
// For each format:
//   is_…      whether a file begins as this format does
//   decode_…  throws bad_file for whatever it does not understand in full; sizes in the file are
//             compared with the file's own size before memory is asked for
//   why_not_… the reason why an array cannot be stored, empty where there is none
//   encode_…  what the file is to hold; only for arrays that why_not_… has nothing against
#pragma once

#include <complex>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "array.hpp"

namespace convgpu::tools {

using bytes = std::span<const std::byte>;

[[nodiscard]] inline std::string_view as_text(bytes file) {
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

[[nodiscard]] bool is_npy(bytes file);
[[nodiscard]] array decode_npy(bytes file);
[[nodiscard]] std::string why_not_npy(const header& h);
[[nodiscard]] std::string encode_npy(const array& a);

[[nodiscard]] bool is_png(bytes file);
[[nodiscard]] array decode_png(bytes file);
[[nodiscard]] std::string why_not_png(const header& h);
[[nodiscard]] std::string encode_png(const array& a);

[[nodiscard]] bool is_jpeg(bytes file);
[[nodiscard]] array decode_jpeg(bytes file);
[[nodiscard]] std::string why_not_jpeg(const header& h);
[[nodiscard]] std::string encode_jpeg(const array& a);

[[nodiscard]] bool is_pnm(bytes file);
[[nodiscard]] array decode_pnm(bytes file);
[[nodiscard]] std::string why_not_pgm(const header& h);
[[nodiscard]] std::string why_not_ppm(const header& h);
[[nodiscard]] std::string why_not_pnm(const header& h);
[[nodiscard]] std::string encode_pnm(const array& a);

[[nodiscard]] bool is_wav(bytes file);
[[nodiscard]] bool is_flac(bytes file);
[[nodiscard]] array decode_wav(bytes file);
[[nodiscard]] array decode_flac(bytes file);
[[nodiscard]] std::string why_not_wav(const header& h);
[[nodiscard]] std::string why_not_flac(const header& h);
[[nodiscard]] std::string encode_wav(const array& a);
[[nodiscard]] std::string encode_flac(const array& a);

/// Whether nothing in the file speaks against text; text has no mark to know it by.
[[nodiscard]] bool is_text(bytes file);
[[nodiscard]] array decode_text(bytes file);
[[nodiscard]] std::string why_not_text(const header& h);
[[nodiscard]] std::string encode_text(const array& a);

/// `[1,2.5,-3e2]` or `[[0,3,0],[0,1,2],[4,0,0]]`, with elements such as `1+2j` too.
[[nodiscard]] array parse_literal(std::string_view text);

/// The test chart of `chart:SIZE` or `chart:SIZE:rgb`; `text` is what follows the first colon.
[[nodiscard]] array make_chart(std::string_view text);

/// A real number that is all of `text`: digits, "inf", "nan"; nothing where it is anything else.
[[nodiscard]] std::optional<double> parse_real(std::string_view text);

/// `text` fit for a one-line message: quoted, shortened, and in printable ASCII only.
[[nodiscard]] std::string in_quotes(std::string_view text);

inline constexpr std::string_view image_hint = "use --out-type u8 or write .npy";

/// Says so where a format does not hold the type of `h`, and what else a real array can become, or more than
/// one picture or sound; else empty.
[[nodiscard]] std::string type_objection(std::string_view format, const header& h,
                                         std::initializer_list<dtype> allowed,
                                         std::string_view hint);

}  // namespace convgpu::tools
