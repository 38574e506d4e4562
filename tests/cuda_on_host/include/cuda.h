// SPDX-License-Identifier: Apache-2.0
// The part of the driver's interface that this project uses, by way of cudaGetDriverEntryPointByVersion only.
#pragma once

enum CUresult {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_UNKNOWN = 999,
};

using CUdeviceptr = unsigned long long;

enum CUpointer_attribute {
  CU_POINTER_ATTRIBUTE_RANGE_START_ADDR = 11,
  CU_POINTER_ATTRIBUTE_RANGE_SIZE = 12,
};
