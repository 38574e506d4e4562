# SPDX-License-Identifier: Apache-2.0
# The CUDA backend of a shared build is a module. What makes both sides sure of each other, and how such a
# module is linked.

# A hash of the headers that the two sides share, for seam_of() in include/convgpu/detail/module.hpp.
file(GLOB headers ${PROJECT_SOURCE_DIR}/include/convgpu/*.hpp ${PROJECT_SOURCE_DIR}/include/convgpu/detail/*.hpp)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers})
set(hashes "")
foreach(header IN LISTS headers)
  file(SHA256 ${header} hash)
  string(APPEND hashes ${hash})
endforeach()
string(SHA256 hash "${hashes}")
string(SUBSTRING ${hash} 0 16 hash)
set(CONVGPU_SEAM 0x${hash}u)

# convgpu_cuda_module(TARGET): TARGET becomes a libconvgpu_cuda.so.
function(convgpu_cuda_module target)
  target_link_libraries(${target} PRIVATE convgpu)
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_compile_definitions(${target} PRIVATE CONVGPU_SEAM=${CONVGPU_SEAM})
  # nodelete, as of the library that holds on to it. It finds that library in the process: no rpath.
  target_link_options(${target} PRIVATE LINKER:-z,nodelete
    LINKER:--version-script=${PROJECT_SOURCE_DIR}/cuda/module.map)
  if(NOT CONVGPU_SANITIZE)
    target_link_options(${target} PRIVATE LINKER:-z,defs)
  endif()
  set_target_properties(${target} PROPERTIES
    PREFIX lib OUTPUT_NAME convgpu_cuda SUFFIX .so
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH ""
    LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cuda/module.map)
endfunction()
