// SPDX-License-Identifier: Apache-2.0
// How staged data is cut, and what each part of the output waits for.

#include <algorithm>
#include <convgpu/detail/border_index.hpp>
#include <cstring>

#include "staging.hpp"

namespace convgpu::cuda {
namespace {

/// The last input sample that stands anywhere at first … last of the continued input; −1 for none.
std::int64_t last_sample(border_kind kind, std::int64_t first, std::int64_t last, std::int64_t n) {
  if (kind == border_kind::zero || kind == border_kind::constant)
    return last < 0 || first >= n ? -1 : std::min(last, n - 1);
  if (kind == border_kind::replicate) return std::clamp<std::int64_t>(last, 0, n - 1);
  // These repeat, and rise and fall by one; the highest is sample n−1, or at one of the ends.
  const std::int64_t period = kind == border_kind::wrap     ? n
                              : kind == border_kind::mirror ? std::max<std::int64_t>(2 * n - 2, 1)
                                                            : 2 * n;
  const std::int64_t to_next = detail::floor_mod(n - 1 - first, period);
  if (to_next <= last - first) return n - 1;
  return std::max(detail::border_index(kind, first, n), detail::border_index(kind, last, n));
}

std::int64_t last_sample(border_kind kind, const detail::axis& a, detail::range of) {
  return last_sample(kind, a.at(of.first, a.taps - 1), a.at(of.last - 1, 0), a.in);
}

/// Whole planes, each of all channels: as many as there is room for, else pieces of one that is computed once.
std::vector<band> cut_planes(const detail::normal_form& form, std::int64_t most) {
  const std::int64_t in_plane = form.in_channels() * form.row.in * form.col.in;
  const std::int64_t out_plane = form.out_channels() * form.row.out * form.col.out;
  const std::int64_t planes_each = std::clamp<std::int64_t>(most / out_plane, 1, form.planes);
  std::vector<band> bands;
  for (std::int64_t p = 0; p < form.planes; p += planes_each) {
    band b;
    b.planes = {p, std::min(p + planes_each, form.planes)};
    b.rows = b.made_rows = {0, form.row.out};
    b.cols = b.made_cols = {0, form.col.out};
    b.needs = b.planes.last * in_plane;
    const std::int64_t end = b.planes.last * out_plane;
    for (b.at = p * out_plane; b.at < end; b.at += b.count) {
      b.count = std::min(most, end - b.at);
      bands.push_back(b);
    }
  }
  return bands;
}

/// Calls f(address, count, step) for runs of elements along the innermost axis, in dense order.
template <class Void, class F>
void for_each_run(const basic_any_view<Void>& v, std::int64_t first, std::int64_t count, F f) {
  using byte = std::conditional_t<std::is_const_v<Void>, const std::byte, std::byte>;
  const auto width = static_cast<std::int64_t>(size_of(v.type()));
  struct axis {
    std::int64_t step;
    std::int64_t count;
  };
  // From the outermost one on. Axes that continue each other are one: the longer the runs, the better.
  axis axes[4] = {};
  int used = 0;
  for (const axis next : {axis{v.step().plane, v.planes()}, axis{v.step().channel, v.channels()},
                          axis{v.step().row, v.size().rows}, axis{v.step().col, v.size().cols}}) {
    if (next.count == 1 && used > 0) continue;
    const bool alone = used > 0 && axes[used - 1].count == 1;
    if (alone) axes[used - 1] = next;
    else if (used > 0 && axes[used - 1].step == next.step * next.count)
      axes[used - 1] = {next.step, axes[used - 1].count * next.count};
    else axes[used++] = next;
  }
  const axis along = axes[used - 1];
  std::int64_t line = first / along.count;
  std::int64_t at = first % along.count;
  for (; count > 0; ++line, at = 0) {
    const std::int64_t n = std::min(count, along.count - at);
    std::int64_t offset = at * along.step;
    std::int64_t rest = line;
    for (int i = used - 2; i >= 0; --i) {
      offset += rest % axes[i].count * axes[i].step;
      rest /= axes[i].count;
    }
    f(static_cast<byte*>(v.data()) + offset * width, n, along.step * width);
    count -= n;
  }
}

/// n elements, in steps of bytes.
template <std::size_t Width>
void copy_elements(std::byte* to, std::int64_t to_step, const std::byte* from,
                   std::int64_t from_step, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) std::memcpy(to + i * to_step, from + i * from_step, Width);
}

void copy_elements(std::size_t width, std::byte* to, std::int64_t to_step, const std::byte* from,
                   std::int64_t from_step, std::int64_t n) {
  const auto dense = static_cast<std::int64_t>(width);
  if (to_step == dense && from_step == dense) {
    std::memcpy(to, from, static_cast<std::size_t>(n) * width);
    return;
  }
  switch (width) {
    case 1: return copy_elements<1>(to, to_step, from, from_step, n);
    case 2: return copy_elements<2>(to, to_step, from, from_step, n);
    case 4: return copy_elements<4>(to, to_step, from, from_step, n);
    case 8: return copy_elements<8>(to, to_step, from, from_step, n);
    default: return copy_elements<16>(to, to_step, from, from_step, n);
  }
}

}  // namespace

std::vector<band> cut_into_bands(const detail::normal_form& form, std::int64_t most, extent block) {
  using detail::range;
  if (form.has_channels()) return cut_planes(form, most);
  const std::int64_t rows = form.row.out;
  const std::int64_t cols = form.col.out;
  const std::int64_t planes_each = std::clamp<std::int64_t>(most / cols / rows, 1, form.planes);
  // As many whole blocks as there is room for, else as much of one.
  const auto each = [](std::int64_t room, std::int64_t of_block, std::int64_t all) {
    if (room >= all) return all;
    if (room > of_block) room -= room % of_block;
    return std::max<std::int64_t>(room, 1);
  };
  const std::int64_t rows_each = each(most / cols, block.rows, rows);
  const std::int64_t cols_each = most >= cols ? cols : each(most, block.cols, cols);
  const auto cut = [](std::int64_t first, std::int64_t count, std::int64_t of_block,
                      std::int64_t end) {
    const std::int64_t here = first % of_block;
    const std::int64_t last =
        here + count > of_block && count < of_block ? first - here + of_block : first + count;
    return range{first, std::min(last, end)};
  };
  const auto blocks_of = [](range of, std::int64_t of_block, std::int64_t end) {
    return range{of.first - of.first % of_block,
                 std::min((of.last + of_block - 1) / of_block * of_block, end)};
  };
  std::vector<band> bands;
  for (std::int64_t p = 0; p < form.planes; p += planes_each)
    for (range i = cut(0, rows_each, block.rows, rows); i.first < rows;
         i = cut(i.last, rows_each, block.rows, rows))
      for (range j = cut(0, cols_each, block.cols, cols); j.first < cols;
           j = cut(j.last, cols_each, block.cols, cols)) {
        band b;
        b.planes = {p, std::min(p + planes_each, form.planes)};
        b.rows = i;
        b.cols = j;
        b.at = (p * rows + i.first) * cols + j.first;
        b.count = (b.planes.last - p) * (i.last - i.first) * (j.last - j.first);
        b.made_rows = blocks_of(i, block.rows, rows);
        // Parts of rows that follow one another belong to many blocks, and those below to the same.
        b.made_cols = block.rows == 1 ? blocks_of(j, block.cols, cols) : range{0, cols};
        const std::int64_t row = last_sample(form.border.kind(), form.row, b.made_rows);
        const std::int64_t col = last_sample(form.border.kind(), form.col, b.made_cols);
        if (row >= 0 && col >= 0)
          b.needs = ((b.planes.last - 1) * form.row.in + row) * form.col.in + col + 1;
        bands.push_back(b);
      }
  std::stable_sort(bands.begin(), bands.end(),
                   [](const band& a, const band& b) { return a.needs < b.needs; });
  return bands;
}

void pack(std::byte* to, const any_const_view& from, std::int64_t first, std::int64_t count) {
  const std::size_t width = size_of(from.type());
  for_each_run(from, first, count, [&](const std::byte* run, std::int64_t n, std::int64_t step) {
    copy_elements(width, to, static_cast<std::int64_t>(width), run, step, n);
    to += n * static_cast<std::int64_t>(width);
  });
}

void unpack(const any_view& to, const std::byte* from, std::int64_t first, std::int64_t count) {
  const std::size_t width = size_of(to.type());
  for_each_run(to, first, count, [&](std::byte* run, std::int64_t n, std::int64_t step) {
    copy_elements(width, run, step, from, static_cast<std::int64_t>(width), n);
    from += n * static_cast<std::int64_t>(width);
  });
}

}  // namespace convgpu::cuda
