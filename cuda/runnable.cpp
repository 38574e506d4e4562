// SPDX-License-Identifier: Apache-2.0
// A plan's part on a device: the way of the data to the kernels and back.

#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "algorithms.hpp"
#include "memory.hpp"

namespace convgpu::cuda {
namespace {

/// Copies elements between an array in any steps and a dense one, both on the host.
void copy_elements(std::byte* to, strides to_step, const std::byte* from, strides from_step,
                   extent size, std::int64_t planes, std::size_t width) {
  const auto bytes = static_cast<std::int64_t>(width);
  for (std::int64_t p = 0; p < planes; ++p)
    for (std::int64_t r = 0; r < size.rows; ++r) {
      std::byte* t = to + (p * to_step.plane + r * to_step.row) * bytes;
      const std::byte* f = from + (p * from_step.plane + r * from_step.row) * bytes;
      if (to_step.col == 1 && from_step.col == 1) {
        std::memcpy(t, f, static_cast<std::size_t>(size.cols) * width);
        continue;
      }
      for (std::int64_t c = 0; c < size.cols;
           ++c, t += to_step.col * bytes, f += from_step.col * bytes)
        std::memcpy(t, f, width);
    }
}

class runnable final : public detail::runnable {
 public:
  runnable(const detail::request& r, std::unique_ptr<const kernels> (*make)(const detail::request&))
      : form_(r.form), device_(r.device) {
    const device_guard guard(device_);
    kernels_ = make(r);
  }
  ~runnable() override {
    // A destructor must not throw: what fails here leaves memory to the process's end.
    int before = 0;
    if (cudaGetDevice(&before) != cudaSuccess || cudaSetDevice(device_) != cudaSuccess) return;
    kernels_.reset();
    staged_.clear();
    (void)cudaSetDevice(before);
  }

  [[nodiscard]] std::string parameters() const override { return kernels_->parameters(); }
  [[nodiscard]] bool exact_on_integers() const noexcept override {
    return kernels_->exact_on_integers();
  }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override { return 0; }

  void run(const any_const_view& in, const any_view& out, stream on,
           std::span<std::byte>) const override {
    const device_guard guard(device_);
    if (in.where() == memory::device)
      queue(const_cast<void*>(in.data()), in.step(), out.data(), out.step(), on);
    else run_staged(in, out, on);
  }

 private:
  void queue(void* in, strides in_step, void* out, strides out_step, stream on) const {
    const auto outside = form_.border.value();
    const std::size_t bytes = kernels_->workspace_bytes();
    const device_memory workspace = bytes == 0 ? device_memory() : device_memory(bytes);
    kernels_->launch({.in = {in, form_.types.in, in_step},
                      .out = {out, form_.types.out, out_step},
                      .row = form_.row,
                      .col = form_.col,
                      .planes = form_.planes,
                      .rows = {0, form_.row.out},
                      .cols = {0, form_.col.out},
                      .border = form_.border.kind(),
                      .policy = form_.overflow,
                      .outside_re = outside.real(),
                      .outside_im = outside.imag()},
                     workspace.data(), on.handle());
    if (bytes != 0) check(cudaStreamSynchronize(on.handle()), "cudaStreamSynchronize");
  }

  /// Host data by way of device memory that the plan keeps for the next run.
  void run_staged(const any_const_view& in, const any_view& out, stream on) const {
    const extent in_size{form_.row.in, form_.col.in};
    const extent out_size{form_.row.out, form_.col.out};
    const std::size_t in_width = size_of(form_.types.in);
    const std::size_t out_width = size_of(form_.types.out);
    const std::size_t in_bytes =
        static_cast<std::size_t>(in_size.count() * form_.planes) * in_width;
    const std::size_t out_bytes =
        static_cast<std::size_t>(out_size.count() * form_.planes) * out_width;
    const std::size_t out_at = (in_bytes + 255) / 256 * 256;

    device_memory place = take(out_at + out_bytes);
    auto* const base = static_cast<std::byte*>(place.data());
    std::vector<std::byte> line_up;  // what is not dense is packed here first
    const auto* source = static_cast<const std::byte*>(in.data());
    if (in.step() != dense(in_size)) {
      line_up.resize(in_bytes);
      copy_elements(line_up.data(), dense(in_size), source, in.step(), in_size, form_.planes,
                    in_width);
      source = line_up.data();
    }
    check(cudaMemcpyAsync(base, source, in_bytes, cudaMemcpyHostToDevice, on.handle()),
          "cudaMemcpyAsync");
    queue(base, dense(in_size), base + out_at, dense(out_size), on);
    auto* target = static_cast<std::byte*>(out.data());
    const bool packed = out.step() != dense(out_size);
    std::vector<std::byte> back(packed ? out_bytes : 0);
    check(cudaMemcpyAsync(packed ? back.data() : target, base + out_at, out_bytes,
                          cudaMemcpyDeviceToHost, on.handle()),
          "cudaMemcpyAsync");
    check(cudaStreamSynchronize(on.handle()), "cudaStreamSynchronize");
    if (packed)
      copy_elements(target, out.step(), back.data(), dense(out_size), out_size, form_.planes,
                    out_width);
    give_back(std::move(place));
  }

  device_memory take(std::size_t bytes) const {
    {
      const std::lock_guard lock(mutex_);
      if (!staged_.empty()) {
        device_memory m = std::move(staged_.back());
        staged_.pop_back();
        return m;
      }
    }
    return device_memory(bytes);
  }
  void give_back(device_memory m) const {
    const std::lock_guard lock(mutex_);
    staged_.push_back(std::move(m));
  }

  detail::normal_form form_;
  int device_;
  std::unique_ptr<const kernels> kernels_;
  mutable std::mutex mutex_;
  mutable std::vector<device_memory> staged_;  // one for each run that there ever was at once
};

}  // namespace

std::unique_ptr<const detail::runnable> make_runnable(
    const detail::request& r, std::unique_ptr<const kernels> (*make)(const detail::request&)) {
  return std::make_unique<runnable>(r, make);
}

}  // namespace convgpu::cuda
