// SPDX-License-Identifier: Apache-2.0

#include "contest.hpp"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <convgpu/convgpu.hpp>
#include <cstring>
#include <memory>
#include <sstream>
#include <thread>

#include "buffers.hpp"

namespace convgpu::bench {
namespace {

class calls final : public runner {
 public:
  explicit calls(std::function<void()> f) : f_(std::move(f)) {}
  void run() override { f_(); }

 private:
  std::function<void()> f_;
};

/// What is right: the algorithm that is the definition, at some samples, since that one is slow. In between, all
/// contenders are compared with the first one that was right there.
class answer {
 public:
  answer(const task& t, std::span<const std::byte> in) : task_(t) {
    constexpr double enough = 1e7;  // multiply-adds
    const double fmas = static_cast<double>(t.outputs()) * static_cast<double>(t.taps());
    // Prime to the widths of vectors and tiles, so that the samples are at all places in them.
    constexpr extent strides[] = {{1, 1}, {3, 5}, {7, 13}, {13, 23}, {23, 43}, {43, 71}};
    for (const extent s : strides) {
      stride_ = s;
      if (fmas / static_cast<double>((t.problem.in.rows == 1 ? 1 : s.rows) * s.cols) < enough)
        break;
    }
    problem p = t.problem;
    p.stride = {p.stride.rows * stride_.rows, p.stride.cols * stride_.cols};
    const plan reference = make_plan(p, t, {.device = device::cpu(), .algorithm = "cpu/reference"});
    const extent size = reference.output_extent();
    samples_.resize(static_cast<std::size_t>(size.count() * p.planes * p.filters) *
                    size_of(p.types.out));
    reference.run(input_view(p, in.data()), output_view(p, samples_.data()));
  }

  /// What is wrong with `out`; empty if nothing is.
  [[nodiscard]] std::string check(std::span<const std::byte> out, const contender& who) {
    const double bound =
        std::max(allowed_error(task_, who.transforms), who.ours ? task_.tolerance.value_or(0) : 0);
    std::string wrong = difference(task_, out, samples_, stride_, bound);
    if (wrong.empty() && !full_.empty())
      wrong = difference(task_, out, full_, {1, 1}, bound + full_bound_);
    if (wrong.empty() && full_.empty() && !(who.ours && task_.tolerance)) {
      full_.assign(out.begin(), out.end());
      full_bound_ = bound;
    }
    return wrong;
  }

 private:
  const task& task_;
  extent stride_;
  std::vector<std::byte> samples_, full_;
  double full_bound_ = 0;
};

struct entry {
  const contender* who;
  outcome* result;
  std::unique_ptr<runner> ready;
  double once = 0;  // seconds of a run, roughly
  std::vector<double> samples{};
};

timing summary(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples.front(), samples.back(), samples.size()};
}

std::string in_seconds(double seconds) {
  std::ostringstream text;
  text.precision(2);
  text << seconds << " s";
  return text.str();
}

/// The work of tasks of one kind takes about as long a piece.
std::string kind_of(const task& t) {
  return t.is_bank() ? "images" : t.problem.groups > 1 ? "groups" : "layers";
}

}  // namespace

double seconds_by(stopwatch watch) {
  timespec now{};
  ::clock_gettime(watch == stopwatch::wall ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double runner::seconds(int times, stopwatch watch) {
  const double begin = seconds_by(watch);
  for (int n = 0; n < times; ++n) run();
  return seconds_by(watch) - begin;
}

std::unique_ptr<runner> run_by(std::function<void()> f) {
  return std::make_unique<calls>(std::move(f));
}

std::vector<outcome> contest::run(const task& t, const std::vector<const contender*>& all) {
  const auto outputs = static_cast<double>(t.outputs());
  const std::vector<std::byte> input = make_input(t);
  const touched_bytes in(t.in_bytes());
  const touched_bytes out(t.out_bytes());
  std::copy(input.begin(), input.end(), in.data());
  answer right(t, in.span());

  std::vector<outcome> results(all.size());
  std::vector<entry> running;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const contender& c = *all[i];
    const auto stop = [&](outcome::kind what, std::string why) {
      results[i].what = what;
      results[i].why = std::move(why);
    };
    try {
      // Of a transform the time does not grow with the filter.
      const double amount = c.transforms ? outputs : outputs * static_cast<double>(t.taps());
      const std::string kind = c.name + " " + kind_of(t);
      const auto last = seconds_for_work_.find(kind);
      const double patience = c.ours ? 10 * how_.patience : how_.patience;
      if (last != seconds_for_work_.end() && last->second * amount > 2 * patience) {
        stop(outcome::kind::left_out,
             "left out: a run would take about " + in_seconds(last->second * amount));
        continue;
      }
      entry e{&c, &results[i], c.prepare(t, {in.span(), out.span()})};
      std::memset(out.data(), 0xff, out.size());
      const double begin = seconds_by(stopwatch::wall);
      e.ready->run();
      e.once = seconds_by(stopwatch::wall) - begin;
      const std::string wrong = right.check(out.span(), c);
      if (!wrong.empty()) {
        stop(outcome::kind::wrong, "wrong result: " + wrong);
        continue;
      }
      // The first run may have been the slower one, but not by that much.
      if (e.once < 2 * patience) e.once = e.ready->seconds(1, how_.watch);
      seconds_for_work_[kind] = e.once / amount;
      if (e.once > patience) {
        stop(outcome::kind::left_out, "left out: a run takes " + in_seconds(e.once));
        continue;
      }
      if (e.once < how_.sample / 4) e.once = e.ready->seconds(4, how_.watch) / 4;
      running.push_back(std::move(e));
    } catch (const unsupported& e) {
      stop(outcome::kind::refused, "refused: " + std::string(e.what()));
    } catch (const std::bad_alloc&) {
      stop(outcome::kind::left_out, "out of memory");
    } catch (const std::exception& e) {
      stop(outcome::kind::wrong, e.what());
    }
  }

  for (int round = 0; round < how_.rounds; ++round)
    for (entry& e : running) {
      // Who takes long is less disturbed, too: three samples of those will do.
      const bool slow = e.once > 10 * how_.sample;
      if (slow && round % std::max(how_.rounds / 3, 1) != 0) continue;
      // Threads of the one before may still be spinning.
      if (threads_ > 1) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (e.once < how_.sample) (void)e.ready->seconds(1, how_.watch);
      const int times = static_cast<int>(std::ceil(how_.sample / e.once));
      e.samples.push_back(e.ready->seconds(times, how_.watch) / times);
    }
  for (entry& e : running) {
    e.result->time = summary(std::move(e.samples));
    e.result->remark = e.ready->remark();
  }
  return results;
}

}  // namespace convgpu::bench
