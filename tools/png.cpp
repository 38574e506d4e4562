// SPDX-License-Identifier: Apache-2.0
// PNG by libspng. Samples are taken as they are stored: no gamma, no colour management.
#include <spng.h>

#include <algorithm>
#include <memory>

#include "codecs.hpp"

namespace convgpu::tools {
namespace {

using context = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

context new_context(int flags) {
  context png(spng_ctx_new(flags), &spng_ctx_free);
  if (!png) throw std::bad_alloc();
  return png;
}

void check(int status) {
  if (status == SPNG_EMEM) throw std::bad_alloc();
  if (status != SPNG_OK) throw bad_file(std::string("bad PNG: ") + spng_strerror(status));
}

std::uint32_t channels_of(const spng_ihdr& ihdr) {
  switch (ihdr.color_type) {
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA: return 2;
    case SPNG_COLOR_TYPE_TRUECOLOR: return 3;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA: return 4;
    default: return 1;  // grey, or an index into the palette
  }
}

/// Deflate shrinks to no less than 1/1032: a header that says more lies.
void check_plausible(const spng_ihdr& ihdr, bytes file) {
  const std::uint64_t bits = std::uint64_t{ihdr.width} * channels_of(ihdr) * ihdr.bit_depth;
  const std::uint64_t most = std::uint64_t{1032} * file.size();
  if (ihdr.height > most / (bits / 8 + 1)) {
    throw bad_file("the PNG header claims " + std::to_string(ihdr.width) + "x" +
                   std::to_string(ihdr.height) + " pixels, more than " +
                   std::to_string(file.size()) + " bytes can hold");
  }
}

/// What libspng is asked for, so that every kind of PNG becomes 1 to 4 planes of 8 or 16 bits.
struct pixel_format {
  int format;
  std::uint32_t planes;
  dtype type;
};

pixel_format choose_format(const spng_ihdr& ihdr, bool transparent) {
  const bool deep = ihdr.bit_depth == 16;
  const dtype type = deep ? dtype::u16 : dtype::u8;
  if (ihdr.color_type == SPNG_COLOR_TYPE_INDEXED) {
    return {transparent ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8, transparent ? 4u : 3u, type};
  }
  if (ihdr.color_type == SPNG_COLOR_TYPE_GRAYSCALE) {
    if (transparent) return {deep ? SPNG_FMT_GA16 : SPNG_FMT_GA8, 2, type};
    return {deep ? SPNG_FMT_PNG : SPNG_FMT_G8, 1, type};  // G8 expands 1, 2 and 4 bits
  }
  if (transparent) return {deep ? SPNG_FMT_RGBA16 : SPNG_FMT_RGBA8, 4, type};
  return {SPNG_FMT_PNG, channels_of(ihdr), type};
}

}  // namespace

bool is_png(bytes file) {
  return as_text(file).starts_with("\x89PNG\r\n\x1a\n");
}

array decode_png(bytes file) {
  const context png = new_context(0);
  check(spng_set_png_buffer(png.get(), file.data(), file.size()));
  check(spng_set_crc_action(png.get(), SPNG_CRC_ERROR, SPNG_CRC_ERROR));
  // For what is not pixels: texts and profiles, which may be compressed, too.
  constexpr std::size_t chunk_limit = std::size_t{64} << 20;
  check(spng_set_chunk_limits(png.get(), chunk_limit, chunk_limit));

  spng_ihdr ihdr{};
  check(spng_get_ihdr(png.get(), &ihdr));
  check_plausible(ihdr, file);
  spng_trns transparency{};
  const int status = spng_get_trns(png.get(), &transparency);
  if (status != SPNG_ECHUNKAVAIL) check(status);
  const bool transparent = status == SPNG_OK;

  const pixel_format wanted = choose_format(ihdr, transparent);
  const header h{.type = wanted.type,
                 .kind = content::image,
                 .rows = ihdr.height,
                 .cols = ihdr.width,
                 .planes = wanted.planes,
                 .alpha = wanted.planes % 2 == 0};
  buffer pixels(byte_count(h));
  check(spng_decode_image(png.get(), pixels.data(), pixels.size(), wanted.format,
                          transparent ? SPNG_DECODE_TRNS : 0));
  check(spng_decode_chunks(png.get()));
  // libspng does without the last bytes of the last chunk; a file that is cut is cut.
  if (as_text(file).rfind("IEND\xae\x42\x60\x82") == std::string_view::npos) {
    throw bad_file("bad PNG: it does not end as a PNG file does");
  }
  return deinterleave(h, {pixels.data(), pixels.size()});
}

std::string why_not_png(const header& h) {
  if (std::string reason = type_objection("PNG", h, {dtype::u8, dtype::u16}, image_hint);
      !reason.empty()) {
    return reason;
  }
  if (h.planes < 1 || h.planes > 4) {
    return "PNG holds 1 to 4 planes (grey, grey and alpha, RGB, RGBA), not " +
           std::to_string(h.planes);
  }
  if (h.planes % 2 == 0 && !h.alpha) {
    return "PNG holds " + std::to_string(h.planes) +
           " planes where the last one is alpha, which here it is not; write .npy";
  }
  constexpr std::int64_t limit = 0x7fffffff;
  if (h.rows < 1 || h.cols < 1 || h.rows > limit || h.cols > limit) {
    return "PNG holds 1 to 2^31 - 1 rows and columns, not " + std::to_string(h.rows) + "x" +
           std::to_string(h.cols);
  }
  return {};
}

std::string encode_png(const array& a) {
  constexpr std::uint8_t color_types[] = {
      SPNG_COLOR_TYPE_GRAYSCALE, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, SPNG_COLOR_TYPE_TRUECOLOR,
      SPNG_COLOR_TYPE_TRUECOLOR_ALPHA};
  spng_ihdr ihdr{};
  ihdr.width = static_cast<std::uint32_t>(a.cols);
  ihdr.height = static_cast<std::uint32_t>(a.rows);
  ihdr.bit_depth = a.type == dtype::u16 ? 16 : 8;
  ihdr.color_type = color_types[a.planes - 1];

  const context png = new_context(SPNG_CTX_ENCODER);
  check(spng_set_option(png.get(), SPNG_ENCODE_TO_BUFFER, 1));
  check(spng_set_ihdr(png.get(), &ihdr));
  const buffer pixels = interleave(a);
  check(spng_encode_image(png.get(), pixels.data(), pixels.size(), SPNG_FMT_PNG,
                          SPNG_ENCODE_FINALIZE));
  std::size_t size = 0;
  int status = SPNG_OK;
  const std::unique_ptr<void, decltype(&std::free)> file(
      spng_get_png_buffer(png.get(), &size, &status), &std::free);
  check(status);
  return {static_cast<const char*>(file.get()), size};
}

}  // namespace convgpu::tools
