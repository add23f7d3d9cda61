# SPDX-License-Identifier: MIT
# A program that names no format of keys and values has the attention kernels of f32 alone.
# cmake -D NM=... -D OBJECT=... -P ...
cmake_minimum_required(VERSION 3.24)
execute_process(COMMAND ${NM} -C --defined-only ${OBJECT} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
foreach(format IN ITEMS f32 f16 bf16 int8)
  string(REGEX MATCHALL "kernels::(detail::)?att[^\n]*::${format}," found "${symbols}")
  list(LENGTH found ${format})
endforeach()
if(f32 EQUAL 0 OR NOT f16 EQUAL 0 OR NOT bf16 EQUAL 0 OR NOT int8 EQUAL 0)
  message(FATAL_ERROR "expected attention in f32 alone, found symbols: ${f32} for f32, ${f16} for f16, ${bf16} for "
    "bf16, ${int8} for int8")
endif()
message(STATUS "${f32} symbols for f32")
