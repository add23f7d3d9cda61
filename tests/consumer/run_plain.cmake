# SPDX-License-Identifier: MIT
# A plain configuration, in WORK, where neither Catch2 nor Google Benchmark is installed: it needs neither, and says so.
include(${CMAKE_CURRENT_LIST_DIR}/steps.cmake)
file(REMOVE_RECURSE ${WORK})
step(${CMAKE_COMMAND} -S ${EARLYOUT} -B ${WORK} -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER}
  -D CMAKE_DISABLE_FIND_PACKAGE_Catch2=ON -D CMAKE_DISABLE_FIND_PACKAGE_benchmark=ON
  -D FETCHCONTENT_FULLY_DISCONNECTED=ON)
foreach(kind IN ITEMS TESTS BENCHMARKS)
  if(NOT output MATCHES "is not installed, so no [a-z]+ are built; -D EARLYOUT_BUILD_${kind}=ON")
    message(FATAL_ERROR "expected a line about EARLYOUT_BUILD_${kind}, found:\n${output}")
  endif()
endforeach()
