#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes checkpoints of given shapes with random weights. Speed does not depend on the values.

    make_models.py FOLDER SHAPE [FORMAT...]

GPT-2 (124m, 20x1024): for us a Hugging Face folder in bfloat16, for llama.cpp a GGUF file in each of f32 f16 bf16 q8_0
q4_0. The shapes of Llama-3.2-1B and Qwen2.5-Coder-0.5B (llama1b, qwen05), and a mixture of experts in OLMoE's layout,
of half its width and depth (moe64: 8 of 64 experts): a GGUF file in each of q4_k_m q5_k_m q6_k q8_0 q4_0 iq4_xs, which
both read.
"""
import array
import json
import math
import os
import random
import struct
import sys

SHAPES = {
    "124m": dict(layers=12, d=768, heads=12, ff=3072, vocab=50257, context=1024),
    "20x1024": dict(layers=20, d=1024, heads=16, ff=4096, vocab=51200, context=1024),
}
# Llama and Qwen2, of which both engines read the same GGUF file.
SHARED = {
    "llama1b": dict(arch="llama", layers=16, d=2048, heads=32, kv_heads=8, ff=8192, vocab=128256, context=32768),
    "qwen05": dict(arch="qwen2", layers=24, d=896, heads=14, kv_heads=2, ff=4864, vocab=151936, context=32768),
    "moe64": dict(arch="olmoe", layers=8, d=1024, heads=16, kv_heads=16, ff=512, experts=64, active=8, vocab=50304,
                  context=4096),
}
# What each file stores most matrices as, and the output matrix and half of attn_v and ffn_down: llama.cpp's mixes, but
# for IQ4_XS, where it takes a little more for some matrices. File type number.
MIXES = {"q4_k_m": ("q4_k", "q6_k", 15), "q5_k_m": ("q5_k", "q6_k", 17), "q6_k": ("q6_k", "q6_k", 18),
         "q8_0": ("q8_0", "q8_0", 7), "q4_0": ("q4_0", "q4_0", 2), "iq4_xs": ("iq4_xs", "q6_k", 30)}
# What llama.cpp takes where a row is not whole blocks of 256.
FALLBACK = {"q4_k": "q5_0", "q5_k": "q5_1", "q6_k": "q8_0", "iq4_xs": "iq4_nl"}
# GGUF type number, weights and bytes of a block, where its binary16 factors are and what they are
BLOCKS = {"q8_0": (8, 32, 34, {0: 2.7e-4}), "q4_0": (2, 32, 18, {0: 4.3e-3}), "q5_0": (6, 32, 22, {0: 2.2e-3}),
          "q5_1": (7, 32, 24, {0: 2.2e-3, 2: -3.4e-2}), "iq4_nl": (20, 32, 18, {0: 3e-4}),
          "q4_k": (12, 256, 144, {0: 1.2e-4, 2: 9e-4}), "q5_k": (13, 256, 176, {0: 6e-5, 2: 9.3e-4}),
          "q6_k": (14, 256, 210, {208: 2e-5}), "iq4_xs": (23, 256, 136, {0: 1.5e-5})}

# GGUF: type number, weights of a block, bytes of a block, file type number
FORMATS = {"f32": (0, 1, 4, 0), "f16": (1, 1, 2, 1), "bf16": (30, 1, 2, 32), "q8_0": (8, 32, 34, 7), "q4_0": (2, 32, 18, 2)}

source = random.Random(1)
pool = array.array("f", (source.gauss(0, 0.02) for _ in range(1 << 18)))
halves = memoryview(pool).cast("B").cast("H")[1::2].tobytes()  # the upper halves: bfloat16


def tile(bytes_, size):
    return (bytes_ * (size // len(bytes_) + 1))[:size]


def random_bytes(name, count):
    """`count` weights in a format."""
    if name == "f32":
        return tile(pool.tobytes(), 4 * count)
    if name == "bf16":
        return tile(halves, 2 * count)
    if name == "f16":
        return tile(b"".join(struct.pack("<e", x) for x in pool[: 1 << 16]), 2 * count)
    _, block, size, _ = FORMATS[name]
    scale = struct.pack("<e", 0.02 / (74 if name == "q8_0" else 4.6))
    blocks = b"".join(scale + source.randbytes(size - 2) for _ in range(1 << 14))
    return tile(blocks, count // block * size)


def tensors(s):
    """(our name, GGUF name, shape) of everything; a shape of one number is a vector."""
    d, ff = s["d"], s["ff"]
    yield "wte.weight", "token_embd.weight", (s["vocab"], d)
    yield "wpe.weight", "position_embd.weight", (s["context"], d)
    yield "ln_f.weight", "output_norm.weight", (d,)
    yield "ln_f.bias", "output_norm.bias", (d,)
    yield "lm_head.weight", "output.weight", (s["vocab"], d)
    for layer in range(s["layers"]):
        for ours, theirs, out, into in (
            ("attn.c_attn", "attn_qkv", 3 * d, d),
            ("attn.c_proj", "attn_output", d, d),
            ("mlp.c_fc", "ffn_up", ff, d),
            ("mlp.c_proj", "ffn_down", d, ff),
        ):
            yield f"h.{layer}.{ours}.weight", f"blk.{layer}.{theirs}.weight", (out, into)
            yield f"h.{layer}.{ours}.bias", f"blk.{layer}.{theirs}.bias", (out,)
        for ours, theirs in (("ln_1", "attn_norm"), ("ln_2", "ffn_norm")):
            for part in ("weight", "bias"):
                yield f"h.{layer}.{ours}.{part}", f"blk.{layer}.{theirs}.{part}", (d,)


def write_hugging_face(folder, s):
    os.makedirs(folder, exist_ok=True)
    config = dict(model_type="gpt2", n_layer=s["layers"], n_embd=s["d"], n_head=s["heads"], n_inner=s["ff"],
                  vocab_size=s["vocab"], n_positions=s["context"], tie_word_embeddings=False)
    header, at, parts = {}, 0, []
    for name, _, shape in tensors(s):
        if name.startswith("h.") and len(shape) == 2:
            shape = shape[::-1]  # GPT-2 stores its layers' matrices transposed
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        header[name] = dict(dtype="BF16", shape=shape, data_offsets=[at, at + 2 * count])
        at += 2 * count
        one = name.endswith("weight") and len(shape) == 1
        parts.append(b"\x80\x3f" * count if one else bytes(2 * count) if len(shape) == 1 else random_bytes("bf16", count))
    text = json.dumps(header).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.writelines(parts)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f)


def write_gguf(path, s, name):
    def text(x):
        return struct.pack("<Q", len(x)) + x.encode()

    def number(key, value):
        return text("gpt2." + key) + struct.pack("<II", 4, value)

    def string(key, value):
        return text(key) + struct.pack("<I", 8) + text(value)

    keys = [
        string("general.architecture", "gpt2"), string("general.name", "random"),
        text("general.file_type") + struct.pack("<II", 4, FORMATS[name][3]),
        text("general.quantization_version") + struct.pack("<II", 4, 2),
        number("context_length", s["context"]), number("embedding_length", s["d"]),
        number("feed_forward_length", s["ff"]), number("block_count", s["layers"]),
        number("attention.head_count", s["heads"]), number("vocab_size", s["vocab"]),
        text("gpt2.attention.layer_norm_epsilon") + struct.pack("<If", 6, 1e-5),
        string("tokenizer.ggml.model", "no_vocab"),
    ]
    made, at, parts = [], 0, []
    for _, tensor, shape in tensors(s):
        # llama.cpp keeps vectors and positions in f32.
        form = "f32" if len(shape) == 1 or tensor.startswith("position") else name
        kind, block, size, _ = FORMATS[form]
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        extent = count // block * size
        made.append(text(tensor) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape[::-1])
                    + struct.pack("<IQ", kind, at))
        if len(shape) == 1:
            value = 1.0 if tensor.endswith("norm.weight") else 0.0
            data = struct.pack("<f", value) * count
        else:
            data = random_bytes(form, count)
        parts.append(data + bytes(-extent % 32))
        at += extent + -extent % 32
    with open(path, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(made), len(keys)) + b"".join(keys) + b"".join(made))
        f.write(bytes(-f.tell() % 32))
        f.writelines(parts)


def text(x):
    return struct.pack("<Q", len(x)) + x.encode()


def shared_tensors(s, mix):
    """(name, shape, block type) of everything in a GGUF file that both engines read; vectors have no type."""
    most, more, _ = MIXES[mix]
    d, ff, kv, layers = s["d"], s["ff"], s["d"] // s["heads"] * s["kv_heads"], s["layers"]

    def matrix(name, out, into, large):
        form = more if large else most
        experts = (s["experts"],) if name.endswith("_exps") else ()
        return name + ".weight", (*experts, out, into), form if into % BLOCKS[form][1] == 0 else FALLBACK[form]

    yield matrix("token_embd", s["vocab"], d, True)
    yield "output_norm.weight", (d,), None
    if "experts" in s:  # whose files always have one
        yield matrix("output", s["vocab"], d, True)
    for i in range(layers):
        large = i < layers // 8 or i >= 7 * layers // 8 or (i - layers // 8) % 3 == 2
        kind = "_exps" if "experts" in s else ""
        for name, out, into in (("attn_q", d, d), ("attn_k", kv, d), ("attn_v", kv, d), ("attn_output", d, d),
                                ("ffn_gate" + kind, ff, d), ("ffn_up" + kind, ff, d), ("ffn_down" + kind, d, ff)):
            yield matrix(f"blk.{i}.{name}", out, into, large and name.startswith(("attn_v", "ffn_down")))
        if kind:
            yield f"blk.{i}.ffn_gate_inp.weight", (s["experts"], d), None
            yield f"blk.{i}.attn_q_norm.weight", (d,), None
            yield f"blk.{i}.attn_k_norm.weight", (kv,), None
        if s["arch"] == "qwen2":
            for name, size in (("attn_q", d), ("attn_k", kv), ("attn_v", kv)):
                yield f"blk.{i}.{name}.bias", (size,), None
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{i}.{name}.weight", (d,), None


def random_blocks(form, count):
    _, block, size, factors = BLOCKS[form]
    made = bytearray(source.randbytes(size << 13))
    for at in range(0, len(made), size):
        for place, factor in factors.items():
            made[at + place : at + place + 2] = struct.pack("<e", factor)
    return tile(bytes(made), count // block * size)


def write_shared(path, s, mix):
    arch = s["arch"]

    def number(key, value):
        return text(f"{arch}.{key}") + struct.pack("<II", 4, value)

    def real(key, value):
        return text(f"{arch}.{key}") + struct.pack("<If", 6, value)

    def string(key, value):
        return text(key) + struct.pack("<I", 8) + text(value)

    keys = [string("general.architecture", arch), string("general.name", "random"),
            text("general.file_type") + struct.pack("<II", 4, MIXES[mix][2]),
            text("general.quantization_version") + struct.pack("<II", 4, 2),
            number("context_length", s["context"]), number("embedding_length", s["d"]),
            number("feed_forward_length", s["ff"]), number("block_count", s["layers"]),
            number("attention.head_count", s["heads"]), number("attention.head_count_kv", s["kv_heads"]),
            number("rope.dimension_count", s["d"] // s["heads"]), number("vocab_size", s["vocab"]),
            real("attention.layer_norm_rms_epsilon", 1e-5), real("rope.freq_base", 500000.0),
            string("tokenizer.ggml.model", "no_vocab")]
    if "experts" in s:
        keys += [number("expert_count", s["experts"]), number("expert_used_count", s["active"])]
    made, at, parts = [], 0, []
    for name, shape, form in shared_tensors(s, mix):
        count = math.prod(shape)
        if form is None and len(shape) == 2:  # a router, whose rows must differ for tokens to choose differently
            kind, data = 0, tile(pool.tobytes(), 4 * count)
        elif form is None:
            kind, data = 0, struct.pack("<f", 1.0 if name.endswith("norm.weight") else 0.0) * count
        else:
            kind, data = BLOCKS[form][0], random_blocks(form, count)
        made.append(text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape[::-1])
                    + struct.pack("<IQ", kind, at))
        parts.append(data + bytes(-len(data) % 32))
        at += len(parts[-1])
    with open(path, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(made), len(keys)) + b"".join(keys) + b"".join(made))
        f.write(bytes(-f.tell() % 32))
        f.writelines(parts)


def main():
    folder, shape, *formats = sys.argv[1:]
    if shape in SHARED:
        os.makedirs(folder, exist_ok=True)
        for mix in formats or MIXES:
            path = os.path.join(folder, f"{shape}-{mix}.gguf")
            if not os.path.exists(path):
                write_shared(path, SHARED[shape], mix)
        return
    s = SHAPES[shape]
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(os.path.join(folder, shape, "config.json")):
        write_hugging_face(os.path.join(folder, shape), s)
    for name in formats or FORMATS:
        path = os.path.join(folder, f"{shape}-{name}.gguf")
        if not os.path.exists(path):
            write_gguf(path, s, name)


if __name__ == "__main__":
    main()
