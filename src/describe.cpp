// SPDX-License-Identifier: Apache-2.0
// Words about the library: devices, plans, backends, version.

#include <charconv>
#include <convgpu/detail/backend.hpp>
#include <convgpu/detail/separable.hpp>
#include <convgpu/error.hpp>
#include <convgpu/plan.hpp>
#include <convgpu/version.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "json_text.hpp"
#include "problem.hpp"
#include "words.hpp"

namespace convgpu {

std::string to_string(device d) {
  switch (d.kind()) {
    case device_kind::automatic: return "auto";
    case device_kind::cpu: return "cpu";
    case device_kind::cuda: break;
  }
  return "cuda:" + std::to_string(d.index());
}

device parse_device(std::string_view name) {
  if (name == "auto") return device::automatic();
  if (name == "cpu") return device::cpu();
  if (name == "cuda") return device::cuda(0);
  if (name.starts_with("cuda:")) {
    const std::string_view digits = name.substr(5);
    int index = -1;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (status == std::errc{} && end == digits.data() + digits.size() && index >= 0)
      return device::cuda(index);
  }
  throw invalid_problem("device: unknown name \"" + std::string(name) +
                        "\"; allowed: auto, cpu, cuda, cuda:N");
}

namespace {

/// What differs from the plain case, so that nothing that shapes the result goes unsaid.
std::string particulars(const problem& p) {
  const auto pair = [](std::int64_t rows, std::int64_t cols) {
    return std::to_string(rows) + "," + std::to_string(cols);
  };
  std::string text(to_string(p.mode));
  if (p.mode != mode::valid || p.padding != padding{}) {
    text += ", border " + std::string(to_string(p.border.kind()));
    if (p.border.kind() == border_kind::constant) {
      text += " " + detail::to_text(p.border.value().real());
      if (p.border.value().imag() != 0)
        text += " + " + detail::to_text(p.border.value().imag()) + "i";
    }
  }
  if (p.origin != offset{}) text += ", origin " + pair(p.origin.rows, p.origin.cols);
  if (p.stride != extent{1, 1}) text += ", stride " + pair(p.stride.rows, p.stride.cols);
  if (p.dilation != extent{1, 1}) text += ", dilation " + pair(p.dilation.rows, p.dilation.cols);
  if (p.padding != padding{})
    text += ", padding " + pair(p.padding.top, p.padding.bottom) + "," +
            pair(p.padding.left, p.padding.right);
  if (p.planes != 1) text += ", " + std::to_string(p.planes) + " planes";
  if (p.channels != 1 || p.filters != 1)
    text += ", " + std::to_string(p.channels) +
            (p.channels == 1 ? " channel to " : " channels to ") + std::to_string(p.filters);
  if (p.groups != 1) text += " in " + std::to_string(p.groups) + " groups";
  if (is_integer(p.types.out) && p.overflow == overflow::wrap) text += ", overflow wrap";
  if (p.op == operation::correlation && is_complex(p.types.filter) && !p.conjugate)
    text += ", not conjugated";
  return text;
}

const char* outcome_of(const candidate& c) {
  switch (c.outcome) {
    case candidate::verdict::chosen: return "chosen";
    case candidate::verdict::refused: return "refused";
    case candidate::verdict::beaten: break;
  }
  return "not taken";
}

/// What is known of a candidate beside its reason.
std::string figures(const candidate& c) {
  std::string text;
  if (c.predicted_seconds)
    text += "; " + detail::duration(*c.predicted_seconds) + " predicted, bound by " +
            std::string(to_string(c.bound_by.value_or(bound::overhead)));
  if (c.measured_seconds) text += "; " + detail::duration(*c.measured_seconds) + " measured";
  if (c.workspace_bytes) text += "; workspace " + std::to_string(*c.workspace_bytes) + " bytes";
  if (c.error_bound)
    text += *c.error_bound > 0 ? "; error up to " + detail::short_text(*c.error_bound)
                               : std::string("; exact sums");
  return text;
}

}  // namespace

std::string_view to_string(bound b) noexcept {
  switch (b) {
    case bound::overhead: return "overhead";
    case bound::arithmetic: return "arithmetic";
    case bound::memory: return "memory";
    case bound::transfer: return "transfer";
  }
  return "?";
}

std::string plan::explain() const {
  const description& d = describe();
  const convgpu::problem& p = problem();
  std::string text = d.algorithm + " on " + d.device + ": " + std::string(to_string(p.op)) +
                     " of " + detail::to_text(p.in) + " " + std::string(to_string(p.types.in)) +
                     " with " + detail::to_text(p.filter) + " " +
                     std::string(to_string(p.types.filter)) + ", " + particulars(p) + " -> " +
                     detail::to_text(output_extent()) + " " + std::string(to_string(p.types.out)) +
                     "\n";
  text += "  " + d.parameters + "; workspace " + std::to_string(d.workspace_bytes) + " bytes; " +
          (d.exact_on_integers ? "exact on integers" : "not exact on integers") + "\n";
  for (const candidate& c : d.candidates)
    text += "  " + c.algorithm + " " + outcome_of(c) + ": " + c.reason + figures(c) + "\n";
  text += "  rates: " + d.rates + "\n";
  for (const std::string& note : d.notes) text += "  " + note + "\n";
  return text;
}

std::string plan::explain_json() const {
  using detail::json_list;
  using detail::json_object;
  using detail::to_text;
  const description& d = describe();
  const convgpu::problem& p = problem();
  const auto size = [](extent e) {
    return json_list({std::to_string(e.rows), std::to_string(e.cols)});
  };
  const auto quoted = [](std::string_view text) { return detail::json_text(text); };
  std::vector<std::string> candidates;
  for (const candidate& c : d.candidates) {
    json_object one;
    one.add("algorithm", quoted(c.algorithm));
    one.add("outcome", quoted(outcome_of(c)));
    one.add("reason", quoted(c.reason));
    if (c.predicted_seconds) one.add("predicted_seconds", to_text(*c.predicted_seconds));
    if (c.bound_by) one.add("bound_by", quoted(to_string(*c.bound_by)));
    if (c.measured_seconds) one.add("measured_seconds", to_text(*c.measured_seconds));
    if (c.workspace_bytes) one.add("workspace_bytes", std::to_string(*c.workspace_bytes));
    if (c.error_bound) one.add("error_bound", to_text(*c.error_bound));
    candidates.push_back(one.text());
  }
  std::vector<std::string> notes;
  for (const std::string& note : d.notes) notes.push_back(quoted(note));
  json_object what;
  what.add("operation", quoted(to_string(p.op)));
  what.add("in", size(p.in));
  what.add("filter", size(p.filter));
  what.add("out", size(output_extent()));
  what.add("planes", std::to_string(p.planes));
  what.add("channels", std::to_string(p.channels));
  what.add("filters", std::to_string(p.filters));
  what.add("groups", std::to_string(p.groups));
  what.add("types", json_list({quoted(to_string(p.types.in)), quoted(to_string(p.types.filter)),
                               quoted(to_string(p.types.out))}));
  what.add("particulars", quoted(particulars(p)));
  json_object all;
  all.add("device", quoted(d.device));
  all.add("algorithm", quoted(d.algorithm));
  all.add("parameters", quoted(d.parameters));
  all.add("exact_on_integers", d.exact_on_integers ? "true" : "false");
  all.add("workspace_bytes", std::to_string(d.workspace_bytes));
  all.add("problem", what.text());
  all.add("candidates", json_list(candidates));
  all.add("rates", quoted(d.rates));
  all.add("notes", json_list(notes));
  return all.text();
}

std::vector<backend_info> backends() {
  std::vector<backend_info> all;
  for (const detail::backend* b : {&detail::cpu_backend(), &detail::cuda_backend()}) {
    backend_info& info = all.emplace_back();
    info.name = b->name;
    info.unavailable = b->unavailable(0);
    if (info.unavailable.empty()) info.devices = b->devices();
    for (const detail::algorithm& a : b->algorithms)
      info.algorithms.push_back({std::string(a.name), std::string(a.summary)});
  }
  return all;
}

#define CONVGPU_TEXT_OF(x) #x
#define CONVGPU_TEXT(x) CONVGPU_TEXT_OF(x)

std::string_view version() noexcept {
  return CONVGPU_TEXT(CONVGPU_VERSION_MAJOR) "." CONVGPU_TEXT(
      CONVGPU_VERSION_MINOR) "." CONVGPU_TEXT(CONVGPU_VERSION_PATCH);
}

}  // namespace convgpu
