#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a checkpoint of step 3 as a Hugging Face Llama folder.

    4_export.py CHECKPOINT.npz WORK OUT [bf16|f32] [context]

WORK holds tokenizer.json of step 1.
"""

import json
import os
import shutil
import struct
import sys

import numpy as np

from model import EPSILON, ROPE_THETA, Model
from text import END_OF_TEXT, FIM_PAD, Encoder


def narrowed(x):
    """bf16, to the nearest, ties to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def llama_tensors(named, layers):
    """The trainer's tensors under Llama's names."""
    yield "model.embed_tokens.weight", named["embed_tokens"]
    for l in range(layers):
        at = f"layers.{l}."
        for name in ("input_layernorm", "post_attention_layernorm", "self_attn.o_proj", "mlp.down_proj"):
            yield f"model.{at}{name}.weight", named[at + name]
        for name, part in zip("qkv", np.split(named[at + "self_attn.qkv_proj"], 3)):
            yield f"model.{at}self_attn.{name}_proj.weight", part
        for name, part in zip(("gate", "up"), np.split(named[at + "mlp.gate_up_proj"], 2)):
            yield f"model.{at}mlp.{name}_proj.weight", part
    yield "model.norm.weight", named["norm"]


def write_safetensors(path, tensors, bf16):
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, x in tensors:
        raw = (narrowed(x) if bf16 else np.ascontiguousarray(x, np.float32)).tobytes()
        end = offset + len(raw)
        header[name] = {"dtype": "BF16" if bf16 else "F32", "shape": list(x.shape), "data_offsets": [offset, end]}
        offset = end
        blobs.append(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for raw in blobs:
            f.write(raw)
    return offset


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=1)
        f.write("\n")


def main():
    checkpoint, work, out = sys.argv[1:4]
    bf16 = (sys.argv[4] if len(sys.argv) > 4 else "bf16") == "bf16"
    os.makedirs(out, exist_ok=True)
    with np.load(checkpoint) as saved:
        counts, weights = json.loads(str(saved["counts"])), saved["weights"]
    context = int(sys.argv[5]) if len(sys.argv) > 5 else counts["context"]
    layers, width, heads, inner, vocabulary = counts["shape"]
    model = Model((*counts["shape"], context), work, threads=1)
    size = write_safetensors(out + "/model.safetensors", llama_tensors(model.named(weights), layers), bf16)
    special = Encoder.of(work).special
    end = special[END_OF_TEXT]
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": width // heads,
        "max_position_embeddings": context,
        "rms_norm_eps": EPSILON,
        "rope_theta": ROPE_THETA,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "vocab_size": vocabulary,
        "bos_token_id": end,
        "eos_token_id": end,
        "torch_dtype": "bfloat16" if bf16 else "float32",
    }
    write_json(out + "/config.json", config)
    write_json(out + "/generation_config.json", {"bos_token_id": end, "eos_token_id": end, "do_sample": False})
    words = {"add_bos_token": False, "eos_token": END_OF_TEXT, "pad_token": FIM_PAD, "model_max_length": context}
    write_json(out + "/tokenizer_config.json", {**words, "tokenizer_class": "GPT2Tokenizer"})
    shutil.copy(work + "/tokenizer.json", out + "/tokenizer.json")
    print("wrote", out, size / 1e6, "MB,", counts["tokens"] / 1e6, "million tokens")


if __name__ == "__main__":
    main()
