// SPDX-License-Identifier: Apache-2.0

#include "cuda_plan.hpp"

#include <stdexcept>

#include "cuda/memory.hpp"

namespace convgpu::test {
namespace {

class copying final : public cuda::kernels {
 public:
  explicit copying(std::size_t bytes) : bytes_(bytes) {}

  [[nodiscard]] std::string parameters() const override { return "none"; }
  [[nodiscard]] bool exact_on_integers() const noexcept override { return true; }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override { return bytes_; }

  void launch(const cuda::image_params& p, void* workspace, cudaStream_t on) const override {
    if (reinterpret_cast<std::uintptr_t>(workspace) % cuda::device_alignment != 0)
      throw std::logic_error("workspace that is not aligned");
    const auto rows = static_cast<std::size_t>(p.rows.last - p.rows.first);
    const auto cols = static_cast<std::size_t>(p.cols.last - p.cols.first);
    const auto copy = [&](void* to, std::size_t to_pitch, void* from, std::size_t from_pitch) {
      cuda::check(cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, cols, rows,
                                    cudaMemcpyDeviceToDevice, on),
                  "cudaMemcpy2DAsync");
    };
    const auto part_of = [&p](const cuda::device_array& a, std::int64_t plane) {
      return static_cast<std::byte*>(a.data) + plane * a.step.plane + p.rows.first * a.step.row +
             p.cols.first;
    };
    auto* const between = static_cast<std::byte*>(workspace);
    for (std::int64_t i = 0; i < p.planes; ++i)
      copy(between + static_cast<std::size_t>(i) * rows * cols, cols, part_of(p.in, i),
           static_cast<std::size_t>(p.in.step.row));
    for (std::int64_t i = 0; i < p.planes; ++i)
      copy(part_of(p.out, i), static_cast<std::size_t>(p.out.step.row),
           between + static_cast<std::size_t>(i) * rows * cols, cols);
  }

 private:
  std::size_t bytes_;
};

class with_workspace final : public cuda::kernels {
 public:
  explicit with_workspace(std::unique_ptr<const kernels> other) : other_(std::move(other)) {}

  [[nodiscard]] std::string parameters() const override { return other_->parameters(); }
  [[nodiscard]] bool exact_on_integers() const noexcept override {
    return other_->exact_on_integers();
  }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override { return 100; }
  void launch(const cuda::image_params& p, void* workspace, cudaStream_t on) const override {
    cuda::check(cudaMemsetAsync(workspace, 0, 100, on), "cudaMemsetAsync");
    other_->launch(p, nullptr, on);
  }

 private:
  std::unique_ptr<const kernels> other_;
};

}  // namespace

std::unique_ptr<const cuda::kernels> copying_kernels(const detail::request& r) {
  return std::make_unique<copying>(
      static_cast<std::size_t>(r.form.row.out * r.form.col.out * r.form.planes));
}

std::unique_ptr<const cuda::kernels> direct_kernels_with_workspace(const detail::request& r) {
  return std::make_unique<with_workspace>(cuda::direct_kernels(r));
}

}  // namespace convgpu::test
