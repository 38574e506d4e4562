// SPDX-License-Identifier: Apache-2.0
// Signals: correlation finds a pulse in noise, with complex data and with real data.

#include <algorithm>
#include <cmath>
#include <complex>
#include <convgpu/convgpu.hpp>
#include <iostream>
#include <numbers>
#include <random>
#include <vector>

namespace {

using sample = std::complex<float>;

/// A tone whose frequency rises: correlated with itself it has one sharp peak.
std::vector<sample> chirp(std::size_t length) {
  std::vector<sample> pulse(length);
  for (std::size_t n = 0; n < length; ++n) {
    const auto t = static_cast<float>(n) / static_cast<float>(length);
    pulse[n] = std::polar(1.0f, 160 * std::numbers::pi_v<float> * t * t);
  }
  return pulse;
}

std::vector<float> real_parts(const std::vector<sample>& values) {
  std::vector<float> parts;
  for (const sample value : values) parts.push_back(value.real());
  return parts;
}

}  // namespace

int main() {
  constexpr std::ptrdiff_t place = 1234;
  const std::vector<sample> pulse = chirp(200);
  std::vector<sample> received(4000);
  std::mt19937 random(7);
  std::normal_distribution<float> noise;  // as loud as the pulse
  for (sample& s : received) s = {noise(random), noise(random)};
  for (std::size_t n = 0; n < pulse.size(); ++n) received[place + n] += pulse[n];

  // `valid`: entry n compares the pulse with received[n … n+199]. Complex filters are conjugated.
  const auto match = convgpu::correlate(received, pulse, {.mode = convgpu::mode::valid});
  const auto quieter = [](sample a, sample b) { return std::abs(a) < std::abs(b); };
  const auto found = std::max_element(match.begin(), match.end(), quieter) - match.begin();
  std::cout << "hidden at " << place << "\ncomplex: found at " << found << '\n';

  const auto real_match =
      convgpu::correlate(real_parts(received), real_parts(pulse), {.mode = convgpu::mode::valid});
  const auto found_again =
      std::max_element(real_match.begin(), real_match.end()) - real_match.begin();
  std::cout << "real:    found at " << found_again << '\n';

  return found == place && found_again == place ? 0 : 1;
}
