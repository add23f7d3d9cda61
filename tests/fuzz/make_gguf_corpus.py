#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the GGUF fuzz target, corpus/gguf/: small files with every type of value and of tensor."""

import pathlib
import struct

FOLDER = pathlib.Path(__file__).resolve().parent / "corpus" / "gguf"
CODES = dict(u8=(0, "B"), i8=(1, "b"), u16=(2, "H"), i16=(3, "h"), u32=(4, "I"), i32=(5, "i"), f32=(6, "f"),
             bool=(7, "?"), u64=(10, "Q"), i64=(11, "q"), f64=(12, "d"))


def text(x):
    return struct.pack("<Q", len(x)) + x.encode()


def value(kind, x):
    """A value without its type."""
    if kind == "string":
        return text(x)
    if kind == "array":
        of, items = x
        return struct.pack("<IQ", type_of(of), len(items)) + b"".join(value(of, i) for i in items)
    return struct.pack("<" + CODES[kind][1], x)


def type_of(kind):
    return {"string": 8, "array": 9}[kind] if kind in ("string", "array") else CODES[kind][0]


def gguf(keys, tensors, version=3, alignment=32):
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    data = b""
    for name, kind, x in keys:
        head += text(name) + struct.pack("<I", type_of(kind)) + value(kind, x)
    for name, extents, kind, raw in tensors:
        head += text(name) + struct.pack("<I", len(extents)) + struct.pack(f"<{len(extents)}Q", *extents)
        head += struct.pack("<IQ", kind, len(data))
        data += raw + bytes(-len(raw) % alignment)
    return head + bytes(-len(head) % alignment) + data


def architecture(name, layer, **more):
    keys = [("general.architecture", "string", name)]
    keys += [(f"{name}.{key}", "u32", x) for key, x in (("block_count", 1), ("embedding_length", 32),
             ("feed_forward_length", 32), ("attention.head_count", 2), ("attention.head_count_kv", 1),
             ("context_length", 8))]
    keys += [(f"{name}.attention.layer_norm_rms_epsilon", "f32", 1e-5), (f"{name}.rope.freq_base", "f32", 1e4)]
    keys += [(f"{name}.{key}", *x) for key, x in more.items()]
    tensors = [("token_embd.weight", (32, 3), 8, bytes(34 * 3)), ("output_norm.weight", (32,), 0, bytes(128))]
    tensors += [(f"blk.0.{key}.weight", (32, rows), 2, bytes(range(18)) * rows) for key, rows in layer]
    return keys, tensors


def tokenizer(model, pieces, kinds, **more):
    keys = [("general.architecture", "string", "llama"), ("tokenizer.ggml.model", "string", model)]
    keys += [("tokenizer.ggml.tokens", "array", ("string", pieces)), ("tokenizer.ggml.token_type", "array", ("i32", kinds))]
    return gguf(keys + [("tokenizer.ggml." + key, *x) for key, x in more.items()], [])


PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]  # GPT-2's spelling of bytes
BYTES = [chr(b) for b in PRINTABLE] + [chr(0x100 + i) for i in range(256 - len(PRINTABLE))]

FILES = {
    "byte_level": tokenizer("gpt2", BYTES + ["if", "<s>"], [1] * 257 + [3], pre=("string", "llama-bpe"),
                            merges=("array", ("string", ["i f"])), bos_token_id=("u32", 257)),
    "sentence_piece": tokenizer("llama", ["<unk>", "<s>"] + [f"<0x{b:02X}>" for b in range(256)] + ["i", "f", "if"],
                                [2, 3] + [6] * 256 + [1] * 3, scores=("array", ("f32", [0.0] * 258 + [-1, -2, -3])),
                                bos_token_id=("u32", 1), add_eos_token=("bool", True)),
    "values": gguf(
        [(k, k, 1) for k in CODES] + [("s", "string", "words"), ("a", "array", ("string", ["a", "bc", ""])),
        ("n", "array", ("array", [("u8", [1, 2]), ("f32", [1.5])])), ("general.alignment", "u32", 64)],
        [("w", (3,), 0, struct.pack("<3f", 1, 2, 3))], alignment=64),
    "types": gguf([], [(f"t{kind}", (256,), kind, bytes(size)) for kind, size in
                       ((0, 1024), (1, 512), (2, 144), (3, 160), (8, 272), (12, 144), (14, 210), (30, 512))], version=2),
    "llama": gguf(*architecture("llama", [("attn_q", 32), ("attn_k", 16)], **{"rope.scaling.type": ("string", "linear"),
                                "rope.scaling.factor": ("f32", 2.0)})),
    "gpt2": gguf(*architecture("gpt2", [("attn_qkv", 96)])),
    "nothing": gguf([], []),
}

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, made in FILES.items():
        (FOLDER / name).write_bytes(made)
