// SPDX-License-Identifier: Apache-2.0
// convgpu_cuda_report: what the kernels move and need, and bank conflicts, as tables in Markdown, or, with --json, those
// of large problems, for scripts/gpu_report.py. It asks no GPU: bytes and barriers are counted on the stand-in for the
// CUDA runtime, the rest is arithmetic.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "cuda/tuning.hpp"
#include "cuda_banks.hpp"
#include "cuda_occupancy.hpp"
#include "cuda_traffic.hpp"

namespace convgpu::test {
namespace {

std::string text(extent e) {
  return std::to_string(e.rows) + "x" + std::to_string(e.cols);
}

void print_row(const traffic_case& c) {
  const traffic t = measure(c);
  const problem& p = c.problem;
  const auto outputs = static_cast<double>(output_bytes(p)) / sizeof(float);
  const auto loaded = static_cast<double>(t.loaded);
  const auto stored = static_cast<double>(t.stored);
  const auto least = static_cast<double>(input_bytes(p) + output_bytes(p));
  const std::string channels =
      p.filters == 1 ? "" : ", " + std::to_string(p.channels) + " to " + std::to_string(p.filters);
  std::printf("| %s | %s | %s%s%s | %d | %s | %zu | %.2f | %.2f | %.2f | %.2f | %zu |",
              c.algorithm.c_str(), text(p.filter).c_str(), text(p.in).c_str(),
              p.planes == 1 ? "" : (" x" + std::to_string(p.planes)).c_str(), channels.c_str(),
              c.multiprocessors, t.parameters.c_str(), t.launches, loaded / outputs,
              stored / outputs, (loaded + stored) / least,
              static_cast<double>(t.barriers) * 1000 / outputs, t.shared);
  for (const multiprocessor& m : multiprocessors) std::printf(" %d |", resident_on(m, c, t));
  std::printf("\n");
}

void print_traffic() {
  std::printf(
      "Bytes are f32, read or written for each output; the ratio is to reading input and filter "
      "and writing\n"
      "the output once. Blocks per multiprocessor follow from threads, shared memory and the "
      "registers that\n"
      "the launch bounds leave. Where there are channels, it says how many become how many.\n\n"
      "| algorithm | filter | input | multiprocessors | made of it | launches | read | written | "
      "ratio | "
      "barriers per 1000 outputs | shared memory per block |");
  for (const multiprocessor& m : multiprocessors) std::printf(" %s |", m.name);
  std::printf("\n|---|---|---|---|---|---|---|---|---|---|---|");
  for (std::size_t i = 0; i < std::size(multiprocessors); ++i) std::printf("---|");
  std::printf("\n");
  for (const traffic_case& c : traffic_cases()) print_row(c);
}

/// {kernel, access, bytes of an element}: the most turns that any warp takes. Kernels of f32; stages of transforms, of
/// which there are many, together.
std::map<std::tuple<std::string, std::string, int>, int> most_turns() {
  std::map<std::tuple<std::string, std::string, int>, int> most;
  for (const kernel_accesses& k : all_kernels()) {
    if (!k.kernel.ends_with("_f32")) continue;
    for (const shared_access& a : k.all) {
      const std::string what = a.what.starts_with("stage ") ? "stages" : a.what;
      int& of_this = most[{k.kernel, what, a.element_bytes}];
      for (int thread = 0; thread < cuda::block_threads; thread += 32)
        of_this = std::max(of_this, turns(a.at, thread, a.element_bytes));
    }
  }
  return most;
}

void print_banks() {
  std::printf(
      "\nTurns of shared memory that a warp needs for an access at most, and the fewest that its "
      "bytes allow:\n"
      "what is more are bank conflicts.\n\n"
      "| kernel | access | bytes of a thread | turns | fewest |\n|---|---|---|---|---|\n");
  for (const auto& [of, most] : most_turns()) {
    const auto& [kernel, what, bytes] = of;
    std::printf("| %s | %s | %d | %d | %d |\n", kernel.c_str(), what.c_str(), bytes, most,
                fewest_turns(bytes));
  }
}

/// Bytes of a large problem are those that its tiles say, which the tests hold to what is counted; threads and shared
/// memory are those of a small one. "resident" has the blocks on a multiprocessor where a thread has 8, 16, … registers.
void print_json_row(const large_case& c) {
  const traffic t = measure(c.small);
  const problem& p = c.large.problem;
  std::printf(
      "{\"name\": \"%s\", \"algorithm\": \"%s\", \"taps\": [%lld, %lld], \"outputs\": %.0f, "
      "\"loaded\": %.0f, \"samples\": %.0f, \"input\": %.0f, \"output\": %.0f, \"shared\": %zu, "
      "\"threads\": %d, \"strip\": %lld, \"points\": [%lld, %lld], \"stages\": %d, \"resident\": "
      "{",
      c.name.c_str(), c.large.algorithm.c_str(), static_cast<long long>(p.filter.rows),
      static_cast<long long>(p.filter.cols), static_cast<double>(output_bytes(p)) / sizeof(float),
      static_cast<double>(c.large.predicted(c.large)), static_cast<double>(c.samples),
      static_cast<double>(input_bytes(p)), static_cast<double>(output_bytes(p)), t.shared,
      t.threads, static_cast<long long>(c.strip), static_cast<long long>(c.points),
      static_cast<long long>(c.blocks), c.stages);
  const char* comma = "";
  for (const multiprocessor& m : multiprocessors) {
    std::printf("%s\"%s\": [", comma, m.name);
    for (int registers = 8; registers <= 256; registers += 8)
      std::printf("%s%d", registers == 8 ? "" : ", ",
                  resident_blocks(m, t.threads, registers, t.shared));
    std::printf("]");
    comma = ", ";
  }
  std::printf("}}");
}

void print_json() {
  std::printf("{\"warps\": {");
  const char* comma = "";
  for (const multiprocessor& m : multiprocessors) {
    std::printf("%s\"%s\": %d", comma, m.name, m.threads / 32);
    comma = ", ";
  }
  std::printf("},\n\"banks\": [");
  comma = "\n";
  for (const auto& [of, most] : most_turns()) {
    const auto& [kernel, what, bytes] = of;
    std::printf("%s[\"%s\", \"%s\", %d, %d, %d]", comma, kernel.c_str(), what.c_str(), bytes, most,
                fewest_turns(bytes));
    comma = ",\n";
  }
  std::printf("],\n\"problems\": [");
  comma = "\n";
  for (const large_case& c : large_cases()) {
    std::printf("%s", comma);
    print_json_row(c);
    comma = ",\n";
  }
  std::printf("]}\n");
}

}  // namespace
}  // namespace convgpu::test

int main(int argc, char** argv) {
  const bool json = argc == 2 && std::string_view(argv[1]) == "--json";
  if (argc > 1 && !json) {
    std::fprintf(stderr, "usage: convgpu_cuda_report [--json]\n");
    return 2;
  }
  try {
    if (json) {
      convgpu::test::print_json();
    } else {
      convgpu::test::print_traffic();
      convgpu::test::print_banks();
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "convgpu_cuda_report: %s\n", e.what());
    return 1;
  }
}
