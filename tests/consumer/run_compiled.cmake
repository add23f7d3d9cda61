# SPDX-License-Identifier: MIT
# Installs earlyout with its compiled libraries, for the instruction set of a program that asks for none, and uses them:
# what they hold the program does not compile itself.
include(${CMAKE_CURRENT_LIST_DIR}/steps.cmake)
file(REMOVE_RECURSE ${WORK})
step(${CMAKE_COMMAND} -S ${EARLYOUT} -B ${WORK}/earlyout -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER}
  -D CMAKE_CXX_FLAGS_RELEASE=-O1 -D EARLYOUT_COMPILED=ON -D EARLYOUT_BUILD_TESTS=OFF
  -D EARLYOUT_BUILD_EXAMPLES=OFF -D EARLYOUT_BUILD_BENCHMARKS=OFF -D EARLYOUT_CALIBRATE=OFF)
step(${CMAKE_COMMAND} --build ${WORK}/earlyout)
step(${CMAKE_COMMAND} --install ${WORK}/earlyout --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/prefix)
configure_and_build(compiled)
complete(${WORK}/compiled/completer)

file(GLOB_RECURSE object ${WORK}/compiled/*main.cpp.o*)
step(${NM} -C ${object})
string(REGEX MATCHALL " U [^\n]*kernels::(multiply|attend)<" taken "${output}")
string(REGEX MATCHALL " [TWVu] [^\n]*kernels::[^\n(]*(multiply|attend|tile|stretch)[^\n(]*<" own "${output}")
list(FILTER own EXCLUDE REGEX "kv_pages::at<")  # an address, no arithmetic
if(NOT taken OR own)
  message(FATAL_ERROR "expected to take products and attention from the library, found:\n${taken}\nand its own:\n${own}")
endif()
