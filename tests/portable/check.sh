#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh FOLDER: compiles the library for other systems, as far as this one can; what it writes goes to FOLDER.
#   Windows: MinGW-w64 (package g++-mingw-w64-x86-64-posix) makes objects; nothing is linked or run
#   macOS:   clang with libc++ (libc++-16-dev, libc++abi-16-dev) stands in for its compiler; examples/hello.cpp is run
# Ends with 77 where neither compiler is installed.
set -eu
[ $# -eq 1 ] || { echo "usage: check.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
work=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
flags="-std=c++20 -Wall -Wextra -Werror -Iinclude -DEARLYOUT_NO_ISA_NOTE"
status=77

mingw=x86_64-w64-mingw32-g++-posix
if command -v $mingw >/dev/null; then
    # Headers alone of the libraries that the library uses: nothing else of this system's.
    mkdir -p "$work/include"
    for name in xsimd nlohmann pcre2.h utf8proc.h; do
        ln -sfn "/usr/include/$name" "$work/include/$name"
    done
    # shellcheck disable=SC2086  # a list of flags
    $mingw $flags -isystem "$work/include" -DEARLYOUT_HAS_UTF8PROC -fsyntax-only tests/portable/everything.cpp
    # shellcheck disable=SC2086
    $mingw $flags -isystem "$work/include" -Wa,-mbig-obj -c examples/hello.cpp -o "$work/hello.obj"
    # shellcheck disable=SC2086
    for name in files gguf text; do
        $mingw $flags -isystem "$work/include" -DEARLYOUT_IO_COMPILED -DEARLYOUT_HAS_UTF8PROC -Wa,-mbig-obj \
            -c cmake/compiled/io/$name.cpp -o "$work/$name.obj"
    done
    echo "Windows: compiled by $($mingw --version | head -1)"
    status=0
else
    echo "Windows: $mingw is not installed"
fi

if command -v clang++-16 >/dev/null && [ -e /usr/lib/llvm-16/include/c++/v1/version ]; then
    # shellcheck disable=SC2086
    clang++-16 $flags -stdlib=libc++ -DEARLYOUT_HAS_UTF8PROC -fsyntax-only tests/portable/everything.cpp
    # shellcheck disable=SC2086
    clang++-16 $flags -stdlib=libc++ examples/hello.cpp -lpcre2-8 -o "$work/hello"
    "$work/hello" | grep 'mean exit layer'
    echo "libc++: compiled by $(clang++-16 --version | head -1), and run"
    status=0
else
    echo "libc++: clang++-16 with libc++ is not installed"
fi
exit $status
