# SPDX-License-Identifier: MIT
# Configures, builds and runs the project in the folder PROJECT, in WORK.
include(${CMAKE_CURRENT_LIST_DIR}/steps.cmake)
file(REMOVE_RECURSE ${WORK})
if(PROJECT STREQUAL find_package)
  step(${CMAKE_COMMAND} --install ${EARLYOUT_BINARY} --prefix ${WORK}/first)
  # Installed packages may be moved.
  file(RENAME ${WORK}/first ${WORK}/prefix)
endif()
if(PROJECT STREQUAL find_compiled)
  # The compiled library, for the instruction set of a program that asks for none.
  step(${CMAKE_COMMAND} -S ${EARLYOUT} -B ${WORK}/compiled -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER}
    -D CMAKE_BUILD_TYPE=Release -D EARLYOUT_COMPILED=ON -D EARLYOUT_CALIBRATE=OFF
    -D EARLYOUT_BUILD_TESTS=OFF -D EARLYOUT_BUILD_EXAMPLES=OFF -D EARLYOUT_BUILD_BENCHMARKS=OFF)
  step(${CMAKE_COMMAND} --build ${WORK}/compiled)
  step(${CMAKE_COMMAND} --install ${WORK}/compiled --prefix ${WORK}/prefix)
endif()
step(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/${PROJECT} -B ${WORK}/build -G ${GENERATOR}
  -D CMAKE_CXX_COMPILER=${COMPILER} -D EARLYOUT=${EARLYOUT} -D CMAKE_PREFIX_PATH=${WORK}/prefix
  -D CMAKE_FIND_PACKAGE_NO_PACKAGE_REGISTRY=ON)
step(${CMAKE_COMMAND} --build ${WORK}/build)
complete(${WORK}/build/completer)
if(NOT PROJECT MATCHES "^find_")
  # What is installed is the project's own, not ours.
  step(${CMAKE_COMMAND} --install ${WORK}/build --prefix ${WORK}/prefix)
  file(GLOB_RECURSE installed RELATIVE ${WORK}/prefix ${WORK}/prefix/*)
  if(NOT installed STREQUAL "bin/completer")
    message(FATAL_ERROR "expected to install bin/completer and nothing else, found ${installed}")
  endif()
endif()
