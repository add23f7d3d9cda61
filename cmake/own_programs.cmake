# SPDX-License-Identifier: MIT
# How earlyout's own programs (tests, examples, benchmarks) are compiled. None of it reaches users.
include_guard()

# Every source of a program gets the same flags: the library's namespace is named after the instruction set.
function(earlyout_own_program target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ARCH")
  target_link_libraries(${target} PRIVATE earlyout::earlyout)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # It takes `"a" + std::string()` for a copy onto itself (GCC's bug 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  if(EARLYOUT_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(DEFINED arg_ARCH)
    target_compile_options(${target} PRIVATE ${arg_ARCH})
  elseif(EARLYOUT_NATIVE)
    target_compile_options(${target} PRIVATE -march=native)
  endif()
endfunction()
