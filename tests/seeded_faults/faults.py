# SPDX-License-Identifier: Apache-2.0
"""The mistakes that run.py makes. Text that is to be replaced must be in the file exactly once."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    file: str
    edits: tuple  # of (old, new)
    algorithm: str = "cuda"
    build: str = "plain"  # the one that shows it
    parts: tuple = ()  # of the suite; empty: all, one after the other
    sources: tuple = ()  # that are compiled with it; empty: all that include the file
    twin: bool = False  # another fault is of the same kind: left out where time is short


def faults_in(file, algorithm, *faults, **of_all):
    """faults: (name, edit or edits, further members of Fault...)"""
    made = []
    for name, edits, *more in faults:
        members = {"algorithm": algorithm, **of_all}
        for some in more:
            members.update(some)
        path = file if "/" in file else f"cuda/{file}"
        made.append(Fault(f"{path.rsplit('/', 1)[-1]}: {name}", path,
                          edits if isinstance(edits[0], tuple) else (edits,), **members))
    return made


TWIN = {"twin": True}
THREAD = {"build": "thread"}
THREAD_TWIN = {**THREAD, **TWIN}
ADDRESS = {"build": "address"}
TRAFFIC = {"parts": ("traffic",)}
BANKS = {"parts": ("banks",)}
FEW_BLOCKS = {"parts": ("every kernel",)}
FAR = {"parts": ("far apart",)}
CHANNELS = {"parts": ("channels",)}
BANK = {"parts": ("blocks",)}
TENSOR_CORES = {"parts": ("tensor cores",)}
GRADIENTS = {"parts": ("gradients",)}

FAULTS = [
    *faults_in(
        "direct.cu", "cuda/direct",
        ("no barrier before a chunk", ("            __syncthreads();  // everybody has read the chunk before\n", ""), THREAD),
        ("no barrier after a chunk is loaded",
         ("ln, p);\n            __syncthreads();", "ln, p);"), THREAD_TWIN),
        ("no barrier before a tile", ("    __syncthreads();  // everybody has read the tile before\n", ""), THREAD_TWIN),
        ("no barrier after a tile is loaded", ("    __syncthreads();\n    const Sample* const corner", "    const Sample* const corner"),
         THREAD),
        ("halo a row short", ("shape.out_rows() + kn - 1,", "shape.out_rows() + kn - 2,")),
        ("halo of small filters a column short",
         ("shape.out_cols() + Extent - 1,", "shape.out_cols() + Extent - 2,"), TWIN),
        ("tiles overlap by a column", ("place.col * shape.out_cols()", "place.col * (shape.out_cols() - 1)"), TWIN),
        ("tiles of one plane only", (".plane = place.plane}", ".plane = 0}")),
        ("outputs of one plane only", ("at.plane = image.plane;", "at.plane = 0;"), TWIN),
        ("samples of the first channel", ("image.channel);\n            }", "0);\n            }"), CHANNELS),
        ("taps of the first filter", ("taps + staged * kn * shape.whole(ln);", "taps;"), CHANNELS),
        ("outputs in 32 bits", ("i * p.out.step.row + j * p.out.step.col;",
                                "static_cast<int>(i * p.out.step.row) + j * p.out.step.col;"), FAR),
        ("taps not loaded again", ("if (staged == p.together) staged = 0;", "staged = f;"), CHANNELS),
        ("chunks of the first filter for all", ("if (f == 0 || !at_once) {", "if (f == 0) {"), CHANNELS),
        ("filters stored over one another", ("store_sums(sums, at, image.first_filter + f, shape, p);",
                                                      "store_sums(sums, at, image.first_filter, shape, p);"), CHANNELS),
        ("a row too many stored", ("smaller<std::int64_t>(Rows, p.rows.last - i)", "Rows")),
        ("a column too many stored", ("smaller<std::int64_t>(Cols * shape.apart(), p.cols.last - j)", "Cols * shape.apart()"), TWIN),
        ("saturation dropped", ("                         detail::element_of<Out>(sums[0][c], p.policy)", "detail::element_of<Out>(sums[0][c], overflow::wrap)"), TWIN),
        ("chunks of rows start one late", ("p.row.at(at.i, k0 + kn - 1)", "p.row.at(at.i, k0 + kn)")),
        ("every chunk at the first column", ("p.col.at(at.j, l0 + ln - 1)", "p.col.at(at.j, ln - 1)")),
        ("even filters start one on", ("p.col.at(at.j, l0 + ln - 1)", "p.col.at(at.j, l0 + ln - 1) + (p.col.taps % 2 == 0)"), TWIN),
        ("taps transposed", ("mine[k * ln + l]", "mine[l * kn + k]")),
        ("small filters transposed", ("return p.taps[k * Extent + l];", "return p.taps[l * Extent + k];"), TWIN),
        ("filter flipped", ("const auto h = tap((Known == 0 ? kn : Known) - 1 - m, l);", "const auto h = tap(m, l);")),
        ("zero taps not stepped over", ("if (h != decltype(h){}) {", "{")),
        ("taps by fours transposed", ("(k0 + line) * p.col.taps + l0 + t % ln", "(k0 + line) * p.col.taps + l0 + (t + 1) % ln")),
        ("taps by fours upside down", ("line - k + kn - 1 - k", "line")),
        ("taps by fours not one after the other", ("taps += tap_pitch;", "")),
        ("what is left over of a window does not move it", ("window[r][c] = window[r + 1][c];\n  }", "window[r][c] = window[r][c];\n  }")),
        ("zero taps by fours not stepped over", ("Zeros && h[l] == Tap{}", "false")),
        ("no one asks whether there are zeros", ("kernel_for(narrow_, has_zeros(taps_as<Tap>(taps)))", "kernel_for(narrow_, false)")),
        ("small filters with zeros by fours", ("!direct_tile_for(sizeof(Sum)).together || !has_zeros(taps_as<Tap>(r.filter.values));", "true;")),
        ("small filters by fours see a row less", ("y >= r + Extent)", "y >= r + Extent - 1)")),
        ("four stored where fewer are there", ("last_col == 4 && p.out.step.col == 1", "p.out.step.col == 1")),
        ("four stored in steps", ("last_col == 4 && p.out.step.col == 1", "last_col == 4")),
        ("four stored out of place", ("reinterpret_cast<std::uintptr_t>(line) % sizeof(four<Out>) == 0", "true"), ADDRESS),
        ("window does not slide", ("window[r][c] = window[r + 1][c];\n    }\n  }", "window[r][c] = window[r][c];\n    }\n  }")),
        ("shared memory over-read where it changes nothing",
         ("const Tap* const mine = taps + staged * kn * shape.whole(ln);",
          "const Tap* const mine = taps + staged * kn * shape.whole(ln);\n"
          "          const volatile auto* bytes =\n"
          "              reinterpret_cast<unsigned char*>(taps + p.together * kn * shape.whole(ln));\n"
          "          if (*bytes == 1) sums[0][0] = sums[0][0];"), ADDRESS),
        ("blocks make one tile each", ("  for (std::uint32_t t = blockIdx.x; t < grid.total; t += gridDim.x) {\n"
                                       "    const int filters",
                                       "  if (std::uint32_t t = blockIdx.x; t < grid.total) {\n"
                                       "    const int filters"), FEW_BLOCKS, TWIN),
        ("plans share their taps",
         (("        bank_(bank_of(r)),\n        taps_(on_device(taps_as<Tap>(taps))) {\n",
           "        bank_(bank_of(r)) {\n    taps_ = on_device(taps_as<Tap>(taps));\n"),
          ("  bank bank_;\n  device_memory taps_;\n", "  bank bank_;\n  static inline device_memory taps_;\n"))),
    ),
    *faults_in(
        "direct_line.cu", "cuda/direct",
        ("no barrier before a chunk", ("        __syncwarp();  // everybody has read the chunk before\n", ""), THREAD),
        ("no barrier after taps", ("load_global(from + l) : Tap{};\n        __syncwarp();", "load_global(from + l) : Tap{};"),
         THREAD),
        ("no barrier before results", ("results[run + q] = sums[q];\n      __syncwarp();", "results[run + q] = sums[q];"), THREAD),
        ("samples of the first filter's chunks for all", ("if (f == 0 || p.col.taps > chunk)", "if (f == 0)"), CHANNELS),
        ("lines behind the last one stored", ("const bool is_wanted = is_there && f < at.filters;", "const bool is_wanted = is_there;"), CHANNELS),
        ("right border taken for inside", ("smaller<std::int64_t>(wanted, p.col.in - first)", "wanted"), CHANNELS),
        ("left border taken for inside", ("row < 0 ? wanted : -first;", "row < 0 ? wanted : 0;"), CHANNELS),
        ("taps of the first filter", ("p.taps + (at.first_filter + f) * p.col.taps", "p.taps + at.first_filter * p.col.taps"), CHANNELS),
        ("blocks make one tile each", ("t < tiles; t += gridDim.x", "t < tiles; t = tiles"), FEW_BLOCKS, TWIN),
    ),
    *faults_in(
        "mma.cu", "cuda/mma",
        ("no barrier before results", ("    __syncthreads();  // everybody has read the samples\n", ""), THREAD),
        ("no barrier after results", ("    __syncthreads();  // the results are there\n", ""), THREAD),
        ("no barrier before the next tile", ("    __syncthreads();  // everybody has read the results\n", ""), THREAD),
        ("what is not finite is multiplied", ("(most >= end_of_magnitudes<Sample>) != 0)", "(most >= end_of_magnitudes<Sample>) < 0)")),
        ("what is denormal is multiplied", ("__syncthreads_or(most >= smallest_magnitude) != 0", "__syncthreads_or(1) != 0"), TENSOR_CORES),
        ("no zeros behind what is seen", ("if (r >= s.rows || c >= s.cols) x = Sample{};", "if (r >= s.rows || c >= s.cols) {}")),
        ("samples in one part", ("to_tf32(x - rounded)", "to_tf32(0.0F)")),
        ("taps in one part", ("multiply_add<Sample>(to, a.high, low[j], low[j + 1]);", ";"), TENSOR_CORES),
        ("two tiles of a chunk exchanged", ("2 * v + unit::tiles - 1 - e;", "2 * v + e;")),
        ("all chunks with the first samples", ("left -= 3, from += 3 * mma_chunk_bytes,", "left -= 3,")),
        ("all chunks with the first taps", (" by += 6 * unit::half;", " by += 0;"), TWIN),
        ("sums of the last row of taps", ("sums[b][q] += row[b][q];", "sums[b][q] = row[b][q];")),
        ("zero taps see what is not finite", ("      if (h == 0) continue;\n", "")),
        ("plain sums flipped", ("(row_taps - 1 - k) * col_taps + col_taps - 1 - l", "k * col_taps + l"), TENSOR_CORES),
        ("warps without their last columns", ("mma_tile::first_col(thread_of_block()) < cols)", "mma_tile::first_col(thread_of_block()) + 8 < cols)")),
        ("a column too many stored", ("smaller(b.cols.last, p.wanted_cols.last)", "b.cols.last + 1")),
        ("blocks make one tile each", ("t < grid.total; t += gridDim.x", "t < grid.total; t = grid.total"), FEW_BLOCKS, TWIN),
    ),
    *faults_in(
        "mma.hpp", "cuda/mma",
        ("TF32 cut off", ("+ 0x1000u)", "+ 0u)"), TENSOR_CORES),
    ),
    *faults_in(
        "mma.cpp", "cuda/mma",
        ("a bound of half of TF32", ("0x1p-10 + 0x1p-22", "0x1p-11 + 0x1p-22"), TENSOR_CORES),
        ("taps flipped", ("taps[(rows - 1 - k) * cols + cols - 1 - q]", "taps[k * cols + q]")),
        ("neighbours of 16 bits exchanged", ("lines[at] |= bits_of_16(in, tap);", "lines[at] |= bits_of_16(in, tap) << 16;")),
        ("taps that 16 bits do not hold", ("if (narrow && !std::all_of", "if (false && !std::all_of"), TENSOR_CORES),
    ),
    *faults_in(
        "bank.hpp", "cuda/direct",
        ("every part with the first filters", ("first_filter = channel * b.filters + first;", "first_filter = channel * b.filters;"), CHANNELS),
        ("last part too long", ("filters = left < b.of_part ? left : b.of_part;", "filters = b.of_part;"), CHANNELS),
        sources=("cuda/direct.cu", "cuda/direct_line.cu"),
    ),
    *faults_in(
        "direct_row.cu", "cuda/direct",
        ("no barrier before a chunk", ("      __syncthreads();  // everybody has read the chunk, or", "      // everybody, or"),
         THREAD),
        ("no barrier after samples", ("if constexpr (small) {\n        __syncthreads();\n", "if constexpr (small) {\n"),
         THREAD_TWIN),
        ("no barrier after taps", ("load_taps(taps, 0, l0, 1, ln, p);\n        __syncthreads();",
                                   "load_taps(taps, 0, l0, 1, ln, p);"), THREAD_TWIN),
        ("no barrier before the sums", ("    __syncthreads();  // everybody has read the last chunk", "    // everybody"), THREAD_TWIN),
        ("no barrier after the sums", ("mine[q] = sums[q];\n    __syncthreads();", "mine[q] = sums[q];"), THREAD),
        ("every chunk with the first taps", ("load_taps(taps, 0, l0, 1, ln, p);", "load_taps(taps, 0, 0, 1, ln, p);")),
        ("halo a sample short", ("cols + ln - 1, p.row.at(i0, 0)", "cols + ln - 2, p.row.at(i0, 0)")),
        ("lines pitched one apart", ("          line, pitch, p.lines", "          line, pitch + 1, p.lines"), TWIN),
        ("blocks make one tile each", ("t < grid.total; t += gridDim.x", "t < grid.total; t = grid.total"), FEW_BLOCKS, TWIN),
    ),
    *faults_in(
        "separable.cu", "cuda/separable",
        ("no barrier after lines are loaded", ("row, col, plane, p);\n  __syncthreads();\n", "row, col, plane, p);\n"), THREAD),
        ("no barrier after the rows above", ("      __syncthreads();  // everybody has read the lines\n", ""), THREAD_TWIN),
        ("no barrier before sums down", ("      __syncthreads();  // the ring is full, and the last step's results are stored\n", ""),
         THREAD_TWIN),
        ("no barrier after the results", ("      __syncthreads();  // the results are there, and everybody has read the ring\n", ""),
         THREAD),
        ("rows above one short", ("filled < row_taps - 1; filled += shape.step", "filled < row_taps - 2; filled += shape.step"), TWIN),
        ("ring turns a row late", ("top = next_in_ring(top, shape.step, layout.ring_rows);",
                                   "top = next_in_ring(top, shape.step - 1, layout.ring_rows);")),
        ("factors mixed up", ("return p.along[taps - 1 - m];", "return p.down[taps - 1 - m];")),
        ("last step of a strip missed", ("done < rows; done += shape.step", "done < rows - 1; done += shape.step")),
        ("strips overlap", ("place.row * p.strip;", "place.row * (p.strip - 1);")),
        ("blocks make one strip each", ("t < grid.total; t += gridDim.x", "t < grid.total; t = grid.total"), FEW_BLOCKS, TWIN),
        ("sums between two passes one row short", ("p.row.at(p.rows.first, p.row.taps - 1)}", "p.row.at(p.rows.first, p.row.taps)}")),
        ("two passes read the border twice", ("down.row = {.in = between, .taps = p.row.taps, .out = rows, .start = p.row.taps - 1};",
                                              "down.row = {.in = between, .taps = p.row.taps, .out = rows, .start = p.row.start};")),
    ),
    *faults_in(
        "separable_terms.cu", "cuda/separable",
        ("no barrier before sums down", ("      __syncthreads();  // the ring is full, and the last step's results are stored\n", ""),
         THREAD),
        ("no barrier before sums along", ("        __syncthreads();  // the lines are there\n", ""), THREAD_TWIN),
        ("no barrier after sums along", ("        __syncthreads();  // everybody has read the lines\n", ""), THREAD),
        ("no barrier after the results", ("      __syncthreads();  // the results are there\n", ""), THREAD_TWIN),
        ("rows above one short", ("load_rows(layout.lead, row_taps - 1, 0);", "load_rows(layout.lead, row_taps - 2, 0);")),
        ("last term missed", ("n < p.terms; ++n) {", "n < p.terms - 1; ++n) {")),
        ("every term with the first factors", ("taps + n * (row_taps + col_taps);", "taps;")),
        ("columns to the right missed", ("c < layout.width; c += layout.columns_on", "c < shape.cols(); c += layout.columns_on")),
        ("strips overlap", ("place.row * p.strip;", "place.row * (p.strip - 1);"), TWIN),
        ("blocks make one strip each", ("t < grid.total; t += gridDim.x", "t < grid.total; t = grid.total"), FEW_BLOCKS, TWIN),
        ("factors flipped", ("all.insert(all.end(), taps.rbegin(), taps.rend());", "all.insert(all.end(), taps.begin(), taps.end());")),
    ),
    *faults_in(
        "ring.cuh", "cuda/separable",
        ("ring does not end", ("return next < rows ? next : next - rows;", "return next <= rows ? next : next - rows;")),
        ("zero taps not stepped over", ("if (h != decltype(h){}) take", "take"), TWIN),
        ("zeros not looked for", ("if (Aligned && !zeros)", "if (Aligned)")),
        ("a whole round where there is a part of one", ("m0 + Down <= taps", "m0 < taps")),
        ("ring does not end behind a round's first row", ("      slot = next_in_ring(slot, 1, ring_rows);\n      take(0", "      slot += 1;\n      take(0")),
        sources=("cuda/separable.cu",),
    ),
    *faults_in(
        "overlap_save.cu", "cuda/overlap_save",
        ("no barrier after a block is loaded", ("of_marks, p), of_warps);\n      __syncthreads();\n", "of_marks, p), of_warps);\n"), THREAD),
        ("no barrier before the next block", ("        __syncthreads();  // everybody has read the points, and what there is of them\n", ""),
         THREAD),
        ("blocks overlap by an output", ("p.row_reach - 1) * p.length + c + p.col_reach - 1);",
                                         "p.row_reach - 1) * p.length + c + p.col_reach - 2);")),
        ("halo a row short", ("static_cast<int>(b.rows.last - b.rows.first) + p.row_reach - 1,",
                              "static_cast<int>(b.rows.last - b.rows.first) + p.row_reach - 2,")),
        ("right border taken for inside", (" && s.col + s.cols <= p.col.in;", ";")),
        ("upper border taken for inside", ("s.row >= 0 && s.col >= 0 &&", "s.col >= 0 &&"), TWIN),
        ("one plane only", ("b.plane * p.in.step.plane", "0 * p.in.step.plane"), TWIN),
        ("what is not finite is taken along", ("if (!(size <= std::numeric_limits<T>::max())) {", "if (false) {")),
        ("what is not finite is forgotten", ("done = of_marks || !of_block(of_warps).bad;", "done = true;")),
        ("zero taps see what is not finite", ("of_marks ? p.marks : p.spectrum", "p.spectrum")),
        ("results not scaled back", ("scale().out, p);", "scale().in, p);")),
        ("integers cut off", ("std::nearbyint(re[at] * scale)", "std::trunc(re[at] * scale)")),
        ("imaginary parts lost", ("Result(re[at] * scale, im[at] * scale)", "Result(re[at] * scale, re[at] * scale)"), TWIN),
        ("columns not exchanged for rows", ("      std::swap(p.rows, p.cols);\n", ""), TWIN),
        ("samples of the first channel", ("image.channel * p.in.step.channel", "0 * p.in.step.channel"), BANK),
        ("outputs of a part's first filter", ("(image.first_filter + filter) * p.out", "image.first_filter * p.out"), BANK, TWIN),
        ("one spectrum for all filters", ("(image_of(outputs(), p).first_filter + f) * p.numbers", "0"), BANK),
        ("results in the places of points", ("of_part() > 1 ? 2 * place<T>(stages_.points) : 0", "0"), BANK),
        ("blocks make one each", ("t < grid.total; t += gridDim.x", "t < grid.total; t = grid.total"), FEW_BLOCKS, TWIN),
    ),
    *faults_in(
        "transform.cuh", "cuda/overlap_save",
        ("no barrier between stages there", ("i == 0 ? scale : T{1});\n    __syncthreads();", "i == 0 ? scale : T{1});"), THREAD_TWIN),
        ("no barrier after the product", ("t.points, spectrum);\n  __syncthreads();", "t.points, spectrum);"), THREAD),
        ("no barrier between stages back", ("do_stage<true>(results, t.stages[i], t.points, T{1});\n    __syncthreads();",
                                            "do_stage<true>(results, t.stages[i], t.points, T{1});"), THREAD_TWIN),
        ("roots not turned back", ("if constexpr (Back) b.im = -b.im;", "")),
        ("a root of 16 mistaken", ("z[7] = turned16<3, Back>(z[7]);", "z[7] = turned16<2, Back>(z[7]);")),
        ("roots of the first node for all", ("(node & (s.nodes - 1))", "0")),
        ("scaled in every stage", ("i == 0 ? scale : T{1}", "scale"), TWIN),
        sources=("cuda/overlap_save.cu",),
    ),
    *faults_in(
        "transform.hpp", "cuda/overlap_save",
        ("half warps in the same banks", ("b ^= (differ << 4) | (differ << far);", ""), BANKS, {"sources": ("tests/cuda_banks.cpp",)}),
        ("rows begin with other roots", ("  add_stages(t, size.cols, 0);", "  add_stages(t, size.cols, 0);\n  t.stages[t.count - 1].nodes *= size.rows;")),
        sources=("cuda/overlap_save.cu", "cuda/transform.cpp", "cuda/overlap_save.cpp"),
    ),
    *faults_in(
        "overlap_save.cpp", "cuda/overlap_save",
        ("no filters share a block", ("std::int64_t parts = 1;;", "std::int64_t parts = form.filters;;"), TRAFFIC),
        ("norms of filters as different as can be", ("!are_of_like_norms(r)", "false"), BANK),
    ),
    *faults_in(
        "blocks.cuh", "cuda/overlap_save",
        ("the largest of a warp only", ("for (int w = 1; w < block_threads / warp; ++w) {", "for (int w = 1; w < 1; ++w) {")),
        ("small data not scaled up", ("std::scalbn(T{1}, shift - exponent)", "std::scalbn(T{1}, exponent > 0 ? shift - exponent : 0)")),
        sources=("cuda/overlap_save.cu",),
    ),
    *faults_in(
        "fft.cu", "cuda/fft",
        ("no barrier after parts are told", ("  tell_block(mine, of_warps);\n  __syncthreads();\n  return", "  tell_block(mine, of_warps);\n  return"), THREAD),
        ("what is not finite is forgotten", ("all.bad && sees_bad<T, Complex>", "false && sees_bad<T, Complex>")),
        ("all outputs of a block see what is not finite", ("all.bad && sees_bad<T, Complex>(b, at.block, r, c, p)", "all.bad")),
        ("zero taps see what is not finite", ("load_global(p.taps + k * p.col.taps + l) != 0 &&", "true &&")),
        ("blocks of one call only", ("first < grid.total; first += blocks_.at_once", "first < blocks_.at_once; first += blocks_.at_once")),
        ("one block's bins for all", ("load_global(p.spectra + i);", "load_global(p.spectra + i % p.bins);")),
        ("the last part of a block missed", ("w.parts = static_cast<int>(fft_parts(points));", "w.parts = static_cast<int>((fft_parts(points) + 1) / 2);"), TWIN),
    ),
    *faults_in(
        "plain.cu", "cuda/plain",
        ("last output missed", ("n < total;", "n < total - 1;")),
        ("taps of another filter", ("filter * p.channels * p.row.taps * p.col.taps", "filter * p.row.taps * p.col.taps"), TWIN),
        ("channels of another group", ("filter / p.filters * p.channels * p.in.step.channel", "filter * p.in.step.channel"), TWIN),
        ("zero taps not stepped over", ("          if (h == Tap{}) continue;", "          "), TWIN),
        ("blocks take no further share", ("       n += threads) {", "       n = total) {"), FEW_BLOCKS),
        ("rows outside are read", ("r < 0 ? -1 : detail::border_index(", "r < -1 ? -1 : detail::border_index(")),
        ("saturation dropped", ("detail::element_of<Out>(sum, p.policy)", "detail::element_of<Out>(sum, overflow::wrap)"), TWIN),
    ),
    *faults_in(
        "gemm.cu", "cuda/gemm",
        ("right border taken for inside", (" && col < p.col.in;", ";")),
        ("upper border taken for inside", ("row - (p.row.taps - 1) * p.row.dilation >= 0 && ", ""), TWIN),
        ("patches are left longer than filters", ("d < p.depth; ++d", "d < 0; ++d")),
        ("zero taps see what is not finite", ("if (zero_taps && ", "if (false && ")),
        ("outputs of a tile in its first row", ("row = p.rows.first + (p.first_row + line", "row = p.rows.first + (line"), CHANNELS),
        ("groups of a tile in the first ones' places", ("(p.first_filter + filter) * p.out.step.channel", "filter * p.out.step.channel"), CHANNELS),
        ("planes that are no matrix taken for one", ("a.step.row != detail::saturated_product(cols, a.step.col)", "false"), CHANNELS),
        ("sums beside zero taps left as they are", ("out.type == dtype_of<Sum> && !zero_taps_", "out.type == dtype_of<Sum>"), CHANNELS),
        ("turned taps of the first group", ("to[filter / filters * filters * channels +", "to["), CHANNELS),
        ("taps of the first groups", (".b = taps + p.first_filter * tiles_.depth", ".b = taps"), CHANNELS),
    ),
    *faults_in(
        "gradient.cu", "cuda",
        ("zeros between taken for the gradient", ("    if (m % a.step != 0) return;\n", ""), GRADIENTS),
        ("row borders by the width", ("p.how.row, p.how.border, row, p.to_size.rows,", "p.how.row, p.how.border, row, p.to_size.cols,"), GRADIENTS),
        ("a lane's outputs after the end of a row", ("if (j >= p.col.out) j -= p.col.out, ++i;", "if (j >= p.col.out) j -= p.col.out;"), GRADIENTS),
        ("gradients of zero see what is not finite", ("if (g[f] != Sum{}) sums", "sums"), GRADIENTS),
        ("the first parts only", ("part < p.parts; part += warp", "part < 1; part += warp"), GRADIENTS),
        ("sums of a warp's first half", ("int lanes = warp / 2;", "int lanes = warp / 4;"), GRADIENTS),
        ("samples of the first group", ("(group * p.channels + channel) * p.in.step.channel", "channel * p.in.step.channel"), GRADIENTS),
        ("sums not conjugated back", ("if (p.conjugated) sum = conjugate_of(sum);", ""), GRADIENTS, TWIN),
    ),
    *faults_in(
        "singles.cpp", "cuda/overlap_save",
        ("channels as filters", ("channel_of(p.in, filter / filters_)", "channel_of(p.in, filter)"), CHANNELS),
    ),
    *faults_in(
        "tile.cuh", "cuda/separable",
        ("left border taken for inside", ("row >= 0 && col >= 0 &&", "row >= 0 &&")),
        ("upper border taken for inside", ("row >= 0 && col >= 0 &&", "col >= 0 &&"), TWIN),
        ("right border taken for inside", (" && col + cols <= from.cols;", ";"), TWIN),
        ("lower border taken for inside", ("&& row + rows <= from.rows &&", "&&")),
        ("right border a column off", ("col + cols <= from.cols;", "col + cols <= from.cols + 1;")),
        ("column borders by the height", ("detail::border_index(border, col + c, from.cols)",
                                          "detail::border_index(border, col + c, from.rows)")),
        sources=("cuda/separable.cu",),
    ),
    *faults_in(
        "kernel.cuh", "cuda/separable",
        ("imaginary part of the border lost", ("detail::border_value<Sample>(p.outside_re, p.outside_im)",
                                               "detail::border_value<Sample>(p.outside_re, 0.0)")),
        ("last column not stored", ("p.cols.last - j0)", "p.cols.last - 1 - j0)")),
        ("a column too many stored", ("p.cols.last - j0)", "p.cols.last + 1 - j0)"), TWIN),
        ("saturation dropped", ("element_of<Out>(*value, p.policy)", "element_of<Out>(*value, overflow::wrap)")),
        ("bf16 taken for f16", ("case dtype::bf16: return f.template operator()<bf16>();",
                                "case dtype::bf16: return f.template operator()<f16>();")),
        sources=("cuda/separable.cu",),  # one that compiles fast shows what is in a header for all
    ),
    *faults_in(
        "kernel.cuh", "cuda/direct",
        ("zeros along rows not stepped over", ("if (h != decltype(h){}) take", "take")),
        ("zeros along rows not looked for", ("<Sum> && !zeros)", "<Sum>)"), TWIN),
        ("a whole round along rows where there is a part of one", ("m0 + Outputs <= taps", "m0 < taps")),
        ("taps dense in the chunk, not in the filter", ("(k0 + t / ln) * p.col.taps + l0", "(k0 + t / ln) * ln + l0")),
        ("a last tap too many loaded", ("t < kn * ln; t +=", "t < kn * ln + 1; t +=")),
        sources=("cuda/direct.cu", "cuda/direct_row.cu"),
    ),
    *faults_in(
        "tile.cuh", "cuda/direct",
        ("every sample loaded twice", ("r < rows; r += Deep * step)", "r < rows; r += (Deep * step + 1) / 2)"), TRAFFIC),
        sources=("cuda/direct.cu",),
    ),
    *faults_in(
        "compiled.cpp", "cuda/compiled",
        ("taps from the other end", ("taps[static_cast<std::size_t>(along - 1 - m)]", "taps[static_cast<std::size_t>(m)]")),
        ("columns of taps from the other end", ("along + along - 1 - l)]", "along + l)]")),
        ("zeros compiled in", ("    if (h == 0) return;\n", ""), {"parts": ("not finite",)}),
        ("mirror taken for replicate", ("case border_kind::mirror: return \"mirror\";", "case border_kind::mirror: return \"replicate\";")),
        ("taps in decimals", ("std::chars_format::hex", "std::chars_format::fixed"), {"parts": ("agreement, small",)}),
        ("too little shared memory", ("line.pitch(lines, along)", "line.pitch(lines, 1)")),
        ("the value outside lost", (".outside = static_cast<float>(part.outside_re)", ".outside = 0")),
    ),
    *faults_in(
        "params.hpp", "cuda",
        ("last plane missed", ("tiles.rows * tiles.cols * part.planes)", "tiles.rows * tiles.cols)")),
        ("part of a tile missed", ("(cols + tile_cols - 1) / tile_cols", "cols / tile_cols")),
        sources=("cuda/plain.cu", "cuda/separable.cu"),
    ),
    *faults_in(
        "tile_grid.hpp", "cuda",
        ("quotients a little too small", ("+ by - 1) / by);", ") / by);")),
        sources=("cuda/plain.cu", "cuda/separable.cu"),
    ),
    *faults_in(
        "launch.cpp", "cuda",
        ("grids larger than there are", ("std::min<std::int64_t>(blocks, most)", "blocks"), FEW_BLOCKS),
    ),
    *faults_in(
        "taps.hpp", "cuda",
        ("memory for taps counted in elements", ("taps.size() * sizeof(Tap);", "taps.size() * (sizeof(Tap) / 2);")),
    ),
    *faults_in(
        "tuning.hpp", "cuda",
        ("no shared memory for taps", ("static_cast<std::size_t>(of_filter) * tap;", "0 * tap;")),
        ("half the shared memory for sums of lines", ("l.results_at + all(l.results_pitch, sum);", "l.results_at + all(l.results_pitch, sum) / 2;"), TWIN),
        ("half the shared memory for results", ("lines_of(1, sum);", "lines_of(1, sum) / 2;"), TWIN),
        ("lines of terms a sample short", ("l.width = t.cols() + col_taps - 1;", "l.width = t.cols() + col_taps - 2;")),
        ("a ring a row short", ("l.ring_rows = (row_taps - 1 + t.step + t.down() - 1) / t.down() * t.down();", "l.ring_rows = (row_taps - 2 + t.step) / t.down() * t.down();")),
        ("chunks of 4 taps", ("if (sum_bytes <= 4) t.chunk = 32;", "if (sum_bytes <= 4) t.chunk = 4;"), TRAFFIC),
        ("runs of samples in the same banks", ("return line(thread) * pitch + thread % threads_along * (outputs + 1);",
                                               "return line(thread) * pitch + thread % threads_along * outputs;"), BANKS),
        ("columns that are no neighbours", ("return first_row(thread) * pitch + first_col(thread);",
                                            "return first_col(thread) * pitch + first_row(thread);"), BANKS),
        ("lines of fragments in the same banks", ("8 * (l.chunks - 1) + 4;", "8 * (l.chunks - 1);"),
         BANKS, {"sources": ("tests/cuda_banks.cpp",)}),
        ("pairs of results in the same banks", ("results_pitch = out_cols + 8;", "results_pitch = out_cols;"),
         BANKS, {"sources": ("tests/cuda_banks.cpp",)}),
        ("taps of fewer chunks than there are", ("const int eights = (few(col_taps) + 7 + 7) / 8;", "const int eights = (few(col_taps) + 7) / 8;"),
         {"algorithm": "cuda/mma", "sources": ("cuda/mma.cu", "cuda/mma.cpp")}),
    ),
    *faults_in(
        "include/convgpu/detail/arithmetic.hpp", "cuda/plain",
        ("complex products with a wrong sign",
         ("h.real() * x.real() - h.imag() * x.imag()", "h.real() * x.real() + h.imag() * x.imag()")),
        ("ties away from zero", ("std::nearbyint(sum)", "std::round(sum)"), {"parts": ("rounding",)}),
        ("16-bit floats cut off", ("if constexpr (std::is_same_v<Sum, float>) return Out(sum);",
                                   "if constexpr (std::is_same_v<Sum, float>) return Out(0.999f * sum);")),
        sources=("cuda/plain.cu",),
    ),
]
