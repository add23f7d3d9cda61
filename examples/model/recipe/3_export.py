#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a checkpoint of step 2 as a Hugging Face GPT-2 folder.

    3_export.py CHECKPOINT.pt WORK OUT L,D,H,C,V [bf16|f32]

WORK holds tokenizer.json of step 1. The shape is layers, d_model, heads, context, vocabulary.
"""

import json
import os
import shutil
import struct
import sys

import torch


def gpt2_tensors(trained, layers):
    """The trainer's tensors under GPT-2's names. GPT-2 keeps Conv1D weights: [in, out]."""
    tensors = {name: trained[name] for name in ("wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias")}
    renamed = {"c_attn": "attn.c_attn", "c_proj": "attn.c_proj", "c_fc": "mlp.c_fc", "m_proj": "mlp.c_proj"}
    for i in range(layers):
        for name in ("ln_1.weight", "ln_1.bias", "ln_2.weight", "ln_2.bias"):
            tensors[f"h.{i}.{name}"] = trained[f"h.{i}.{name}"]
        for source, target in renamed.items():
            tensors[f"h.{i}.{target}.weight"] = trained[f"h.{i}.{source}.weight"].t().contiguous()
            tensors[f"h.{i}.{target}.bias"] = trained[f"h.{i}.{source}.bias"]
    return tensors


def write_safetensors(path, tensors, bf16):
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, t in tensors.items():
        t = t.to(torch.bfloat16 if bf16 else torch.float32).contiguous()
        raw = (t.view(torch.int16) if bf16 else t).numpy().tobytes()
        header["transformer." + name] = {
            "dtype": "BF16" if bf16 else "F32",
            "shape": list(t.shape),
            "data_offsets": [offset, offset + len(raw)],
        }
        offset += len(raw)
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


def main():
    checkpoint, work, out, shape = sys.argv[1:5]
    bf16 = (sys.argv[5] if len(sys.argv) > 5 else "bf16") == "bf16"
    layers, d, heads, context, vocabulary = map(int, shape.split(","))
    os.makedirs(out, exist_ok=True)

    trained = torch.load(checkpoint, map_location="cpu")["m"]
    size = write_safetensors(out + "/model.safetensors", gpt2_tensors(trained, layers), bf16)
    end_of_text = vocabulary - 1
    config = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "n_embd": d,
        "n_layer": layers,
        "n_head": heads,
        "n_positions": context,
        "n_ctx": context,
        "n_inner": None,
        "vocab_size": vocabulary,
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": True,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "torch_dtype": "bfloat16" if bf16 else "float32",
    }
    write_json(out + "/config.json", config)
    generation = {"bos_token_id": end_of_text, "eos_token_id": end_of_text, "do_sample": False}
    write_json(out + "/generation_config.json", generation)
    shutil.copy(work + "/tokenizer.json", out + "/tokenizer.json")
    print("wrote", out, size / 1e6, "MB")


if __name__ == "__main__":
    main()
