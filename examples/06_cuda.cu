// SPDX-License-Identifier: Apache-2.0
// CUDA: frames that stay on the device, by Thrust. One plan filters them on a stream of the caller's.

#include <cuda_runtime.h>
#include <thrust/device_vector.h>
#include <thrust/execution_policy.h>
#include <thrust/fill.h>

#include <cmath>
#include <convgpu/convgpu.hpp>
#include <iostream>
#include <vector>

namespace {

constexpr convgpu::extent size{1080, 1920};

convgpu::device_view<float> on_device(thrust::device_vector<float>& frame) {
  return {thrust::raw_pointer_cast(frame.data()), size};
}

}  // namespace

int main() try {
  const std::vector<float> box(5 * 5, 0.04f);
  const convgpu::plan blur({.in = size, .mode = convgpu::mode::same},
                           convgpu::view(box.data(), {5, 5}), {.device = convgpu::device::cuda()});
  std::cout << blur.explain();

  thrust::device_vector<float> frame(size.count()), blurred(size.count());
  cudaStream_t stream = nullptr;
  if (cudaStreamCreate(&stream) != cudaSuccess) return 1;

  bool right = true;
  for (int n = 1; n <= 3; ++n) {
    const auto gray = static_cast<float>(n);
    // Both are queued; what runs on one stream runs in this order.
    thrust::fill(thrust::cuda::par_nosync.on(stream), frame.begin(), frame.end(), gray);
    blur.run(on_device(frame), on_device(blurred), stream);
    cudaStreamSynchronize(stream);

    const float inside = blurred[540 * size.cols + 960], corner = blurred[0];  // 25 and 9 taps
    std::cout << "frame " << n << ": " << inside << ", in the corner " << corner << '\n';
    right &=
        std::abs(inside - gray) < 0.01f * gray && std::abs(corner - 0.36f * gray) < 0.01f * gray;
  }
  cudaStreamDestroy(stream);
  return right ? 0 : 1;
} catch (const convgpu::backend_unavailable& reason) {
  std::cout << reason.what() << '\n';  // no GPU here; convgpu::device::automatic() takes the CPU
  return 0;
}
