# SPDX-License-Identifier: MIT
# What earlyout's build needs: installed packages first, else fetched.
#
#     earlyout_require(NAME...)
#
# makes Threads::Threads for threads, Catch2::Catch2 or Catch2::Catch2WithMain for catch2, and
# earlyout::NAME for xsimd, json, pcre2, utf8proc, eigen, lbfgspp, boost_math, boost_beast, cli11 and benchmark.
include(${CMAKE_CURRENT_LIST_DIR}/find_dependencies.cmake)
include(FetchContent)

macro(earlyout_require)
  foreach(earlyout_name IN ITEMS ${ARGN})
    earlyout_find(${earlyout_name})
    if(NOT earlyout_${earlyout_name}_FOUND)
      cmake_language(CALL earlyout_fetch_${earlyout_name})
    endif()
  endforeach()
  unset(earlyout_name)
endmacro()

# Only the programs of this repository need these; the installed package does not look for them.

function(earlyout_find_catch2)
  find_package(Catch2 CONFIG QUIET GLOBAL)
  if(TARGET Catch2::Catch2)
    earlyout_found(catch2)
  endif()
endfunction()

function(earlyout_find_cli11)
  find_path(EARLYOUT_CLI11_INCLUDE_DIR CLI/CLI.hpp)
  mark_as_advanced(EARLYOUT_CLI11_INCLUDE_DIR)
  if(EARLYOUT_CLI11_INCLUDE_DIR)
    earlyout_stand_for_headers(cli11 ${EARLYOUT_CLI11_INCLUDE_DIR})
  endif()
endfunction()

function(earlyout_find_boost_beast)
  find_path(EARLYOUT_BOOST_BEAST_INCLUDE_DIR boost/beast.hpp)
  mark_as_advanced(EARLYOUT_BOOST_BEAST_INCLUDE_DIR)
  if(EARLYOUT_BOOST_BEAST_INCLUDE_DIR)
    earlyout_stand_for_headers(boost_beast ${EARLYOUT_BOOST_BEAST_INCLUDE_DIR})
  endif()
endfunction()

function(earlyout_find_benchmark)
  find_package(benchmark CONFIG QUIET GLOBAL)
  if(TARGET benchmark::benchmark_main)
    earlyout_stand_for(benchmark benchmark::benchmark_main benchmark::benchmark)
  endif()
endfunction()

# Downloads one release. Only its sources: what is needed of a build is said below,
# so that nobody's options, targets, tests and install rules reach the project.
macro(earlyout_download name version url)
  message(STATUS "earlyout: ${name} is not installed, fetching ${version}")
  FetchContent_Declare(${name} URL ${url} SOURCE_SUBDIR only_the_sources DOWNLOAD_EXTRACT_TIMESTAMP FALSE)
  FetchContent_MakeAvailable(${name})
  string(TOLOWER ${name} earlyout_lower)  # of a project above this one, if it declared the same
  set(dir ${${earlyout_lower}_SOURCE_DIR})
  set(build_dir ${${earlyout_lower}_BINARY_DIR})
endmacro()

function(earlyout_fetch_threads)
  message(FATAL_ERROR "earlyout: no thread library found for this compiler")
endfunction()

function(earlyout_fetch_xsimd)
  earlyout_download(xsimd 13.2.0
    https://github.com/xtensor-stack/xsimd/archive/refs/tags/13.2.0.tar.gz)
  earlyout_stand_for_headers(xsimd ${dir}/include)
endfunction()

function(earlyout_fetch_json)
  earlyout_download(nlohmann_json 3.11.3
    https://github.com/nlohmann/json/archive/refs/tags/v3.11.3.tar.gz)
  if(TARGET nlohmann_json::nlohmann_json)
    earlyout_stand_for(json nlohmann_json::nlohmann_json)
  else()
    earlyout_stand_for_headers(json ${dir}/include)
  endif()
endfunction()

function(earlyout_fetch_pcre2)
  earlyout_download(pcre2 10.44
    https://github.com/PCRE2Project/pcre2/archive/refs/tags/pcre2-10.44.tar.gz)
  if(NOT TARGET pcre2-8-static)
    set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
    set(BUILD_SHARED_LIBS OFF)
    set(BUILD_STATIC_LIBS ON)
    set(PCRE2_BUILD_PCRE2GREP OFF)
    set(PCRE2_BUILD_TESTS OFF)
    set(PCRE2_SHOW_REPORT OFF)
    set(PCRE2_SUPPORT_LIBBZ2 OFF)
    set(PCRE2_SUPPORT_LIBZ OFF)
    set(PCRE2_SUPPORT_LIBREADLINE OFF)
    set(PCRE2_STATIC_PIC ON)
    add_subdirectory(${dir} ${build_dir} EXCLUDE_FROM_ALL)
  endif()
  earlyout_stand_for_headers(pcre2 ${build_dir})
  target_link_libraries(earlyout::pcre2 INTERFACE pcre2-8-static)
endfunction()

function(earlyout_fetch_utf8proc)
  earlyout_download(utf8proc 2.9.0
    https://github.com/JuliaStrings/utf8proc/archive/refs/tags/v2.9.0.tar.gz)
  if(NOT TARGET utf8proc)
    set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
    set(BUILD_SHARED_LIBS OFF)
    set(UTF8PROC_INSTALL OFF)
    set(UTF8PROC_ENABLE_TESTING OFF)
    set(CMAKE_POSITION_INDEPENDENT_CODE ON)
    add_subdirectory(${dir} ${build_dir} EXCLUDE_FROM_ALL)
  endif()
  earlyout_stand_for(utf8proc utf8proc)
endfunction()

function(earlyout_fetch_catch2)
  earlyout_download(Catch2 3.7.1
    https://github.com/catchorg/Catch2/archive/refs/tags/v3.7.1.tar.gz)
  if(NOT TARGET Catch2::Catch2WithMain)
    add_subdirectory(${dir} ${build_dir} EXCLUDE_FROM_ALL)
  endif()
endfunction()

function(earlyout_fetch_eigen)
  earlyout_download(Eigen 3.4.0 https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.gz)
  earlyout_stand_for_headers(eigen ${dir})
endfunction()

function(earlyout_fetch_lbfgspp)
  earlyout_download(lbfgspp 0.3.0 https://github.com/yixuan/LBFGSpp/archive/refs/tags/v0.3.0.tar.gz)
  earlyout_stand_for_headers(lbfgspp ${dir}/include)
endfunction()

function(earlyout_fetch_boost_math)
  # Its standalone form: the one library, without the rest of Boost.
  earlyout_download(boost_math 1.86.0 https://github.com/boostorg/math/archive/refs/tags/boost-1.86.0.tar.gz)
  earlyout_stand_for_headers(boost_math ${dir}/include)
  target_compile_definitions(earlyout::boost_math INTERFACE BOOST_MATH_STANDALONE)
endfunction()

function(earlyout_fetch_boost_beast)
  # Of Boost's libraries the headers alone, each of which has a folder of its own here.
  earlyout_download(boost_beast 1.86.0
    https://github.com/boostorg/boost/releases/download/boost-1.86.0/boost-1.86.0-cmake.tar.gz)
  file(GLOB dirs ${dir}/libs/*/include ${dir}/libs/numeric/*/include)
  earlyout_stand_for_headers(boost_beast "${dirs}")
endfunction()

function(earlyout_fetch_cli11)
  earlyout_download(CLI11 2.4.2
    https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.4.2.tar.gz)
  earlyout_stand_for_headers(cli11 ${dir}/include)
endfunction()

function(earlyout_fetch_benchmark)
  earlyout_download(benchmark 1.9.0
    https://github.com/google/benchmark/archive/refs/tags/v1.9.0.tar.gz)
  if(NOT TARGET benchmark::benchmark_main)
    set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
    set(BENCHMARK_ENABLE_TESTING OFF)
    set(BENCHMARK_ENABLE_INSTALL OFF)
    add_subdirectory(${dir} ${build_dir} EXCLUDE_FROM_ALL)
  endif()
  earlyout_stand_for(benchmark benchmark::benchmark_main benchmark::benchmark)
endfunction()
