// SPDX-License-Identifier: Apache-2.0
// Words about the library: devices, plans, backends, version.

#include <charconv>
#include <convgpu/detail/backend.hpp>
#include <convgpu/error.hpp>
#include <convgpu/plan.hpp>
#include <convgpu/version.hpp>
#include <string>

#include "problem.hpp"

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
  if (p.mode != mode::valid) {
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
  if (p.planes != 1) text += ", " + std::to_string(p.planes) + " planes";
  if (is_integer(p.types.out) && p.overflow == overflow::wrap) text += ", overflow wrap";
  if (p.op == operation::correlation && is_complex(p.types.filter) && !p.conjugate)
    text += ", not conjugated";
  return text;
}

}  // namespace

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
  for (const candidate& c : d.candidates) {
    const char* outcome = c.outcome == candidate::verdict::chosen    ? "chosen"
                          : c.outcome == candidate::verdict::refused ? "refused"
                                                                     : "not taken";
    text += "  " + c.algorithm + " " + outcome + ": " + c.reason + "\n";
  }
  for (const std::string& note : d.notes) text += "  " + note + "\n";
  return text;
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
