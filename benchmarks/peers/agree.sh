#!/bin/sh
# SPDX-License-Identifier: MIT
# Everything to compare logits and tokens with llama.cpp's: its prebuilt library from npm, both programs, random files.
# Needs node's npm, Debian's python3-numpy, a C compiler and the configured build directory.
#   benchmarks/peers/agree.sh BUILD_DIR [arguments of agree.py]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$1
shift
work=$build/peers
mkdir -p "$work/agree"
package=$work/node_modules/@node-llama-cpp/linux-x64
[ -d "$package" ] || npm install --prefix "$work" --ignore-scripts --no-save --silent @node-llama-cpp/linux-x64@3.22.1
lib=$package/bins/linux-x64
${CC:-cc} -O2 "$here/llama_cpp_check.c" "$lib/libllama.v0.5.0.so" "$lib/libggml.v0.5.0.so" "$lib/libggml-base.so" \
    -Wl,-rpath,"$lib" -Wl,--allow-shlib-undefined -o "$work/llama_cpp_check"
cmake --build "$build" --target earlyout_peer_check
exec "${PYTHON:-python3}" "$here/agree.py" --ours "$(find "$build" -name earlyout_peer_check -type f | head -n 1)" \
    --theirs "$work/llama_cpp_check" --backends "$lib" --work "$work/agree" "$@"
