#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a copy of a GPT-2 folder whose matrices llama.cpp rounded to a block type and back, the output matrix to Q8_0:
what its rounding costs, to be compared with ours by earlyout_accuracy. Needs python3-numpy.

    rounded.py LIBRARIES FOLDER TYPE INTO      LIBRARIES: where libggml-base.so is (peers/run.sh fetches it)
"""
import ctypes
import json
import pathlib
import shutil
import struct
import sys

import numpy as np

# ggml's number of a type, and the bytes of its block of 32
TYPES = {"q4_0": (2, 18), "q4_1": (3, 20), "q5_0": (6, 22), "q5_1": (7, 24), "q8_0": (8, 34), "iq4_nl": (20, 18),
         "mxfp4": (39, 17)}


def rounded(ggml, weights, name):
    """weights: [rows, columns], rows of whole blocks"""
    number, block = TYPES[name]
    weights = np.ascontiguousarray(weights, dtype=np.float32)
    rows, columns = weights.shape
    if columns % 32:
        sys.exit(f"rows of {columns} weights are not whole blocks of 32")
    codes = np.zeros(rows * columns // 32 * block, dtype=np.uint8)
    ggml.ggml_quantize_init(number)
    ggml.ggml_quantize_chunk(ctypes.c_int(number), ctypes.c_void_p(weights.ctypes.data),
                             ctypes.c_void_p(codes.ctypes.data), ctypes.c_int64(0), ctypes.c_int64(rows),
                             ctypes.c_int64(columns), None)
    back = np.zeros_like(weights)
    getattr(ggml, "dequantize_row_" + name)(ctypes.c_void_p(codes.ctypes.data), ctypes.c_void_p(back.ctypes.data),
                                            ctypes.c_int64(rows * columns))
    return back


def floats(stored, kind):
    if kind == "BF16":
        return (np.frombuffer(stored, np.uint16).astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(stored, {"F32": np.float32, "F16": np.float16}[kind]).astype(np.float32)


def main():
    if len(sys.argv) != 5 or sys.argv[3] not in TYPES:
        sys.exit(__doc__)
    libraries, folder, name, into = sys.argv[1:]
    ggml = ctypes.CDLL(str(pathlib.Path(libraries) / "libggml-base.so"))
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    shutil.copytree(folder, into, ignore=shutil.ignore_patterns("exits*"))
    raw = (pathlib.Path(folder) / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header, data, made, at = json.loads(raw[8:8 + size]), raw[8 + size:], {}, 0
    blobs = []
    for tensor, entry in header.items():
        if tensor == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        weights = floats(data[begin:end], entry["dtype"]).reshape(entry["shape"])
        if weights.ndim == 2 and "wte" in tensor:
            weights = rounded(ggml, weights, "q8_0")
        elif weights.ndim == 2 and "wpe" not in tensor:
            weights = rounded(ggml, weights.T, name).T  # Conv1D: [in, out]
        blobs.append(np.ascontiguousarray(weights, dtype=np.float32).tobytes())
        made[tensor] = {"dtype": "F32", "shape": entry["shape"], "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    text = json.dumps(made).encode()
    text += b" " * (-len(text) % 8)
    (pathlib.Path(into) / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


if __name__ == "__main__":
    main()
