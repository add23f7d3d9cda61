#!/bin/sh
# SPDX-License-Identifier: MIT
# sh cmake/bootstrap.sh         installs what is missing, builds, completes a piece of Python with early exits
# sh cmake/bootstrap.sh test    installs what is missing, builds, runs the tests
# For Debian 12 and what is like it; elsewhere install the packages named below first.
set -eu
cd "$(dirname "$0")/.."

build_needs="cmake ninja-build g++ libxsimd-dev libpcre2-dev libutf8proc-dev nlohmann-json3-dev libcli11-dev \
    libeigen3-dev liblbfgspp-dev libboost-math-dev libboost-dev"
test_needs="catch2 pkg-config"

usage() {
    echo "usage: sh cmake/bootstrap.sh [test]" >&2
    exit 2
}

# install PACKAGE...: those that are not there yet.
install() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "bootstrap: no apt-get here; going on with what is installed (needed: $*)" >&2
        return
    fi
    missing=""
    for package in "$@"; do
        case "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" in
            installed) ;;
            *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "bootstrap: cannot install$missing: neither root nor sudo" >&2
            exit 1
        fi
        as_root="sudo"
    fi
    echo "bootstrap: installing$missing"
    log=$(mktemp)
    # shellcheck disable=SC2086  # a list of packages
    if ! { $as_root apt-get update -qq &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing; } \
        >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        echo "bootstrap: could not install$missing" >&2
        exit 1
    fi
    rm -f "$log"
}

# build TARGET [OPTION...]: in build/release, for this machine. Files of a program are compiled together.
build() {
    target=$1
    shift
    cmake --preset release --log-level=WARNING -D CMAKE_UNITY_BUILD=ON "$@" >/dev/null
    echo "bootstrap: building (a minute or a few)"
    started=$(date +%s)
    cmake --build build/release --target "$target" -j "$(nproc)"
    echo "bootstrap: built in $(($(date +%s) - started)) s"
}

demo() {
    # shellcheck disable=SC2086
    install $build_needs
    build earlyout_cli -D EARLYOUT_BUILD_TESTS=OFF -D EARLYOUT_BUILD_BENCHMARKS=OFF
    prompt=$(printf 'import os\n\ndef read_file(path):\n    .')
    set -- complete --prompt "${prompt%.}" --max-new-tokens 32 --max-loss 0.03 --compare --rounds 15
    if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then
        set -- "$@" --show-layers
    fi
    cat <<'end'

A model of 8 layers continues this. After some layers a gate decides whether a token exits; the layers that it skipped
are computed later, if a deeper token needs them. Of the policies that lose at most 3 % of ROUGE-L, this is the fastest
on this machine.

end
    [ -t 1 ] || printf '%s' "${prompt%.}"
    build/release/examples/earlyout "$@"
    cat <<'end'

Your own prompt:  build/release/examples/earlyout complete --prompt 'def add(a, b):' --compare
Your own program: examples/hello.cpp, and README.md
end
}

run_tests() {
    # shellcheck disable=SC2086
    install $build_needs $test_needs
    # What takes minutes more is off: each header by itself, and what .ci/run has, kernels for other instruction sets,
    # programs that must not compile, the ways into other projects.
    build all -D EARLYOUT_BUILD_TESTS=ON -D EARLYOUT_BUILD_BENCHMARKS=OFF -D EARLYOUT_COMPILE_TESTS=OFF \
        -D EARLYOUT_TEST_INSTRUCTION_SETS=OFF
    ctest --preset release -j "$(nproc)"
}

case "${1:-}" in
    "") demo ;;
    test) [ $# -eq 1 ] || usage; run_tests ;;
    *) usage ;;
esac
