// SPDX-License-Identifier: Apache-2.0

#include "device_session.hpp"

#include <algorithm>

#include "counters.hpp"

namespace convgpu::bench {
namespace {

/// Beyond that a run takes longer than its launch.
constexpr std::size_t most_bytes_in_a_row = std::size_t{4} << 20;

}  // namespace

bool device_session::bears_plain(const task& t) {
  return static_cast<double>(t.outputs()) * static_cast<double>(t.taps()) <= 2e10;
}

void device_session::run(benchmark::State& state, const task& t, const std::string& algorithm) {
  if (std::chrono::steady_clock::now() > end_)
    return state.SkipWithError("left out: the time is over");
  try {
    const plan p = make_plan(t.problem, t, {.device = device::cuda(), .algorithm = algorithm});
    place& at = place_for(t);
    prepare(t);
    at.load(input_, t.out_bytes());
    const any_const_view from = input_view(t.problem, at.in(), at.where());
    const any_view to = output_view(t.problem, at.out(), at.where());
    const work once = [&](stream on) { p.run(from, to, on); };

    (void)at.seconds(once);
    const std::string wrong =
        difference(t, at.fetch(), expected_, {1, 1},
                   std::max(allowed_error(t, false), t.tolerance.value_or(0)));
    if (!wrong.empty()) {
      all_right_ = false;
      return state.SkipWithError(("wrong result: " + wrong).c_str());
    }
    report(state, t, at, repeat([&] { return at.seconds(once); }));
    if (t.in_bytes() + t.out_bytes() > most_bytes_in_a_row || p.workspace_bytes() > 0) return;
    if (const std::optional<row_seconds> row = at.seconds_in_a_row(once)) {
      state.counters["launched_us"] = row->launched * 1e6;
      state.counters["replayed_us"] = row->replayed * 1e6;
    }
  } catch (const unsupported& e) {
    state.SkipWithError(("refused: " + std::string(e.what())).c_str());
  } catch (const std::bad_alloc&) {
    state.SkipWithError("out of memory");
  } catch (const std::exception& e) {
    all_right_ = false;
    state.SkipWithError(e.what());
  }
}

place& device_session::place_for(const task& t) {
  const bool on_host = t.where == purpose::host;
  std::unique_ptr<place>& found = places_[on_host];
  if (!found) found = on_host ? make_round_trip_place() : make_device_place();
  return *found;
}

/// Input and right answer, which is all of the CPU's, made for the first algorithm and kept for the others.
void device_session::prepare(const task& t) {
  const std::string key = t.title("");
  if (key == prepared_) return;
  prepared_.clear();
  input_ = make_input(t);
  const problem& p = t.problem;
  const plan answer = make_plan(p, t, {.device = device::cpu()});
  expected_.assign(t.out_bytes(), std::byte{});
  answer.run(input_view(p, input_.data()), output_view(p, expected_.data()));
  prepared_ = key;
}

void device_session::report(benchmark::State& state, const task& t, place& at, const timing& time) {
  count(state, t, time);
  if (t.where == purpose::check) return;
  timing& copy = copies_[{&at, t.in_bytes(), t.out_bytes()}];
  if (copy.samples == 0)
    copy = repeat([&] { return at.copy_seconds(t.in_bytes(), t.out_bytes()); });
  auto& counters = state.counters;
  counters["copy_bytes/s"] = static_cast<double>(t.in_bytes() + t.out_bytes()) / copy.median;
  counters["of_copy"] = copy.median / time.median;
  if (t.problem.types.in == dtype::f32 && at.fma_rate() > 0)
    counters["of_fma"] = static_cast<double>(t.outputs()) * static_cast<double>(t.taps()) /
                         time.median / at.fma_rate();
}

}  // namespace convgpu::bench
