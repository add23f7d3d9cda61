# SPDX-License-Identifier: MIT
# How earlyout's own programs (tests, examples, benchmarks) are compiled. None of it reaches users.
include_guard()

# GCC collects its garbage as soon as there are 128 MB, which takes up to a fifth of its time. Where there is enough
# memory for that in all jobs it begins later.
set(earlyout_gcc_memory "")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  cmake_host_system_information(RESULT memory QUERY TOTAL_PHYSICAL_MEMORY)
  if(memory GREATER 12000)
    set(earlyout_gcc_memory "SHELL:--param ggc-min-heapsize=1500000")
  endif()
endif()

# With UBSan's checks of every access, what is inlined takes clang up to ten times as long to optimise as without. Tests
# of modules that compute (tests/CMakeLists.txt), not optimised, and readers of files have them.
set(earlyout_sanitized "")
set(earlyout_fully_sanitized "")
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=[a-z,]*undefined")
  set(earlyout_sanitized -fno-sanitize=null,object-size,pointer-overflow,vptr)
  set(earlyout_fully_sanitized -fsanitize=undefined)
endif()

# Every source of a program gets the same flags: the library's namespace is named after the instruction set.
function(earlyout_own_program target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ARCH")
  target_link_libraries(${target} PRIVATE earlyout::earlyout)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # It takes `"a" + std::string()` for a copy onto itself (GCC's bug 105651).
    target_compile_options(${target} PRIVATE -Wno-restrict)
  endif()
  target_compile_options(${target} PRIVATE ${earlyout_gcc_memory} ${earlyout_sanitized})
  if(EARLYOUT_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(DEFINED arg_ARCH)
    target_compile_options(${target} PRIVATE ${arg_ARCH})
  elseif(EARLYOUT_NATIVE)
    target_compile_options(${target} PRIVATE -march=native)
  endif()
endfunction()

# earlyout_at_o2(TARGET): what links products and attention, compiled at -O3, need not take a third longer itself.
function(earlyout_at_o2 target)
  if(CMAKE_CXX_FLAGS_RELEASE MATCHES "-O3")
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O2>)
  endif()
endfunction()

# Stand for earlyout::io_compiled and earlyout::kernels_compiled in own programs, which would otherwise compile readers
# of files, products and attention in each of their sources: the same sources with the programs' flags. Built when
# linked.
foreach(part IN ITEMS io kernels)
  get_target_property(sources earlyout_${part}_compiled SOURCES)
  add_library(earlyout_own_${part} STATIC EXCLUDE_FROM_ALL ${sources})
  earlyout_own_program(earlyout_own_${part})
  set_target_properties(earlyout_own_${part} PROPERTIES UNITY_BUILD OFF)
endforeach()
target_link_libraries(earlyout_own_io PUBLIC earlyout_io)
target_compile_definitions(earlyout_own_io PUBLIC EARLYOUT_IO_COMPILED)
target_compile_options(earlyout_own_io PRIVATE ${earlyout_fully_sanitized})
earlyout_at_o2(earlyout_own_io)
# any_model with all of its architectures, whose layers take as long to compile as everything else of a program.
add_library(earlyout_own_models STATIC EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/cmake/compiled/models/any_model.cpp)
earlyout_own_program(earlyout_own_models)
set_target_properties(earlyout_own_models PROPERTIES UNITY_BUILD OFF)
target_link_libraries(earlyout_own_models PUBLIC earlyout_own_kernels)
target_compile_definitions(earlyout_own_models INTERFACE EARLYOUT_MODELS_COMPILED)
target_compile_definitions(earlyout_own_kernels INTERFACE EARLYOUT_KERNELS_COMPILED)
# Stands for earlyout::c.
add_library(earlyout_own_c STATIC EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/cmake/compiled/c/earlyout.cpp)
earlyout_own_program(earlyout_own_c)
earlyout_at_o2(earlyout_own_c)
target_include_directories(earlyout_own_c PUBLIC ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(earlyout_own_c PRIVATE earlyout_own_io earlyout_own_models earlyout_own_kernels)
