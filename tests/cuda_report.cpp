// SPDX-License-Identifier: Apache-2.0
// convgpu_cuda_report: what the kernels move and need, as a table in Markdown. It asks no GPU: bytes and
// barriers are counted on the stand-in for the CUDA runtime, the rest is arithmetic.

#include <cstdio>
#include <exception>
#include <string>

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

void print() {
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

}  // namespace
}  // namespace convgpu::test

int main() {
  try {
    convgpu::test::print();
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "convgpu_cuda_report: %s\n", e.what());
    return 1;
  }
}
