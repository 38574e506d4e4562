// SPDX-License-Identifier: Apache-2.0
// Gradients as plans for other problems, with what is left before and after.

#include <algorithm>
#include <cmath>
#include <convgpu/detail/arithmetic.hpp>
#include <convgpu/detail/backend.hpp>
#include <convgpu/detail/floating_point.hpp>
#include <convgpu/error.hpp>
#include <convgpu/gradient.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "overlap.hpp"
#include "planner.hpp"
#include "problem.hpp"
#include "views.hpp"

namespace convgpu {
namespace detail {
namespace {

/// Floats in and out alike: what a gradient of one is in the type of the other.
void check_gradient_types(const types& t) {
  if (is_integer(t.in) || t.in != t.out)
    throw invalid_problem("types: in " + std::string(to_string(t.in)) + ", out " +
                          std::string(to_string(t.out)) +
                          "; allowed: floating types, the same for both, for a gradient");
}

std::size_t bytes_for(dtype type, extent size, std::int64_t planes, std::int64_t channels) {
  std::int64_t count = size.count();
  for (const std::int64_t n : {planes, channels, static_cast<std::int64_t>(size_of(type))})
    count = saturated_product(count, n);
  return static_cast<std::size_t>(count);
}

/// Dense elements of a type.
class array {
 public:
  array(dtype type, extent size, std::int64_t planes, std::int64_t channels)
      : type_(type),
        size_(size),
        planes_(planes),
        channels_(channels),
        bytes_(bytes_for(type, size, planes, channels)) {}

  [[nodiscard]] any_view view() noexcept {
    return {bytes_.data(), type_, size_, planes_, channels_, dense(size_, channels_)};
  }
  [[nodiscard]] any_const_view view() const noexcept {
    return {bytes_.data(), type_, size_, planes_, channels_, dense(size_, channels_)};
  }

 private:
  dtype type_;
  extent size_;
  std::int64_t planes_;
  std::int64_t channels_;
  std::vector<std::byte> bytes_;
};

/// A place of an element.
struct place {
  std::int64_t plane;
  std::int64_t channel;
  std::int64_t row;
  std::int64_t col;
};

template <class T, class View>
T* at(const View& v, const place& p) {
  const strides step = v.step();
  return static_cast<T*>(v.data()) + p.plane * step.plane + p.channel * step.channel +
         p.row * step.row + p.col * step.col;
}

/// f(place) for every element of a view.
template <class View, class F>
void for_each_place(const View& v, const F& f) {
  for (std::int64_t plane = 0; plane < v.planes(); ++plane)
    for (std::int64_t channel = 0; channel < v.channels(); ++channel)
      for (std::int64_t row = 0; row < v.size().rows; ++row)
        for (std::int64_t col = 0; col < v.size().cols; ++col) f(place{plane, channel, row, col});
}

template <class Void>
basic_any_view<Void> exchanged(const basic_any_view<Void>& v) {
  strides step = v.step();
  std::swap(step.plane, step.channel);
  return {v.data(), v.type(), v.size(), v.channels(), v.planes(), step, v.where()};
}

/// Some of a view's channels.
template <class Void>
basic_any_view<Void> channels_of(const basic_any_view<Void>& v, std::int64_t first,
                                 std::int64_t count) {
  const basic_any_view<Void> one = v.channel(first);
  return {one.data(), v.type(), v.size(), v.planes(), count, v.step(), v.where()};
}

template <class Void>
basic_any_view<Void> one_plane(const basic_any_view<Void>& v) {
  return {v.data(), v.type(), v.size(), 1, v.channels(), v.step(), v.where()};
}

template <class T>
T conjugated(T value) {
  if constexpr (is_complex_type<T>) return std::conj(value);
  else return value;
}

/// A sum as an element of a gradient: of a complex one, where the gradient is real, the real part. Integers have none.
template <class Out, class Sum>
Out as_gradient(Sum sum, bool conjugate) {
  if constexpr (std::is_integral_v<Sum> || std::is_integral_v<Out> || sizeof(Sum) < 4) return Out{};
  else if constexpr (is_complex_type<Sum> && !is_complex_type<Out>)
    return element_of<Out>(sum.real(), overflow::saturate);
  else if constexpr (!is_complex_type<Sum> && is_complex_type<Out>) return Out{};
  else return element_of<Out>(conjugate ? conjugated(sum) : sum, overflow::saturate);
}

template <class T>
bool is_finite(T value) {
  if constexpr (std::is_integral_v<T>) return true;
  else if constexpr (is_complex_type<T>) return is_finite(value.real()) && is_finite(value.imag());
  else if constexpr (std::is_floating_point_v<T>) return std::isfinite(value);
  else return std::isfinite(static_cast<float>(value));
}

/// A gradient that will be a filter, with its own name and places.
void expect_finite(const any_const_view& out_gradient) {
  with_element_type(out_gradient.type(), [&]<class T>() {
    for_each_place(out_gradient, [&](const place& p) {
      if (!is_finite(*at<const T>(out_gradient, p)))
        throw invalid_problem("out_gradient: the element in plane " + std::to_string(p.plane) +
                              ", channel " + std::to_string(p.channel) + ", row " +
                              std::to_string(p.row) + ", column " + std::to_string(p.col) +
                              " is NaN or infinite; allowed: finite ones, in host memory");
    });
  });
}

/// The taps of each group with its filters as channels and its channels as filters.
array transposed_taps(const problem& p, const any_const_view& filter, bool conjugate) {
  const std::int64_t channels = p.channels / p.groups;
  const std::int64_t filters = p.filters / p.groups;
  array taps(filter.type(), p.filter, p.channels, filters);
  with_element_type(filter.type(), [&]<class T>() {
    for_each_place(filter, [&](const place& from) {
      const std::int64_t group = from.plane / filters;
      const place to{group * channels + from.channel, from.plane % filters, from.row, from.col};
      const T tap = *at<const T>(filter, from);
      *at<T>(taps.view(), to) = conjugate ? conjugated(tap) : tap;
    });
  });
  return taps;
}

/// What sums of a type are folded in.
dtype wider(dtype type) {
  return type == dtype::f16 || type == dtype::bf16 ? dtype::f32 : type;
}

/// Where pieces of a device's memory begin.
constexpr std::size_t piece_alignment = 256;
constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + piece_alignment - 1) / piece_alignment * piece_alignment;
}

/// The steps of a gradient on a device, and the workspace that they and a plan need there.
class device_part {
 public:
  /// None where data are the host's.
  device_part() = default;
  device_part(device where, std::size_t bytes) : bytes_(bytes) {
    if (const auto make = backend_of(where).make_gradient_steps; make != nullptr)
      steps_ = make(where.index(), bytes);
  }

  [[nodiscard]] const gradient_steps* steps() const noexcept { return steps_.get(); }
  /// Of a caller's, which may begin anywhere.
  [[nodiscard]] std::size_t workspace_bytes() const noexcept {
    return steps_ == nullptr || bytes_ == 0 ? 0 : bytes_ + piece_alignment - 1;
  }

  /// The memory that all views of a run must be of: that of the first one, if there are steps for it.
  [[nodiscard]] memory where(const any_const_view& first) const noexcept {
    return steps_ == nullptr ? memory::host : first.where();
  }

  /// f(memory) with the workspace that there is, or with some.
  template <class F>
  void with_workspace(std::span<std::byte> given, stream on, const F& f) const {
    if (given.empty()) return steps_->with_workspace(on, f);
    if (bytes_ == 0) return f(std::span<std::byte>());
    steps_->check("workspace",
                  {given.data(), dtype::u8, extent(given.size()), 1, {}, memory::device}, on);
    const auto address = reinterpret_cast<std::uintptr_t>(given.data());
    f(given.subspan(aligned(address) - address, bytes_));
  }

 private:
  std::unique_ptr<const gradient_steps> steps_;
  std::size_t bytes_ = 0;
};

/// Runs on host memory are over when they return.
void expect_host_run(stream on, std::span<const std::byte> workspace) {
  if (on != stream{})
    throw invalid_problem("stream: a CUDA stream; allowed: none, for a gradient of host memory");
  if (!workspace.empty())
    throw invalid_problem("workspace: " + std::to_string(workspace.size()) +
                          " bytes; allowed: none, for a gradient of host memory");
}

}  // namespace

class input_gradient_state {
 public:
  input_gradient_state(const problem& p, const any_const_view& filter, const options& how)
      : problem_(p), form_(normalise(p)), inner_(make(filter, how)), why_(inner_.describe()) {
    try {
      device_ = device_part(parse_device(why_.device), bytes_on_device());
    } catch (const std::bad_alloc&) {
      fall_back(filter, how, "out of memory");
    } catch (const cuda_error& e) {
      fall_back(filter, how, e.what());
    }
  }

  [[nodiscard]] const description& why() const noexcept { return why_; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept { return device_.workspace_bytes(); }

  void run(const any_const_view& out_gradient, const any_view& in_gradient, stream on,
           std::span<std::byte> workspace) const {
    const memory where = device_.where(out_gradient);
    const any_const_view from = checked(out_gradient, {"out_gradient",
                                                       problem_.types.out,
                                                       {form_.row.out, form_.col.out},
                                                       problem_.planes,
                                                       problem_.filters,
                                                       problem_.layout,
                                                       where});
    const any_view to =
        checked_output(in_gradient, {"in_gradient", problem_.types.in, problem_.in, problem_.planes,
                                     problem_.channels, problem_.layout, where});
    if (overlap(from, to))
      throw invalid_problem(
          "in_gradient: shares memory with out_gradient; allowed: memory of its own");
    if (where == memory::device) return run_on_device(from, to, on, workspace);
    expect_host_run(on, workspace);
    array whole(wider(problem_.types.in), inner_.output_extent(), problem_.planes,
                problem_.channels);
    if (!has_stride()) {
      inner_.run(from, whole.view());
    } else {
      const array apart = with_zeros_between(from);
      inner_.run(apart.view(), whole.view());
    }
    fold(whole.view(), to);
  }

 private:
  /// What was not asked for by name is no reason to have no gradient.
  void fall_back(const any_const_view& filter, options how, const std::string& reason) {
    if (how.device.kind() != device_kind::automatic || how.algorithm.starts_with("cuda/")) throw;
    how.device = device::cpu();
    inner_ = make(filter, how);
    why_ = inner_.describe();
    why_.notes.push_back("cuda: " + reason);
  }

  [[nodiscard]] extent spread() const noexcept {
    return {(form_.row.out - 1) * form_.row.stride + 1, (form_.col.out - 1) * form_.col.stride + 1};
  }

  plan make(const any_const_view& filter, const options& how) const {
    check_gradient_types(problem_.types);
    const any_const_view taps =
        checked(filter, {"filter", problem_.types.filter, problem_.filter, problem_.filters,
                         problem_.channels / problem_.groups, convgpu::layout::channels_first,
                         memory::host});
    const bool flips = problem_.op == operation::convolution;
    // Of a convolution the conjugate of the taps counts, and of a correlation that of what counts there.
    const bool conjugates = flips || !problem_.conjugate;
    const array turned = transposed_taps(problem_, taps, conjugates);
    const problem inner{
        .in = spread(),
        .filter = problem_.filter,
        .planes = problem_.planes,
        .channels = problem_.filters,
        .filters = problem_.channels,
        .groups = problem_.groups,
        .types = {problem_.types.out, problem_.types.filter, wider(problem_.types.in)},
        .op = flips ? operation::correlation : operation::convolution,
        .mode = mode::full,
        .dilation = problem_.dilation,
        .conjugate = false};
    return plan(inner, turned.view(), how);
  }

  [[nodiscard]] array with_zeros_between(const any_const_view& from) const {
    array apart(from.type(), spread(), from.planes(), from.channels());
    with_element_type(from.type(), [&]<class T>() {
      for_each_place(from, [&](const place& p) {
        *at<T>(apart.view(), {p.plane, p.channel, p.row * form_.row.stride,
                              p.col * form_.col.stride}) = *at<const T>(from, p);
      });
    });
    return apart;
  }

  [[nodiscard]] bool has_stride() const noexcept { return problem_.stride != extent{1, 1}; }

  // On a device: the gradient with zeros between, where there is a stride; that of x̃; what the plan needs.
  [[nodiscard]] std::size_t bytes_apart() const {
    return has_stride() ? bytes_for(problem_.types.out, spread(), problem_.planes, problem_.filters)
                        : 0;
  }
  [[nodiscard]] std::size_t bytes_whole() const {
    return bytes_for(wider(problem_.types.in), inner_.output_extent(), problem_.planes,
                     problem_.channels);
  }
  [[nodiscard]] std::size_t bytes_on_device() const {
    return aligned(bytes_apart()) + aligned(bytes_whole()) + inner_.workspace_bytes();
  }

  void run_on_device(const any_const_view& from, const any_view& to, stream on,
                     std::span<std::byte> workspace) const {
    const gradient_steps& steps = *device_.steps();
    steps.check("out_gradient", from, on);
    steps.check("in_gradient", to, on);
    check_workspace(workspace, workspace_bytes(), {from, to}, "out_gradient or in_gradient");
    const default_floating_point environment;
    device_.with_workspace(workspace, on, [&](std::span<std::byte> bytes) {
      const auto dense_at = [&](std::size_t at, dtype type, extent size, std::int64_t channels) {
        return any_view(bytes.data() + at, type, size, problem_.planes, channels,
                        dense(size, channels), memory::device);
      };
      const any_view apart = dense_at(0, problem_.types.out, spread(), problem_.filters);
      const std::size_t whole_at = aligned(bytes_apart());
      const any_view whole =
          dense_at(whole_at, wider(problem_.types.in), inner_.output_extent(), problem_.channels);
      if (has_stride())
        steps.fold(from, apart, {border_kind::zero, {0, form_.row.stride}, {0, form_.col.stride}},
                   on);
      inner_.run(has_stride() ? any_const_view(apart) : from, whole, on,
                 bytes.subspan(whole_at + aligned(bytes_whole()), inner_.workspace_bytes()));
      steps.fold(whole, to,
                 {form_.border.kind(),
                  {form_.row.at(0, form_.row.taps - 1), 1},
                  {form_.col.at(0, form_.col.taps - 1), 1}},
                 on);
    });
  }

  /// Adds up what stands in x̃ for the same sample of x. Entry 0 of the whole is what the last tap of output 0 sees.
  void fold(const any_const_view& whole, const any_view& to) const {
    const border_kind border = form_.border.kind();
    const auto origins = [&](const axis& a, std::int64_t entries) {
      std::vector<std::int64_t> index(static_cast<std::size_t>(entries));
      for (std::int64_t n = 0; n < entries; ++n)
        index[static_cast<std::size_t>(n)] = border_index(border, a.at(0, a.taps - 1) + n, a.in);
      return index;
    };
    const auto rows = origins(form_.row, whole.size().rows);
    const auto cols = origins(form_.col, whole.size().cols);
    with_element_type(whole.type(), [&]<class Sum>() {
      std::vector<Sum> sums(static_cast<std::size_t>(problem_.in.count()));
      for (std::int64_t plane = 0; plane < to.planes(); ++plane)
        for (std::int64_t channel = 0; channel < to.channels(); ++channel) {
          std::fill(sums.begin(), sums.end(), Sum{});
          if constexpr (!std::is_integral_v<Sum> && sizeof(Sum) >= 4)
            for (std::size_t r = 0; r < rows.size(); ++r)
              for (std::size_t c = 0; rows[r] >= 0 && c < cols.size(); ++c)
                if (cols[c] >= 0)
                  sums[static_cast<std::size_t>(rows[r] * problem_.in.cols + cols[c])] +=
                      *at<const Sum>(whole, {plane, channel, static_cast<std::int64_t>(r),
                                             static_cast<std::int64_t>(c)});
          with_element_type(to.type(), [&]<class Out>() {
            if constexpr (can_store<Out, Sum> && !std::is_integral_v<Out> && sizeof(Sum) >= 4)
              for (std::int64_t n = 0; n < problem_.in.count(); ++n)
                *at<Out>(to, {plane, channel, n / problem_.in.cols, n % problem_.in.cols}) =
                    element_of<Out>(sums[static_cast<std::size_t>(n)], overflow::saturate);
          });
        }
    });
  }

  problem problem_;
  normal_form form_;
  plan inner_;
  description why_;
  device_part device_;
};

class filter_gradient_state {
 public:
  filter_gradient_state(const problem& p, const options& how)
      : problem_(p), how_(how), form_(normalise(p)) {
    check_gradient_types(p.types);
    if (!may_see_a_device()) return;
    const bool automatic = how.device.kind() == device_kind::automatic && how.algorithm.empty();
    std::vector<std::string> notes;
    const device where = device_for(how, notes);
    const auto bytes = backend_of(where).filter_gradient_bytes;
    try {
      if (bytes != nullptr) device_ = device_part(where, bytes(form_));
    } catch (const std::bad_alloc&) {
      if (!automatic) throw;
    } catch (const cuda_error&) {
      if (!automatic) throw;
    }
  }

  [[nodiscard]] std::size_t workspace_bytes() const noexcept { return device_.workspace_bytes(); }

  void run(const any_const_view& in, const any_const_view& out_gradient, const any_view& gradient,
           stream on, std::span<std::byte> workspace) const {
    const memory where = device_.where(in);
    const any_const_view x = checked(in, {"in", problem_.types.in, problem_.in, problem_.planes,
                                          problem_.channels, problem_.layout, where});
    const any_const_view y = checked(out_gradient, {"out_gradient",
                                                    problem_.types.out,
                                                    {form_.row.out, form_.col.out},
                                                    problem_.planes,
                                                    problem_.filters,
                                                    problem_.layout,
                                                    where});
    const any_view to = checked_output(
        gradient, {"gradient", problem_.types.filter, problem_.filter, problem_.filters,
                   problem_.channels / problem_.groups, convgpu::layout::channels_first, where});
    for (const auto& [name, other] : {std::pair("in", x), std::pair("out_gradient", y)})
      if (overlap(other, to))
        throw invalid_problem(std::string("gradient: shares memory with ") + name +
                              "; allowed: memory of its own");
    if (where == memory::device) return run_on_device(x, y, to, on, workspace);
    expect_host_run(on, workspace);
    expect_finite(y);
    const std::int64_t channels = problem_.channels / problem_.groups;
    const std::int64_t filters = problem_.filters / problem_.groups;
    // Planes are summed; channels of the input are left apart.
    for (std::int64_t g = 0; g < problem_.groups; ++g) {
      const any_const_view samples = exchanged(channels_of(x, g * channels, channels));
      const any_const_view taps = exchanged(channels_of(y, g * filters, filters));
      const plan made(inner(channels, filters), taps, how_);
      array sums(made.problem().types.out, made.output_extent(), channels, filters);
      made.run(samples, sums.view());
      store(sums.view(), g * filters, to);
    }
  }

 private:
  /// Data of a device are expected where the options name one, or say that data will be there.
  [[nodiscard]] bool may_see_a_device() const {
    if (how_.device.kind() != device_kind::automatic)
      return how_.device.kind() == device_kind::cuda;
    return how_.algorithm.starts_with("cuda/") ||
           (how_.data == memory::device && !how_.algorithm.starts_with("cpu/"));
  }

  [[nodiscard]] bool flips() const noexcept { return problem_.op == operation::convolution; }
  [[nodiscard]] bool conjugates() const noexcept { return flips() || !problem_.conjugate; }

  /// No plan's, whose filter would have to be there when it is made.
  void run_on_device(const any_const_view& x, const any_const_view& y, const any_view& to,
                     stream on, std::span<std::byte> workspace) const {
    const gradient_steps& steps = *device_.steps();
    steps.check("in", x, on);
    steps.check("out_gradient", y, on);
    steps.check("gradient", to, on);
    check_workspace(workspace, workspace_bytes(), {x, y, to}, "in, out_gradient or gradient");
    device_.with_workspace(workspace, on, [&](std::span<std::byte> sums) {
      steps.sum_products(x, y, to, form_, !flips(), conjugates(), sums, on);
    });
  }

  /// Taps are outputs, at a distance of the dilation; outputs are taps, at a distance of the stride.
  [[nodiscard]] problem inner(std::int64_t channels, std::int64_t filters) const {
    const auto beyond = [](const axis& a) {
      return std::max<std::int64_t>(a.at(a.out - 1, 0) - (a.in - 1), 0);
    };
    const types& t = problem_.types;
    // Real filters of complex data have the real part of what a complex one would.
    return {.in = problem_.in,
            .filter = {form_.row.out, form_.col.out},
            .planes = channels,
            .channels = problem_.planes,
            .filters = filters,
            .types = {t.in, t.out, wider(t.in)},
            .op = operation::correlation,
            .mode = mode::valid,
            .border = problem_.border,
            .padding = {.top = -form_.row.at(0, form_.row.taps - 1),
                        .bottom = beyond(form_.row),
                        .left = -form_.col.at(0, form_.col.taps - 1),
                        .right = beyond(form_.col)},
            .stride = problem_.dilation,
            .dilation = problem_.stride};
  }

  /// The sums Σ conj(∂L/∂y)·x̃ of a group as gradients. They go from the last tap of a convolution to its first; behind
  /// those there may be more than there are taps, where a stride passes by the input's end.
  void store(const any_const_view& sums, std::int64_t first, const any_view& to) const {
    const bool flipped = flips();
    const bool conjugated = conjugates();
    const auto tap = [&](const place& p) {
      const std::int64_t row = flipped ? problem_.filter.rows - 1 - p.row : p.row;
      const std::int64_t col = flipped ? problem_.filter.cols - 1 - p.col : p.col;
      return place{p.channel, p.plane, row, col};
    };
    with_element_type(sums.type(), [&]<class Sum>() {
      with_element_type(to.type(), [&]<class Out>() {
        for (std::int64_t f = 0; f < sums.channels(); ++f)
          for_each_place(one_plane(to), [&](place p) {
            p.plane = f;
            const Sum sum = *at<const Sum>(sums, tap(p));
            p.plane = first + f;
            *at<Out>(to, p) = as_gradient<Out>(sum, conjugated);
          });
      });
    });
  }

  problem problem_;
  options how_;
  normal_form form_;
  device_part device_;
};

}  // namespace detail

input_gradient::input_gradient(const problem& p, const any_const_view& filter, const options& how)
    : state_(std::make_shared<const detail::input_gradient_state>(p, filter, how)) {}

void input_gradient::run(const any_const_view& out_gradient, const any_view& in_gradient, stream on,
                         std::span<std::byte> workspace) const {
  state_->run(out_gradient, in_gradient, on, workspace);
}

std::size_t input_gradient::workspace_bytes() const noexcept {
  return state_->workspace_bytes();
}

const description& input_gradient::describe() const noexcept {
  return state_->why();
}

filter_gradient::filter_gradient(const problem& p, const options& how)
    : state_(std::make_shared<const detail::filter_gradient_state>(p, how)) {}

void filter_gradient::run(const any_const_view& in, const any_const_view& out_gradient,
                          const any_view& gradient, stream on,
                          std::span<std::byte> workspace) const {
  state_->run(in, out_gradient, gradient, on, workspace);
}

std::size_t filter_gradient::workspace_bytes() const noexcept {
  return state_->workspace_bytes();
}

}  // namespace convgpu
