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
