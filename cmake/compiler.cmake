# SPDX-License-Identifier: Apache-2.0
# How everything in this project is compiled. Directory scope: a parent project is not touched.

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  # No -Wsign-conversion: sizes are signed here, those of the standard library are not, and a cast at
  # every subscript hides more than it finds.
  set(options -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
    -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wundef -Wvla)
  # A parent's -ffast-math would take NaN and denormals from the library, which promises both.
  list(APPEND options -fno-fast-math)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    list(APPEND options -Wno-restrict)  # sees overlaps in "text" + std::string: GCC bug 105651
  endif()
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:${options}>")
  # nvcc's own warnings, and those of the compiler of its host code, except the ones about code that nvcc
  # writes for it.
  list(REMOVE_ITEM options -Wpedantic)
  list(JOIN options "," host_options)
  add_compile_options("$<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-Xcompiler=${host_options}>")
endif()
if(CONVGPU_WERROR)
  set(CMAKE_COMPILE_WARNING_AS_ERROR ON)  # for nvcc: -Werror all-warnings, which are those of device code, too
  if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    add_compile_options("$<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-Xcompiler=-Werror>")
  endif()
endif()

if(CONVGPU_SANITIZE)
  list(JOIN CONVGPU_SANITIZE "," sanitizers)
  add_compile_options(-fsanitize=${sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${sanitizers})
  add_compile_definitions(_GLIBCXX_ASSERTIONS)  # subscripts of the standard containers, too
  if("thread" IN_LIST CONVGPU_SANITIZE)
    # One set of inner loops shows as well as four who else goes where they go: threads are given their parts outside.
    add_compile_definitions(CONVGPU_BASELINE_ONLY)
  endif()
endif()
