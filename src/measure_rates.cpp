// SPDX-License-Identifier: Apache-2.0
// Rates from the times of probes. A prediction is a sum of rates, each times how many of the thing there are; asked
// with all rates 0 but one of 1, it says how many. The rates are then those, none negative, that come nearest to all
// the times: least squares of relative errors.

#include <time.h>

#include <algorithm>
#include <cmath>
#include <convgpu/detail/floating_point.hpp>
#include <cstring>
#include <functional>
#include <random>

#include "calibration.hpp"
#include "problem.hpp"
#include "trial.hpp"

namespace convgpu::detail {
namespace {

/// What others do on the machine takes no time of this thread's.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Seconds of a call: of some samples one that little disturbed, but not the luckiest.
double seconds_of(const std::function<void()>& call) {
  constexpr double sample = 0.003;
  constexpr int samples = 9;
  call();
  std::int64_t times = 1;
  const auto timed = [&] {
    const double begin = thread_seconds();
    for (std::int64_t n = 0; n < times; ++n) call();
    return thread_seconds() - begin;
  };
  for (double took = timed(); took < sample; took = timed())
    times = std::max(times + 1, static_cast<std::int64_t>(static_cast<double>(times) *
                                                          std::min(1.2 * sample / took, 100.0)));
  std::vector<double> all;
  for (int n = 0; n < samples; ++n) all.push_back(timed() / static_cast<double>(times));
  std::nth_element(all.begin(), all.begin() + samples / 4, all.end());
  return all[samples / 4];
}

/// How many of each thing a probe has, for each second that it takes.
using equation = std::vector<double>;

filter_taps taps_of(const probe& p, const problem& problem) {
  const dtype type = problem.types.filter;
  std::mt19937 source(5);
  const auto some = [&](std::int64_t) {
    return is_integer(type) ? static_cast<double>(source() % 4 + 1)
                            : static_cast<double>(source() % 1000 + 1) / 1000;
  };
  if (p.taps == probe_filter::random) {
    const auto h = elements(type, p.filter.count() * p.channels * p.filters, some);
    return read_taps(problem, any_const_view(h.data(), type, p.filter, p.filters, p.channels,
                                             dense(p.filter, p.channels)));
  }
  const auto view_of = [&](const std::vector<std::byte>& bytes, extent size) {
    return any_const_view(bytes.data(), type, size, 1, dense(size));
  };
  const auto factor = [&](std::int64_t count) {
    return elements(type, count, [&, count](std::int64_t i) {
      if (p.taps == probe_filter::product) return some(i);
      return p.taps == probe_filter::box ? 1 : static_cast<double>(std::min(i, count - 1 - i) + 1);
    });
  };
  const auto column = factor(p.filter.rows);
  const auto row = factor(p.filter.cols);
  return read_factors(problem, view_of(column, extent(p.filter.rows)),
                      view_of(row, extent(p.filter.cols)));
}

/// Nothing for an algorithm that refuses the probe.
equation measured(const backend& b, const probe& p) {
  const auto a = std::find_if(b.algorithms.begin(), b.algorithms.end(),
                              [&](const algorithm& c) { return c.name == p.algorithm; });
  const problem problem{.in = p.in,
                        .filter = p.filter,
                        .channels = p.channels,
                        .filters = p.filters,
                        .types = p.types,
                        .mode = mode::same,
                        .border = p.border};
  const normal_form form = normalise(problem);
  const filter_taps taps = taps_of(p, problem);
  const options how{.max_threads = 1};
  const request wanted{form, taps, how, 0};
  if (!a->refusal(wanted).empty()) return {};
  const std::unique_ptr<const runnable> made = a->make(wanted);
  std::vector<std::byte> workspace(made->workspace_bytes());
  trial data(form);
  const double seconds = seconds_of([&] { data.run(*made, workspace); });
  equation e;
  std::vector<double> unit(b.table.names.size());
  for (double& one : unit) {
    one = 1;
    e.push_back(a->cost(wanted, unit).seconds / seconds);
    one = 0;
  }
  return e;
}

/// The x ≥ 0 for which Σ_j e[i][j]·x[j] is nearest to 1 in all of them, one x after the other, from `x` on; those in
/// no equation stay.
std::vector<double> solved(const std::vector<equation>& all, std::vector<double> x) {
  constexpr int rounds = 20000;
  std::vector<double> rest;  // 1 − Σ
  for (const equation& e : all) {
    double sum = 1;
    for (std::size_t j = 0; j < x.size(); ++j) sum -= e[j] * x[j];
    rest.push_back(sum);
  }
  for (int n = 0; n < rounds; ++n)
    for (std::size_t j = 0; j < x.size(); ++j) {
      double squares = 0;
      double towards = 0;
      for (std::size_t i = 0; i < all.size(); ++i) {
        squares += all[i][j] * all[i][j];
        towards += all[i][j] * rest[i];
      }
      if (squares == 0) continue;
      const double step = std::max(towards / squares, -x[j]);
      x[j] += step;
      for (std::size_t i = 0; i < all.size(); ++i) rest[i] -= all[i][j] * step;
    }
  return x;
}

}  // namespace

std::vector<double> measure_rates(const backend& b) {
  const default_floating_point environment;
  std::vector<equation> equations;
  for (const probe& p : b.table.probes)
    if (equation e = measured(b, p); !e.empty()) equations.push_back(std::move(e));
  std::vector<double> values = solved(equations, b.table.built_in(0));
  for (const rate_table::copy& c : b.table.copies) {
    const std::vector<std::byte> from(c.bytes, std::byte{1});
    std::vector<std::byte> to(c.bytes);
    const double seconds = seconds_of([&] { std::memcpy(to.data(), from.data(), c.bytes); });
    const auto name = std::find(b.table.names.begin(), b.table.names.end(), c.name);
    values[static_cast<std::size_t>(name - b.table.names.begin())] =
        seconds / (2 * static_cast<double>(c.bytes));
  }
  return values;
}

}  // namespace convgpu::detail
