// SPDX-License-Identifier: Apache-2.0
// JPEG by libjpeg-turbo's TurboJPEG interface. Pixels are taken as they are stored: the orientation
// that a camera noted beside them is not applied.
#include <turbojpeg.h>

#include <memory>

#include "codecs.hpp"

namespace convgpu::tools {
namespace {

using handle = std::unique_ptr<void, decltype(&tjDestroy)>;

void check(const handle& jpeg, int status) {
  if (status != 0) throw bad_file(std::string("bad JPEG: ") + tjGetErrorStr2(jpeg.get()));
}

/// Each 8x8 block of luminance costs a bit at the least: a header that says more lies.
void check_plausible(int rows, int cols, bytes file) {
  if (std::uint64_t(rows) * std::uint64_t(cols) > std::uint64_t{1024} * file.size()) {
    throw bad_file("the JPEG header claims " + std::to_string(cols) + "x" + std::to_string(rows) +
                   " pixels, more than " + std::to_string(file.size()) + " bytes can hold");
  }
}

}  // namespace

bool is_jpeg(bytes file) {
  return as_text(file).starts_with("\xff\xd8\xff");
}

array decode_jpeg(bytes file) {
  const handle jpeg(tjInitDecompress(), &tjDestroy);
  if (!jpeg) throw std::bad_alloc();
  const auto* data = reinterpret_cast<const unsigned char*>(file.data());
  int cols = 0;
  int rows = 0;
  int subsampling = 0;
  int colour_space = 0;
  check(jpeg, tjDecompressHeader3(jpeg.get(), data, file.size(), &cols, &rows, &subsampling,
                                  &colour_space));
  if (colour_space == TJCS_CMYK || colour_space == TJCS_YCCK) {
    throw bad_file("JPEG of CMYK colours is not accepted; allowed: grey and RGB");
  }
  check_plausible(rows, cols, file);

  const bool grey = colour_space == TJCS_GRAY;
  const header h{.type = dtype::u8,
                 .kind = content::image,
                 .rows = rows,
                 .cols = cols,
                 .planes = grey ? 1 : 3};
  buffer pixels(byte_count(h));
  // A file that is cut off is no more than a warning to the library.
  check(jpeg, tjDecompress2(jpeg.get(), data, file.size(),
                            reinterpret_cast<unsigned char*>(pixels.data()), cols, 0, rows,
                            grey ? TJPF_GRAY : TJPF_RGB,
                            TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS));
  return deinterleave(h, {pixels.data(), pixels.size()});
}

std::string why_not_jpeg(const header& h) {
  if (std::string reason = type_objection("JPEG", h, {dtype::u8}, image_hint); !reason.empty())
    return reason;
  if (h.planes != 1 && h.planes != 3) {
    return "JPEG holds 1 or 3 planes (grey, RGB), not " + std::to_string(h.planes) +
           (h.alpha ? " with alpha; write .png" : "");
  }
  constexpr std::int64_t limit = 65500;  // of libjpeg
  if (h.rows < 1 || h.cols < 1 || h.rows > limit || h.cols > limit) {
    return "JPEG holds 1 to 65500 rows and columns, not " + std::to_string(h.rows) + "x" +
           std::to_string(h.cols);
  }
  return {};
}

std::string encode_jpeg(const array& a) {
  const handle jpeg(tjInitCompress(), &tjDestroy);
  if (!jpeg) throw std::bad_alloc();
  const bool grey = a.planes == 1;
  const buffer pixels = interleave(a);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  const int status = tjCompress2(
      jpeg.get(), reinterpret_cast<const unsigned char*>(pixels.data()), static_cast<int>(a.cols),
      0, static_cast<int>(a.rows), grey ? TJPF_GRAY : TJPF_RGB, &data, &size,
      grey ? TJSAMP_GRAY : TJSAMP_444, /*jpegQual=*/95, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> file(data, &tjFree);
  check(jpeg, status);
  return {reinterpret_cast<const char*>(file.get()), size};
}

}  // namespace convgpu::tools
