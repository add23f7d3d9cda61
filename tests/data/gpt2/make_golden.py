#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes small random GPT-2 checkpoints and what a correct forward pass computes from them.

Needs Debian's python3-torch and python3-numpy.

    make_golden.py           writes every folder beside this script
    make_golden.py --check   recomputes everything and compares with the files

Each folder is a Hugging Face checkpoint (config.json, model.safetensors or shards) plus golden.safetensors:

    ids     [tokens]                 the token sequence, as F32 values
    hidden  [layers, tokens, d]      the residual stream after each layer, before the final norm
    logits  [layers, tokens, vocab]  final norm and output matrix applied to each of those

The reference is computed in float64 from the weights as stored, that is after rounding to F16 or BF16, and
is written from the definition of the architecture. A second path built on torch.nn.functional must agree
with it to 1e-10. Deliberate mistakes (wrong activation, query and key swapped, ...) must change the logits by
far more than the tolerance of the tests: a checkpoint on which a bug does not show proves nothing.
"""

import json
import math
import pathlib
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
TEST_TOLERANCE = 1e-4

VARIANTS = {
    # One layer, one head, everything as small as it can usefully be.
    "tiny": dict(seed=1, layers=1, d=8, heads=1, vocab=11, context=16),
    # Widths that no SIMD register divides, names without a prefix, an output matrix of its own.
    "odd_untied": dict(seed=2, layers=3, d=20, heads=5, inner=52, vocab=97, context=40, prefix="", tied=False),
    # One head as wide as the model, exact GELU, F16.
    "one_head_f16": dict(seed=3, layers=2, d=24, heads=1, vocab=33, context=32, activation="gelu", dtype="F16"),
    # Two shards and the mask buffers that old checkpoints carry along.
    "sharded_bf16": dict(
        seed=4, layers=4, d=48, heads=3, vocab=129, context=48, dtype="BF16", shards=2, mask_buffers=True
    ),
    # A vocabulary wider than the model, a large epsilon, ReLU.
    "wide_relu": dict(
        seed=5, layers=2, d=72, heads=6, inner=100, vocab=301, context=40, activation="relu", epsilon=1e-3
    ),
    # Heads of 7 elements; the file's header has an odd length, so every tensor is misaligned.
    "odd_head_dim": dict(seed=6, layers=2, d=21, heads=3, vocab=53, context=28, activation="silu", odd_header=True),
}

DEFAULTS = dict(
    inner=None,
    prefix="transformer.",
    tied=True,
    activation="gelu_new",
    dtype="F32",
    shards=1,
    mask_buffers=False,
    epsilon=1e-5,
    odd_header=False,
)

TORCH_TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
CONFIG_TYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


# ---------------------------------------------------------------------------------------------------------
# Random weights. numpy's RandomState is frozen by promise, so a seed means the same weights for ever.


def random_weights(v):
    """Weights by unprefixed name, rounded to the type they are stored in.

    Much larger than a training start (std 0.02): attention is peaked, activations reach their curved part, and
    every layer moves the residual stream by about its own size.
    """
    rng = np.random.RandomState(v["seed"])
    d, inner = v["d"], v["inner"] or 4 * v["d"]

    def normal(std, *shape):
        return torch.from_numpy(std * rng.standard_normal(shape))

    w = {"wte.weight": normal(2.0 / math.sqrt(d), v["vocab"], d), "wpe.weight": normal(0.4, v["context"], d)}

    def norm(name):
        w[name + ".weight"] = 1.0 + normal(0.3, d)
        w[name + ".bias"] = normal(0.2, d)

    def conv1d(name, fan_in, fan_out, gain):
        w[name + ".weight"] = normal(gain / math.sqrt(fan_in), fan_in, fan_out)  # GPT-2 stores [in, out]
        w[name + ".bias"] = normal(0.2, fan_out)

    for i in range(v["layers"]):
        norm(f"h.{i}.ln_1")
        conv1d(f"h.{i}.attn.c_attn", d, 3 * d, 1.4)
        conv1d(f"h.{i}.attn.c_proj", d, d, 1.0)
        norm(f"h.{i}.ln_2")
        conv1d(f"h.{i}.mlp.c_fc", d, inner, 1.4)
        conv1d(f"h.{i}.mlp.c_proj", inner, d, 1.0)
    norm("ln_f")
    if not v["tied"]:
        w["lm_head.weight"] = normal(2.0 / math.sqrt(d), v["vocab"], d)
    return {name: t.to(TORCH_TYPES[v["dtype"]]) for name, t in w.items()}


def random_ids(v):
    """One token less than the context holds; both ends of the vocabulary occur, and so does a repetition."""
    ids = np.random.RandomState(1000 + v["seed"]).randint(0, v["vocab"], v["context"] - 1)
    ids[1], ids[2], ids[5] = 0, v["vocab"] - 1, ids[4]
    return torch.from_numpy(ids.astype(np.int64))


# ---------------------------------------------------------------------------------------------------------
# The reference: GPT-2 from its definition, in float64.


def activate(name, x):
    if name == "gelu_new":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    if name == "gelu":
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
    if name == "relu":
        return torch.where(x > 0, x, torch.zeros_like(x))
    if name == "silu":
        return x / (1 + torch.exp(-x))
    raise ValueError(name)


def layer_norm(x, weight, bias, epsilon):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + epsilon) * weight + bias


def forward(v, weights, ids, mistake=None):
    """Returns hidden [layers, tokens, d] and logits [layers, tokens, vocab].

    `mistake` names one deliberate error, to measure how visible it is.
    """
    w = {name: t.double() for name, t in weights.items()}
    d, heads, tokens = v["d"], v["heads"], len(ids)
    head_dim = d // heads
    epsilon = v["epsilon"] if mistake != "epsilon" else (1e-5 if v["epsilon"] > 1e-5 else 1e-3)
    activation = v["activation"]
    if mistake == "activation":
        activation = {"gelu_new": "gelu", "gelu": "gelu_new", "relu": "gelu", "silu": "gelu"}[activation]

    def linear(x, name):
        return x @ w[name + ".weight"] + w[name + ".bias"]

    def norm(x, name):
        return layer_norm(x, w[name + ".weight"], w[name + ".bias"], epsilon)

    def attention(x, name):
        q, k, u = linear(x, name + ".c_attn").split(d, dim=1)
        if mistake == "query_key":
            q, k = k, q
        mixed = torch.empty_like(x)
        for h in range(heads):
            part = slice(h * head_dim, (h + 1) * head_dim)
            for t in range(tokens):
                seen = tokens if mistake == "no_mask" else t + 1
                scores = k[:seen, part] @ q[t, part]
                scores = scores / math.sqrt(d if mistake == "scale" else head_dim)
                p = torch.exp(scores - scores.max())
                mixed[t, part] = (p / p.sum()) @ u[:seen, part]
        return linear(mixed, name + ".c_proj")

    first = 1 if mistake == "position" else 0
    x = w["wte.weight"][ids] + w["wpe.weight"][first : first + tokens]
    output = w["wte.weight" if v["tied"] or mistake == "tied" else "lm_head.weight"]
    hidden, logits = [], []
    for i in range(v["layers"]):
        x = x + attention(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn")
        x = x + linear(activate(activation, linear(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")), f"h.{i}.mlp.c_proj")
        hidden.append(x)
        logits.append((x if mistake == "no_final_norm" else norm(x, "ln_f")) @ output.t())
    return torch.stack(hidden), torch.stack(logits)


def forward_with_torch(v, weights, ids):
    """The same by torch's own layers: nothing is shared with `forward` but the weights."""
    w = {name: t.double() for name, t in weights.items()}
    d, heads = v["d"], v["heads"]
    functions = {"gelu_new": lambda x: F.gelu(x, approximate="tanh"), "gelu": F.gelu, "relu": F.relu, "silu": F.silu}

    def norm(x, name):
        return F.layer_norm(x, (d,), w[name + ".weight"], w[name + ".bias"], v["epsilon"])

    def linear(x, name):
        return F.linear(x, w[name + ".weight"].t(), w[name + ".bias"])

    attend = getattr(F, "scaled_dot_product_attention", None) or F._scaled_dot_product_attention  # before torch 2
    x = F.embedding(ids, w["wte.weight"]) + F.embedding(torch.arange(len(ids)), w["wpe.weight"])
    hidden, logits = [], []
    for i in range(v["layers"]):
        qkv = linear(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn")
        q, k, u = qkv.view(len(ids), 3, heads, d // heads).permute(1, 2, 0, 3).contiguous()
        mixed = attend(q[None], k[None], u[None], is_causal=True)
        mixed = (mixed[0] if isinstance(mixed, tuple) else mixed)[0]
        x = x + linear(mixed.transpose(0, 1).reshape(len(ids), d), f"h.{i}.attn.c_proj")
        inner = functions[v["activation"]](linear(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc"))
        x = x + linear(inner, f"h.{i}.mlp.c_proj")
        hidden.append(x)
        logits.append(F.linear(norm(x, "ln_f"), w["wte.weight" if v["tied"] else "lm_head.weight"]))
    return torch.stack(hidden), torch.stack(logits)


def check_reference(name, v, weights, ids, hidden, logits):
    other_hidden, other_logits = forward_with_torch(v, weights, ids)
    difference = max((hidden - other_hidden).abs().max().item(), (logits - other_logits).abs().max().item())
    assert difference < 1e-10, f"{name}: the two paths differ by {difference}"

    mistakes = ["activation", "epsilon", "query_key", "no_mask", "position", "no_final_norm"]
    mistakes += ["scale"] if v["heads"] > 1 else []
    mistakes += [] if v["tied"] else ["tied"]
    shown = {m: (forward(v, weights, ids, m)[1] - logits).abs().max().item() for m in mistakes}
    for mistake, effect in shown.items():
        assert effect > 5 * TEST_TOLERANCE, f"{name}: the mistake '{mistake}' moves logits by only {effect}"

    argmax = logits.argmax(-1)
    moved = [(argmax[i] != argmax[i - 1]).double().mean().item() for i in range(1, v["layers"])]
    print(
        f"{name}: two paths agree to {difference:.1e}; logits std {logits.std():.2f}, max {logits.abs().max():.2f};"
        f" hidden max {hidden.abs().max():.2f}; arg-max moved by each further layer: {[round(m, 2) for m in moved]};"
        f" least visible mistake: {min(shown.items(), key=lambda item: item[1])}"
    )


# ---------------------------------------------------------------------------------------------------------
# Files


def safetensors_bytes(tensors, odd_header=False):
    """`tensors`: name -> (type name, shape, bytes). Header length (8 bytes), JSON header, data without gaps."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8) + (b" " if odd_header else b"")
    return struct.pack("<Q", len(text)) + text + data


def stored(t):
    types = {dtype: name for name, dtype in TORCH_TYPES.items()}
    raw = t.contiguous() if t.dtype == torch.float32 else t.contiguous().view(torch.int16)
    return types[t.dtype], list(t.shape), raw.numpy().tobytes()


def checkpoint_tensors(v, weights):
    tensors = {}
    for name, t in weights.items():
        tensors[name if name == "lm_head.weight" else v["prefix"] + name] = stored(t)
    if v["mask_buffers"]:
        causal = np.tril(np.ones((v["context"], v["context"]), dtype=np.uint8)).tobytes()
        for i in range(v["layers"]):
            attn = f"{v['prefix']}h.{i}.attn"
            tensors[attn + ".bias"] = ("U8" if i % 2 else "BOOL", [1, 1, v["context"], v["context"]], causal)
            tensors[attn + ".masked_bias"] = ("F32", [], struct.pack("<f", -1e4))
    return dict(sorted(tensors.items()))


def config_json(v):
    config = {
        "activation_function": v["activation"],
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "bos_token_id": v["vocab"] - 1,
        "embd_pdrop": 0.1,
        "eos_token_id": v["vocab"] - 1,
        "initializer_range": 0.02,
        "layer_norm_epsilon": v["epsilon"],
        "model_type": "gpt2",
        "n_ctx": v["context"],
        "n_embd": v["d"],
        "n_head": v["heads"],
        "n_inner": v["inner"],
        "n_layer": v["layers"],
        "n_positions": v["context"],
        "reorder_and_upcast_attn": False,
        "resid_pdrop": 0.1,
        "scale_attn_by_inverse_layer_idx": False,
        "scale_attn_weights": True,
        "torch_dtype": CONFIG_TYPES[v["dtype"]],
        "use_cache": True,
        "vocab_size": v["vocab"],
    }
    if not v["tied"]:
        config["tie_word_embeddings"] = False  # stock files leave the key out when it is true
    return (json.dumps(config, indent=2) + "\n").encode()


def checkpoint_files(v, weights):
    """File name -> bytes of the checkpoint."""
    tensors = checkpoint_tensors(v, weights)
    files = {"config.json": config_json(v)}
    if v["shards"] == 1:
        files["model.safetensors"] = safetensors_bytes(tensors, v["odd_header"])
        return files
    names, weight_map = list(tensors), {}
    for shard in range(v["shards"]):
        begin, end = (len(names) * s // v["shards"] for s in (shard, shard + 1))
        file = f"model-{shard + 1:05}-of-{v['shards']:05}.safetensors"
        files[file] = safetensors_bytes({name: tensors[name] for name in names[begin:end]})
        weight_map.update({name: file for name in names[begin:end]})
    index = {"metadata": {"total_size": sum(len(raw) for _, _, raw in tensors.values())}, "weight_map": weight_map}
    files["model.safetensors.index.json"] = (json.dumps(index, indent=2) + "\n").encode()
    return files


def read_golden(path):
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__")
    return {
        name: np.frombuffer(raw[8 + size + h["data_offsets"][0] : 8 + size + h["data_offsets"][1]], "<f4").reshape(
            h["shape"]
        )
        for name, h in header.items()
    }


def main():
    check = sys.argv[1:] == ["--check"]
    torch.set_num_threads(1)
    total = 0
    for name, changes in VARIANTS.items():
        v = {**DEFAULTS, **changes}
        weights, ids = random_weights(v), random_ids(v)
        hidden, logits = forward(v, weights, ids)
        check_reference(name, v, weights, ids, hidden, logits)
        golden = {"ids": ids.float(), "hidden": hidden.float(), "logits": logits.float()}
        files, folder = checkpoint_files(v, weights), HERE / name
        if check:
            for file, content in files.items():
                assert (folder / file).read_bytes() == content, f"{name}/{file} is not what this script writes"
            for key, value in read_golden(folder / "golden.safetensors").items():
                # Another BLAS may sum in another order: equal to the last bits of float32, not to the byte.
                np.testing.assert_allclose(value, golden[key].numpy(), rtol=1e-6, atol=1e-6, err_msg=f"{name}: {key}")
            continue
        files["golden.safetensors"] = safetensors_bytes({key: stored(value) for key, value in golden.items()})
        folder.mkdir(exist_ok=True)
        for file, content in files.items():
            (folder / file).write_bytes(content)
            total += len(content)
    print("all files agree" if check else f"wrote {total} bytes")


if __name__ == "__main__":
    main()
