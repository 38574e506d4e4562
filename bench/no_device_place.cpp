// SPDX-License-Identifier: Apache-2.0
// Where there is no CUDA backend nobody asks for these.

#include <stdexcept>

#include "place.hpp"

namespace convgpu::bench {

std::unique_ptr<place> make_device_place() {
  throw std::logic_error("built without CUDA");
}

std::unique_ptr<place> make_round_trip_place() {
  throw std::logic_error("built without CUDA");
}

}  // namespace convgpu::bench
