// SPDX-License-Identifier: Apache-2.0
// A plan's part on a device: what is asked of the arguments, and the way of the data to the kernels and back.

#include <cstdint>
#include <optional>
#include <string>

#include "algorithms.hpp"
#include "checks.hpp"
#include "memory.hpp"
#include "staging.hpp"
#include "workspace.hpp"

namespace convgpu::cuda {
namespace {

class runnable final : public detail::runnable {
 public:
  runnable(const detail::request& r, std::unique_ptr<const kernels> (*make)(const detail::request&),
           staging_limits limits)
      : form_(r.form), device_(r.device), checks_(r.device) {
    const device_guard guard(device_);
    const beside_captures apart;
    kernels_ = make(r);
    const std::size_t bytes = kernels_->workspace_bytes();
    workspaces_.emplace(bytes);
    staging_.emplace(form_, bytes, limits, kernels_->block());
  }
  ~runnable() override {
    const last_device_guard guard(device_);
    kernels_.reset();
    workspaces_.reset();
    staging_.reset();
  }

  [[nodiscard]] std::string parameters() const override { return kernels_->parameters(); }
  [[nodiscard]] bool exact_on_integers() const noexcept override {
    return kernels_->exact_on_integers();
  }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override {
    const std::size_t bytes = kernels_->workspace_bytes();
    return bytes == 0 ? 0 : bytes + device_alignment - 1;  // it may begin anywhere
  }

  void run(const any_const_view& in, const any_view& out, stream on,
           std::span<std::byte> given) const override {
    const device_guard guard(device_);
    checks_.stream_is_here(on.handle());
    void* const workspace = place_in(given);
    if (in.where() == memory::device) {
      checks_.is_here("in", in);
      checks_.is_here("out", out);
      queue(in, out, workspace, on.handle());
    } else {
      refuse_capture(on.handle(), "in", "host memory", "device memory");
      const host_data data{in, out, checks_.is_pinned("in", in), checks_.is_pinned("out", out)};
      staging_->run(*kernels_,
                    params(dense({form_.row.in, form_.col.in}, form_.in_channels()),
                           dense({form_.row.out, form_.col.out}, form_.out_channels())),
                    data, workspace, on.handle());
    }
  }

 private:
  /// The workspace that kernels get of the one given; null where none is needed or given.
  [[nodiscard]] void* place_in(std::span<std::byte> given) const {
    if (given.empty() || kernels_->workspace_bytes() == 0) return nullptr;
    checks_.is_here("workspace", given);
    const auto address = reinterpret_cast<std::uintptr_t>(given.data());
    return given.data() + (aligned(address) - address);
  }

  [[nodiscard]] image_params params(strides in, strides out) const {
    const auto outside = form_.border.value();
    return {.in = {nullptr, form_.types.in, in},
            .out = {nullptr, form_.types.out, out},
            .row = form_.row,
            .col = form_.col,
            .planes = form_.planes,
            .rows = {0, form_.row.out},
            .cols = {0, form_.col.out},
            .border = form_.border.kind(),
            .policy = form_.overflow,
            .outside_re = outside.real(),
            .outside_im = outside.imag()};
  }

  void queue(const any_const_view& in, const any_view& out, void* workspace,
             cudaStream_t on) const {
    image_params p = params(in.step(), out.step());
    p.in.data = const_cast<void*>(in.data());
    p.out.data = out.data();
    const std::size_t needed = workspace_bytes();
    if (needed == 0 || workspace != nullptr) return kernels_->launch(p, workspace, on);
    // A graph would go on using a piece that the pool has given to others.
    refuse_capture(on, "workspace", "none",
                   (std::to_string(needed) + " bytes of device memory").c_str());
    const beside_captures apart;
    workspace_pool::loan piece = workspaces_->take(on);
    kernels_->launch(p, piece.data(), on);
    piece.is_queued();
  }

  detail::normal_form form_;
  int device_;
  argument_checks checks_;
  std::unique_ptr<const kernels> kernels_;
  // What runs leave for the next ones; each keeps its own order among threads.
  mutable std::optional<workspace_pool> workspaces_;
  mutable std::optional<staging> staging_;
};

}  // namespace

std::unique_ptr<const detail::runnable> make_runnable(
    const detail::request& r, std::unique_ptr<const kernels> (*make)(const detail::request&)) {
  return make_runnable(r, make, default_staging);
}

std::unique_ptr<const detail::runnable> make_runnable(
    const detail::request& r, std::unique_ptr<const kernels> (*make)(const detail::request&),
    staging_limits limits) {
  return std::make_unique<runnable>(r, make, limits);
}

}  // namespace convgpu::cuda
