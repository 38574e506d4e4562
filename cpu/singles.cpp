// SPDX-License-Identifier: Apache-2.0

#include "singles.hpp"

#include <algorithm>
#include <utility>

#include "lanes.hpp"
#include "rows.hpp"

namespace convgpu::cpu {
namespace {

using namespace detail;

/// Work for fewer products than these is done before a second thread has woken up.
constexpr double products_worth_a_thread = 1 << 18;

class singles final : public runnable {
 public:
  singles(const request& r, maker make) : form_(r.form), executor_(r.how.executor) {
    const auto count = static_cast<std::int64_t>(r.filter.singles.size());
    const std::int64_t threads = threads_for(r.how);
    const double products =
        r.form.outputs() * static_cast<double>(std::max<std::int64_t>(r.filter.facts.nonzeros, 8));
    // Each filter with all threads, where there are too few to share, else with one.
    options how = r.how;
    if (count >= 2 * threads) {
      lanes_ = std::min(
          threads, static_cast<std::int64_t>(std::min(products / products_worth_a_thread, 1e9)));
      lanes_ = std::max<std::int64_t>(lanes_, 1);
      how.max_threads = 1;
      how.executor = {};
    }
    const normal_form one = single_form(form_);
    for (const filter_taps& filter : r.filter.singles) {
      each_.push_back(make({one, filter, how, r.device}));
      lane_bytes_ = std::max(lane_bytes_, each_.back()->workspace_bytes());
    }
    const std::size_t most = lane_bytes_ == 0 ? 1 : r.how.max_workspace / lane_bytes_;
    lanes_ = std::clamp<std::int64_t>(
        lanes_, 1, static_cast<std::int64_t>(std::clamp<std::size_t>(most, 1, 1 << 20)));
    if (lanes_ > 1 && !executor_) start_workers();
  }

  [[nodiscard]] std::string parameters() const override {
    return std::to_string(each_.size()) + " filters, " +
           (lanes_ == 1 ? std::string("one after the other")
                        : std::to_string(lanes_) + " at a time") +
           ", each: " + each_.front()->parameters();
  }
  [[nodiscard]] bool exact_on_integers() const noexcept override {
    return std::all_of(each_.begin(), each_.end(),
                       [](const auto& one) { return one->exact_on_integers(); });
  }
  [[nodiscard]] std::size_t workspace_bytes() const noexcept override {
    return lane_bytes_ * static_cast<std::size_t>(lanes_);
  }

  void run(const any_const_view& in, const any_view& out, stream on,
           std::span<std::byte> workspace) const override {
    const auto count = static_cast<std::int64_t>(each_.size());
    const auto begin = [&](std::int64_t lane) {
      const std::span<std::byte> memory = workspace.subspan(
          static_cast<std::size_t>(lane) * lane_bytes_, workspace.empty() ? 0 : lane_bytes_);
      return [&, memory](std::int64_t f) {
        each_[static_cast<std::size_t>(f)]->run(in.channel(f / form_.filters), out.channel(f), on,
                                                memory);
      };
    };
    if (lanes_ > 1) return share_out(lanes_, count, executor_, begin);
    for (std::int64_t f = 0; f < count; ++f) begin(0)(f);
  }

 private:
  normal_form form_;
  executor executor_;
  std::vector<std::unique_ptr<const runnable>> each_;
  std::size_t lane_bytes_ = 0;
  std::int64_t lanes_ = 1;
};

}  // namespace

std::unique_ptr<const detail::runnable> make_singles(const detail::request& r, maker make) {
  return std::make_unique<singles>(r, make);
}

}  // namespace convgpu::cpu
