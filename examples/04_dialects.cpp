// SPDX-License-Identifier: Apache-2.0
// Dialects: calls of other libraries, in their own words. They differ most where filters are even.

#include <convgpu/convgpu.hpp>
#include <iostream>
#include <string_view>
#include <vector>

namespace {

/// Whether `call`, of 1 2 3 4 5 and the filter 1 10 100 1000, gives what it gives over there.
bool agrees(std::string_view call, const convgpu::dialect_arguments& arguments,
            const std::vector<double>& expected) {
  const std::vector<double> x{1, 2, 3, 4, 5}, h{1, 10, 100, 1000};
  const convgpu::problem p = convgpu::in_dialect(
      call, {.in = {1, 5}, .filter = {1, 4}, .mode = convgpu::mode::same}, arguments);

  std::vector<double> y(x.size());
  const convgpu::plan plan(p, h);
  plan.run(x, y);

  std::cout << call << " is " << to_string(p.op) << ", origin " << p.origin.cols << ", border "
            << to_string(p.border.kind()) << ":\n   ";
  for (const double v : y) std::cout << ' ' << v;
  std::cout << '\n';
  return y == expected;
}

}  // namespace

int main() {
  // Python: numpy.convolve([1, 2, 3, 4, 5], [1, 10, 100, 1000], "same")
  bool right = agrees("numpy.convolve", {}, {12, 123, 1234, 2345, 3450});

  // MATLAB: conv2([1 2 3 4 5], [1 10 100 1000], 'same')
  right &= agrees("matlab.conv2", {}, {123, 1234, 2345, 3450, 4500});

  // Python: scipy.ndimage.convolve(x, h, mode="mirror")
  right &= agrees("scipy.ndimage.convolve", {.border = "mirror"}, {2123, 1234, 2345, 3454, 4543});

  // Python: cv2.filter2D(x, -1, h, anchor=(1, 0), borderType=cv2.BORDER_REFLECT)
  // OpenCV names the anchor's column first, an offset its row.
  right &= agrees("opencv.filter2D",
                  {.border = "BORDER_REFLECT", .origin = convgpu::offset{.rows = 0, .cols = 1}},
                  {3211, 4321, 5432, 5543, 4554});
  return right ? 0 : 1;
}
