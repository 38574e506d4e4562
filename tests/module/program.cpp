// SPDX-License-Identifier: Apache-2.0
// program WORD...: the probe in a program that is linked to libconvgpu.
#include "probe.hpp"

int main(int argc, char** argv) {
  return probe(argc - 1, argv + 1);
}
