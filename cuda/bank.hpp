// SPDX-License-Identifier: Apache-2.0
// Filters that see one channel each, in one launch: which blocks are for which of them.
#pragma once

#include <algorithm>
#include <convgpu/detail/normal_form.hpp>
#include <cstdint>

#include "params.hpp"
#include "tuning.hpp"

namespace convgpu::cuda {

/// Images of a launch's grid: plane by plane, channel by channel of the input, part by part of the filters that see it.
struct bank {
  divisor channels;
  divisor parts;
  int filters;  // that see a channel
  int of_part;  // of these; the last part may have fewer

  /// Of a plane.
  [[nodiscard]] constexpr std::int64_t images() const {
    return std::int64_t{channels.value} * parts.value;
  }
};

/// Where an image lies, and its filters; they are counted through all channels, as channels of the output are.
struct bank_place {
  std::int64_t plane;
  std::int64_t channel;
  std::int64_t first_filter;
  int filters;

  constexpr bank_place(std::uint32_t image, const bank& b) {
    const std::uint32_t above = b.parts.quotient(image);
    const std::uint32_t part = image - above * b.parts.value;
    const std::uint32_t of_plane = b.channels.quotient(above);
    plane = of_plane;
    channel = above - of_plane * b.channels.value;
    const int first = static_cast<int>(part) * b.of_part;
    first_filter = channel * b.filters + first;
    const int left = b.filters - first;
    filters = left < b.of_part ? left : b.of_part;
  }
};

/// So many parts at most, as like in size as can be.
[[nodiscard]] inline bank bank_in_parts(const detail::normal_form& form, std::int64_t parts) {
  const std::int64_t of_part = (form.filters - 1) / parts + 1;
  return {.channels = divisor(static_cast<std::uint32_t>(form.groups)),
          .parts = divisor(static_cast<std::uint32_t>((form.filters - 1) / of_part + 1)),
          .filters = static_cast<int>(form.filters),
          .of_part = static_cast<int>(of_part)};
}

/// All filters of a channel are for one block, which loads samples once for them; but as many parts of them as there
/// must be for a device to have `worth` blocks. `blocks` are those of an image.
[[nodiscard]] inline bank bank_for(const detail::normal_form& form, std::int64_t blocks,
                                   std::int64_t worth) {
  std::int64_t all = detail::saturated_product(blocks, form.planes);
  all = detail::saturated_product(all, form.groups);
  return bank_in_parts(form, std::clamp((worth - 1) / all + 1, std::int64_t{1}, form.filters));
}

}  // namespace convgpu::cuda
