// SPDX-License-Identifier: Apache-2.0

#include "planner.hpp"

#include <cmath>
#include <convgpu/error.hpp>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "names.hpp"
#include "problem.hpp"

namespace convgpu::detail {
namespace {

const backend& backend_of(device d) {
  return d.kind() == device_kind::cuda ? cuda_backend() : cpu_backend();
}

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

/// The choice among the algorithms of one device, and the chosen one made ready.
choice choose_on(device where, const normal_form& form, const filter_taps& filter,
                 const options& how, std::vector<std::string> notes) {
  choice result;
  description& why = result.why;
  why.notes = std::move(notes);

  using verdict = candidate::verdict;
  const request wanted{form, filter, how, where.index()};
  const algorithm* chosen = nullptr;
  const algorithm* last_resort = nullptr;  // the first that can, though one would rather not
  for (const algorithm& a : backend_of(where).algorithms) {
    candidate& c = why.candidates.emplace_back();
    c.algorithm = a.name;
    if (!how.algorithm.empty() && a.name != how.algorithm) {
      c.reason = how.algorithm + " was asked for";
      continue;
    }
    if (std::string reason = a.refusal(wanted); !reason.empty()) {
      if (!how.algorithm.empty())
        throw unsupported("options.algorithm: " + how.algorithm +
                          " refuses this problem: " + reason);
      c.outcome = verdict::refused;
      c.reason = std::move(reason);
      continue;
    }
    c.reason = a.drawback(wanted);
    if (chosen != nullptr) {
      if (c.reason.empty()) c.reason = std::string(chosen->name) + " comes before it";
    } else if (c.reason.empty() || !how.algorithm.empty()) {
      chosen = &a;
    } else if (last_resort == nullptr) {
      last_resort = &a;
    }
  }
  if (chosen == nullptr) chosen = last_resort;
  for (candidate& c : why.candidates) {
    if (c.algorithm != chosen->name) continue;
    c.outcome = verdict::chosen;
    c.reason = how.algorithm.empty() ? chosen->summary : "asked for";
  }

  result.algorithm = chosen->make(wanted);
  result.where = where.kind();
  why.device = to_string(where);
  why.algorithm = chosen->name;
  why.parameters = result.algorithm->parameters();
  why.exact_on_integers = result.algorithm->exact_on_integers();
  why.workspace_bytes = result.algorithm->workspace_bytes();
  return result;
}

}  // namespace

choice choose(const normal_form& form, const filter_taps& filter, const options& how) {
  check_options(how);
  std::vector<std::string> notes;
  const device where = resolve(how, notes);
  check_forced(how, where);
  const bool asked_for = how.device.kind() != device_kind::automatic || !how.algorithm.empty();
  if (where.kind() != device_kind::cuda || asked_for)
    return choose_on(where, form, filter, how, std::move(notes));

  // The device was this function's idea: what goes wrong there is no reason to have no plan.
  try {
    return choose_on(where, form, filter, how, notes);
  } catch (const std::bad_alloc&) {
    notes.emplace_back("cuda: out of memory");
  } catch (const cuda_error& e) {
    notes.push_back(std::string("cuda: ") + e.what());
  }
  return choose_on(device::cpu(), form, filter, how, std::move(notes));
}

}  // namespace convgpu::detail
