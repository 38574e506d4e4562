# SPDX-License-Identifier: Apache-2.0
# The text that cuda/compiled hands to NVRTC, as a string in compiled_program.hpp: what it shares with the other kernels,
# and its own. NVRTC gets no headers; of the standard library's it needs a few names only, which stand before it.
set(text "")
foreach(part include/convgpu/detail/border_index.hpp cuda/shared_layout.hpp cuda/tile_grid.hpp cuda/tile.cuh
    cuda/compiled_params.hpp cuda/compiled.cuh)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${part})
  file(READ ${PROJECT_SOURCE_DIR}/${part} content)
  string(REGEX REPLACE "#(include|pragma once)[^\n]*\n" "" content "${content}")
  string(APPEND text "${content}")
endforeach()
set(CONVGPU_PROGRAM_FOLDER ${PROJECT_BINARY_DIR}/compiled_program)
file(CONFIGURE OUTPUT ${CONVGPU_PROGRAM_FOLDER}/compiled_program.hpp
  CONTENT "// Made by cmake/compiled_program.cmake.\n#pragma once\nconstexpr char compiled_program_text[] = R\"program(@text@)program\";\n"
  @ONLY)
