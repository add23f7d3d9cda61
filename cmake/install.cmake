# SPDX-License-Identifier: MIT
# Headers, the CMake package earlyout with its components io and calibrate, and earlyout.pc, earlyout-io.pc and
# earlyout-calibrate.pc. All of it is independent of the machine and may be moved. With EARLYOUT_COMPILED also the
# components io_compiled and kernels_compiled, static libraries for one kind of machine.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/earlyout)
set(pkgconfig_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)

install(TARGETS earlyout EXPORT earlyout FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS earlyout_io EXPORT earlyout_io FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT earlyout NAMESPACE earlyout:: DESTINATION ${package_dir} FILE earlyoutTargets.cmake)
install(EXPORT earlyout_io NAMESPACE earlyout:: DESTINATION ${package_dir} FILE earlyout_ioTargets.cmake)
if(EARLYOUT_COMPILED)
  install(TARGETS earlyout_io_compiled EXPORT earlyout_io_compiled ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT earlyout_io_compiled NAMESPACE earlyout:: DESTINATION ${package_dir}
    FILE earlyout_io_compiledTargets.cmake)
endif()
if(EARLYOUT_CALIBRATE)
  install(TARGETS earlyout_calibrate EXPORT earlyout_calibrate FILE_SET HEADERS
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT earlyout_calibrate NAMESPACE earlyout:: DESTINATION ${package_dir}
    FILE earlyout_calibrateTargets.cmake)
endif()

if(EARLYOUT_MPI)
  install(TARGETS earlyout_mpi EXPORT earlyout_mpi FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT earlyout_mpi NAMESPACE earlyout:: DESTINATION ${package_dir} FILE earlyout_mpiTargets.cmake)
endif()

if(EARLYOUT_COMPILED)
  install(TARGETS earlyout_kernels_compiled EXPORT earlyout_kernels_compiled ARCHIVE)
  install(EXPORT earlyout_kernels_compiled NAMESPACE earlyout:: DESTINATION ${package_dir}
    FILE earlyout_kernels_compiledTargets.cmake)
endif()

if(EARLYOUT_UTF8PROC)
  set(earlyout_utf8proc utf8proc)
  set(pc_utf8proc " libutf8proc")
  set(pc_has_utf8proc "Cflags: -DEARLYOUT_HAS_UTF8PROC")
endif()
set(generated ${CMAKE_CURRENT_BINARY_DIR}/package)
configure_package_config_file(cmake/earlyoutConfig.cmake.in ${generated}/earlyoutConfig.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
if(NOT EARLYOUT_COMPILED)
  set(arch_independent ARCH_INDEPENDENT)
endif()
# Until version 1 a new minor version may break programs.
write_basic_package_version_file(${generated}/earlyoutConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ${arch_independent})
install(FILES ${generated}/earlyoutConfig.cmake ${generated}/earlyoutConfigVersion.cmake
  cmake/find_dependencies.cmake cmake/dispatch.cmake cmake/dispatch.ld.in DESTINATION ${package_dir})

cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir}
  OUTPUT_VARIABLE pc_to_include)
configure_file(cmake/earlyout.pc.in ${generated}/earlyout.pc @ONLY)
configure_file(cmake/earlyout-io.pc.in ${generated}/earlyout-io.pc @ONLY)
install(FILES ${generated}/earlyout.pc ${generated}/earlyout-io.pc DESTINATION ${pkgconfig_dir})
if(EARLYOUT_CALIBRATE)
  configure_file(cmake/earlyout-calibrate.pc.in ${generated}/earlyout-calibrate.pc @ONLY)
  install(FILES ${generated}/earlyout-calibrate.pc DESTINATION ${pkgconfig_dir})
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
