#!/bin/sh
# SPDX-License-Identifier: MIT
# Everything for the comparison with llama.cpp: its prebuilt library from npm, random checkpoints, both programs, and
# the measurement. Needs node's npm, python3, a C compiler and the configured build directory.
#   benchmarks/peers/run.sh BUILD_DIR [arguments of compare.py]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$1
shift
work=$build/peers
mkdir -p "$work/models"
package=$work/node_modules/@node-llama-cpp/linux-x64
[ -d "$package" ] || npm install --prefix "$work" --ignore-scripts --no-save --silent @node-llama-cpp/linux-x64@3.22.1
lib=$package/bins/linux-x64
${CC:-cc} -O2 "$here/llama_cpp.c" "$lib/libllama.v0.5.0.so" "$lib/libggml.v0.5.0.so" "$lib/libggml-base.so" \
    -Wl,-rpath,"$lib" -Wl,--allow-shlib-undefined -o "$work/llama_cpp"
cmake --build "$build" --target earlyout_peer
shapes=
for word in "$@"; do
    case $word in 124m | 20x1024 | llama1b | qwen05 | moe64) shapes="$shapes $word" ;; esac
done
for shape in ${shapes:-124m}; do python3 "$here/make_models.py" "$work/models" "$shape"; done
exec python3 "$here/compare.py" --ours "$(find "$build" -name earlyout_peer -type f | head -n 1)" \
    --theirs "$work/llama_cpp" --backends "$lib" --models "$work/models" "$@"
