# SPDX-License-Identifier: MIT
# cmake -D CASE=file -P check.cmake -- compiler flags...
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(started)
    list(APPEND compile "${CMAKE_ARGV${i}}")
  elseif(CMAKE_ARGV${i} STREQUAL "--")
    set(started TRUE)
  endif()
endforeach()

execute_process(COMMAND ${compile} ${CASE} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)

file(STRINGS ${CASE} first LIMIT_COUNT 1 REGEX "^// EXPECT: .+")
string(REPLACE "// EXPECT: " "" sentence "${first}")
string(REPLACE "\\;" ";" sentence "${sentence}")  # file(STRINGS) escapes it
if(sentence STREQUAL "")
  message(FATAL_ERROR "${CASE} does not begin with `// EXPECT: sentence`")
endif()
if(status EQUAL 0)
  message(FATAL_ERROR "${CASE} must not compile, and did")
endif()
string(REGEX MATCH "error: [^\n]*" error "${output}")
string(FIND "${error}" "${sentence}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${CASE}: expected the first error to be\n  ${sentence}\nfound\n${output}")
endif()
