#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz target of packed files, corpus/packed/: the small models of tests/data, packed.

    make_packed_corpus.py EARLYOUT_COMMAND
"""
import pathlib
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
FOLDER = TESTS / "fuzz" / "corpus" / "packed"
SEEDS = {
    "gpt2_f32": ("data/gpt2/tiny", "f32"),
    "gpt2_bf16": ("data/gpt2/tiny", "bf16"),
    "llama_int8": ("data/families/llama_linear", "int8"),
    "qwen2_int4": ("data/families/qwen2_layer_types", "int4"),
    "qwen3_int4": ("data/families/qwen3", "int4"),
    "codegen_int4": ("data/families/codegen", "int4"),
}

for name, (model, form) in SEEDS.items():
    with tempfile.TemporaryDirectory() as folder:
        packed = pathlib.Path(folder) / "packed"
        subprocess.run([sys.argv[1], "quantize", "--model", TESTS / model, "--dtype", form, "--out", packed], check=True)
        raw = packed.read_bytes()
    begin = 8 + int.from_bytes(raw[:8], "little")
    # A target's input: the header, one byte 0, the data.
    (FOLDER / name).write_bytes(raw[8:begin].rstrip() + b"\0" + raw[begin:])
