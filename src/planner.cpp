// SPDX-License-Identifier: Apache-2.0

#include "planner.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <convgpu/error.hpp>
#include <limits>
#include <new>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "calibration.hpp"
#include "names.hpp"
#include "problem.hpp"
#include "trial.hpp"
#include "words.hpp"

namespace convgpu::detail {
namespace {

/// The device to plan for; what was passed over goes to `notes`.
device resolve(const options& how, std::vector<std::string>& notes) {
  device wanted = how.device;
  const bool automatic = wanted.kind() == device_kind::automatic;
  // A forced algorithm says by its name where it runs.
  if (automatic) wanted = how.algorithm.starts_with("cpu/") ? device::cpu() : device::cuda(0);
  std::string reason = backend_of(wanted).unavailable(wanted.index());
  if (reason.empty()) return wanted;
  const int count = backend_of(wanted).device_count();
  if (count > 0 && wanted.index() >= count)
    throw invalid_problem("options.device: " + to_string(wanted) + "; allowed: " +
                          (count == 1 ? "" : "cuda:0 to ") + "cuda:" + std::to_string(count - 1));
  if (automatic && wanted != device::cpu() && !how.algorithm.starts_with("cuda/")) {
    notes.push_back("cuda: " + reason);
    wanted = device::cpu();
    reason = backend_of(wanted).unavailable(0);
    if (reason.empty()) return wanted;
  }
  throw backend_unavailable("device: " + to_string(wanted) + " cannot be used: " + reason);
}

void check_options(const options& how) {
  if (how.max_threads < 0)
    throw invalid_problem("options.max_threads: " + std::to_string(how.max_threads) +
                          "; allowed: 0 (all) or more");
  if (how.tolerance && !(*how.tolerance >= 0))
    throw invalid_problem(
        "options.tolerance: " + to_text(*how.tolerance) +
        "; allowed: 0 or more, as a fraction of the filter's norm times the input's "
        "largest magnitude");
  // Enumerators can come from casts.
  if (how.policy != policy::predict && how.policy != policy::measure)
    throw invalid_problem("options.policy: " + std::to_string(static_cast<int>(how.policy)) +
                          "; allowed: predict, measure");
  if (how.data != memory::host && how.data != memory::device)
    throw invalid_problem("options.data: " + std::to_string(static_cast<int>(how.data)) +
                          "; allowed: host, device");
  if (how.device.kind() == device_kind::cuda && how.device.index() < 0)
    throw invalid_problem("options.device: cuda:" + std::to_string(how.device.index()) +
                          "; allowed: an index from 0 on");
}

void check_forced(const options& how, device where) {
  const auto algorithms = backend_of(where).algorithms;
  if (how.algorithm.empty()) return;
  for (const algorithm& a : algorithms)
    if (a.name == how.algorithm) return;
  throw invalid_problem(
      "options.algorithm: \"" + how.algorithm + "\" is none of " + to_string(where) +
      "'s; allowed: " + list_of(algorithms, [](const algorithm& a) { return a.name; }));
}

/// An algorithm that does not refuse, and what is known of it.
struct entrant {
  const algorithm* who;
  candidate* told;
  double seconds;  ///< predicted, or measured
  std::unique_ptr<const runnable> made = nullptr;
};

/// The choice among the algorithms of one device.
class contest {
 public:
  contest(device where, const normal_form& form, const filter_taps& filter, const options& how,
          description& why)
      : backend_(backend_of(where)), wanted_{form, filter, how, where.index()}, why_(why) {
    rates_in_use rates = rates_of(backend_, where.index());
    why_.rates = std::move(rates.source);
    if (!rates.ignored.empty()) why_.notes.push_back(std::move(rates.ignored));
    why_.candidates.resize(backend_.algorithms.size());
    for (std::size_t i = 0; i < why_.candidates.size(); ++i)
      enter(backend_.algorithms[i], why_.candidates[i], rates.values);
    sort();
  }

  /// Puts those that are likely enough to be the fastest into the order of what they take.
  void measure() {
    constexpr double likely = 4;  // times as slow by prediction
    constexpr double most_data = 1 << 28;
    if (entrants_.size() < 2 || is_last(entrants_[1])) return;
    const double most = std::min(static_cast<double>(wanted_.how.max_workspace), most_data);
    const std::optional<normal_form> form = cut(wanted_.form, most);
    if (!form) {
      why_.notes.push_back(
          "policy: nothing was measured, as options.max_workspace leaves no memory for data");
      return;
    }
    const request part{*form, wanted_.filter, wanted_.how, wanted_.device};
    const bool whole = trial::bytes(*form) == trial::bytes(wanted_.form);
    trial data(*form);
    const double limit = likely * entrants_.front().seconds;
    for (entrant& e : entrants_) {
      if (is_last(e) || e.seconds > limit) continue;
      try {
        if (!whole && !e.who->refusal(part).empty()) continue;
        std::unique_ptr<const runnable> made = e.who->make(part);
        if (made->workspace_bytes() > wanted_.how.max_workspace) continue;
        e.told->measured_seconds = time(*made, data);
        if (whole) e.made = std::move(made);
      } catch (const std::bad_alloc&) {  // it would fail when it is run, too
        fails(e, "out of memory");
      } catch (const cuda_error& failed) {
        fails(e, failed.what());
      }
    }
    for (entrant& e : entrants_)
      e.seconds = e.told->measured_seconds.value_or(std::numeric_limits<double>::infinity());
    sort();
  }

  /// The first one whose workspace fits, made ready. \throws unsupported if none does
  std::unique_ptr<const runnable> winner() {
    std::size_t smallest = std::numeric_limits<std::size_t>::max();
    entrant* chosen = nullptr;
    for (entrant& e : entrants_) {
      if (e.made == nullptr) e.made = e.who->make(wanted_);
      const std::size_t needed = e.made->workspace_bytes();
      e.told->workspace_bytes = needed;
      if (needed <= wanted_.how.max_workspace) {
        chosen = &e;
        break;
      }
      smallest = std::min(smallest, needed);
      e.told->outcome = candidate::verdict::refused;
      e.told->reason = "its workspace, " + std::to_string(needed) +
                       " bytes or more, is larger than options.max_workspace, " +
                       std::to_string(wanted_.how.max_workspace);
      e.made = nullptr;
    }
    if (chosen == nullptr)
      throw unsupported("options.max_workspace: " + std::to_string(wanted_.how.max_workspace) +
                        " bytes; allowed: " + std::to_string(smallest) + " or more" +
                        (wanted_.how.algorithm.empty() ? "" : " with " + wanted_.how.algorithm));
    for (entrant& e : entrants_)
      if (e.told->outcome == candidate::verdict::beaten) e.told->reason = compared(e, *chosen);
    chosen->told->outcome = candidate::verdict::chosen;
    chosen->told->reason =
        wanted_.how.algorithm.empty() ? std::string(chosen->who->summary) : "asked for";
    why_.algorithm = chosen->who->name;
    return std::move(chosen->made);
  }

 private:
  void enter(const algorithm& a, candidate& c, rates values) {
    const std::string& forced = wanted_.how.algorithm;
    c.algorithm = a.name;
    if (!forced.empty() && a.name != forced) {
      c.reason = forced + " was asked for";
      return;
    }
    if (std::string reason = a.refusal(wanted_); !reason.empty()) {
      if (!forced.empty())
        throw unsupported("options.algorithm: " + forced + " refuses this problem: " + reason);
      c.outcome = candidate::verdict::refused;
      c.reason = std::move(reason);
      return;
    }
    const estimate e = a.cost(wanted_, values);
    c.predicted_seconds = e.seconds;
    const bool copies = wanted_.how.data == memory::host && backend_.transfer != nullptr;
    c.bound_by = copies && backend_.transfer(wanted_) > e.seconds ? bound::transfer : e.by;
    c.error_bound = e.error;
    entrants_.push_back({&a, &c, e.seconds});
  }

  /// The fastest first; of equal ones, the first in the list. Its last one refuses nothing, which is what it is there
  /// for: it comes after all others.
  void sort() {
    const auto key = [&](const entrant& e) { return std::tuple(is_last(e), e.seconds, e.who); };
    std::sort(entrants_.begin(), entrants_.end(),
              [&](const entrant& a, const entrant& b) { return key(a) < key(b); });
  }

  static void fails(const entrant& e, const std::string& why) {
    e.told->outcome = candidate::verdict::refused;
    e.told->reason = "failed when it was measured: " + why;
  }

  [[nodiscard]] bool is_last(const entrant& e) const noexcept {
    return e.who == &backend_.algorithms.back();
  }

  /// A run, after one that is not counted: the least of three, or of one if it takes long.
  double time(const runnable& a, trial& data) const {
    using clock = std::chrono::steady_clock;
    constexpr double long_enough = 0.1;
    // A device's algorithms find their own.
    std::vector<std::byte> workspace(backend_.transfer == nullptr ? a.workspace_bytes() : 0);
    double least = std::numeric_limits<double>::infinity();
    for (int n = 0; n < 4 && least > 0; ++n) {
      const auto begin = clock::now();
      data.run(a, workspace);
      const double took = std::chrono::duration<double>(clock::now() - begin).count();
      if (n > 0) least = std::min(least, took);
      if (n > 0 && took > long_enough) break;
    }
    return least;
  }

  [[nodiscard]] std::string compared(const entrant& loser, const entrant& chosen) const {
    const std::string name(chosen.who->name);
    if (is_last(loser)) return "taken where all others refuse";
    const auto& ours = loser.told->measured_seconds;
    const auto& best = chosen.told->measured_seconds;
    if (best && !ours) return "too slow by prediction to be measured";
    const std::string by = best ? " as measured, " : " by prediction, ";
    const double a = best ? *ours : *loser.told->predicted_seconds;
    const double b = best ? *best : *chosen.told->predicted_seconds;
    if (a <= b) return "no faster than " + name + by + "which comes before it";
    return short_number(a / b) + " times the time of " + name + by + duration(a) + " to " +
           duration(b);
  }

  const backend& backend_;
  request wanted_;
  description& why_;
  std::vector<entrant> entrants_;
};

/// The choice among the algorithms of one device, and the chosen one made ready.
choice choose_on(device where, const normal_form& form, const filter_taps& filter,
                 const options& how, std::vector<std::string> notes) {
  choice result;
  description& why = result.why;
  why.notes = std::move(notes);
  contest all(where, form, filter, how, why);
  if (how.policy == policy::measure && how.algorithm.empty()) all.measure();
  result.algorithm = all.winner();
  result.where = where.kind();
  why.device = to_string(where);
  why.parameters = result.algorithm->parameters();
  why.exact_on_integers = result.algorithm->exact_on_integers();
  why.workspace_bytes = result.algorithm->workspace_bytes();
  return result;
}

/// What the fastest algorithm of a device is predicted to take, data of the host copied there and back.
double best_on(device where, const normal_form& form, const filter_taps& filter,
               const options& how) {
  const backend& b = backend_of(where);
  const request wanted{form, filter, how, where.index()};
  const rates_in_use rates = rates_of(b, where.index());
  double best = std::numeric_limits<double>::infinity();
  for (const algorithm& a : b.algorithms)
    if (a.refusal(wanted).empty())
      best = std::min(best, a.cost(wanted, rates.values).shared_seconds);
  return best + (b.transfer != nullptr ? b.transfer(wanted) : 0);
}

/// Nothing gets to a device and back in that time. Its driver need not be asked then, which may take long.
constexpr double shortest_round_trip = 15e-6;

}  // namespace

const backend& backend_of(device d) {
  return d.kind() == device_kind::cuda ? cuda_backend() : cpu_backend();
}

device device_for(const options& how, std::vector<std::string>& notes) {
  check_options(how);
  const device where = resolve(how, notes);
  check_forced(how, where);
  return where;
}

choice choose(const normal_form& form, const filter_taps& filter, const options& how) {
  check_options(how);
  std::vector<std::string> notes;
  const bool automatic = how.device.kind() == device_kind::automatic && how.algorithm.empty();
  const bool compares =
      automatic && how.data == memory::host && cpu_backend().unavailable(0).empty();
  const double on_cpu = compares ? best_on(device::cpu(), form, filter, how) : 0;
  if (compares && on_cpu <= shortest_round_trip) {
    notes.push_back("cuda: not asked for, as copies there and back take longer than the " +
                    duration(on_cpu) + " predicted on the CPU");
    return choose_on(device::cpu(), form, filter, how, std::move(notes));
  }
  const device where = device_for(how, notes);
  if (where.kind() != device_kind::cuda || !automatic)
    return choose_on(where, form, filter, how, std::move(notes));

  // The device was this function's idea: what goes wrong there is no reason to have no plan.
  try {
    if (!compares) return choose_on(where, form, filter, how, notes);
    const double there = best_on(where, form, filter, how);
    const std::string times = duration(on_cpu) + " on the CPU by prediction, and " +
                              duration(there) + " on " + to_string(where) +
                              " with copies there and back";
    if (there < on_cpu) {
      std::vector<std::string> more = notes;
      more.push_back("cpu: " + times);
      return choose_on(where, form, filter, how, std::move(more));
    }
    notes.push_back("cuda: " + times);
  } catch (const std::bad_alloc&) {
    notes.emplace_back("cuda: out of memory");
  } catch (const cuda_error& e) {
    notes.push_back(std::string("cuda: ") + e.what());
  }
  return choose_on(device::cpu(), form, filter, how, std::move(notes));
}

}  // namespace convgpu::detail
