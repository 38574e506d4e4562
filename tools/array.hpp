// SPDX-License-Identifier: Apache-2.0
// What files are read into and written from: a dense array whose type is known at run time.
#pragma once

#include <complex>
#include <convgpu/problem.hpp>
#include <convgpu/types.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace convgpu::tools {

/// What the user gave cannot be used: a file, a literal, a name, or a combination of output file and
/// type. The message is one line: what was given, what is wrong with it, what is allowed.
struct bad_file : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A good result could not be stored: disk full, read-only folder, missing permission.
struct write_failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What the numbers mean, as far as the file says.
enum class content : std::uint8_t { numbers, image, sound };

/// Everything about an array but its values. The header of a result is best made from that of the
/// input, so that what only a writer needs is handed on.
struct header {
  dtype type = dtype::f64;
  content kind = content::numbers;
  /// Axes: 1, columns; 2, rows, too; 3, planes; 4, batch. Pictures and sounds have 2 and 1, whatever their planes.
  int dimensions = 2;
  std::int64_t rows = 1;
  std::int64_t cols = 0;    ///< columns of an image, samples of a signal
  std::int64_t planes = 1;  ///< colours of an image, channels of a sound or of an array
  std::int64_t batch = 1;   ///< so many times all planes
  /// Of the axes in a file, as the user has it; else channels first in arrays, last in pictures and sounds.
  std::optional<layout> order{};
  bool alpha = false;   ///< the last plane is alpha: straight, not premultiplied
  int sample_rate = 0;  ///< of a sound, in Hz; 0: unknown
  int white = 0;        ///< of an image, where white is not its type's largest value; else 0

  [[nodiscard]] constexpr std::int64_t count() const noexcept {
    return rows * cols * planes * batch;
  }
};

/// `order`, or what stands for it.
[[nodiscard]] layout order_of(const header& h);

/// The axes as a file has them, that of the planes among them where there are several or three dimensions.
[[nodiscard]] std::vector<std::int64_t> shape_of(const header& h);

/// The same for messages: "3 x 28 x 28".
[[nodiscard]] std::string shape_text(const header& h);

/// Bytes the array takes.
/// \throws bad_file when a size is negative or the product overflows.
[[nodiscard]] std::size_t byte_count(const header& h);

/// Bytes of its own, aligned for any element, without a value until somebody writes them.
class buffer {
 public:
  buffer() noexcept = default;
  explicit buffer(std::size_t size)
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(size)), size_(size) {}

  [[nodiscard]] std::byte* data() noexcept { return bytes_.get(); }
  [[nodiscard]] const std::byte* data() const noexcept { return bytes_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
};

/// The values lie densely, plane after plane and in each row after row, whatever `order` says.
struct array : header {
  array() = default;
  /// \throws bad_file as `byte_count`. Readers compare the size with that of the file first.
  explicit array(const header& h) : header(h), data(byte_count(h)) {}

  /// All values. \throws std::logic_error unless `type` is that of T.
  template <element T>
  [[nodiscard]] std::span<T> values() {
    check_type(dtype_of<T>);
    return {reinterpret_cast<T*>(data.data()), static_cast<std::size_t>(count())};
  }
  template <element T>
  [[nodiscard]] std::span<const T> values() const {
    check_type(dtype_of<T>);
    return {reinterpret_cast<const T*>(data.data()), static_cast<std::size_t>(count())};
  }

  buffer data;

 private:
  void check_type(dtype asked) const {
    if (asked != type) throw std::logic_error("convgpu::tools::array: accessed as another type");
  }
};

/// Calls `f` with the `std::type_identity` of the C++ type that `type` names.
template <class F>
decltype(auto) visit_type(dtype type, F&& f) {
  switch (type) {
    case dtype::u8: return f(std::type_identity<std::uint8_t>{});
    case dtype::i8: return f(std::type_identity<std::int8_t>{});
    case dtype::u16: return f(std::type_identity<std::uint16_t>{});
    case dtype::i16: return f(std::type_identity<std::int16_t>{});
    case dtype::i32: return f(std::type_identity<std::int32_t>{});
    case dtype::i64: return f(std::type_identity<std::int64_t>{});
    case dtype::f16: return f(std::type_identity<f16>{});
    case dtype::bf16: return f(std::type_identity<bf16>{});
    case dtype::f32: return f(std::type_identity<float>{});
    case dtype::f64: return f(std::type_identity<double>{});
    case dtype::cf32: return f(std::type_identity<std::complex<float>>{});
    case dtype::cf64: return f(std::type_identity<std::complex<double>>{});
    case dtype::deduced: break;
  }
  throw std::logic_error("convgpu::tools::visit_type: no type");
}

/// The same values in another type. What does not fit is rounded to nearest, ties to even; integers
/// saturate and NaN becomes their 0. An image's values are not scaled.
/// \throws bad_file for complex to real.
[[nodiscard]] array convert(const array& from, dtype to);

/// Whether the values are integers of which each fits the integer type `to`.
[[nodiscard]] bool fits(const array& from, dtype to);

/// The values in the order pixel by pixel (frame by frame) that most files have.
[[nodiscard]] buffer interleave(const array& from);

/// The inverse: `values` has at least the bytes that `h` needs and is aligned for its type.
[[nodiscard]] array deinterleave(const header& h, std::span<const std::byte> values);

/// What was read of three or four dimensions with its channels first, where they are last.
[[nodiscard]] array with_channels_last(const array& a);

}  // namespace convgpu::tools
