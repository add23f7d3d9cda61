# SPDX-License-Identifier: MIT
# Targets that look at the sources rather than build them: format, format-check, lint, lint-changed, coverage, docs.
# Each is there where its tool is installed.
include_guard()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)  # for lint

find_program(EARLYOUT_CLANG_FORMAT clang-format-16)
find_program(EARLYOUT_CLANG_TIDY clang-tidy-16)
find_program(EARLYOUT_GCOVR gcovr)
mark_as_advanced(EARLYOUT_CLANG_FORMAT EARLYOUT_CLANG_TIDY EARLYOUT_GCOVR)

function(earlyout_look_at_sources target comment command)
  add_custom_target(${target} COMMAND sh -c "${command}" WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
    COMMENT ${comment} USES_TERMINAL VERBATIM)
endfunction()

if(EARLYOUT_CLANG_FORMAT)
  set(sources "git ls-files -z '*.hpp' '*.cpp' | xargs -0 ${EARLYOUT_CLANG_FORMAT}")
  earlyout_look_at_sources(format "Formatting all sources" "${sources} -i")
  earlyout_look_at_sources(format-check "Checking the format of all sources" "${sources} --dry-run -Werror")
endif()

if(EARLYOUT_CLANG_TIDY)
  # FILES="a.cpp b.hpp" in the environment: those instead of all.
  earlyout_look_at_sources(lint "Linting" "bash cmake/lint.sh -p '${PROJECT_BINARY_DIR}' \${FILES:---all}")
  earlyout_look_at_sources(lint-changed "Linting what changed" "bash cmake/lint.sh -p '${PROJECT_BINARY_DIR}' --changed")
endif()

if(EARLYOUT_GCOVR AND "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_DEBUG}" MATCHES "--coverage" AND EARLYOUT_BUILD_TESTS)
  add_custom_target(coverage
    COMMAND ${CMAKE_CTEST_COMMAND} --output-on-failure -L "^room$"
    COMMAND ${EARLYOUT_GCOVR} --root ${PROJECT_SOURCE_DIR} --filter ${PROJECT_SOURCE_DIR}/include/
      --exclude-throw-branches --exclude-unreachable-branches --print-summary
      --html-details ${PROJECT_BINARY_DIR}/coverage.html ${PROJECT_BINARY_DIR}
    COMMENT "Running the tests and counting the lines that they reach" USES_TERMINAL VERBATIM)
  cmake_language(DEFER DIRECTORY ${PROJECT_SOURCE_DIR} CALL add_dependencies coverage earlyout_rooms)
endif()

find_package(Doxygen QUIET)
if(DOXYGEN_FOUND)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/Doxyfile.in ${PROJECT_BINARY_DIR}/Doxyfile @ONLY)
  add_custom_target(docs COMMAND ${DOXYGEN_EXECUTABLE} ${PROJECT_BINARY_DIR}/Doxyfile
    COMMENT "Writing the reference to ${PROJECT_BINARY_DIR}/docs/html" VERBATIM)
endif()
