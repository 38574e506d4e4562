// SPDX-License-Identifier: Apache-2.0
// cuda/compiled: direct summation by a program that is made for one filter: its taps are immediates of the multiply-adds,
// those that are zero are not there, loops have the filter's length and are unrolled. Tiles, the order of products and
// their rounding are those of cuda/direct.

#include "compiled.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <compiled_program.hpp>
#include <convgpu/error.hpp>

#include "algorithms.hpp"
#include "compiled_params.hpp"
#include "launch.hpp"
#include "memory.hpp"
#include "nvrtc.hpp"
#include "program_cache.hpp"
#include "taps.hpp"

namespace convgpu::cuda {
namespace {

// Names of the standard library, which NVRTC has no headers of.
constexpr char standard[] = R"(namespace std {
using size_t = unsigned long;
using int64_t = long long;
using uint32_t = unsigned;
using uint64_t = unsigned long long;
enum class byte : unsigned char {};
}
namespace convgpu {
enum class border_kind { zero, constant, replicate, symmetric, mirror, wrap };
}
)";

const char* name_of(border_kind kind) {
  switch (kind) {
    case border_kind::zero: return "zero";
    case border_kind::constant: return "constant";
    case border_kind::replicate: return "replicate";
    case border_kind::symmetric: return "symmetric";
    case border_kind::mirror: return "mirror";
    case border_kind::wrap: break;
  }
  return "wrap";
}

/// In hexadecimal: no bit is lost, in whatever language the user's numbers are written.
std::string literal(float value) {
  char digits[32];
  const auto end =
      std::to_chars(digits, std::end(digits), std::fabs(value), std::chars_format::hex).ptr;
  return (std::signbit(value) ? "-0x" : "0x") + std::string(digits, end) + "f";
}

/// As cuda/direct has it: filters of one row slide along lines, where these are long.
int lines_for(const detail::normal_form& form) {
  if (form.row.taps != 1 || form.col.out < row_tile_from) return 0;
  return form.row.out == 1 ? 1 : row_lines;
}

int compute_capability(int device) {
  int major = 0;
  int minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
        "cudaDeviceGetAttribute");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device),
        "cudaDeviceGetAttribute");
  return major * 10 + minor;
}

using own_library = owner<cudaLibrary_t, cudaLibraryUnload>;

class compiled final : public kernels {
 public:
  explicit compiled(const detail::request& r) : program_(compiled_program_for(r)) {
    const int capability = compute_capability(r.device);
    const std::string compiler = "NVRTC " + nvrtc_version() + ", sm_" + std::to_string(capability);
    words_ = "tiles of " + std::to_string(program_.rows) + " x " + std::to_string(program_.cols) +
             ", " + std::to_string(r.filter.facts.nonzeros) + " taps compiled in by " + compiler;
    const std::string code = cached_code(compiler + "\n" + program_.text,
                                         [&] { return nvrtc_compile(program_.text, capability); });
    cudaLibrary_t library = nullptr;
    check_allocation(
        cudaLibraryLoadData(&library, code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
        "cudaLibraryLoadData");
    library_ = own_library(library);
    check(cudaLibraryGetKernel(&kernel_, library, compiled_kernel), "cudaLibraryGetKernel");
    cudaFuncAttributes found{};
    check(cudaFuncGetAttributes(&found, static_cast<const void*>(kernel_)),
          "cudaFuncGetAttributes");  // loads it, as load() does
    until_done_ = device_memory(1);
  }

  [[nodiscard]] std::string parameters() const override { return words_; }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    for_each_grid(p, program_.rows, program_.cols, [&](const auto& part, const auto& grid) {
      const compiled_params all{.in = static_cast<const float*>(part.in.data),
                                .out = static_cast<float*>(part.out.data),
                                .in_plane = part.in.step.plane,
                                .in_row = part.in.step.row,
                                .in_col = part.in.step.col,
                                .out_plane = part.out.step.plane,
                                .out_row = part.out.step.row,
                                .out_col = part.out.step.col,
                                .in_rows = part.row.in,
                                .in_cols = part.col.in,
                                .row_start = part.row.start,
                                .col_start = part.col.start,
                                .first_row = part.rows.first,
                                .last_row = part.rows.last,
                                .first_col = part.cols.first,
                                .last_col = part.cols.last,
                                .outside = static_cast<float>(part.outside_re),
                                .grid = grid};
      cuda::launch(kernel_, grid.total, program_.shared_bytes, on, all);
    });
  }

 private:
  compiled_program program_;
  std::string words_;
  own_library library_;
  cudaKernel_t kernel_ = nullptr;
  // Freeing memory waits for whatever still runs, as taps in memory do in other plans, and unloading need not: this goes
  // before the library does.
  device_memory until_done_;
};

}  // namespace

compiled_program compiled_program_for(const detail::request& r) {
  const detail::normal_form& form = r.form;
  const int lines = lines_for(form);
  const auto down = static_cast<int>(form.row.taps);
  const auto along = static_cast<int>(form.col.taps);
  const bool narrow = is_narrow(form.row.out, form.col.out, sizeof(float));
  const direct_tile tile = compiled_tile(narrow);
  const row_tile line = row_tile_for(sizeof(float));

  compiled_program made;
  made.rows = lines == 0 ? tile.out_rows() : lines;
  made.cols = lines == 0 ? tile.out_cols() : line.cols(lines);
  made.shared_bytes =
      sizeof(float) * (lines == 0 ? tile.samples(down, along)
                                  : static_cast<std::size_t>(lines * line.pitch(lines, along)));

  std::string& text = made.text = std::string(standard) + "namespace convgpu::cuda {\n";
  const auto constant = [&](const char* name, int value) {
    text += std::string("constexpr int ") + name + " = " + std::to_string(value) + ";\n";
  };
  constant("block_threads", block_threads);
  constant("blocks_at_once", blocks_at_once<float>);
  constant("lines", lines);
  constant("rows", lines == 0 ? tile.rows : line.outputs);
  constant("cols", lines == 0 ? tile.cols : 1);
  constant("wide", lines == 0 ? tile.wide : line.wide());
  constant("deep", lines == 0 ? tile.deep : line.deep);
  constant("row_taps", down);
  constant("col_taps", along);
  text += std::string("constexpr border_kind border = border_kind::") +
          name_of(form.border.kind()) + ";\n}\n#define CONVGPU_TAPS";
  const std::vector<float> taps = taps_as<float>(r.filter.values);
  const auto add = [&](int m, int l, float h) {
    if (h == 0) return;
    text += " TAP(" + std::to_string(m) + ", " + std::to_string(l) + ", " + literal(h) + ")";
  };
  // Columns of taps that cuda/direct takes together.
  const int some = narrow ? 1 : has_small_kernel(down, along) && !has_zeros(taps) ? along : 4;
  if (lines != 0)
    for (int m = 0; m < along; ++m) add(m, 0, taps[static_cast<std::size_t>(along - 1 - m)]);
  else
    for (int first = 0; first < along; first += some)
      for (int m = 0; m < down; ++m)
        for (int n = first; n < std::min(first + some, along); ++n) {
          const int l = narrow ? along - 1 - n : n;
          add(m, l, taps[static_cast<std::size_t>((down - 1 - m) * along + along - 1 - l)]);
        }
  text += "\n";
  text += compiled_program_text;
  return made;
}

std::string refuse_compiled(const detail::request& r) {
  const detail::normal_form& form = r.form;
  // Compiling takes longer than many runs, and nobody has measured yet what it saves.
  if (r.how.algorithm.empty() && r.how.policy != policy::measure)
    return "a program is compiled for a filter where that is measured, with policy::measure, or "
           "asked for by name";
  if (form.has_channels()) return "a program is for one filter and one channel";
  if (form.types.in != dtype::f32 || form.types.filter != dtype::f32 ||
      form.types.out != dtype::f32)
    return "its programs are for f32: wider taps are no immediates";
  const bool along_lines = lines_for(form) != 0;
  const std::int64_t most =
      along_lines ? row_tile_for(sizeof(float)).chunk : compiled_tile(false).chunk;
  if (form.row.taps > most || form.col.taps > most)
    return "the filter reaches further than the " + std::to_string(most) + " taps of its tiles";
  if (r.filter.facts.nonzeros > most_compiled_taps)
    return std::to_string(r.filter.facts.nonzeros) + " taps that are not zero; at most " +
           std::to_string(most_compiled_taps) + " stay in the cache for instructions";
  if (std::string why = refuse_direct(r); !why.empty()) return why;
  return nvrtc_missing(compute_capability(r.device));
}

std::unique_ptr<const kernels> compiled_kernels(const detail::request& r) {
  return std::make_unique<compiled>(r);
}

}  // namespace convgpu::cuda
