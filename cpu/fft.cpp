// SPDX-License-Identifier: Apache-2.0

#include "fft.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

namespace convgpu::cpu {
namespace {

// A piece that goes all the way at once: with its spectrum and twiddles it takes up a first-level cache.
constexpr std::int64_t piece_bytes = 8 * 1024;

template <class Wide>
std::complex<Wide> at_turn(double turn) {
  const Wide angle = 2 * std::numbers::pi_v<Wide> * static_cast<Wide>(turn);
  return {std::cos(angle), std::sin(angle)};
}

/// Roots of the factors of x^L − root: the root's turn is known exactly, as are theirs.
std::vector<double> roots_below(const std::vector<double>& roots, int radix) {
  std::vector<double> below;
  below.reserve(roots.size() * static_cast<std::size_t>(radix));
  for (const double root : roots)
    for (int q = 0; q < radix; ++q) below.push_back((root + q) / radix);
  return below;
}

}  // namespace

bool is_fft_size(fft_size size, int lanes) noexcept {
  const auto is_power = [](std::int64_t n) {
    return n > 0 && std::has_single_bit(static_cast<std::uint64_t>(n));
  };
  if (!is_power(size.rows) || !is_power(size.cols)) return false;
  if (size.rows == 1)
    return size.cols >= std::int64_t{16} * std::max(lanes, 4) &&
           size.cols >= std::int64_t{lanes} * lanes;
  return size.rows >= 4 && size.cols >= std::int64_t{4} * lanes &&
         size.points() >= std::int64_t{lanes} * lanes;
}

template <class T>
fft<T>::fft(const simd::fft<T>& passes, fft_size size) : passes_(passes), size_(size) {
  for_each_pass(size, passes.lanes,
                [&](int radix, std::int64_t points) { add_level(radix, points); });
  make_leaf_twiddles();
}

template <class T>
void fft<T>::add_level(int radix, std::int64_t points) {
  using wide = wider_than<T>;
  const std::int64_t period = (points > size_.cols ? size_.points() : size_.cols) / points;
  const std::vector<double> root{0.25};  // the turn of i
  scalar_level all{radix, points,
                   period == 1 ? root : roots_below(all_.back().roots, all_.back().radix)};
  const std::int64_t lanes = passes_.lanes;
  if (points > lanes) {
    // Tiles may hold several rows, and then repeat what belongs to one.
    level l{radix, points / lanes, period, {}};
    if (points == 4 * lanes) l.period = std::max(period, lanes / 4);
    for (std::int64_t node = 0; node < l.period; ++node)
      for (int b = 1; b < radix; ++b) {
        const auto s =
            at_turn<wide>(all.roots[static_cast<std::size_t>(node % period)] / radix * b);
        l.twiddles.push_back(static_cast<T>(s.real()));
        l.twiddles.push_back(static_cast<T>(s.imag()));
      }
    levels_.push_back(std::move(l));
  }
  all_.push_back(std::move(all));
}

template <class T>
void fft<T>::make_leaf_twiddles() {
  using wide = wider_than<T>;
  const std::int64_t lanes = passes_.lanes;
  const std::int64_t groups = lanes / 4;
  const scalar_level& last = all_.back();
  period_ = std::max<std::int64_t>(1, size_.cols / (lanes * lanes));
  leaf_twiddles_ = aligned_array<T>(static_cast<std::size_t>(period_ * leaf_numbers()));
  T* to = leaf_twiddles_.data();
  const auto put = [&](const scalar_level& of, std::int64_t tile, std::int64_t child, int power) {
    for (std::int64_t lane = 0; lane < lanes; ++lane, ++to) {
      const std::int64_t row = (tile * lanes + lane) % (size_.cols / lanes);
      const std::int64_t node = &of == &last ? row * groups + child : row;
      const auto s = at_turn<wide>(of.roots[static_cast<std::size_t>(node)] / of.radix * power);
      to[0] = static_cast<T>(s.real());
      to[lanes] = static_cast<T>(s.imag());
    }
    to += lanes;
  };
  for (std::int64_t tile = 0; tile < period_; ++tile) {
    if (groups > 1)
      for (int b = 1; b < groups; ++b) put(all_[all_.size() - 2], tile, 0, b);
    for (std::int64_t q = 0; q < groups; ++q)
      for (int b = 1; b < 4; ++b) put(last, tile, q, b);
  }
}

template <class T>
aligned_array<T> fft<T>::spectrum_of(std::vector<std::complex<wider_than<T>>> points) const {
  using wide = wider_than<T>;
  const std::int64_t n = size_.points();
  // Spelled out: std::complex would look for infinities.
  const auto product = [](const std::complex<wide>& a, const std::complex<wide>& b) {
    return std::complex<wide>(a.real() * b.real() - a.imag() * b.imag(),
                              a.real() * b.imag() + a.imag() * b.real());
  };
  for (const scalar_level& l : all_) {
    const std::int64_t part = l.points / l.radix;
    for (std::int64_t node = 0; node < n / l.points; ++node) {
      const double turn = l.roots[static_cast<std::size_t>(node) % l.roots.size()] / l.radix;
      const auto s = at_turn<wide>(turn);
      const auto s2 = at_turn<wide>(2 * turn);
      const auto s3 = at_turn<wide>(3 * turn);
      std::complex<wide>* const z = points.data() + node * l.points;
      for (std::int64_t j = 0; j < part; ++j) {
        if (l.radix == 2) {
          const auto b = product(z[j + part], s);
          z[j + part] = z[j] - b;
          z[j] += b;
          continue;
        }
        const auto a = z[j];
        const auto b = product(z[j + part], s);
        const auto c = product(z[j + 2 * part], s2);
        const auto d = product(z[j + 3 * part], s3);
        const std::complex<wide> turned(d.imag() - b.imag(), b.real() - d.real());  // i·(b − d)
        z[j] = (a + c) + (b + d);
        z[j + part] = (a - c) + turned;
        z[j + 2 * part] = (a + c) - (b + d);
        z[j + 3 * part] = (a - c) - turned;
      }
    }
  }
  // In the order in which the middle meets them: rows of a tile in lanes.
  const std::int64_t lanes = passes_.lanes;
  aligned_array<T> spectrum(static_cast<std::size_t>(2 * n));
  T* to = spectrum.data();
  for (std::int64_t tile = 0; tile < n; tile += lanes * lanes)
    for (std::int64_t col = 0; col < lanes; ++col, to += lanes)
      for (std::int64_t row = 0; row < lanes; ++row, ++to) {
        const auto& value = points[static_cast<std::size_t>(tile + row * lanes + col)];
        to[0] = static_cast<T>(value.real() / static_cast<wide>(n));
        to[lanes] = static_cast<T>(value.imag() / static_cast<wide>(n));
      }
  return spectrum;
}

template <class T>
void fft<T>::load(const T* const* from, T* z, std::int64_t at, std::int64_t vectors,
                  T scale) const {
  T twiddles[6];
  for (int i = 0; i < 6; ++i)
    twiddles[i] = scale * levels_.front().twiddles[static_cast<std::size_t>(i)];
  passes_.first(from, z + at * 2 * passes_.lanes, numbers() / 4, vectors, twiddles, scale);
}

template <class T>
void fft<T>::store(const T* z, T* const* to, std::int64_t at, std::int64_t vectors, T scale) const {
  T twiddles[6];
  for (int i = 0; i < 6; ++i)
    twiddles[i] = scale * levels_.front().twiddles[static_cast<std::size_t>(i)];
  passes_.last(z + at * 2 * passes_.lanes, numbers() / 4, to, vectors, twiddles, scale);
}

template <class T>
void fft<T>::multiply(T* z, const T* spectrum) const {
  go({z, nullptr, spectrum});
}

template <class T>
void fft<T>::transform(T* z) const {
  go({z, nullptr, nullptr});
}

template <class T>
void fft<T>::multiply(const T* transformed, T* z, const T* spectrum) const {
  go({z, transformed, spectrum});
}

template <class T>
void fft<T>::go(const trip& t) const {
  const std::int64_t quarter = numbers() / 4;
  if (quarter < tile_numbers() || quarter * 4 * static_cast<std::int64_t>(sizeof(T)) <= piece_bytes)
    return piece(t, 1, 0, 4);
  for (std::int64_t q = 0; q < 4; ++q) descend(t.from(q * quarter), 1, q);
}

template <class T>
void fft<T>::descend(const trip& t, std::size_t depth, std::int64_t node) const {
  const level& l = levels_[depth];
  const std::int64_t numbers = l.vectors * 2 * passes_.lanes;
  const std::int64_t part = numbers / l.radix;
  if (numbers * static_cast<std::int64_t>(sizeof(T)) <= piece_bytes || part < tile_numbers())
    return piece(t, depth, node, 1);
  if (t.kept == nullptr) pass(t.z, depth, node, 1, true);
  for (std::int64_t q = 0; q < l.radix; ++q)
    descend(t.from(q * part), depth + 1, node * l.radix + q);
  if (t.spectrum != nullptr) pass(t.z, depth, node, 1, false);
}

/// Nodes of one depth, one level after the other.
template <class T>
void fft<T>::piece(const trip& t, std::size_t depth, std::int64_t node, std::int64_t nodes) const {
  std::int64_t tile = node * levels_[depth].vectors / passes_.lanes;  // the first one
  const std::int64_t end = tile + nodes * levels_[depth].vectors / passes_.lanes;
  std::size_t d = depth;
  for (; d + 1 < levels_.size(); ++d) {
    if (t.kept == nullptr) pass(t.z, d, node, nodes, true);
    node *= levels_[d].radix;
    nodes *= levels_[d].radix;
  }
  const std::int64_t groups = passes_.lanes / 4;
  for (std::int64_t count = 0, done = 0; tile < end;
       tile += count, done += count * tile_numbers()) {
    const std::int64_t place = tile % period_;
    count = std::min(end - tile, period_ - place);
    const T* const twiddles = levels_.back().twiddles.data() + place * groups * 6;
    const T* const leaf_twiddles = leaf_twiddles_.data() + place * leaf_numbers();
    const trip here = t.from(done);
    if (t.kept != nullptr)
      passes_.middle_back(here.kept, here.z, count, twiddles, leaf_twiddles, here.spectrum);
    else if (t.spectrum == nullptr) passes_.middle_there(here.z, count, twiddles, leaf_twiddles);
    else passes_.middle(here.z, count, twiddles, leaf_twiddles, here.spectrum);
  }
  if (t.spectrum == nullptr) return;
  while (d-- > depth) {
    node /= levels_[d].radix;
    nodes /= levels_[d].radix;
    pass(t.z, d, node, nodes, false);
  }
}

template <class T>
void fft<T>::pass(T* z, std::size_t depth, std::int64_t node, std::int64_t nodes,
                  bool forward) const {
  const level& l = levels_[depth];
  const auto of_radix_4 = forward ? passes_.forward4 : passes_.inverse4;
  const auto of_radix_2 = forward ? passes_.forward2 : passes_.inverse2;
  while (nodes > 0) {
    const std::int64_t place = node % l.period;
    const std::int64_t count = std::min(nodes, l.period - place);
    (l.radix == 4 ? of_radix_4 : of_radix_2)(z, count, l.vectors,
                                             l.twiddles.data() + place * 2 * (l.radix - 1));
    z += count * l.vectors * 2 * passes_.lanes;
    node += count;
    nodes -= count;
  }
}

template class fft<float>;
template class fft<double>;

}  // namespace convgpu::cpu
