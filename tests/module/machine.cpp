// SPDX-License-Identifier: Apache-2.0
// The machine that the tests' module finds when it is loaded: TEST_MACHINE says which.

#include <cstdlib>
#include <cuda_on_host.hpp>
#include <string_view>

namespace {

const bool chosen = [] {
  const char* const text = std::getenv("TEST_MACHINE");
  const std::string_view name = text != nullptr ? text : "";
  cuda_on_host::machine machine;
  if (name == "no driver") machine.driver_version = 0;
  if (name == "old driver") machine.driver_version = 12040;
  if (name == "no device") machine.devices = 0;
  if (name == "old device") machine.device.major = 7, machine.device.minor = 0;
  if (name == "full device") machine.device.totalGlobalMem = 0;
  cuda_on_host::reset(machine);
  // The driver's version is asked first, then the number of devices.
  if (name == "no memory for a device") cuda_on_host::fail_call(2, cudaErrorMemoryAllocation);
  // Behind four questions about the device and one for a function of the driver's, where a plan is made.
  if (name == "broken device") cuda_on_host::fail_call(6, cudaErrorUnknown);
  return true;
}();

}  // namespace
