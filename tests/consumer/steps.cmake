# SPDX-License-Identifier: MIT

# Runs a command that must succeed; its standard output is left in `output`.
macro(step)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  if(NOT status EQUAL 0)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "${command}\n${output}${errors}")
  endif()
endmacro()

# The program completes Python with the example model.
macro(complete program)
  step(${program} ${EARLYOUT}/examples/model "import os\nimport ")
  message(STATUS "${output}")
  if(NOT output MATCHES "^import os\nimport [a-z]" OR NOT output MATCHES "mean exit layer [1-8]")
    message(FATAL_ERROR "expected a completion of `import os`, found:\n${output}")
  endif()
endmacro()

# The program splits Python into tokens of the example model.
macro(tokenize program)
  step(${program} ${EARLYOUT}/examples/model "import os")
  message(STATUS "${output}")
  if(NOT output MATCHES "^import\n os\n[0-9]+ lanes\n$")
    message(FATAL_ERROR "expected the tokens of `import os`, found:\n${output}")
  endif()
endmacro()

# Builds the project in a folder of that name beside this one, in WORK/NAME, with what is installed in WORK/prefix.
macro(configure_and_build project)
  step(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/${project} -B ${WORK}/${project} -G ${GENERATOR}
    -D CMAKE_CXX_COMPILER=${COMPILER} -D EARLYOUT=${EARLYOUT} -D CMAKE_PREFIX_PATH=${WORK}/prefix
    -D CMAKE_FIND_PACKAGE_NO_PACKAGE_REGISTRY=ON)
  step(${CMAKE_COMMAND} --build ${WORK}/${project})
endmacro()
