// SPDX-License-Identifier: Apache-2.0
// The choice among algorithms: by prediction, by measuring, under a cap on workspace; and what is told of it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <convgpu/convgpu.hpp>
#include <convgpu/error.hpp>
#include <string>
#include <vector>

namespace convgpu::test {
namespace {

using floats = std::vector<float>;
using verdict = candidate::verdict;

floats gaussian(int taps) {
  floats h;
  for (int k = 0; k < taps; ++k) {
    const double x = (k - taps / 2) * 5.0 / taps;
    h.push_back(static_cast<float>(std::exp(-x * x / 2)));
  }
  return h;
}

/// A filter that is a column times a row, so that there is a choice.
plan blur(extent in, int taps, options how = {}) {
  how.device = device::cpu();
  const floats g = gaussian(taps);
  return {problem{.in = in, .mode = mode::same}, g, g, how};
}

const candidate& of(const plan& p, const std::string& name) {
  const auto& all = p.describe().candidates;
  return *std::find_if(all.begin(), all.end(), [&](auto& c) { return c.algorithm == name; });
}

floats filtered(const plan& p) {
  const extent in = p.problem().in;
  floats x;
  for (std::int64_t i = 0; i < in.count(); ++i) x.push_back(static_cast<float>(i * 31 % 97));
  floats y(static_cast<std::size_t>(p.output_extent().count()));
  p.run(x, y);
  return y;
}

TEST(planner, takes_the_least_prediction_of_all_but_the_last) {
  for (const int taps : {2, 3, 5, 9, 31})
    for (const extent in : {extent{1, 1}, {5, 400}, {64, 64}, {700, 900}}) {
      const plan p = blur(in, taps);
      const auto& all = p.describe().candidates;
      const candidate& chosen = of(p, p.describe().algorithm);
      EXPECT_EQ(chosen.outcome, verdict::chosen);
      for (const candidate& c : all) {
        if (c.outcome == verdict::refused) continue;
        ASSERT_TRUE(c.predicted_seconds && c.bound_by && c.error_bound) << c.algorithm;
        EXPECT_GT(*c.predicted_seconds, 0);
        if (&c != &all.back()) {
          EXPECT_LE(*chosen.predicted_seconds, *c.predicted_seconds);
        }
      }
      EXPECT_NE(chosen.algorithm, all.back().algorithm);
      EXPECT_EQ(chosen.workspace_bytes, p.workspace_bytes());
    }
}

TEST(planner, says_by_how_much_the_others_are_slower) {
  const plan p = blur({500, 500}, 31);
  ASSERT_EQ(p.describe().algorithm, "cpu/separable");
  const std::string& reason = of(p, "cpu/direct").reason;
  EXPECT_NE(reason.find(" times the time of cpu/separable by prediction"), std::string::npos)
      << reason;
  EXPECT_EQ(of(p, "cpu/reference").reason, "taken where all others refuse");
  EXPECT_FALSE(p.describe().rates.empty());
}

TEST(planner, chooses_the_same_for_any_number_of_threads) {
  for (const int taps : {2, 3, 4, 5, 7})
    for (const int cols : {16, 100, 1000}) {
      const plan one = blur({200, cols}, taps, {.max_threads = 1});
      const plan many = blur({200, cols}, taps, {.max_threads = 64});
      EXPECT_EQ(one.describe().algorithm, many.describe().algorithm);
      for (std::size_t i = 0; i < one.describe().candidates.size(); ++i)
        EXPECT_EQ(one.describe().candidates[i].predicted_seconds,
                  many.describe().candidates[i].predicted_seconds);
    }
}

TEST(planner, plans_filters_of_one_tap_and_of_zeros) {
  for (const policy how : {policy::predict, policy::measure})
    for (const floats& h :
         {floats{2}, floats{0}, floats(9, 0.0F), floats{0, 0, 0, 0, 1, 0, 0, 0, 0}}) {
      const extent size = h.size() == 1 ? extent{1, 1} : extent{3, 3};
      const plan p({.in = {6, 7}, .filter = size, .mode = mode::same}, h,
                   {.device = device::cpu(), .policy = how});
      const floats y = filtered(p);
      float sum = 0;
      for (const float tap : h) sum += tap;
      for (std::size_t i = 0; i < y.size(); ++i)
        EXPECT_EQ(y[i], sum * static_cast<float>(i * 31 % 97));
    }
}

TEST(planner, knows_what_errors_to_expect) {
  const plan exact({.in = {50, 50}, .types = {.in = dtype::u8}},
                   view<const std::uint8_t>(std::vector<std::uint8_t>(49, 1).data(), {7, 7}),
                   {.device = device::cpu()});
  for (const candidate& c : exact.describe().candidates) EXPECT_EQ(c.error_bound.value_or(0), 0);
  const plan p = blur({50, 50}, 15);
  EXPECT_DOUBLE_EQ(*of(p, "cpu/direct").error_bound, 225 * 0x1p-24);
  EXPECT_LT(*of(p, "cpu/separable").error_bound, 225 * 0x1p-24);
  EXPECT_LT(*of(p, "cpu/reference").error_bound, 225 * 0x1p-52);
}

TEST(planner, tells_a_sensible_bound) {
  EXPECT_EQ(of(blur({1, 1}, 3), "cpu/direct").bound_by, bound::overhead);
  EXPECT_EQ(of(blur({500, 500}, 31), "cpu/direct").bound_by, bound::arithmetic);
  EXPECT_EQ(of(blur({6000, 6000}, 1), "cpu/direct").bound_by, bound::memory);
  EXPECT_EQ(to_string(bound::transfer), "transfer");
}

// ---- policy::measure

TEST(measure, takes_what_was_fastest_and_says_so) {
  const plan p = blur({90, 120}, 5, {.policy = policy::measure});
  const candidate& chosen = of(p, p.describe().algorithm);
  ASSERT_TRUE(chosen.measured_seconds);
  for (const candidate& c : p.describe().candidates) {
    if (&c == &chosen || !c.measured_seconds) continue;
    EXPECT_GE(*c.measured_seconds, *chosen.measured_seconds);
    EXPECT_NE(c.reason.find("as measured"), std::string::npos) << c.reason;
  }
  EXPECT_NE(p.explain().find(" measured"), std::string::npos);
  options forced{.device = device::cpu(), .algorithm = chosen.algorithm};
  const floats g = gaussian(5);
  const plan same({.in = {90, 120}, .mode = mode::same}, g, g, forced);
  EXPECT_EQ(filtered(p), filtered(same));
}

TEST(measure, does_not_try_what_is_hopeless) {
  const plan p = blur({300, 300}, 61, {.policy = policy::measure});
  EXPECT_TRUE(of(p, p.describe().algorithm).measured_seconds);
  EXPECT_FALSE(of(p, "cpu/reference").measured_seconds);
}

TEST(measure, tries_a_part_where_all_would_take_more_than_the_cap) {
  // 64 MB of data, and 4 MB are allowed.
  const plan p = blur({4000, 2000}, 3, {.policy = policy::measure, .max_workspace = 4 << 20});
  EXPECT_TRUE(of(p, p.describe().algorithm).measured_seconds);
  EXPECT_LE(p.workspace_bytes(), std::size_t{4} << 20);
  // A window that is longer than that.
  const floats h(5001, 1.0F);
  const problem wide{.in = extent(9000), .mode = mode::same, .border = border::wrap()};
  const plan q(wide, h,
               {.device = device::cpu(), .policy = policy::measure, .max_workspace = 100000});
  // With the cap, on which the size of blocks may depend, and with that the last bits.
  EXPECT_EQ(filtered(q), filtered(plan(wide, h,
                                       {.device = device::cpu(),
                                        .algorithm = q.describe().algorithm,
                                        .max_workspace = 100000})));
}

TEST(measure, is_for_all_shapes) {
  for (const mode m : {mode::full, mode::same, mode::valid}) {
    const floats g = gaussian(5);
    const problem p{.in = {40, 50}, .planes = 3, .mode = m, .dilation = {2, 3}};
    for (const std::size_t cap : {std::numeric_limits<std::size_t>::max(), std::size_t{60000}})
      EXPECT_NO_THROW(plan(
          p, g, g, {.device = device::cpu(), .policy = policy::measure, .max_workspace = cap}));
  }
}

// ---- options::max_workspace

TEST(max_workspace, is_kept_by_fewer_threads) {
  const options all{.max_threads = 4, .executor = [](std::int64_t n, const auto& task) {
                      for (std::int64_t i = 0; i < n; ++i) task(i);
                    }};
  const plan free = blur({700, 900}, 9, all);
  options capped = all;
  capped.max_workspace = free.workspace_bytes() / 2;
  const plan kept = blur({700, 900}, 9, capped);
  EXPECT_EQ(kept.describe().algorithm, free.describe().algorithm);
  EXPECT_LE(kept.workspace_bytes(), capped.max_workspace);
  EXPECT_GT(kept.workspace_bytes(), 0u);
  EXPECT_EQ(filtered(kept), filtered(free));
}

TEST(max_workspace, takes_another_algorithm_where_one_needs_more) {
  const plan p = blur({300, 300}, 15, {.max_workspace = 0});
  EXPECT_EQ(p.workspace_bytes(), 0u);
  EXPECT_EQ(of(p, "cpu/separable").outcome, verdict::refused);
  EXPECT_NE(of(p, "cpu/separable").reason.find("options.max_workspace, 0"), std::string::npos);
  EXPECT_TRUE(of(p, "cpu/separable").workspace_bytes);
}

TEST(max_workspace, names_the_least_that_a_forced_algorithm_needs) {
  for (const char* name : {"cpu/separable", "cpu/direct"}) {
    std::string message;
    try {
      (void)blur({300, 300}, 15, {.algorithm = name, .max_workspace = 1000});
    } catch (const unsupported& e) {
      message = e.what();
    }
    const std::string allowed = "options.max_workspace: 1000 bytes; allowed: ";
    ASSERT_EQ(message.rfind(allowed, 0), 0u) << message;
    const std::size_t least = std::stoull(message.substr(allowed.size()));
    EXPECT_NE(message.find(name), std::string::npos);
    const plan p = blur({300, 300}, 15, {.algorithm = name, .max_workspace = least});
    EXPECT_LE(p.workspace_bytes(), least);
    EXPECT_THROW((void)blur({300, 300}, 15, {.algorithm = name, .max_workspace = least - 1}),
                 unsupported);
    EXPECT_EQ(filtered(p), filtered(blur({300, 300}, 15, {.algorithm = name})));
  }
}

// ---- what is told

TEST(explain, has_every_figure) {
  const std::string text = blur({90, 120}, 15).explain();
  for (const char* word : {"predicted, bound by ", "workspace ", "error up to ",
                           "rates: ", "times the time of cpu/separable by prediction"})
    EXPECT_NE(text.find(word), std::string::npos) << word << " in\n" << text;
}

}  // namespace
}  // namespace convgpu::test
