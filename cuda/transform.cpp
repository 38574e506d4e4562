// SPDX-License-Identifier: Apache-2.0

#include "transform.hpp"

#include <utility>

namespace convgpu::cuda {
namespace {

template <class Wide>
std::complex<Wide> at_turn(double turn) {
  const Wide angle = 2 * std::numbers::pi_v<Wide> * static_cast<Wide>(turn);
  return {std::cos(angle), std::sin(angle)};
}

/// Turns of the roots of a stage's nodes: known exactly, as are those of their nodes, (turn + q) / R.
std::vector<std::vector<double>> turns_of(const transform& t) {
  std::vector<std::vector<double>> all;
  for (int i = 0; i < t.count; ++i) {
    if (t.stages[i].nodes == 1) {
      all.push_back({0.25});  // i
      continue;
    }
    std::vector<double> turns;
    const int radix = 1 << t.stages[i - 1].radix_bits;
    for (const double above : all.back())
      for (int q = 0; q < radix; ++q) turns.push_back((above + q) / radix);
    all.push_back(std::move(turns));
  }
  return all;
}

}  // namespace

template <class T>
std::vector<complex_number<T>> roots_of(transform_size size) {
  const transform t = transform_of(size);
  const auto turns = turns_of(t);
  std::vector<complex_number<T>> table;
  for (int i = 0; i < t.count; ++i) {
    const int radix = 1 << t.stages[i].radix_bits;
    for (int k = 1; k < radix; ++k)
      for (const double turn : turns[static_cast<std::size_t>(i)]) {
        const auto s = at_turn<wider_than<T>>(turn / radix * k);
        table.push_back({static_cast<T>(s.real()), static_cast<T>(s.imag())});
      }
  }
  return table;
}

template <class T>
std::vector<complex_number<T>> spectrum_of(transform_size size,
                                           std::vector<std::complex<wider_than<T>>> points) {
  using wide = std::complex<wider_than<T>>;
  // Spelled out: std::complex would look for infinities.
  const auto product = [](const wide& a, const wide& b) {
    return wide(a.real() * b.real() - a.imag() * b.imag(),
                a.real() * b.imag() + a.imag() * b.real());
  };
  const transform t = transform_of(size);
  const auto turns = turns_of(t);
  for (int i = 0; i < t.count; ++i) {
    const stage& s = t.stages[i];
    const int radix = 1 << s.radix_bits;
    wide turned[last_radix];
    wide s_k[last_radix];
    for (int q = 0; q < radix; ++q)
      turned[q] = at_turn<wider_than<T>>(static_cast<double>(q) / radix);
    int last_node = -1;
    for (int b = 0; b < t.points >> s.radix_bits; ++b) {
      const butterfly at = butterfly_at<double>(b, s.radix_bits, s.part_bits);
      const int node = at.node % s.nodes;
      if (node != last_node)
        for (int k = 0; k < radix; ++k)
          s_k[k] = at_turn<wider_than<T>>(
              turns[static_cast<std::size_t>(i)][static_cast<std::size_t>(node)] / radix * k);
      last_node = node;
      wide z[last_radix];
      for (int k = 0; k < radix; ++k)
        z[k] = product(points[static_cast<std::size_t>(at.first + (k << s.part_bits))], s_k[k]);
      for (int q = 0; q < radix; ++q) {
        wide sum = z[0];
        for (int k = 1; k < radix; ++k) sum += product(z[k], turned[q * k % radix]);
        points[static_cast<std::size_t>(at.first + (q << s.part_bits))] = sum;
      }
    }
  }
  const int butterflies = t.points / last_radix;
  std::vector<complex_number<T>> spectrum;
  spectrum.reserve(points.size());
  for (int q = 0; q < last_radix; ++q)
    for (int b = 0; b < butterflies; ++b) {
      const wide& value = points[static_cast<std::size_t>(b * last_radix + q)];
      const auto n = static_cast<wider_than<T>>(t.points);
      spectrum.push_back({static_cast<T>(value.real() / n), static_cast<T>(value.imag() / n)});
    }
  return spectrum;
}

template std::vector<complex_number<float>> roots_of<float>(transform_size);
template std::vector<complex_number<double>> roots_of<double>(transform_size);
template std::vector<complex_number<float>> spectrum_of<float>(transform_size,
                                                               std::vector<std::complex<double>>);
template std::vector<complex_number<double>> spectrum_of<double>(
    transform_size, std::vector<std::complex<long double>>);

}  // namespace convgpu::cuda
