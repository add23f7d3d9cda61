#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a checkpoint of Llama-3.2-1B's shape with random weights, as a Hugging Face folder in bfloat16 (2.5 GB), to see
what loading and decoding a model of that size takes. Neither depends on the values.

    make_llama.py FOLDER
    time earlyout inspect --model FOLDER --dtype int8
    earlyout bench --model FOLDER --dtype int8 --prompt-tokens 128 --new-tokens 32 --exit-layer 8 --threads 2
"""
import json
import os
import random
import struct
import sys

LAYERS, D, HEADS, KV_HEADS, HEAD_DIM, FF, VOCAB = 16, 2048, 32, 8, 64, 8192, 128256
CONFIG = dict(
    architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=D, intermediate_size=FF, num_hidden_layers=LAYERS,
    num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=HEAD_DIM, vocab_size=VOCAB,
    max_position_embeddings=131072, rms_norm_eps=1e-5, rope_theta=500000.0, tie_word_embeddings=True,
    rope_scaling=dict(factor=32.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192,
                      rope_type="llama3"),
    hidden_act="silu", attention_bias=False, mlp_bias=False, torch_dtype="bfloat16")


def tensors():
    yield "model.embed_tokens.weight", (VOCAB, D)
    for layer in range(LAYERS):
        name = f"model.layers.{layer}."
        yield name + "input_layernorm.weight", (D,)
        yield name + "post_attention_layernorm.weight", (D,)
        for part, shape in (("q", (HEADS * HEAD_DIM, D)), ("k", (KV_HEADS * HEAD_DIM, D)),
                            ("v", (KV_HEADS * HEAD_DIM, D)), ("o", (D, HEADS * HEAD_DIM))):
            yield f"{name}self_attn.{part}_proj.weight", shape
        for part, shape in (("gate", (FF, D)), ("up", (FF, D)), ("down", (D, FF))):
            yield f"{name}mlp.{part}_proj.weight", shape
    yield "model.norm.weight", (D,)


def main():
    (folder,) = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    source = random.Random(1)
    # Upper halves of floats around 0.02: bfloat16.
    pool = b"".join(struct.pack("<f", source.gauss(0, 0.02))[2:] for _ in range(1 << 20))
    header, at = {}, 0
    for name, shape in tensors():
        size = 2 * shape[0] * (shape[1] if len(shape) == 2 else 1)
        header[name] = dict(dtype="BF16", shape=shape, data_offsets=[at, at + size])
        at += size
    text = json.dumps(header).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors():
            if len(shape) == 1:
                f.write(b"\x80\x3f" * shape[0])
                continue
            left = 2 * shape[0] * shape[1]
            while left > 0:
                left -= f.write(pool[: min(left, len(pool))])
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(CONFIG, f, indent=1)


if __name__ == "__main__":
    main()
