// SPDX-License-Identifier: Apache-2.0

#include "cuda_traffic.hpp"

#include <convgpu/convgpu.hpp>
#include <convgpu/detail/normal_form.hpp>

#include <algorithm>
#include <cuda_on_host.hpp>
#include <stdexcept>

#include "cuda/overlap_save.hpp"
#include "cuda/tuning.hpp"
#include "cuda_plan.hpp"

namespace convgpu::test {
namespace {

constexpr std::int64_t sample = sizeof(float);

detail::axis along_rows(const problem& p) {
  return detail::make_axis(p.in.rows, p.filter.rows, p.mode, 0, 1, 1);
}
detail::axis along_cols(const problem& p) {
  return detail::make_axis(p.in.cols, p.filter.cols, p.mode, 0, 1, 1);
}

/// Samples of one line that tiles of `tile` outputs read, anew for every chunk of taps. What lies outside
/// the input is not read.
std::int64_t read_along(const detail::axis& a, std::int64_t tile, std::int64_t chunk) {
  std::int64_t read = 0;
  for (std::int64_t i = 0; i < a.out; i += tile)
    for (std::int64_t k = 0; k < a.taps; k += chunk) {
      const std::int64_t last = std::min(k + chunk, a.taps) - 1;
      const std::int64_t begin = std::max<std::int64_t>(a.at(i, last), 0);
      const std::int64_t end = std::min(a.at(i + tile - 1, k) + 1, a.in);
      read += std::max<std::int64_t>(end - begin, 0);
    }
  return read;
}

std::int64_t tiles_along(const detail::axis& a, int tile) {
  return (a.out + tile - 1) / tile;
}

/// A single small filter, whose taps are among the parameters.
bool comes_with_launch(const problem& p) {
  return p.filters == 1 && p.filter.rows == p.filter.cols && p.filter.rows <= 7 &&
         p.filter.rows % 2 == 1;
}

/// Tiles with halos. Taps are read by every tile, unless they come with the launch.
std::uint64_t read_by_direct(const traffic_case& c) {
  constexpr cuda::direct_tile t = cuda::direct_tile_for(sizeof(float));
  const problem& p = c.problem;
  const detail::axis row = along_rows(p);
  const detail::axis col = along_cols(p);
  const std::int64_t samples =
      read_along(row, t.out_rows(), t.chunk) * read_along(col, t.out_cols(), t.chunk);
  const std::int64_t tiles = tiles_along(row, t.out_rows()) * tiles_along(col, t.out_cols());
  const std::int64_t taps = comes_with_launch(p) ? 0 : tiles * p.filter.count() * p.filters;
  return static_cast<std::uint64_t>((samples * p.channels + taps) * p.planes * sample);
}

/// A line for each channel and row: samples once for all filters of a channel, and the taps of each.
std::uint64_t read_by_direct_line(const traffic_case& c) {
  constexpr cuda::line_tile t = cuda::line_tile_for(sizeof(float));
  const problem& p = c.problem;
  const detail::axis col = along_cols(p);
  const int lanes = t.lanes_for(col.out);
  const std::int64_t samples = read_along(col, t.cols(lanes), t.chunk(lanes)) * p.channels;
  const std::int64_t taps = tiles_along(col, t.cols(lanes)) * p.filter.cols * p.filters;
  return static_cast<std::uint64_t>((samples + taps) * along_rows(p).out * p.planes * sample);
}

/// The same for filters of one row: lines have no halo above and below.
std::uint64_t read_by_direct_row(const traffic_case& c) {
  constexpr cuda::row_tile t = cuda::row_tile_for(sizeof(float));
  const problem& p = c.problem;
  const detail::axis row = along_rows(p);
  const detail::axis col = along_cols(p);
  const int lines = row.out == 1 ? 1 : cuda::row_lines;
  const std::int64_t samples = row.out * read_along(col, t.cols(lines), t.chunk);
  const std::int64_t tiles = tiles_along(row, lines) * tiles_along(col, t.cols(lines));
  const bool with_launch = p.filter.cols <= cuda::small_filter;
  return static_cast<std::uint64_t>((samples + (with_launch ? 0 : tiles * p.filter.cols)) *
                                    p.planes * sample);
}

/// Taps are a part of the program.
std::uint64_t read_by_compiled(const traffic_case& c) {
  const problem& p = c.problem;
  if (p.filter.rows == 1) return read_by_direct_row(c);
  const cuda::direct_tile t = cuda::compiled_tile(false);
  const std::int64_t samples = read_along(along_rows(p), t.out_rows(), t.chunk) *
                               read_along(along_cols(p), t.out_cols(), t.chunk);
  return static_cast<std::uint64_t>(samples * p.planes * sample);
}

std::int64_t strip_of(const traffic_case& c) {
  const problem& p = c.problem;
  const std::int64_t across =
      tiles_along(along_cols(p), cuda::separable_tile_for(sizeof(float)).cols());
  return cuda::separable_strip(along_rows(p).out, across * p.planes, p.filter.rows,
                               c.multiprocessors);
}

/// Strips, each with the filter's rows less one at its top, and its columns less one at its sides.
std::uint64_t read_by_separable(const traffic_case& c) {
  constexpr cuda::separable_tile t = cuda::separable_tile_for(sizeof(float));
  const problem& p = c.problem;
  const detail::axis row = along_rows(p);
  const detail::axis col = along_cols(p);
  return static_cast<std::uint64_t>(read_along(row, strip_of(c), row.taps) *
                                    read_along(col, t.cols(), col.taps) * p.planes * sample);
}

/// The same, and the factors for each strip.
std::uint64_t read_by_separable_terms(const traffic_case& c) {
  const problem& p = c.problem;
  const std::int64_t across =
      tiles_along(along_cols(p), cuda::separable_tile_for(sizeof(float)).cols());
  const std::int64_t strip = strip_of(c);
  const std::int64_t strips = (along_rows(p).out + strip - 1) / strip * across * p.planes;
  return read_by_separable(c) +
         static_cast<std::uint64_t>(strips * c.rank * (p.filter.rows + p.filter.cols) * sample);
}

/// Tiles with halos, and lines of taps with each.
std::uint64_t read_by_mma(const traffic_case& c) {
  using cuda::mma_tile;
  const problem& p = c.problem;
  const detail::axis row = along_rows(p);
  const detail::axis col = along_cols(p);
  const int passes = c.tolerance.value() < 1e-3 ? 3 : 1;
  const cuda::mma_layout l = cuda::mma_layout_for(sizeof(float), passes, row.taps, col.taps);
  const std::int64_t samples =
      read_along(row, mma_tile::out_rows, row.taps) * read_along(col, mma_tile::out_cols, col.taps);
  const std::int64_t tiles =
      tiles_along(row, mma_tile::out_rows) * tiles_along(col, mma_tile::out_cols);
  const std::int64_t words = row.taps * l.tap_pitch * (passes == 3 ? 2 : 1);
  return static_cast<std::uint64_t>((samples + tiles * words) * p.planes * sample);
}

void use_device(const traffic_case& c, std::size_t most_shared) {
  cuda_on_host::machine on;
  on.device.multiProcessorCount = c.multiprocessors;
  on.device.sharedMemPerBlockOptin = most_shared;
  cuda_on_host::reset(on);
}

/// The same choice as the plan's: blocks, with the filter's reach on top of them.
cuda::overlap_save_blocks blocks_of(const traffic_case& c) {
  const problem& p = c.problem;
  const std::vector<float> taps(static_cast<std::size_t>(p.filter.count() * p.filters), 1.0F);
  complete_problem made(p,
                        view<const float>(taps.data(), p.filter, p.filters, 1, dense(p.filter, 1)));
  made.how.tolerance = c.tolerance;
  return cuda::overlap_save_blocks_for(made.request()).value();
}
/// Each sample once for each block that sees it, however many filters that is for; with each block the roots of all stages
/// there but the last; and for each of its filters the spectrum, the roots of the last stage, and those of all stages back.
std::uint64_t read_by_overlap_save(const traffic_case& c) {
  const cuda::overlap_save_blocks blocks = blocks_of(c);
  const problem& p = c.problem;
  const detail::axis row = along_rows(p);
  const detail::axis col = along_cols(p);
  const std::int64_t samples = read_along(row, blocks.rows, row.taps) *
                               read_along(col, blocks.cols, col.taps) * p.planes *
                               blocks.filters.images();
  const cuda::transform t = cuda::transform_of(blocks.points);
  std::int64_t there = 0;
  std::int64_t of_filter = t.points;  // of the spectrum
  for (int i = 0; i < t.count; ++i) {
    const std::int64_t radix = 1 << t.stages[i].radix_bits;
    const std::int64_t roots = (radix - 1) * (t.points / radix);
    (i + 1 < t.count ? there : of_filter) += roots;
    of_filter += roots;
  }
  const std::int64_t of_image = blocks.count / blocks.filters.images();
  const std::int64_t numbers = blocks.count * there + of_image * p.filters * of_filter;
  return static_cast<std::uint64_t>((samples + numbers * 2) * sample);
}

/// A tap and a sample for every product.
std::uint64_t read_by_plain(const traffic_case& c) {
  const problem& p = c.problem;
  const std::int64_t outputs = along_rows(p).out * along_cols(p).out * p.planes;
  return static_cast<std::uint64_t>(outputs * p.filter.count() * 2 * sample);
}

/// The problem with so many outputs.
problem with_outputs(extent out, extent filter, std::int64_t planes = 1) {
  return {.in = {out.rows + filter.rows - 1, out.cols + filter.cols - 1},
          .filter = filter,
          .planes = planes,
          .types = {.in = dtype::f32, .filter = dtype::f32, .out = dtype::f32},
          .mode = mode::valid};
}

/// The same for filters that see one channel each.
problem with_channels(problem p, std::int64_t channels, std::int64_t filters_of_each) {
  p.channels = p.groups = channels;
  p.filters = channels * filters_of_each;
  return p;
}

class memory_of_device {
 public:
  explicit memory_of_device(std::uint64_t bytes) {
    if (cudaMalloc(&data_, bytes) != cudaSuccess || cudaMemset(data_, 0, bytes) != cudaSuccess)
      throw std::runtime_error(cuda_on_host::complaint());
  }
  memory_of_device(const memory_of_device&) = delete;
  memory_of_device& operator=(const memory_of_device&) = delete;
  ~memory_of_device() { (void)cudaFree(data_); }

  [[nodiscard]] float* data() const noexcept { return static_cast<float*>(data_); }

 private:
  void* data_ = nullptr;
};

}  // namespace

std::vector<traffic_case> traffic_cases() {
  const extent image(512, 768);
  const extent large(1024, 1024);
  const extent signal(1, 1 << 18);
  return {
      {"cuda/direct", with_outputs(image, {3, 3}), 1.1, read_by_direct, 4},
      {"cuda/direct", with_outputs(image, {5, 5}), 1.2, read_by_direct, 4},
      {"cuda/direct", with_outputs(image, {7, 7}), 1.3, read_by_direct, 4},
      {"cuda/direct", with_outputs(image, {15, 15}), 1.6, read_by_direct, 3},
      {"cuda/direct", with_outputs({500, 700}, {7, 7}, 2), 1.3, read_by_direct, 4},
      // Depthwise filters read as much for each channel, and banks no more for many filters than for one.
      {"cuda/direct", with_channels(with_outputs({112, 112}, {3, 3}), 64, 1), 1.1, read_by_direct,
       3},
      {"cuda/direct", with_channels(with_outputs(image, {7, 7}), 1, 16), 1.4, read_by_direct, 3, 1},
      {"cuda/direct", with_channels(with_outputs({1, 126}, {1, 3}), 4096, 1), 1.1,
       read_by_direct_line, 4},
      {"cuda/direct", with_channels(with_outputs(signal, {1, 31}), 1, 8), 2.1, read_by_direct_line,
       4, 1},
      {"cuda/direct", with_outputs(signal, {1, 63}), 1.1, read_by_direct_row, 4},
      // Every tile of 2048 outputs reads 200 taps, and as many samples more.
      {"cuda/direct", with_outputs(signal, {1, 200}), 1.3, read_by_direct_row, 4},
      {"cuda/direct", with_outputs(image, {1, 31}), 1.2, read_by_direct_row, 4},
      {"cuda/compiled", with_outputs(image, {5, 5}), 1.2, read_by_compiled, 4},
      {"cuda/compiled", with_outputs(image, {11, 11}), 1.4, read_by_compiled, 4},
      {"cuda/compiled", with_outputs(signal, {1, 63}), 1.1, read_by_compiled, 4},
      // Strips as long as they get, where there is work enough for all: 31 taps read 30 rows more for 256,
      // and 30 columns more for 128.
      {"cuda/separable", with_outputs(large, {7, 7}), 1.1, read_by_separable, 4, 1},
      {"cuda/separable", with_outputs(large, {31, 31}), 1.4, read_by_separable, 4, 1},
      // And as short as they get, so that an image of this size is work for 132 multiprocessors.
      {"cuda/separable", with_outputs(large, {7, 7}), 1.3, read_by_separable, 4},
      {"cuda/separable", with_outputs(large, {31, 31}), 2.4, read_by_separable, 4},
      // Whatever the number of terms.
      {"cuda/separable", with_outputs(large, {15, 15}), 1.2, read_by_separable_terms, 4, 1, 2},
      {"cuda/separable", with_outputs(large, {29, 29}), 1.4, read_by_separable_terms, 4, 1, 2},
      {"cuda/mma", with_outputs(image, {9, 9}), 1.2, read_by_mma, 2, 132, 1, 2e-3},
      {"cuda/mma", with_outputs(image, {15, 15}), 1.4, read_by_mma, 2, 132, 1, 2e-3},
      {"cuda/mma", with_outputs(image, {15, 15}), 1.5, read_by_mma, 2, 132, 1, 1e-4},
      // Counted for each thread: most of it are roots, the same ones for a warp, or those that caches keep, and a third
      // of the rest is the spectrum.
      {"cuda/overlap_save", with_outputs(signal, {1, 256}), 9, read_by_overlap_save, 2},
      {"cuda/overlap_save", with_outputs(signal, {1, 4096}), 16, read_by_overlap_save, 2},
      {"cuda/overlap_save", with_outputs(large, {15, 15}), 16, read_by_overlap_save, 2},
      {"cuda/overlap_save", with_outputs(large, {31, 31}), 23, read_by_overlap_save, 2},
      // Of banks samples, and roots on the way there, are read once for all filters of a block.
      {"cuda/overlap_save", with_channels(with_outputs(signal, {1, 256}), 1, 8), 44,
       read_by_overlap_save, 2, 1},
      {"cuda/overlap_save", with_channels(with_outputs(large, {31, 31}), 1, 8), 84,
       read_by_overlap_save, 1, 1},
      {"cuda/overlap_save", with_channels(with_outputs({112, 112}, {9, 9}), 64, 1), 9.5,
       read_by_overlap_save, 2, 132, 1, 1e-4},
      // Every product reads its sample: what the tiles are for.
      {"cuda/plain", with_outputs({256, 256}, {7, 7}), 98, read_by_plain, 4},
  };
}

int resident_on(const multiprocessor& m, const traffic_case& c, const traffic& t) {
  std::size_t shared = t.shared;
  if (c.algorithm == "cuda/overlap_save") {
    use_device(c, m.shared - m.shared_reserved);
    shared = blocks_of(c).shared;
  }
  return resident_blocks(m, t.threads, registers_of(c), shared);
}

std::vector<large_case> large_cases() {
  std::vector<large_case> all;
  const auto add = [&](const std::string& name, const char* algorithm, extent out, extent small,
                       extent filter, auto* predicted) {
    large_case c;
    c.name = name;
    c.large.algorithm = c.small.algorithm = algorithm;
    c.large.problem = with_outputs(out, filter);
    c.small.problem = with_outputs(small, filter);
    c.large.predicted = predicted;
    use_device(c.large, cuda_on_host::machine().device.sharedMemPerBlockOptin);
    c.samples = predicted(c.large);
    if (predicted == read_by_separable) c.strip = strip_of(c.large);
    if (predicted == read_by_overlap_save) {
      const cuda::overlap_save_blocks b = blocks_of(c.large);
      const detail::axis row = along_rows(c.large.problem);
      const detail::axis col = along_cols(c.large.problem);
      c.samples = static_cast<std::uint64_t>(read_along(row, b.rows, row.taps) *
                                             read_along(col, b.cols, col.taps) * sample);
      c.points = b.points.points();
      c.blocks = b.count;
      c.stages = cuda::transform_of(b.points).count;
    }
    all.push_back(c);
  };
  const extent image(4096, 4096);
  const extent signal(1, 1 << 24);
  for (const int k : {3, 5, 7, 9, 11, 15})
    add("2d_4096_k" + std::to_string(k), "cuda/direct", image, {128, 128}, {k, k}, read_by_direct);
  for (const int k : {5, 7, 15, 31})
    add("2d_4096_g" + std::to_string(k), "cuda/separable", image, {256, 256}, {k, k},
        read_by_separable);
  for (const int k : {3, 16, 31, 63})
    add("1d_2p24_k" + std::to_string(k), "cuda/direct", signal, {1, 1 << 14}, {1, k},
        read_by_direct_row);
  for (const int k : {127, 511, 1023, 4095})
    add("1d_2p24_k" + std::to_string(k), "cuda/overlap_save", signal, {1, 1 << 18}, {1, k},
        read_by_overlap_save);
  for (const int k : {21, 31, 63})
    add("2d_4096_k" + std::to_string(k), "cuda/overlap_save", image, {1024, 1024}, {k, k},
        read_by_overlap_save);
  return all;
}

int registers_of(const traffic_case& c) {
  if (c.algorithm == "cuda/overlap_save")
    return 65536 /
           (cuda::block_threads * (c.problem.filters > 1
                                       ? cuda::overlap_save_blocks_at_once<float, true>
                                       : cuda::overlap_save_blocks_at_once<float>)) /
           8 * 8;
  if (c.algorithm == "cuda/direct" && c.problem.filter.rows > 1 && !comes_with_launch(c.problem))
    return 65536 / (cuda::block_threads * cuda::direct_blocks_at_once<float, false>) / 8 * 8;
  if (c.algorithm == "cuda/mma")
    return 65536 / (cuda::block_threads * cuda::mma_blocks_at_once) / 8 * 8;
  return cuda::registers_at_most<float>;
}

std::uint64_t input_bytes(const problem& p) {
  return static_cast<std::uint64_t>(
      (p.in.count() * p.planes * p.channels + p.filter.count() * p.filters) * sample);
}

std::uint64_t output_bytes(const problem& p) {
  return static_cast<std::uint64_t>(along_rows(p).out * along_cols(p).out * p.planes * p.filters *
                                    sample);
}

traffic measure(const traffic_case& c) {
  use_device(c, cuda_on_host::machine().device.sharedMemPerBlockOptin);
  const problem& p = c.problem;
  std::vector<float> taps(static_cast<std::size_t>(p.filter.count() * p.filters), 1.0F);
  if (c.rank == 2)  // a chequerboard
    for (std::size_t i = 0; i < taps.size(); i += 2) taps[i] = 2.0F;
  const plan made(p, view<const float>(taps.data(), p.filter, p.filters, 1, dense(p.filter, 1)),
                  {.algorithm = c.algorithm, .tolerance = c.tolerance});
  const extent out_size = made.output_extent();
  const memory_of_device in(input_bytes(p));
  const memory_of_device out(output_bytes(p));
  const std::size_t before = cuda_on_host::launches().size();
  made.run(
      device_view<const float>(in.data(), p.in, p.planes, p.channels, dense(p.in, p.channels)),
      device_view<float>(out.data(), out_size, p.planes, p.filters, dense(out_size, p.filters)));
  if (cudaDeviceSynchronize() != cudaSuccess) throw std::runtime_error(cuda_on_host::complaint());

  traffic total{.parameters = made.describe().parameters};
  const std::vector<cuda_on_host::launch_record> launches = cuda_on_host::launches();
  for (std::size_t i = before; i < launches.size(); ++i) {
    const cuda_on_host::launch_record& l = launches[i];
    total.loaded += l.bytes_loaded;
    total.stored += l.bytes_stored;
    total.barriers += l.barriers;
    total.launches += 1;
    total.shared = std::max(total.shared, l.dynamic_shared);
    total.threads = static_cast<int>(l.block.x * l.block.y * l.block.z);
  }
  return total;
}

}  // namespace convgpu::test
