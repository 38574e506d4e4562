// SPDX-License-Identifier: Apache-2.0
// A bank of complex Gabor filters: how strongly, at each pixel, the picture is striped in any direction.
//
//     example_09_gabor PICTURE.pgm RESPONSE.pgm

#include <algorithm>
#include <cmath>
#include <complex>
#include <convgpu/convgpu.hpp>
#include <iostream>
#include <numbers>
#include <vector>

#include "pgm.hpp"

namespace {

using complex = std::complex<float>;
constexpr int directions = 8, radius = 10, side = 2 * radius + 1;
constexpr double wavelengths[] = {4, 8}, pi = std::numbers::pi;
constexpr int filters = directions * static_cast<int>(std::size(wavelengths));

/// Waves in a direction, f's, under a Gaussian. Even grey gives nothing, and a wave of its own kind about 1/2.
std::vector<complex> gabor(int f) {
  const double wavelength = wavelengths[f / directions], sigma = wavelength * 0.4;
  const double angle = pi * (f % directions) / directions;
  std::vector<std::complex<double>> taps;
  std::complex<double> sum = 0;
  double norm = 0;
  const auto bell = [&](int y, int x) { return std::exp(-(x * x + y * y) / (2 * sigma * sigma)); };
  for (int y = -radius; y <= radius; ++y)
    for (int x = -radius; x <= radius; ++x) {
      const double along = x * std::cos(angle) + y * std::sin(angle);
      taps.push_back(std::polar(bell(y, x), 2 * pi * along / wavelength));
      sum += taps.back();
      norm += bell(y, x);
    }
  std::vector<complex> filter;
  filter.reserve(taps.size());
  for (int i = 0; i < side * side; ++i)
    filter.emplace_back((taps[i] - sum * (bell(i / side - radius, i % side - radius) / norm)) /
                        norm);
  return filter;
}

/// Stripes of filter f's kind.
picture grating(int f) {
  picture p{{64, 64}, {}};
  const double angle = pi * (f % directions) / directions;
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x) {
      const double along = x * std::cos(angle) + y * std::sin(angle);
      p.pixels.push_back(
          static_cast<float>(0.5 + 0.5 * std::sin(2 * pi * along / wavelengths[f / directions])));
    }
  return p;
}

/// The bank for pictures of one size; its output has a channel for each filter, one after the other.
convgpu::plan bank_for(convgpu::extent size) {
  std::vector<complex> taps;
  for (int f = 0; f < filters; ++f) {
    const std::vector<complex> filter = gabor(f);
    taps.insert(taps.end(), filter.begin(), filter.end());
  }
  return {{.in = size,
           .filter = {side, side},
           .filters = filters,
           .types = {.in = convgpu::dtype::f32},
           .mode = convgpu::mode::same,
           .border = convgpu::border::mirror()},
          taps};
}

std::vector<float> magnitudes(const convgpu::plan& bank, const picture& image) {
  std::vector<complex> responses(filters * image.pixels.size());
  bank.run(image.pixels, responses);
  std::vector<float> result(responses.size());
  std::transform(responses.begin(), responses.end(), result.begin(),
                 [](complex r) { return std::abs(r); });
  return result;
}

/// Whether each filter answers to stripes of its kind, about 1/4 for those from 0 to 1, and no other as strongly.
bool each_finds_its_own() {
  const convgpu::plan bank = bank_for({64, 64});
  bool right = true;
  for (int f = 0; f < filters; ++f) {
    const picture stripes = grating(f);
    const std::vector<float> found = magnitudes(bank, stripes);
    std::vector<float> centre(filters);
    for (std::size_t g = 0; g < filters; ++g)
      centre[g] = found[g * stripes.pixels.size() + stripes.pixels.size() / 2 + 32];
    const auto strongest = std::max_element(centre.begin(), centre.end());
    right &= strongest - centre.begin() == f && std::abs(*strongest - 0.25f) < 0.02f;
  }
  return right;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) throw std::runtime_error("PICTURE.pgm RESPONSE.pgm are missing");
  const picture image = read_pgm(argv[1]);
  const convgpu::plan bank = bank_for(image.size);
  std::cout << bank.explain();
  const std::vector<float> found = magnitudes(bank, image);

  // Of all filters the strongest at each pixel; white is the strongest of all.
  picture response{image.size, std::vector<float>(image.pixels.size())};
  for (std::size_t i = 0; i < found.size(); ++i) {
    float& pixel = response.pixels[i % response.pixels.size()];
    pixel = std::max(pixel, found[i]);
  }
  const float white = *std::max_element(response.pixels.begin(), response.pixels.end());
  for (float& pixel : response.pixels) pixel /= white;
  write_pgm(argv[2], response);
  return each_finds_its_own() ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "example_09_gabor: " << e.what() << '\n';
  return 2;
}
