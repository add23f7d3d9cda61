# SPDX-License-Identifier: MIT
# No weak function of the library is defined in both objects: the linker would keep one of them, compiled for the wrong
# instruction set.  cmake -D NM=... -D NARROW=OBJECT -D WIDE=OBJECT -P ...
cmake_minimum_required(VERSION 3.24)

function(weak_symbols object result)
  execute_process(COMMAND ${NM} --defined-only ${object} OUTPUT_VARIABLE lines COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[WVu] [^\n]*earlyout[^\n]*" found "${lines}")
  set(${result} "${found}" PARENT_SCOPE)
endfunction()
weak_symbols(${NARROW} narrow)
weak_symbols(${WIDE} wide)
list(LENGTH narrow count)
if(count LESS 20)
  message(FATAL_ERROR "expected the library's weak symbols in ${NARROW}, found ${count}")
endif()
foreach(symbol IN LISTS narrow)
  if(symbol IN_LIST wide)
    message(FATAL_ERROR "defined in both: ${symbol}")
  endif()
endforeach()
message(STATUS "${count} weak symbols, none shared")
