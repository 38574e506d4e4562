// SPDX-License-Identifier: Apache-2.0
// Arrays in and out, in the formats of NumPy, of images, of sound, and as text.
//
// | format          | read as                                    | written from                      |
// |-----------------|--------------------------------------------|-----------------------------------|
// | .npy            | any type but bf16, 1D to 4D; bool as u8,   | any type but bf16, as `shape_of`  |
// |                 | unsigned of 32 and 64 bits as i64; a third | says; planes of pictures and      |
// |                 | axis as planes, a fourth as batch          | sounds as a last axis             |
// | .png            | u8, u16; 1 to 4 planes, palettes expanded  | u8, u16; 1 to 4 planes            |
// | .jpg .jpeg      | u8; grey or RGB                            | u8; 1 or 3 planes, quality 95     |
// | .pgm .ppm .pnm  | u8, u16; values as they are                | u8, u16; 1 or 3 planes            |
// | .wav            | i16 (8 and 16 bits), i32 (24 and 32 bits), | u8, i16, i32, f32, f64            |
// |                 | f32, f64; a plane for each channel         |                                   |
// | .flac           | i16, i32                                   | i16                               |
// | .txt            | f64, cf64; blank lines between planes      | any type; a batch as more planes  |
#pragma once

#include <string>

#include "array.hpp"

namespace convgpu::tools {

/// Reads `what`, which is
///   - a literal, if it begins with a bracket: `[1,2.5,-3e2]`, `[[0,3,0],[0,1,2],[4,0,0]]`, `[1+2j]`;
///   - a test chart: `chart:N` or `chart:N:rgb`, N from 16 to 8192;
///   - else the path of a file or pipe, whose format is told from its content, not from its name.
/// \throws bad_file, its message beginning with `what`.
[[nodiscard]] array read(const std::string& what);

/// Checks that `write` has a format for the path that can hold such an array, and a folder to put it
/// in; worth doing before the array is computed.
/// \throws bad_file
void check_writable_format(const std::string& path, const header& h);

/// Writes in the format that the path's extension names; "-" prints text to the standard output.
/// A file is complete or not there at all: it is made under another name and renamed, and what had its
/// name before is kept until then. Devices and pipes are written to directly, as text where their name
/// says nothing else.
/// \throws bad_file as `check_writable_format`; write_failure when the writing itself fails
void write(const std::string& path, const array& a);

}  // namespace convgpu::tools
