// SPDX-License-Identifier: Apache-2.0
// Every algorithm there is, on every problem of the list, against the oracle. A new algorithm is
// tested by being in `backends()`.

#include <gtest/gtest.h>
#include <convgpu/convgpu.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "problems.hpp"

namespace convgpu::test {
namespace {

using problem_list = std::vector<test_case> (*)(dtype);

class agreement : public testing::TestWithParam<std::tuple<dtype, algorithm>> {
 protected:
  static void hold(problem_list problems) {
    const auto& [in, a] = GetParam();
    std::size_t taken = 0;
    std::size_t wrong = 0;
    const std::vector<test_case> cases = problems(in);
    for (std::size_t i = 0; i < cases.size(); i += every_nth()) {
      const test_case& c = cases[i];
      const std::optional<std::string> words = verdict(a, c, c.make_filter());
      if (!words) continue;
      ++taken;
      if (words->empty()) continue;
      ADD_FAILURE() << a.name << ": " << c << '\n' << *words;
      if (++wrong == 3) FAIL() << "and perhaps more";  // the first ones tell enough
    }
    if (taken == 0) GTEST_SKIP() << a.name << " refuses all " << cases.size() << " problems";
  }
};

TEST_P(agreement, on_small_problems) {
  hold(small_problems);
}
TEST_P(agreement, on_large_problems) {
  hold(large_problems);
}

// All algorithms with one type, then with the next one: what the oracle says is found once.
INSTANTIATE_TEST_SUITE_P(every, agreement,
                         testing::Combine(testing::Values(dtype::u8, dtype::i8, dtype::u16,
                                                          dtype::i16, dtype::i32, dtype::f16,
                                                          dtype::bf16, dtype::f32, dtype::f64,
                                                          dtype::cf32, dtype::cf64),
                                          testing::ValuesIn(available_algorithms())),
                         [](const auto& instance) {
                           return test_name(std::get<1>(instance.param)) + "_" +
                                  std::string(to_string(std::get<0>(instance.param)));
                         });

TEST(problems, use_every_triple_of_types) {
  std::set<std::array<int, 3>> seen;
  for (int in = 0; in <= static_cast<int>(dtype::cf64); ++in)
    for (const test_case& c : small_problems(static_cast<dtype>(in))) {
      const types& t = c.problem.types;
      seen.insert({static_cast<int>(t.in), static_cast<int>(t.filter), static_cast<int>(t.out)});
    }
  EXPECT_EQ(seen.size(), 156u);
}

// Whatever two members of a case are looked at, every pair of values must occur in one case or
// another.
TEST(problems, cover_every_pair_of_features) {
  using feature = int (*)(const test_case&);
  constexpr feature features[] = {
      [](const test_case& c) { return static_cast<int>(c.problem.op); },
      [](const test_case& c) { return static_cast<int>(c.problem.mode); },
      [](const test_case& c) { return static_cast<int>(c.problem.border.kind()); },
      [](const test_case& c) { return static_cast<int>(c.problem.overflow); },
      [](const test_case& c) { return static_cast<int>(c.problem.conjugate); },
      [](const test_case& c) { return static_cast<int>(c.problem.stride.cols); },
      [](const test_case& c) { return static_cast<int>(c.problem.stride.rows); },
      [](const test_case& c) { return static_cast<int>(c.problem.dilation.cols); },
      [](const test_case& c) { return static_cast<int>(c.problem.dilation.rows); },
      [](const test_case& c) { return static_cast<int>(c.problem.planes); },
      [](const test_case& c) { return static_cast<int>(c.problem.filter.cols % 2); },
      [](const test_case& c) { return static_cast<int>(c.problem.filter.rows % 2); },
      [](const test_case& c) { return static_cast<int>(c.problem.in.cols == 1); },
      [](const test_case& c) { return static_cast<int>(c.problem.in.rows == 1); },
      [](const test_case& c) { return static_cast<int>(c.data); },
      [](const test_case& c) { return static_cast<int>(c.in); },
      [](const test_case& c) { return static_cast<int>(c.filter); },
      [](const test_case& c) { return static_cast<int>(c.out); },
      [](const test_case& c) { return c.threads; },
      [](const test_case& c) { return static_cast<int>(c.own_workspace); },
  };
  std::vector<test_case> cases = small_problems(dtype::cf32);
  for (const dtype in : {dtype::f32, dtype::u8}) {
    const std::vector<test_case> more = small_problems(in);
    cases.insert(cases.end(), more.begin(), more.end());
  }
  for (std::size_t i = 0; i < std::size(features); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      std::set<int> of_i;
      std::set<int> of_j;
      std::set<std::pair<int, int>> pairs;
      for (const test_case& c : cases) {
        of_i.insert(features[i](c));
        of_j.insert(features[j](c));
        pairs.insert({features[i](c), features[j](c)});
      }
      EXPECT_EQ(pairs.size(), of_i.size() * of_j.size()) << "features " << i << " and " << j;
    }
}

}  // namespace
}  // namespace convgpu::test
