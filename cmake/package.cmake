# SPDX-License-Identifier: MIT
# What `cpack` makes of the earlyout command for all processors: a Debian package and an archive, with the bundled model.
install(TARGETS earlyout_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT command)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT command)
foreach(file IN ITEMS config.json generation_config.json tokenizer.json tokenizer_config.json model.safetensors
    exits.safetensors README.md)
  install(FILES examples/model/${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/earlyout/model COMPONENT command)
endforeach()

set(CPACK_GENERATOR TGZ DEB)
set(CPACK_PACKAGE_NAME earlyout)
set(CPACK_PACKAGE_VENDOR "The earlyout authors")
set(CPACK_PACKAGE_CONTACT "The earlyout authors <earlyout@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Transformer inference on CPUs with early exits and lossless drafts")
set(CPACK_COMPONENTS_ALL command)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
# An archive is unpacked into a folder of its own.
file(WRITE ${PROJECT_BINARY_DIR}/package_options.cmake
  "if(CPACK_GENERATOR STREQUAL TGZ)\n  set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY ON)\nendif()\n")
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_BINARY_DIR}/package_options.cmake)
set(CPACK_PACKAGE_FILE_NAME earlyout-${PROJECT_VERSION}-linux-x86_64)
set(CPACK_ARCHIVE_FILE_NAME ${CPACK_PACKAGE_FILE_NAME})
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
include(CPack)
