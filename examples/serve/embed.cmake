# SPDX-License-Identifier: MIT
# cmake -D FILE=... -D TO=... -D NAME=... -P embed.cmake: writes a C++ source with the bytes of a file.
cmake_minimum_required(VERSION 3.24)
file(READ ${FILE} bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
cmake_path(GET FILE FILENAME file)
file(WRITE ${TO} "// Made from ${file}.
#include <cstddef>

namespace serve {

extern const unsigned char ${NAME}[];
extern const std::size_t ${NAME}_size;
const unsigned char ${NAME}[] = {
${bytes}};
const std::size_t ${NAME}_size = sizeof ${NAME};

}  // namespace serve
")
