// SPDX-License-Identifier: MIT
#include "../main.cpp"

#ifdef NLOHMANN_JSON_VERSION_MAJOR
#error "the JSON library is included where it was to be linked"
#endif
