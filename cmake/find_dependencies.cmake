# SPDX-License-Identifier: MIT
# Looks for what earlyout needs among installed packages. One file for the build and for the installed
# package, so that both look in the same way.
#
#     earlyout_find(NAME)    NAME: threads, xsimd, json, pcre2, utf8proc, eigen, lbfgspp or boost_math
#
# makes the imported target earlyout::NAME (Threads::Threads for threads) and sets earlyout_NAME_FOUND.
include_guard()

# Looks for a library; with EARLYOUT_STATIC for the static one first.
function(earlyout_find_library variable name)
  if(EARLYOUT_STATIC)
    find_library(${variable} NAMES lib${name}.a ${name})
  else()
    find_library(${variable} ${name})
  endif()
endfunction()

macro(earlyout_find name)
  if("${name}" STREQUAL threads)
    find_package(Threads QUIET)
    set(earlyout_threads_FOUND ${Threads_FOUND})
  elseif(TARGET earlyout::${name})
    set(earlyout_${name}_FOUND TRUE)
  else()
    set(earlyout_${name}_FOUND FALSE)
    cmake_language(CALL earlyout_find_${name})
  endif()
endmacro()

# For functions that earlyout_find calls.
macro(earlyout_found name)
  set(earlyout_${name}_FOUND TRUE PARENT_SCOPE)
endmacro()

# earlyout::NAME, which stands for targets of somebody else.
macro(earlyout_stand_for name)
  add_library(earlyout::${name} INTERFACE IMPORTED GLOBAL)
  target_link_libraries(earlyout::${name} INTERFACE ${ARGN})
  earlyout_found(${name})
endmacro()

# earlyout::NAME, which is a folder of headers.
macro(earlyout_stand_for_headers name dir)
  add_library(earlyout::${name} INTERFACE IMPORTED GLOBAL)
  target_include_directories(earlyout::${name} SYSTEM INTERFACE ${dir})
  earlyout_found(${name})
endmacro()

function(earlyout_find_xsimd)
  # The header rather than the package: the target of Debian's xsimd 8.1 links a library that does not exist.
  find_path(EARLYOUT_XSIMD_INCLUDE_DIR xsimd/xsimd.hpp)
  mark_as_advanced(EARLYOUT_XSIMD_INCLUDE_DIR)
  if(EARLYOUT_XSIMD_INCLUDE_DIR)
    earlyout_stand_for_headers(xsimd ${EARLYOUT_XSIMD_INCLUDE_DIR})
  endif()
endfunction()

function(earlyout_find_json)
  if(NOT TARGET nlohmann_json::nlohmann_json)
    find_package(nlohmann_json 3.9 CONFIG QUIET GLOBAL)
  endif()
  if(TARGET nlohmann_json::nlohmann_json)
    earlyout_stand_for(json nlohmann_json::nlohmann_json)
  endif()
endfunction()

function(earlyout_find_pcre2)
  # The files rather than a package: not every distribution has one for CMake.
  find_path(EARLYOUT_PCRE2_INCLUDE_DIR pcre2.h)
  earlyout_find_library(EARLYOUT_PCRE2_LIBRARY pcre2-8)
  mark_as_advanced(EARLYOUT_PCRE2_INCLUDE_DIR EARLYOUT_PCRE2_LIBRARY)
  if(EARLYOUT_PCRE2_INCLUDE_DIR AND EARLYOUT_PCRE2_LIBRARY)
    earlyout_stand_for_headers(pcre2 ${EARLYOUT_PCRE2_INCLUDE_DIR})
    target_link_libraries(earlyout::pcre2 INTERFACE ${EARLYOUT_PCRE2_LIBRARY})
  endif()
endfunction()

function(earlyout_find_utf8proc)
  find_path(EARLYOUT_UTF8PROC_INCLUDE_DIR utf8proc.h)
  earlyout_find_library(EARLYOUT_UTF8PROC_LIBRARY utf8proc)
  mark_as_advanced(EARLYOUT_UTF8PROC_INCLUDE_DIR EARLYOUT_UTF8PROC_LIBRARY)
  if(EARLYOUT_UTF8PROC_INCLUDE_DIR AND EARLYOUT_UTF8PROC_LIBRARY)
    earlyout_stand_for_headers(utf8proc ${EARLYOUT_UTF8PROC_INCLUDE_DIR})
    target_link_libraries(earlyout::utf8proc INTERFACE ${EARLYOUT_UTF8PROC_LIBRARY})
  endif()
endfunction()

function(earlyout_find_eigen)
  # No version asked for: Eigen 3.4.0 refuses version ranges.
  find_path(EARLYOUT_EIGEN_INCLUDE_DIR Eigen/Core PATH_SUFFIXES eigen3)
  mark_as_advanced(EARLYOUT_EIGEN_INCLUDE_DIR)
  if(EARLYOUT_EIGEN_INCLUDE_DIR)
    earlyout_stand_for_headers(eigen ${EARLYOUT_EIGEN_INCLUDE_DIR})
  endif()
endfunction()

function(earlyout_find_lbfgspp)
  find_path(EARLYOUT_LBFGSPP_INCLUDE_DIR LBFGS.h)
  mark_as_advanced(EARLYOUT_LBFGSPP_INCLUDE_DIR)
  if(EARLYOUT_LBFGSPP_INCLUDE_DIR)
    earlyout_stand_for_headers(lbfgspp ${EARLYOUT_LBFGSPP_INCLUDE_DIR})
  endif()
endfunction()

function(earlyout_find_boost_math)
  find_path(EARLYOUT_BOOST_MATH_INCLUDE_DIR boost/math/distributions/binomial.hpp)
  mark_as_advanced(EARLYOUT_BOOST_MATH_INCLUDE_DIR)
  if(EARLYOUT_BOOST_MATH_INCLUDE_DIR)
    earlyout_stand_for_headers(boost_math ${EARLYOUT_BOOST_MATH_INCLUDE_DIR})
  endif()
endfunction()
