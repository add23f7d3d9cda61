# SPDX-License-Identifier: MIT
# Compiles tokens.cpp with what pkg-config says, no CMake project around it.
include(${CMAKE_CURRENT_LIST_DIR}/steps.cmake)
file(REMOVE_RECURSE ${WORK})
step(${CMAKE_COMMAND} --install ${EARLYOUT_BINARY} --prefix ${WORK}/prefix)
step(${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${WORK}/prefix/share/pkgconfig
  ${PKG_CONFIG} --cflags --libs earlyout-io)
separate_arguments(flags UNIX_COMMAND "${output}")
step(${COMPILER} -std=c++20 ${CMAKE_CURRENT_LIST_DIR}/tokens.cpp ${flags} -o ${WORK}/tokenizer)
tokenize(${WORK}/tokenizer)
