# SPDX-License-Identifier: MIT
# Configures, builds and runs the project in the folder PROJECT, in WORK.
include(${CMAKE_CURRENT_LIST_DIR}/steps.cmake)
file(REMOVE_RECURSE ${WORK})
if(PROJECT STREQUAL find_package)
  step(${CMAKE_COMMAND} --install ${EARLYOUT_BINARY} --prefix ${WORK}/first)
  # Installed packages may be moved.
  file(RENAME ${WORK}/first ${WORK}/prefix)
endif()
configure_and_build(${PROJECT})
if(PROJECT STREQUAL add_subdirectory)
  tokenize(${WORK}/${PROJECT}/tokenizer)
else()
  complete(${WORK}/${PROJECT}/completer)
endif()
if(NOT PROJECT STREQUAL find_package)
  # What is installed is the project's own, not ours.
  step(${CMAKE_COMMAND} --install ${WORK}/${PROJECT} --prefix ${WORK}/prefix)
  file(GLOB_RECURSE installed RELATIVE ${WORK}/prefix ${WORK}/prefix/*)
  if(NOT installed MATCHES "^bin/(completer|tokenizer)$")
    message(FATAL_ERROR "expected to install one program and nothing else, found ${installed}")
  endif()
endif()
