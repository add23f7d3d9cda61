#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a GPT-2 folder with a byte-level BPE tokenizer, such as the bundled model, as a GGUF file that llama.cpp
reads too. Needs python3-numpy.

    gpt2_gguf.py FOLDER FILE [f32|q8_0]
"""
import json
import pathlib
import struct
import sys

import numpy as np


def text(x):
    raw = x.encode()
    return struct.pack("<Q", len(raw)) + raw


def string(key, value):
    return text(key) + struct.pack("<I", 8) + text(value)


def number(key, value):
    return text(key) + struct.pack("<II", 4, value)


def strings(key, values):
    return text(key) + struct.pack("<IIQ", 9, 8, len(values)) + b"".join(text(v) for v in values)


def read_weights(folder):
    with open(folder / "model.safetensors", "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(size))
        data = f.read()
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(data[begin:end], np.uint16).astype(np.uint32) << 16).view(np.float32)
        elif entry["dtype"] == "F32":
            values = np.frombuffer(data[begin:end], np.float32)
        else:
            sys.exit(f"{folder}/model.safetensors: '{name}': expected BF16 or F32, found {entry['dtype']}")
        found[name.removeprefix("transformer.")] = values.reshape(entry["shape"])
    return found


def tensors(weights, layers):
    """(name, values): matrices as [out, in]."""
    yield "token_embd.weight", weights["wte.weight"]
    yield "position_embd.weight", weights["wpe.weight"]
    yield "output_norm.weight", weights["ln_f.weight"]
    yield "output_norm.bias", weights["ln_f.bias"]
    yield "output.weight", weights.get("lm_head.weight", weights["wte.weight"])
    for i in range(layers):
        for ours, theirs in (("ln_1", "attn_norm"), ("attn.c_attn", "attn_qkv"), ("attn.c_proj", "attn_output"),
                             ("ln_2", "ffn_norm"), ("mlp.c_fc", "ffn_up"), ("mlp.c_proj", "ffn_down")):
            matrix = weights[f"h.{i}.{ours}.weight"]
            yield f"blk.{i}.{theirs}.weight", matrix.T if matrix.ndim == 2 else matrix  # stored as [in, out]
            yield f"blk.{i}.{theirs}.bias", weights[f"h.{i}.{ours}.bias"]


def q8_0(values):
    blocks = np.ascontiguousarray(values, np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127
    codes = np.rint(np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale > 0)).astype(np.int8)
    return np.concatenate([scale.astype(np.float16).view(np.uint8), codes.view(np.uint8)], axis=1).tobytes()


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["f32"], ["q8_0"]):
        sys.exit(__doc__)
    folder, path = pathlib.Path(sys.argv[1]), sys.argv[2]
    form = (sys.argv[3:] or ["f32"])[0]
    config = json.loads((folder / "config.json").read_text())
    words = json.loads((folder / "tokenizer.json").read_text())
    vocab = sorted(words["model"]["vocab"].items(), key=lambda one: one[1])
    names = [name for name, _ in vocab]
    special = {one["id"]: one["content"] for one in words["added_tokens"] if one["special"]}
    for i, content in special.items():
        names[i:i + 1] = [content]
    kinds = [3 if i in special else 1 for i in range(len(names))]
    merges = [m if isinstance(m, str) else " ".join(m) for m in words["model"]["merges"]]
    keys = [string("general.architecture", "gpt2"), string("general.name", folder.name),
            number("general.file_type", 0 if form == "f32" else 7), number("general.quantization_version", 2),
            number("gpt2.context_length", config["n_positions"]), number("gpt2.embedding_length", config["n_embd"]),
            number("gpt2.feed_forward_length", config["n_inner"] or 4 * config["n_embd"]),
            number("gpt2.block_count", config["n_layer"]), number("gpt2.attention.head_count", config["n_head"]),
            text("gpt2.attention.layer_norm_epsilon") + struct.pack("<If", 6, config["layer_norm_epsilon"]),
            string("tokenizer.ggml.model", "gpt2"), string("tokenizer.ggml.pre", "gpt-2"),
            strings("tokenizer.ggml.tokens", names),
            text("tokenizer.ggml.token_type") + struct.pack(f"<IIQ{len(kinds)}i", 9, 5, len(kinds), *kinds),
            strings("tokenizer.ggml.merges", merges),
            number("tokenizer.ggml.bos_token_id", config["bos_token_id"]),
            number("tokenizer.ggml.eos_token_id", config["eos_token_id"]),
            text("tokenizer.ggml.add_bos_token") + struct.pack("<IB", 7, 0)]
    made, at, parts = [], 0, []
    for name, values in tensors(read_weights(folder), config["n_layer"]):
        coded = form == "q8_0" and values.ndim == 2 and not name.startswith("position") and values.shape[1] % 32 == 0
        data = q8_0(values) if coded else np.ascontiguousarray(values, np.float32).tobytes()
        made.append(text(name) + struct.pack("<I", values.ndim) + struct.pack(f"<{values.ndim}Q", *values.shape[::-1])
                    + struct.pack("<IQ", 8 if coded else 0, at))
        parts.append(data + bytes(-len(data) % 32))
        at += len(parts[-1])
    with open(path, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(made), len(keys)) + b"".join(keys) + b"".join(made))
        f.write(bytes(-f.tell() % 32))
        f.writelines(parts)


if __name__ == "__main__":
    main()
