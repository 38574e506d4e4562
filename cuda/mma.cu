// SPDX-License-Identifier: Apache-2.0
// cuda/mma: direct summation by tensor cores. Eight outputs beside one another see as many samples as a row of taps is
// long, and seven more: a row of taps is a matrix with a band, and one of its columns for each of them.
//
//            samples of 16 rows                      outputs of 16 rows
//      ┌──────┬──────┬──────┬──────┐    ┌──────┐    ┌──────┐
//      │ u    │ u+1  │ u+2  │  …   │    │╲     │    │      │
//      │      │      │      │      │ ·  │ ╲╲   │ =  │      │     one row of taps: C chunks of k columns for each
//      │      │      │      │      │    │  ╲╲  │    │      │     eight outputs, the same ones for all of them
//      └──────┴──────┴──────┴──────┘    │   ╲╲ │    └──────┘
//                                       │    ╲ │
//                                       └──────┘
//
// A block makes one tile of outputs after another, each of its warps 16 x 64 of them:
//
//   load   x̃ under the tile, borders resolved, zeros behind what its outputs see
//   look   whether all samples are for tensor cores: what a band's zeros are multiplied by must be finite. If not, the
//          tile is summed without them, zero taps stepped over
//   sum    row after row of taps: a chunk of samples, read once, is multiplied for all outputs that see it; then what the
//          row has made is added up in f32, rounded
//   store  by way of shared memory: neighbours lie in neighbouring threads

#include <convgpu/detail/separable.hpp>
#include <string>

#include "algorithms.hpp"
#include "blocks.cuh"
#include "kernel.cuh"
#include "launch.hpp"
#include "memory.hpp"
#include "mma.cuh"
#include "taps.hpp"

namespace convgpu::cuda {
namespace {

struct mma_params : params<float> {
  detail::range wanted_rows;
  detail::range wanted_cols;
  int block_rows;
  int block_cols;
  mma_layout layout;
  const std::uint32_t* lines;
};

/// What a block's outputs see.
struct seen {
  int rows;
  int cols;
};

/// Magnitude of a sample, as bits that are ordered as magnitudes are; those from `end` on are not for tensor cores.
template <class Sample>
__device__ __forceinline__ std::uint32_t magnitude(Sample x) {
  if constexpr (std::is_same_v<Sample, float>) return std::bit_cast<std::uint32_t>(x) & 0x7fffffffu;
  else return x.bits & 0x7fffu;
}
template <class Sample>
constexpr std::uint32_t end_of_magnitudes = std::is_same_v<Sample, f16> ? 0x7c00u
                                            : std::is_same_v<Sample, bf16>
                                                ? 0x7f80u
                                                : std::bit_cast<std::uint32_t>(mma_largest);
constexpr auto smallest_magnitude = std::bit_cast<std::uint32_t>(mma_smallest);

/// Zeros behind what is seen, and whether all that is may be multiplied by tensor cores: for all threads of the block,
/// which have met then. Each looks at what it has loaded itself.
template <class Sample>
__device__ __forceinline__ bool fill_and_look(Sample* tile, int pitch, int rows, seen s) {
  std::uint32_t most = 0;
#pragma unroll 1
  for (int r = thread_of_block() / warp; r < rows; r += block_threads / warp)
#pragma unroll 4
    for (int c = thread_of_block() % warp; c < pitch; c += warp) {
      Sample& x = tile[r * pitch + c];
      if (r >= s.rows || c >= s.cols) x = Sample{};
      else if (const std::uint32_t m = magnitude(x); m > most) most = m;
    }
  if (__syncthreads_or(most >= end_of_magnitudes<Sample>) != 0) return false;
  if constexpr (sizeof(Sample) == 2) return true;
  else return __syncthreads_or(most >= smallest_magnitude) != 0 || __syncthreads_or(most != 0) == 0;
}

/// Samples as tensor cores want them: 3 x TF32 in two parts.
template <class Sample, int Passes>
struct fragment {
  std::uint32_t high[4];
  std::uint32_t low[Passes == 3 ? 4 : 1];

  __device__ __forceinline__ fragment(const std::byte* at, int bytes_to_row_8) {
    const std::uint32_t words[4] = {load_word(at), load_word(at + bytes_to_row_8),
                                    load_word(at + 16), load_word(at + bytes_to_row_8 + 16)};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if constexpr (sizeof(Sample) == 2) {
        high[i] = words[i];
      } else {
        const float x = std::bit_cast<float>(words[i]);
        const float rounded = to_tf32(x);
        high[i] = std::bit_cast<std::uint32_t>(rounded);
        if constexpr (Passes == 3) low[i] = std::bit_cast<std::uint32_t>(to_tf32(x - rounded));
      }
    }
  }
};

/// Adds what `Chunks` chunks of a row of taps make of the samples from `x` on to a warp's outputs.
template <class Sample, int Passes, int Chunks>
__device__ __forceinline__ void multiply_chunks(float (&sums)[mma_tile::tiles][4],
                                                const std::byte* x, int bytes_to_row_8,
                                                const std::uint32_t* taps, int to_low) {
  using unit = mma_unit<sizeof(Sample)>;
  constexpr int words = 2 * Chunks + unit::tiles - 1;
  std::uint32_t high[words];
  [[maybe_unused]] std::uint32_t low[Passes == 3 ? words : 1];
#pragma unroll
  for (int j = 0; j < words; ++j) {
    high[j] = taps[j * unit::half];
    if constexpr (Passes == 3) low[j] = taps[to_low + j * unit::half];
  }
  constexpr int positions = mma_tile::tiles / unit::tiles;
#pragma unroll
  for (int u = 0; u < positions + Chunks - 1; ++u) {
    const fragment<Sample, Passes> a(x + u * mma_chunk_bytes, bytes_to_row_8);
#pragma unroll
    for (int at = 0; at < positions; ++at) {
      const int v = u - at;
      if (v < 0 || v >= Chunks) continue;
#pragma unroll
      for (int e = 0; e < unit::tiles; ++e) {
        float(&to)[4] = sums[at * unit::tiles + e];
        const int j = 2 * v + unit::tiles - 1 - e;
        if constexpr (Passes == 3) {
          multiply_add<Sample>(to, a.low, high[j], high[j + 1]);
          multiply_add<Sample>(to, a.high, low[j], low[j + 1]);
        }
        multiply_add<Sample>(to, a.high, high[j], high[j + 1]);
      }
    }
  }
}

template <class Sample, int Passes>
__device__ __forceinline__ void multiply_rows(float (&sums)[mma_tile::tiles][4],
                                              const std::byte* tile, const std::uint32_t* lines,
                                              const mma_params& p) {
  using unit = mma_unit<sizeof(Sample)>;
  const mma_layout& l = p.layout;
  const int pitch = l.pitch * 4;
  const std::byte* x = tile + 4 * mma_tile::first_word(thread_of_block(), l.pitch, sizeof(Sample));
  const std::uint32_t* taps = lines + unit::first_tap(thread_of_block());
  const int row_taps = static_cast<int>(p.row.taps);
  const int to_low = row_taps * l.tap_pitch;
#pragma unroll 1
  for (int k = 0; k < row_taps; ++k, x += pitch, taps += l.tap_pitch) {
    float row[mma_tile::tiles][4] = {};
    const std::byte* from = x;
    const std::uint32_t* by = taps;
    // As many chunks at once as there are registers for, and none alone.
#pragma unroll 1
    for (int left = l.chunks; left > 0;) {
      if (mma_chunks_at_once(left, Passes) == 2) {
        multiply_chunks<Sample, Passes, 2>(row, from, 8 * pitch, by, to_low);
        left -= 2, from += 2 * mma_chunk_bytes, by += 4 * unit::half;
      } else if (Passes == 3 || mma_chunks_at_once(left, Passes) == 3) {
        multiply_chunks<Sample, Passes, 3>(row, from, 8 * pitch, by, to_low);
        left -= 3, from += 3 * mma_chunk_bytes, by += 6 * unit::half;
      } else {
        multiply_chunks<Sample, Passes, Passes == 3 ? 3 : 4>(row, from, 8 * pitch, by, to_low);
        left -= 4, from += 4 * mma_chunk_bytes, by += 8 * unit::half;
      }
    }
#pragma unroll
    for (int b = 0; b < mma_tile::tiles; ++b)
#pragma unroll
      for (int q = 0; q < 4; ++q) sums[b][q] += row[b][q];
  }
}

/// The same outputs by definition.
template <class Sample>
__device__ __forceinline__ void sum_plainly(float (&sums)[mma_tile::tiles][4], const Sample* tile,
                                            int pitch, const mma_params& p) {
  const int corner = mma_tile::output(thread_of_block(), pitch);
  const int row_taps = static_cast<int>(p.row.taps);
  const int col_taps = static_cast<int>(p.col.taps);
#pragma unroll 1
  for (int k = 0; k < row_taps; ++k)
#pragma unroll 1
    for (int l = 0; l < col_taps; ++l) {
      const float h = load_global(p.taps + (row_taps - 1 - k) * col_taps + col_taps - 1 - l);
      if (h == 0) continue;
      const Sample* const x = tile + corner + k * pitch + l;
#pragma unroll
      for (int b = 0; b < mma_tile::tiles; ++b)
#pragma unroll
        for (int q = 0; q < 4; ++q)
          sums[b][q] += h * detail::number<float>(x[mma_tile::output_offset(b, q, pitch)]);
    }
}

/// The wanted outputs of a block from where they lie in shared memory.
__device__ __forceinline__ void store_block(const float* results, const block_outputs& b,
                                            const mma_params& p) {
  const int last_row = static_cast<int>(smaller(b.rows.last, p.wanted_rows.last) - b.rows.first);
  const int last_col = static_cast<int>(smaller(b.cols.last, p.wanted_cols.last) - b.cols.first);
  with_stored_type<float>(p.out.type, [&]<class Out>() {
    Out* const to = static_cast<Out*>(p.out.data) + b.plane * p.out.step.plane +
                    b.rows.first * p.out.step.row + b.cols.first * p.out.step.col;
#pragma unroll 1
    for (int r = thread_of_block() / warp; r < last_row; r += block_threads / warp) {
      if (b.rows.first + r < p.wanted_rows.first) continue;
      for (int c = thread_of_block() % warp; c < last_col; c += warp)
        if (b.cols.first + c >= p.wanted_cols.first)
          store_global(to + r * p.out.step.row + c * p.out.step.col,
                       detail::element_of<Out>(results[r * mma_tile::results_pitch + c], p.policy));
    }
  });
}

template <class Sample, int Passes>
__global__ void __launch_bounds__(block_threads, mma_blocks_at_once)
    mma_kernel(const __grid_constant__ mma_params p, const __grid_constant__ tile_grid grid) {
  auto* const tile = reinterpret_cast<Sample*>(dynamic_shared());
  auto* const results = reinterpret_cast<float*>(dynamic_shared());
  auto* const lines = reinterpret_cast<std::uint32_t*>(dynamic_shared() + p.layout.taps_at);
  const int pitch = p.layout.pitch * 4 / static_cast<int>(sizeof(Sample));
  const int words = static_cast<int>(p.row.taps) * p.layout.tap_pitch * (Passes == 3 ? 2 : 1);
#pragma unroll 4
  for (int n = thread_of_block(); n < words; n += block_threads)
    lines[n] = load_global(p.lines + n);

  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {
    const block_outputs b(t, p, grid);
    const int rows = static_cast<int>(b.rows.last - b.rows.first);
    const int cols = static_cast<int>(b.cols.last - b.cols.first);
    const seen s{rows + static_cast<int>(p.row.taps) - 1, cols + static_cast<int>(p.col.taps) - 1};
    load_tile<mma_tile::wide, mma_tile::deep>(tile, pitch, s.rows, s.cols,
                                              p.row.at(b.rows.first, p.row.taps - 1),
                                              p.col.at(b.cols.first, p.col.taps - 1), b.plane, p);
    const bool by_tensor_cores =
        fill_and_look(tile, pitch, mma_tile::out_rows + static_cast<int>(p.row.taps) - 1, s);
    float sums[mma_tile::tiles][4] = {};
    // Warps whose outputs are not there wait for the others.
    if (mma_tile::first_row(thread_of_block()) < rows &&
        mma_tile::first_col(thread_of_block()) < cols) {
      if (by_tensor_cores) multiply_rows<Sample, Passes>(sums, dynamic_shared(), lines, p);
      else sum_plainly(sums, tile, pitch, p);
    }
    __syncthreads();  // everybody has read the samples
    float* const mine = results + mma_tile::output(thread_of_block(), mma_tile::results_pitch);
#pragma unroll
    for (int n = 0; n < mma_tile::tiles; ++n)
#pragma unroll
      for (int q = 0; q < 4; q += 2)
        *reinterpret_cast<float2*>(mine + mma_tile::output_offset(n, q, mma_tile::results_pitch)) =
            make_float2(sums[n][q], sums[n][q + 1]);
    __syncthreads();  // the results are there
    store_block(results, block_outputs(t, p, grid), p);
    __syncthreads();  // everybody has read the results
  }
}

template <class Sample, int Passes>
class mma final : public kernels {
 public:
  mma(const detail::request& r, const mma_numbers& numbers)
      : layout_(mma_layout_for(r, Passes)),
        taps_(on_device(taps_as<float>(r.filter.values))),
        lines_(on_device(mma_lines(r, layout_, Passes))),
        error_(numbers.error) {
    load(kernel);
    // Never less than what another plan asked for.
    if (layout_.bytes > shared_everywhere)
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shared_on(r.device))),
            "cudaFuncSetAttribute");
  }

  [[nodiscard]] std::string parameters() const override {
    const char* const numbers = std::is_same_v<Sample, f16>    ? "f16"
                                : std::is_same_v<Sample, bf16> ? "bf16"
                                : Passes == 3                  ? "3 x TF32"
                                                               : "TF32";
    return std::string(numbers) + ", tiles of " + std::to_string(mma_tile::out_rows) + " x " +
           std::to_string(mma_tile::out_cols) + ", error at most " + detail::short_text(error_);
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return sizeof(Sample) == 2; }
  [[nodiscard]] extent block() const noexcept override {
    return {mma_tile::out_rows, mma_tile::out_cols};
  }
  void launch(const image_params& p, void*, cudaStream_t on) const override {
    image_params from_blocks = p;
    from_blocks.rows.first -= p.rows.first % mma_tile::out_rows;
    from_blocks.cols.first -= p.cols.first % mma_tile::out_cols;
    for_each_grid(from_blocks, mma_tile::out_rows, mma_tile::out_cols,
                  [&](const auto& part, const auto& grid) {
                    cuda::launch(kernel, grid.total, layout_.bytes, on,
                                 mma_params{{part, static_cast<const float*>(taps_.data())},
                                            p.rows,
                                            p.cols,
                                            mma_tile::out_rows,
                                            mma_tile::out_cols,
                                            layout_,
                                            static_cast<const std::uint32_t*>(lines_.data())},
                                 grid);
                  });
  }

 private:
  static constexpr auto kernel = mma_kernel<Sample, Passes>;

  mma_layout layout_;
  device_memory taps_;
  device_memory lines_;
  double error_;
};

}  // namespace

std::unique_ptr<const kernels> mma_kernels(const detail::request& r) {
  const mma_numbers numbers = mma_numbers_for(r).value();
  switch (r.form.types.in) {
    case dtype::f16: return std::make_unique<mma<f16, 1>>(r, numbers);
    case dtype::bf16: return std::make_unique<mma<bf16, 1>>(r, numbers);
    default: break;
  }
  if (numbers.passes == 3) return std::make_unique<mma<float, 3>>(r, numbers);
  return std::make_unique<mma<float, 1>>(r, numbers);
}

}  // namespace convgpu::cuda
