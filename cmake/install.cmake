# SPDX-License-Identifier: Apache-2.0
# The library as a CMake package and for pkg-config. Both find the prefix from where they lie, so that
# an installed tree may be moved.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/convgpu)
install(TARGETS convgpu EXPORT convgpu-targets FILE_SET HEADERS)
if(TARGET convgpu_cuda)  # nobody links it: the library finds it beside itself
  install(TARGETS convgpu_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT cuda)
endif()
install(EXPORT convgpu-targets NAMESPACE convgpu:: DESTINATION ${package_dir})

configure_package_config_file(cmake/convgpu-config.cmake.in convgpu-config.cmake
  INSTALL_DESTINATION ${package_dir})
# Before 1.0 any minor version may change the interface.
write_basic_package_version_file(convgpu-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/convgpu-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/convgpu-config-version.cmake
  DESTINATION ${package_dir})

set(pkgconfig_dir ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_prefix ${pkgconfig_dir} ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH pc_includedir ${pkgconfig_dir} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
if(NOT BUILD_SHARED_LIBS)
  set(pc_cflags -DCONVGPU_STATIC_DEFINE)
  set(pc_libs_private "-pthread -Wl,-z,nodelete")
  if(CONVGPU_CUDA)
    find_package(CUDAToolkit REQUIRED)
    string(APPEND pc_libs_private " -L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -lrt -ldl")
  endif()
endif()
configure_file(cmake/convgpu.pc.in convgpu.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/convgpu.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
