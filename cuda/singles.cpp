// SPDX-License-Identifier: Apache-2.0

#include "singles.hpp"

#include <algorithm>
#include <cmath>
#include <convgpu/detail/fft_error.hpp>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tuning.hpp"

namespace convgpu::cuda {
namespace {

class singles final : public kernels {
 public:
  singles(const detail::request& r, kernel_maker make) : filters_(r.form.filters) {
    const detail::normal_form one = detail::single_form(r.form);
    each_.reserve(r.filter.singles.size());
    for (const detail::filter_taps& filter : r.filter.singles) {
      each_.push_back(make({one, filter, r.how, r.device}));
      bytes_ = std::max(bytes_, each_.back()->workspace_bytes());
    }
  }

  [[nodiscard]] std::string parameters() const override {
    return std::to_string(each_.size()) +
           " filters, one after the other, each: " + each_.front()->parameters();
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override {
    return std::all_of(each_.begin(), each_.end(),
                       [](const auto& one) { return one->exact_on_integers(); });
  }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override { return bytes_; }

  void launch(const image_params& p, void* workspace, CUstream_st* on) const override {
    for (std::size_t f = 0; f < each_.size(); ++f) {
      const auto filter = static_cast<std::int64_t>(f);
      image_params one = p;
      one.in = channel_of(p.in, filter / filters_);
      one.out = channel_of(p.out, filter);
      each_[f]->launch(one, workspace, on);
    }
  }

 private:
  std::int64_t filters_;  // of a group, which has one channel
  std::vector<std::unique_ptr<const kernels>> each_;
  std::size_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<const kernels> singles_kernels(const detail::request& r, kernel_maker make) {
  return std::make_unique<singles>(r, make);
}

double allowed_error_of_all(const detail::request& r) {
  return of_filters(r, detail::allowed_transform_error,
                    [](double a, double b) { return std::min(a, b); });
}

double norms_ratio_of_all(const detail::request& r) {
  return of_filters(
      r, [](const detail::request& one) { return detail::norms_of(one.filter.values).ratio(); },
      [](double a, double b) { return std::max(a, b); });
}

bool are_of_like_norms(const detail::request& r) {
  int least = std::numeric_limits<int>::max();
  int most = std::numeric_limits<int>::min();
  for (const detail::filter_taps& filter : r.filter.singles) {
    const long double norm = detail::norms_of(filter.values).one;
    const int exponent = norm == 0 ? 0 : std::ilogb(norm);
    least = std::min(least, exponent);
    most = std::max(most, exponent);
  }
  return most - least <= norms_most_apart;
}

}  // namespace convgpu::cuda
