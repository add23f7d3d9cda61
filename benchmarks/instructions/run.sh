#!/bin/sh
# SPDX-License-Identifier: MIT
# sh benchmarks/instructions/run.sh [LLAMA_CPP]
# Counts the instructions per product of the inner loops for AArch64, at the three levels of the presets; those of
# llama.cpp too, if its folder is given. CXX and OBJDUMP name the tools.
set -eu
here=$(dirname "$0")
top=$here/../..
CXX=${CXX:-aarch64-linux-gnu-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count() { python3 "$here/count.py" "$@"; }

for level in armv8-a armv8.2-a+dotprod+fp16 armv8.6-a+i8mm+bf16; do
    echo "== $level"
    "$CXX" -std=c++20 -O3 -DNDEBUG -march="$level" -Wno-psabi -I "$top/include" -c "$here/products.cpp" \
        -o "$work/products.o"
    count "$work/products.o"
    [ $# -eq 1 ] || continue
    echo "== $level, llama.cpp"
    cpu=$1/ggml/src/ggml-cpu
    for source in quants.c repack.cpp; do
        language=c
        [ "$source" = quants.c ] || language=c++
        "$CXX" -x "$language" -O3 -DNDEBUG -D_GNU_SOURCE -march="$level" -I "$cpu" -I "$cpu/.." \
            -I "$1/ggml/include" -c "$cpu/arch/arm/$source" -o "$work/peer.o"
        count "$work/peer.o" '^ggml_(vec_dot|gemv|gemm)_'
    done
done
