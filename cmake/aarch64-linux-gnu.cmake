# SPDX-License-Identifier: MIT
# Debian's cross compiler for AArch64. Programs run under emulation, with every instruction that the emulator knows:
# linked statically, because threads of others hang in Debian 12's qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu max)
