// SPDX-License-Identifier: Apache-2.0
// Views: where data lies and in which steps. They own nothing and copy nothing, so that a region of a
// larger image, one colour of an interleaved picture or every other sample of a signal is a view, too.
//
// Host and device memory are told apart by type: `view` is host memory, `device_view` is memory of a
// CUDA device. Nobody has to ask a driver what a pointer is.
#pragma once

#include <convgpu/detail/export.hpp>
#include <convgpu/problem.hpp>
#include <convgpu/types.hpp>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <type_traits>

namespace convgpu {

/// Distances in memory between neighbours, in elements, along each axis; not `problem::stride`. Negative steps are fine; a step of 0
/// repeats a sample and is allowed in inputs and filters only.
struct strides {
  std::int64_t row = 0;
  std::int64_t col = 1;
  std::int64_t plane = 0;
  std::int64_t channel = 0;

  friend constexpr bool operator==(const strides&, const strides&) noexcept = default;
};

/// Rows one after the other without gaps, and so the channels and the planes: NCHW.
[[nodiscard]] constexpr strides dense(extent size, std::int64_t channels = 1) noexcept {
  return {.row = size.cols,
          .col = 1,
          .plane = detail::saturated_product(size.count(), channels),
          .channel = size.count()};
}

/// The channels of a sample beside each other: NHWC.
[[nodiscard]] constexpr strides channels_last(extent size, std::int64_t channels) noexcept {
  return {.row = detail::saturated_product(size.cols, channels),
          .col = channels,
          .plane = detail::saturated_product(size.count(), channels),
          .channel = 1};
}

/// The planes of a pixel beside each other: r g b r g b …
[[nodiscard]] constexpr strides interleaved(extent size, std::int64_t planes) noexcept {
  return {.row = detail::saturated_product(size.cols, planes), .col = planes, .plane = 1};
}

/// Where data lies.
enum class memory : std::uint8_t { host, device };

namespace detail {

/// What `view` and `device_view` have in common. Sizes are checked where a view is used.
template <element T, template <class> class View>
class strided {
 public:
  using element_type = T;

  constexpr strided() noexcept = default;
  constexpr strided(T* data, extent size, std::int64_t planes, std::int64_t channels,
                    strides step) noexcept
      : data_(data), size_(size), planes_(planes), channels_(channels), step_(step) {}

  /// The first element: row 0, column 0, channel 0, plane 0.
  [[nodiscard]] constexpr T* data() const noexcept { return data_; }
  [[nodiscard]] constexpr extent size() const noexcept { return size_; }
  [[nodiscard]] constexpr std::int64_t rows() const noexcept { return size_.rows; }
  [[nodiscard]] constexpr std::int64_t cols() const noexcept { return size_.cols; }
  [[nodiscard]] constexpr std::int64_t planes() const noexcept { return planes_; }
  [[nodiscard]] constexpr std::int64_t channels() const noexcept { return channels_; }
  [[nodiscard]] constexpr strides step() const noexcept { return step_; }

  /// The rectangle of `size` whose corner is at (row, col), in all planes and channels. Unchecked, like
  /// operator[] of a span: it must lie inside.
  [[nodiscard]] constexpr View<T> region(std::int64_t row, std::int64_t col,
                                         extent size) const noexcept {
    return {data_ + row * step_.row + col * step_.col, size, planes_, channels_, step_};
  }
  /// Plane p alone. Unchecked.
  [[nodiscard]] constexpr View<T> plane(std::int64_t p) const noexcept {
    return {data_ + p * step_.plane, size_, 1, channels_, step_};
  }
  /// Channel c alone, of all planes. Unchecked.
  [[nodiscard]] constexpr View<T> channel(std::int64_t c) const noexcept {
    return {data_ + c * step_.channel, size_, planes_, 1, step_};
  }
  /// Rows and columns exchanged.
  [[nodiscard]] constexpr View<T> transposed() const noexcept {
    return {data_,
            {size_.cols, size_.rows},
            planes_,
            channels_,
            {.row = step_.col, .col = step_.row, .plane = step_.plane, .channel = step_.channel}};
  }

 protected:
  T* data_ = nullptr;
  extent size_;
  std::int64_t planes_ = 1;
  std::int64_t channels_ = 1;
  strides step_;
};

template <class R>
concept element_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    element<std::remove_reference_t<std::ranges::range_reference_t<R>>>;

template <class R>
using range_element = std::remove_reference_t<std::ranges::range_reference_t<R>>;

/// T is From made const.
template <class T, class From>
concept adds_const_to = !std::is_const_v<From> && std::same_as<T, const From>;

/// Elements that end with the range are to be read only, as with std::span.
template <class R, class T>
concept lasts_for = std::ranges::borrowed_range<R> || std::is_const_v<T>;
/// Of T, or of what T adds const to.
template <class R, class T>
concept elements_are = std::same_as<range_element<R>, T> || adds_const_to<T, range_element<R>>;

template <class R, class T>
concept readable_as = element_range<R> && lasts_for<R, T> && elements_are<R, T>;

}  // namespace detail

/// Host memory: `planes` images of rows × cols, or signals of one row, each of as many channels.
/// `view<const T>` is to be read, `view<T>` converts to it.
template <element T>
class view : public detail::strided<T, view> {
  using base = detail::strided<T, convgpu::view>;

 public:
  constexpr view() noexcept = default;

  /// One plane, dense.
  constexpr view(T* data, extent size) noexcept : base(data, size, 1, 1, dense(size)) {}
  /// One plane in steps of its own. Steps of planes and channels are not looked at.
  constexpr view(T* data, extent size, strides step) noexcept : base(data, size, 1, 1, step) {}
  /// Several planes; see `dense` and `interleaved` for the usual steps.
  constexpr view(T* data, extent size, std::int64_t planes, strides step) noexcept
      : base(data, size, planes, 1, step) {}
  /// Several planes of several channels; see `dense` and `channels_last` for the usual steps.
  constexpr view(T* data, extent size, std::int64_t planes, std::int64_t channels,
                 strides step) noexcept
      : base(data, size, planes, channels, step) {}
  /// A signal: any contiguous range. One that is about to end only to be read, as with std::span.
  template <detail::readable_as<T> R>
  constexpr view(R&& range) noexcept  // NOLINT: meant to be implicit
      : view(std::ranges::data(range), extent(std::ranges::size(range))) {}

  /// Adding const is always right.
  template <class From>
    requires detail::adds_const_to<T, From>
  constexpr view(const view<From>& v) noexcept  // NOLINT: meant to be implicit
      : base(v.data(), v.size(), v.planes(), v.channels(), v.step()) {}
};

template <detail::element_range R>
view(R&&) -> view<detail::range_element<R>>;

/// Memory of a CUDA device: `view`'s sibling. Given to a plan on the CPU it is an `invalid_problem`.
template <element T>
class device_view : public detail::strided<T, device_view> {
  using base = detail::strided<T, convgpu::device_view>;

 public:
  constexpr device_view() noexcept = default;

  /// One plane, dense.
  constexpr device_view(T* data, extent size) noexcept : base(data, size, 1, 1, dense(size)) {}
  /// One plane in steps of its own. Steps of planes and channels are not looked at.
  constexpr device_view(T* data, extent size, strides step) noexcept
      : base(data, size, 1, 1, step) {}
  /// Several planes; see `dense` and `interleaved` for the usual steps.
  constexpr device_view(T* data, extent size, std::int64_t planes, strides step) noexcept
      : base(data, size, planes, 1, step) {}
  /// Several planes of several channels; see `dense` and `channels_last` for the usual steps.
  constexpr device_view(T* data, extent size, std::int64_t planes, std::int64_t channels,
                        strides step) noexcept
      : base(data, size, planes, channels, step) {}

  /// Adding const is always right.
  template <class From>
    requires detail::adds_const_to<T, From>
  constexpr device_view(const device_view<From>& v) noexcept  // NOLINT: meant to be implicit
      : base(v.data(), v.size(), v.planes(), v.channels(), v.step()) {}
};

/// A view whose element type is known at run time only; what `plan::run` takes. Every view and every
/// contiguous range converts to it. A bare range is *shapeless*: it stands for as many elements as it
/// has, in whatever rows, columns, planes and channels the plan expects, in the order of `problem::layout`, whose product it must match
/// exactly; where no plan expects anything (one-shot calls), it is a signal.
template <class Void>
class basic_any_view {
  static constexpr bool writable = !std::is_const_v<Void>;

  template <class T>
  static constexpr bool fits = element<T> && (!writable || !std::is_const_v<T>);
  template <class R>
  static constexpr bool takes_range = fits<detail::range_element<R>> &&
                                      (std::ranges::borrowed_range<R> || !writable);
  template <class Other>
  static constexpr bool adds_const = !writable && std::is_same_v<Other, void>;

 public:
  constexpr basic_any_view(Void* data, dtype type, extent size, std::int64_t planes, strides step,
                           memory where = memory::host) noexcept
      : basic_any_view(data, type, size, planes, 1, step, where) {}
  constexpr basic_any_view(Void* data, dtype type, extent size, std::int64_t planes,
                           std::int64_t channels, strides step,
                           memory where = memory::host) noexcept
      : data_(data),
        size_(size),
        planes_(planes),
        channels_(channels),
        step_(step),
        type_(type),
        where_(where) {}

  template <class T>
    requires fits<T>
  constexpr basic_any_view(const view<T>& v) noexcept  // NOLINT: meant to be implicit
      : basic_any_view(v.data(), dtype_of<T>, v.size(), v.planes(), v.channels(), v.step()) {}

  template <class T>
    requires fits<T>
  constexpr basic_any_view(const device_view<T>& v) noexcept  // NOLINT: meant to be implicit
      : basic_any_view(v.data(), dtype_of<T>, v.size(), v.planes(), v.channels(), v.step(),
                       memory::device) {}

  template <detail::element_range R>
    requires takes_range<R>
  constexpr basic_any_view(R&& range) noexcept  // NOLINT: meant to be implicit
      : basic_any_view(std::ranges::data(range), dtype_of<detail::range_element<R>>,
                       extent(std::ranges::size(range)), 1,
                       dense(extent(std::ranges::size(range)))) {
    shapeless_ = true;
  }

  /// Adds const.
  template <class Other>
    requires adds_const<Other>
  constexpr basic_any_view(const basic_any_view<Other>& v) noexcept  // NOLINT: meant to be implicit
      : basic_any_view(v.data(), v.type(), v.size(), v.planes(), v.channels(), v.step(),
                       v.where()) {
    shapeless_ = v.shapeless();
  }

  [[nodiscard]] constexpr Void* data() const noexcept { return data_; }
  [[nodiscard]] constexpr dtype type() const noexcept { return type_; }
  [[nodiscard]] constexpr extent size() const noexcept { return size_; }
  [[nodiscard]] constexpr std::int64_t planes() const noexcept { return planes_; }
  [[nodiscard]] constexpr std::int64_t channels() const noexcept { return channels_; }
  [[nodiscard]] constexpr strides step() const noexcept { return step_; }
  [[nodiscard]] constexpr memory where() const noexcept { return where_; }
  [[nodiscard]] constexpr bool shapeless() const noexcept { return shapeless_; }

  /// Channel c alone, of all planes. Unchecked.
  [[nodiscard]] constexpr basic_any_view channel(std::int64_t c) const noexcept {
    using byte = std::conditional_t<writable, std::byte, const std::byte>;
    return {
        static_cast<byte*>(data_) + c * step_.channel * static_cast<std::int64_t>(size_of(type_)),
        type_,
        size_,
        planes_,
        step_,
        where_};
  }
  /// The same elements without their shape, to be taken as a range is.
  [[nodiscard]] constexpr basic_any_view as_shapeless() const noexcept {
    basic_any_view v = *this;
    v.shapeless_ = true;
    return v;
  }

 private:
  Void* data_;
  extent size_;
  std::int64_t planes_;
  std::int64_t channels_;
  strides step_;
  dtype type_;
  memory where_;
  bool shapeless_ = false;
};

using any_view = basic_any_view<void>;
using any_const_view = basic_any_view<const void>;

}  // namespace convgpu
