#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes small random checkpoints of several architectures and what a correct forward pass computes from them.

Needs Debian's python3-torch and python3-numpy.

    make_golden.py           writes every folder beside this script
    make_golden.py --check   recomputes everything and compares with the files

Names of folders after that select those alone.

Each folder is a Hugging Face checkpoint (config.json, model.safetensors or shards) plus golden.safetensors:

    ids     [tokens]                 the token sequence, as F32 values
    hidden  [layers, tokens, d]      the residual stream after each layer, before the final norm
    logits  [layers, tokens, vocab]  final norm and output matrix applied to each of those

Where scaling or a window matters far into a text there is golden_long.safetensors too: another, long `ids`, and
`hidden` and `logits` only at the few `positions` [kept] (F32 values, counted from 0), in place of every token.

The reference, `forward`, is computed in float64 from the weights as stored, that is after rounding to F16 or
BF16, and is written from the definition of the architectures. A second path, `forward_from_files`, reads what was
written (config.json with the defaults of its keys, tensors by name) and computes with other means: it must agree
to 1e-10. Deliberate mistakes (the other kind of rotation, a window one too long, ...) must change the logits by far
more than the tolerance of the tests: a checkpoint on which a bug does not show proves nothing. The same arithmetic in
float32 must stay far below it: a checkpoint that amplifies rounding proves nothing either.

What the public definitions leave to be missed (x: one token's row, p: its position, counted from 0):

Rotation. Pair i of a head's n rotated elements turns by p * theta^(-2i/n). Llama, Mistral and Qwen pair element i
with i + n/2; so does StarCoder2. n is head_dim, which is its own key where given and d / heads elsewhere, and scores
are divided by its square root. `rope_theta` is 10000 where the key is absent.

Scaling. "linear" divides every frequency by `factor`. "llama3" compares the wavelength 2 pi / frequency with the
original context C: shorter than C / high_freq_factor, the frequency stays; longer than C / low_freq_factor, it is
divided by `factor`; in between, s = (C / wavelength - low) / (high - low) and the frequency is multiplied by
(1 - s) / factor + s. It holds at every position, also below C. "yarn" blends by the index i of a pair, not by its
frequency: d(t) = n ln(C / (2 pi t)) / (2 ln theta) is the index that turns t times within C, low = floor(d(beta_fast))
and high = ceil(d(beta_slow)) within 0 and n - 1; the frequency is multiplied by r / factor + 1 - r with
r = (i - low) / (high - low) within 0 and 1. Cosines and sines are multiplied by `attention_factor`, by default
0.1 ln(factor) + 1: q and k both grow, so scores grow by its square. "dynamic" changes theta once a text is longer than
`max_position_embeddings`, and nothing before. "longrope" divides each frequency by its `short_factor`, and in a text
longer than C, at all positions, by its `long_factor`; cosines and sines are multiplied by
sqrt(1 + ln(max_position_embeddings / C) / ln C), short or long. The kind is `rope_type`, in older files `type`.
Transformers 5 writes one `rope_parameters` with `rope_theta` inside, and `dtype` for `torch_dtype`.

Biases. Llama's `attention_bias` is on q, k, v and o, its `mlp_bias` on all three matrices of the feed-forward. Qwen2
has biases on q, k and v without a key that says so; Mistral has none, nor has Qwen3 (its `attention_bias` is false in
public files).

Norms of q and k. Qwen3 norms each head of q and of k by itself, before the rotation, with one weight [head_dim] for
all heads of q and another for all of k, and rms_norm_eps.

Windows. A window of W includes the token itself: a query at p sees the keys p - W + 1 to p. Mistral has the window
in every layer if `sliding_window` is a number (transformers takes 4096 where the key is absent, none where it is
null). Qwen2 and Qwen3 have it only if `use_sliding_window` is true, whatever `sliding_window` says, and then, counting
layers from 0, in layer `max_window_layers` and above: the lower ones see everything. That is what transformers does
since 2025; the description of the key, and the code before, had it the other way round (issues 35896 and 38787 of
huggingface/transformers). Where `layer_types` lists "full_attention" and "sliding_attention" layer by layer, the list
decides and `max_window_layers` is not read.

Output. Llama, Mistral, Qwen and CodeGen are untied where `tie_word_embeddings` is absent, StarCoder2 is tied. A tied
checkpoint may carry a copy of the embeddings as lm_head.weight (Qwen3-0.6B does).

StarCoder2. Norms are LayerNorms with biases whatever `use_bias` says; that key is about the linear layers, all of them.
`hidden_act` and `norm_epsilon` count; public files also carry `activation_function` and `layer_norm_epsilon`, unread.
"gelu_pytorch_tanh" is the same function as "gelu_new".

SmolLM3. A 0 in `no_rope_layers` is a layer WITHOUT rotation; without the list, counting layers from 1, every fourth
(`no_rope_layer_interval`) has none. `rope_theta` is 2000000 where the key is absent, and the embeddings are tied. A
window needs `use_sliding_window` and is in the layers that `layer_types` lists, else in those without rotation.

Granite. `embedding_multiplier` multiplies the embeddings, `residual_multiplier` what each half of a layer adds,
`attention_multiplier` takes the place of 1 / sqrt(head_dim) (1 where the key is absent), and logits are DIVIDED by
`logits_scaling`.

Phi-3. qkv_proj is q, then k, then v; gate_up_proj is the gate, then up. `partial_rotary_factor` of each head is
rotated, the first elements. `sliding_window` counts wherever it is a number. `original_max_position_embeddings` is at
the top level, and "su" and "yarn" are older names of "longrope".

Gemma. Embeddings are multiplied by sqrt(d), which the tied output matrix is not. Norms are RMS norms whose stored weight
is less by one: x / rms * (1 + w). The feed-forward is gated, by the tanh form of GELU whatever `hidden_act` says;
`hidden_activation` counts. The heads are `head_dim` wide (256 where the key is absent), not d / heads.

Gemma 2. Each half has a norm before it and one after it, before the sum: post_attention_layernorm is of what attention
adds, not of the feed-forward's input as elsewhere. Scores are divided by sqrt(`query_pre_attn_scalar`), then limited,
c tanh(s / c) with c `attn_logit_softcapping`, then masked; logits are limited by `final_logit_softcapping` likewise
(50 and 30 where the keys are absent, no limit where they are null). Layers 0, 2, 4 ... have the window, or those that
`layer_types` lists.

Gemma 3. As Gemma 2, without limits where the keys are absent, and with norms of each head of q and k (again 1 + w). Of
six layers the first five have the window (`sliding_window_pattern`), or those listed. Layers with the window rotate
with `rope_local_base_freq` (10000), without any scaling; the others with `rope_theta` (1000000 where absent) and
`rope_scaling`. Transformers 5 writes `rope_parameters` with an object for each type of layer.

OLMo 2. No norm before a half: post_attention_layernorm and post_feedforward_layernorm are of what is added. q_norm and
k_norm are over all heads together, before the rotation, with one weight for each element.

StableLM. Norms are LayerNorms (`layer_norm_eps`), the feed-forward is gated; a quarter of each head is rotated where
`partial_rotary_factor` is absent, and pairs are element i and i + n/2 with n the ROTATED elements, as in all that
follow. `use_qkv_bias` is about q, k and v alone.

Phi-1 and 2. One norm feeds both halves, which are added to the residual together; all matrices have biases, lm_head
too. Half of each head is rotated where the key is absent.

GPT-NeoX. Each half has its own norm, of the layer's INPUT if `use_parallel_residual` (true where absent), else one
after the other. The rows of query_key_value are head by head: its q, its k, its v. `rotary_pct` (0.25 where absent) and
`rotary_emb_base` are its names for the part that is rotated and for theta. "gelu" is that of erf. The output matrix is
embed_out.weight; public files carry attention.bias, attention.masked_bias and attention.rotary_emb.inv_freq.

CodeGen. One norm feeds attention and feed-forward, and both are added to the residual: x + attention(n) + mlp(n) with
n = ln_1(x). Rotation turns the first `rotary_dim` elements of each head and pairs element 2i with 2i + 1; frequencies
are 10000^(-2i/rotary_dim), and no key changes them. The rows of qkv_proj are four blocks whatever the number of heads
(a trace of the machine it was trained on): each block holds q, then v (not k), then k, of a quarter of the heads.
lm_head has a bias; attention has none, fc_in and fc_out have. `n_inner` null means 4 n_embd. Public files carry
attn.causal_mask.

GPT-BigCode. GPT-2's layers and names, but matrices are [out, in]. With `multi_query` (true where absent) c_attn is q, then
one k, then one v, which all heads share; without, it is head by head, unlike GPT-2's: its q, its k, its v. Keys about
the softmax in float32 change nothing but rounding. Tied where the key is absent.

Mixtures of experts. The router's rows give a logit for each expert; a token runs through the `num_experts_per_tok`
experts with the largest. Their weights are their part of the softmax over all experts, divided by the sum of those kept
in Mixtral, whatever keys say, and in the others if `norm_topk_prob` (false where absent). Mixtral's experts are
`intermediate_size` wide and call gate, up and down w1, w3 and w2; its `rope_theta` is 1000000 where the key is absent,
and without `sliding_window` there is no window. OLMoE's experts are `intermediate_size` wide, too, and its q_norm and
k_norm are as OLMo 2's, in a layer whose norms come before its halves. In Qwen's files that key is about the dense
layers: those that `mlp_only_layers` lists, counted from 0, and those whose number, counted from 1, is not a multiple of
`decoder_sparse_step`; experts are `moe_intermediate_size` wide. Qwen2-MoE adds a shared expert times the sigmoid of one
more row, and its `qkv_bias` is true where absent; Qwen3-MoE's `use_sliding_window` is about all layers.

gpt-oss. The router has biases and so have experts; weights are the softmax of the chosen logits. An expert computes
down((up + 1) g / (1 + exp(-1.702 g))) with g = min(gate, 7) and up within -7 and 7; the gate has no lower limit. Each
head has a sink, one more score that is neither scaled nor turned nor masked: it is in the sum that weights are divided
by and has no value. Layers 0, 2, 4 ... have the window, or those that `layer_types` lists. Where no scaling is given it
is YaRN's with factor 32, original context 4096 and `truncate` false, and `rope_theta` is 150000. gate_up_proj is
[experts, in, 2 inner], the TRANSPOSE of a linear layer's, and its columns are gate, up, gate, up ...; in MXFP4 it is
gate_up_proj_blocks [experts, 2 inner, in / 32, 16], not transposed: byte i has code 2i in its lower half and 2i + 1 in
its upper (GGUF: i and i + 16), of the values 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives from 8 on, times
2^(scale - 127).
"""

import importlib.util
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

# The file formats are those of the script for GPT-2; the arithmetic shares nothing with it.
sys.dont_write_bytecode = True
_spec = importlib.util.spec_from_file_location("gpt2_golden", HERE.parent / "gpt2" / "make_golden.py")
gpt2 = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gpt2)
safetensors_bytes, stored, read_golden = gpt2.safetensors_bytes, gpt2.stored, gpt2.read_golden
TORCH_TYPES, CONFIG_TYPES = gpt2.TORCH_TYPES, gpt2.CONFIG_TYPES

ABSENT = object()  # as a value of `config`: the key is not in the file

VARIANTS = {
    # Llama 1 and 2: every head has its own keys, keys that later versions brought are absent, and files carry the
    # frequencies as a buffer that nobody needs. Embeddings as small as the public ones, so that epsilon shows.
    "llama_tiny": dict(
        family="llama", seed=1, layers=2, d=16, heads=2, inner=28, vocab=53, tokens=29, epsilon=1e-6,
        frequency_buffers=True,
        config=dict(num_key_value_heads=ABSENT, rope_theta=ABSENT, rope_scaling=ABSENT, head_dim=ABSENT,
                    attention_bias=ABSENT, mlp_bias=ABSENT),
    ),
    # Grouped queries, heads wider than d / heads, tied.
    "llama_gqa": dict(
        family="llama", seed=2, layers=3, d=24, heads=4, kv_heads=2, head_dim=10, inner=34, vocab=57, tokens=28,
        tied=True, epsilon=1e-3, theta=50000.0, dtype="BF16",
    ),
    # Llama 3.1: wavelengths 6 (stays), 32 (between), 167 and longer (divided); a text longer than the original context.
    "llama3_scaled": dict(
        family="llama", seed=3, layers=2, d=24, heads=2, kv_heads=1, head_dim=16, inner=34, vocab=50, tokens=76,
        context=131072, theta=500000.0, dtype="BF16", shards=2, long=2000,
        scaling=dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64,
                     rope_type="llama3"),
        config=dict(eos_token_id=[47, 48, 49]),
    ),
    "llama_linear": dict(
        family="llama", seed=4, layers=2, d=20, heads=5, inner=36, vocab=53, tokens=40, context=4096,
        long=600, dtype="F16", tied=True, epsilon=1e-3, scaling=dict(type="linear", factor=4.0),
        config=dict(rope_theta=ABSENT),
    ),
    # The layout of transformers 5; heads narrower than d / heads.
    "llama_rope_parameters": dict(
        family="llama", seed=5, layers=2, d=24, heads=3, kv_heads=1, head_dim=6, inner=32, vocab=50, tokens=40,
        theta=250000.0, dtype="BF16", shards=3, rope_parameters=True,
        scaling=dict(factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=24,
                     rope_type="llama3"),
    ),
    "llama_biases": dict(
        family="llama", seed=6, layers=2, d=18, heads=3, inner=26, vocab=53, tokens=30, attention_bias="qkvo",
        mlp_bias=True,
    ),
    # A text six windows long.
    "mistral_window": dict(
        family="mistral", seed=7, layers=3, d=24, heads=6, kv_heads=2, inner=30, vocab=50, tokens=40, window=7,
        windowed=[True, True, True], dtype="BF16", context=32768, long=600,
    ),
    # Mistral 0.2 and later; Nemo's heads are not d / heads wide.
    "mistral_no_window": dict(
        family="mistral", seed=8, layers=2, d=20, heads=5, kv_heads=1, head_dim=6, inner=34, vocab=53, tokens=30,
        theta=1000000.0, windowed=[False, False],
    ),
    # Qwen2.5: a window that is written and not used.
    "qwen2": dict(
        family="qwen2", seed=9, layers=2, d=28, heads=7, kv_heads=1, inner=30, vocab=60, tokens=32, tied=True,
        epsilon=1e-3, theta=1000000.0, attention_bias="qkv", dtype="BF16", window=5, windowed=[False, False],
        config=dict(max_window_layers=1, use_mrope=False, use_sliding_window=False),
    ),
    "qwen2_window": dict(
        family="qwen2", seed=10, layers=3, d=18, heads=3, kv_heads=3, inner=26, vocab=50, tokens=30,
        attention_bias="qkv", window=6, windowed=[False, True, True], dtype="F16", shards=2, context=32768, long=600,
        config=dict(max_window_layers=1, use_sliding_window=True),
    ),
    # The list of layers contradicts max_window_layers, and wins.
    "qwen2_layer_types": dict(
        family="qwen2", seed=11, layers=3, d=16, heads=4, kv_heads=2, inner=28, vocab=50, tokens=28,
        attention_bias="qkv", window=4, windowed=[True, False, True], dtype="BF16", rope_parameters=True,
        config=dict(max_window_layers=1, use_sliding_window=True,
                    layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
    ),
    # Heads wider than d / heads; a copy of the tied output matrix; theta written as an integer.
    "qwen3": dict(
        family="qwen3", seed=12, layers=2, d=20, heads=4, kv_heads=2, head_dim=12, inner=32, vocab=55, tokens=30,
        tied=True, output_copy=True, epsilon=1e-3, theta=1000000, dtype="BF16", windowed=[False, False],
    ),
    "qwen3_rope_parameters": dict(
        family="qwen3", seed=13, layers=2, d=16, heads=4, kv_heads=1, head_dim=4, inner=30, vocab=53, tokens=30,
        theta=200000.0, windowed=[False, False], rope_parameters=True,
        config=dict(layer_types=["full_attention", "full_attention"]),
    ),
    "codegen": dict(
        family="codegen", seed=14, layers=2, d=24, heads=4, rotary_dim=4, vocab=53, tokens=30, context=40, dtype="F16",
        activation="gelu_new", mask_buffers=True, epsilon=1e-3,
    ),
    # Two heads of odd width in each of the four blocks.
    "codegen_odd": dict(
        family="codegen", seed=15, layers=2, d=40, heads=8, rotary_dim=4, inner=36, vocab=50, tokens=26, context=27,
        activation="gelu_new", dtype="F16", shards=2,
    ),
    "starcoder2": dict(
        family="starcoder2", seed=16, layers=2, d=24, heads=6, kv_heads=2, inner=40, vocab=57, tokens=36, tied=True,
        epsilon=1e-3, theta=999999.4420358813, attention_bias="qkvo", mlp_bias=True, activation="gelu_pytorch_tanh",
        window=8, windowed=[True, True], dtype="BF16", context=16384, long=600,
        config=dict(tie_word_embeddings=ABSENT),
    ),
    "starcoder2_no_bias": dict(
        family="starcoder2", seed=17, layers=2, d=16, heads=4, kv_heads=1, inner=36, vocab=50, tokens=30,
        theta=100000.0, activation="gelu_pytorch_tanh", windowed=[False, False],
    ),
    # The list of layers contradicts the interval, and wins; the window is in the layer without rotation.
    "smollm3": dict(
        family="smollm3", seed=18, layers=3, d=24, heads=6, kv_heads=2, inner=34, vocab=53, tokens=32, tied=True,
        epsilon=1e-3, theta=5000000.0, dtype="BF16", window=9, windowed=[False, True, False],
        unturned=[False, True, False],
        config=dict(no_rope_layers=[1, 0, 1], no_rope_layer_interval=3, use_sliding_window=True,
                    tie_word_embeddings=ABSENT),
    ),
    "smollm3_interval": dict(
        family="smollm3", seed=19, layers=4, d=16, heads=4, kv_heads=4, inner=26, vocab=50, tokens=28, theta=2000000.0,
        windowed=[False] * 4, unturned=[False, False, False, True], config=dict(rope_theta=ABSENT),
    ),
    "granite": dict(
        family="granite", seed=20, layers=3, d=24, heads=4, kv_heads=2, inner=34, vocab=53, tokens=30,
        epsilon=1e-3, theta=50000.0, dtype="BF16",
        multipliers=dict(embedding=3.0, attention=0.3, residual=0.22, logits=6.0),
    ),
    "llama_yarn": dict(
        family="llama", seed=22, layers=2, d=24, heads=2, kv_heads=1, head_dim=16, inner=34, vocab=50, tokens=50,
        context=1024, theta=10000.0, dtype="BF16", long=600,
        scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=256),
    ),
    "qwen2_yarn": dict(
        family="qwen2", seed=23, layers=2, d=16, heads=2, kv_heads=1, inner=28, vocab=50, tokens=40, context=512,
        theta=500.0, attention_bias="qkv", windowed=[False, False], rope_parameters=True,
        scaling=dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=64, beta_fast=6.0, beta_slow=0.5,
                     attention_factor=1.5, truncate=False),
    ),
    "llama_dynamic": dict(
        family="llama", seed=24, layers=2, d=20, heads=5, inner=30, vocab=50, tokens=40, context=48,
        scaling=dict(type="dynamic", factor=4.0),
    ),
    "phi3": dict(
        family="phi3", seed=25, layers=2, d=24, heads=4, inner=34, vocab=53, tokens=40, dtype="BF16", context=4096,
        window=9, windowed=[True, True], long=600,
    ),
    # Phi-4 mini: a part of each head; twice the original context, of which this text stays within.
    "phi3_longrope": dict(
        family="phi3", seed=26, layers=2, d=24, heads=3, kv_heads=1, rotary_dim=6, inner=30, vocab=50, tokens=40,
        tied=True, epsilon=1e-3, context=384, dtype="BF16", windowed=[False, False],
        scaling=dict(type="longrope", short_factor=[1.0, 1.3, 2.1], long_factor=[1.0, 4.5, 9.0]),
        config=dict(original_max_position_embeddings=48, partial_rotary_factor=0.75),
    ),
    "stablelm": dict(
        family="stablelm", seed=27, layers=2, d=32, heads=2, kv_heads=1, rotary_dim=4, inner=38, vocab=53, tokens=30,
        dtype="F16", epsilon=1e-3, config=dict(partial_rotary_factor=ABSENT),
    ),
    "stablelm_biases": dict(
        family="stablelm", seed=28, layers=2, d=24, heads=3, rotary_dim=4, inner=30, vocab=50, tokens=28,
        attention_bias="qkv", theta=40000.0, rope_parameters=True,
    ),
    "phi": dict(
        family="phi", seed=29, layers=2, d=24, heads=3, rotary_dim=4, inner=40, vocab=53, tokens=30, dtype="F16",
        epsilon=1e-3, attention_bias="qkv", activation="gelu_new", config=dict(partial_rotary_factor=ABSENT),
    ),
    "phi_grouped": dict(
        family="phi", seed=30, layers=2, d=32, heads=4, kv_heads=2, rotary_dim=4, inner=32, vocab=50, tokens=26,
        attention_bias="qkv", activation="gelu_new", theta=20000.0,
    ),
    "gpt_neox": dict(
        family="gpt_neox", seed=31, layers=2, d=32, heads=2, rotary_dim=4, inner=40, vocab=53, tokens=30, dtype="F16",
        epsilon=1e-3, activation="gelu", frequency_buffers=True, config=dict(rotary_pct=ABSENT, rotary_emb_base=ABSENT),
    ),
    # One half after the other, and without biases of the attention.
    "gpt_neox_sequential": dict(
        family="gpt_neox", seed=32, layers=2, d=24, heads=3, rotary_dim=6, inner=36, vocab=50, tokens=28,
        activation="gelu", theta=30000.0, parallel=False, config=dict(attention_bias=False),
    ),
    "gemma": dict(
        family="gemma", seed=33, layers=2, d=24, heads=3, kv_heads=1, head_dim=10, inner=30, vocab=53, tokens=30,
        tied=True, epsilon=5e-2, dtype="BF16", activation="gelu_pytorch_tanh",
        config=dict(hidden_act="gelu", hidden_activation=None, tie_word_embeddings=ABSENT),
    ),
    "gemma2": dict(
        family="gemma2", seed=34, layers=3, d=24, heads=4, kv_heads=2, head_dim=8, inner=30, vocab=53, tokens=30,
        tied=True, epsilon=5e-2, dtype="BF16", activation="gelu_pytorch_tanh", query_scalar=3, score_cap=2.0,
        logit_cap=3.0, window=6, windowed=[True, False, True], context=4096, long=600,
    ),
    # The list of layers contradicts the pattern, and wins.
    "gemma2_layer_types": dict(
        family="gemma2", seed=35, layers=2, d=16, heads=2, kv_heads=2, head_dim=10, inner=28, vocab=50, tokens=28,
        tied=True, epsilon=5e-2, activation="gelu_pytorch_tanh", query_scalar=10, window=5, windowed=[False, True],
        rope_parameters=True, config=dict(attn_logit_softcapping=None, final_logit_softcapping=None,
                                          layer_types=["full_attention", "sliding_attention"]),
    ),
    "gemma3": dict(
        family="gemma3_text", seed=36, layers=3, d=24, heads=4, kv_heads=2, head_dim=8, inner=30, vocab=53, tokens=30,
        tied=True, epsilon=5e-2, dtype="BF16", activation="gelu_pytorch_tanh", query_scalar=8, window=6,
        windowed=[True, True, False], theta=1000000.0, local_theta=500.0, scaling=dict(rope_type="linear", factor=4.0),
        config=dict(sliding_window_pattern=3, rope_theta=ABSENT), context=4096, long=600,
    ),
    "gemma3_rope_parameters": dict(
        family="gemma3_text", seed=37, layers=2, d=16, heads=2, kv_heads=1, head_dim=12, inner=28, vocab=50, tokens=28,
        tied=True, epsilon=5e-2, activation="gelu_pytorch_tanh", query_scalar=5, window=7, windowed=[True, False],
        theta=200000.0, local_theta=800.0, rope_parameters=True, score_cap=3.0, logit_cap=4.0,
        config=dict(layer_types=["sliding_attention", "full_attention"]),
    ),
    # As GGUF files can have them: one layer of six without a window, scores divided by a head's width.
    "gemma3_six": dict(
        family="gemma3_text", seed=40, layers=6, d=16, heads=2, kv_heads=1, head_dim=8, inner=18, vocab=50, tokens=24,
        tied=True, epsilon=5e-2, dtype="BF16", activation="gelu_pytorch_tanh", query_scalar=8, window=4,
        windowed=[True] * 5 + [False], theta=1000000.0, local_theta=500.0,
    ),
    "gemma2_head_width": dict(
        family="gemma2", seed=41, layers=2, d=16, heads=4, kv_heads=2, head_dim=6, inner=26, vocab=50, tokens=24,
        tied=True, epsilon=5e-2, activation="gelu_pytorch_tanh", query_scalar=6, window=5, windowed=[True, False],
        score_cap=50.0, logit_cap=30.0,
        config=dict(attn_logit_softcapping=ABSENT, final_logit_softcapping=ABSENT),
    ),
    "olmo2": dict(
        family="olmo2", seed=38, layers=2, d=24, heads=4, kv_heads=2, inner=34, vocab=53, tokens=30, epsilon=1e-5,
        theta=500000.0, dtype="BF16",
    ),
    "olmo2_biases": dict(
        family="olmo2", seed=39, layers=2, d=16, heads=2, inner=28, vocab=50, tokens=28, epsilon=1e-3,
        attention_bias="qkvo", config=dict(rope_theta=ABSENT),
    ),
    "gpt_bigcode": dict(
        family="gpt_bigcode", seed=42, layers=2, d=24, heads=4, kv_heads=1, inner=36, vocab=53, tokens=30, context=32,
        tied=True, dtype="F16", epsilon=1e-3, activation="gelu_pytorch_tanh",
        config=dict(multi_query=ABSENT, tie_word_embeddings=ABSENT),
    ),
    "gpt_bigcode_heads": dict(
        family="gpt_bigcode", seed=43, layers=2, d=18, heads=3, vocab=50, tokens=26, context=32,
        activation="gelu_pytorch_tanh", config=dict(multi_query=False),
    ),
    "mixtral": dict(
        family="mixtral", seed=44, layers=2, d=24, heads=4, kv_heads=2, inner=20, vocab=53, tokens=30, dtype="BF16",
        theta=1000000.0, windowed=[False, False], moe=dict(experts=6, active=2),
        config=dict(rope_theta=ABSENT, rope_scaling=ABSENT),
    ),
    "mixtral_window": dict(
        family="mixtral", seed=45, layers=2, d=16, heads=2, kv_heads=1, inner=36, vocab=50, tokens=28, window=6,
        windowed=[True, True], theta=20000.0, rope_parameters=True, moe=dict(experts=4, active=3),
    ),
    # A dense layer in the middle; weights that do not add up to 1.
    "qwen2_moe": dict(
        family="qwen2_moe", seed=46, layers=3, d=24, heads=4, kv_heads=2, inner=26, vocab=53, tokens=30, dtype="BF16",
        attention_bias="qkv", window=5, windowed=[False] * 3, epsilon=1e-3,
        moe=dict(experts=7, active=3, inner=14, shared=22, dense=[1]),
        config=dict(mlp_only_layers=[1], qkv_bias=ABSENT, norm_topk_prob=ABSENT),
    ),
    "qwen2_moe_normed": dict(
        family="qwen2_moe", seed=47, layers=2, d=16, heads=2, inner=18, vocab=50, tokens=28, tied=True, epsilon=1e-3,
        theta=40000.0, window=6, windowed=[True, False], moe=dict(experts=4, active=2, inner=34, shared=12, normed=True),
        config=dict(qkv_bias=False, use_sliding_window=True, layer_types=["sliding_attention", "full_attention"]),
    ),
    "qwen3_moe": dict(
        family="qwen3_moe", seed=48, layers=2, d=20, heads=4, kv_heads=2, head_dim=12, inner=30, vocab=55, tokens=30,
        dtype="BF16", theta=1000000, windowed=[False, False], moe=dict(experts=9, active=4, inner=10, normed=True),
    ),
    "qwen3_moe_sparse": dict(
        family="qwen3_moe", seed=49, layers=4, d=16, heads=2, inner=24, vocab=50, tokens=28, window=5,
        windowed=[True] * 4, epsilon=1e-3, moe=dict(experts=5, active=2, inner=18, dense=[0, 2, 3]),
        config=dict(decoder_sparse_step=2, mlp_only_layers=[3], use_sliding_window=True),
    ),
    "olmoe": dict(
        family="olmoe", seed=50, layers=2, d=24, heads=4, kv_heads=2, inner=14, vocab=53, tokens=30, dtype="BF16",
        moe=dict(experts=8, active=3),
    ),
    "olmoe_normed": dict(
        family="olmoe", seed=51, layers=2, d=16, heads=2, inner=18, vocab=50, tokens=28, attention_bias="qkvo",
        moe=dict(experts=3, active=2, normed=True),
    ),
    # Gates and ups beyond their limits; windows the other way round.
    "gpt_oss": dict(
        family="gpt_oss", seed=52, layers=2, d=24, heads=4, kv_heads=2, head_dim=8, inner=20, vocab=53, tokens=30,
        dtype="BF16", attention_bias="qkvo", theta=5000.0, window=6, windowed=[False, True], context=8192, long=600,
        moe=dict(experts=5, active=2, normed=True),
        scaling=dict(beta_fast=32.0, beta_slow=1.0, factor=16.0, original_max_position_embeddings=512,
                     rope_type="yarn", truncate=False),
    ),
    # Two blocks in a row of the experts' first matrices.
    "gpt_oss_mxfp4": dict(
        family="gpt_oss", seed=53, layers=2, d=64, heads=4, kv_heads=1, head_dim=8, inner=32, vocab=50, tokens=28,
        dtype="BF16", attention_bias="qkvo", theta=150000, window=5, windowed=[True, False], context=131072,
        rope_parameters=True, epsilon=1e-3, mxfp4=True, moe=dict(experts=4, active=3, normed=True),
        scaling=dict(beta_fast=32.0, beta_slow=1.0, factor=32.0, original_max_position_embeddings=4096,
                     rope_type="yarn", truncate=False),
        config=dict(layer_types=ABSENT,
                    quantization_config=dict(modules_to_not_convert=["model.layers.*.self_attn", "lm_head"],
                                             quant_method="mxfp4")),
    ),
    # Absent multipliers are 1, that of the scores too.
    "granite_biases": dict(
        family="granite", seed=21, layers=2, d=16, heads=2, inner=28, vocab=50, tokens=26, attention_bias="qkvo",
        mlp_bias=True, multipliers=dict(embedding=1.0, attention=1.0, residual=1.0, logits=1.0),
        config=dict(embedding_multiplier=ABSENT, attention_multiplier=ABSENT, residual_multiplier=ABSENT,
                    logits_scaling=ABSENT),
    ),
}

DEFAULTS = dict(
    kv_heads=None,
    head_dim=None,
    inner=None,
    rotary_dim=None,
    context=64,
    long=None,
    tied=False,
    epsilon=1e-5,
    theta=10000.0,
    scaling=None,
    rope_parameters=False,
    attention_bias="",
    mlp_bias=False,
    window=None,
    windowed=None,
    unturned=None,
    multipliers=None,
    parallel=True,
    query_scalar=None,
    score_cap=None,
    logit_cap=None,
    local_theta=None,
    activation="silu",
    frequency_buffers=False,
    mask_buffers=False,
    output_copy=False,
    moe=None,
    mxfp4=False,
    dtype="F32",
    shards=1,
    config={},
)


def variant(name):
    v = {**DEFAULTS, **VARIANTS[name]}
    v["kv_heads"] = v["kv_heads"] or v["heads"]
    v["own_head_dim"] = v["head_dim"] is not None
    v["head_dim"] = v["head_dim"] or v["d"] // v["heads"]
    if v["family"] in GEMMA:
        v["multipliers"] = dict(embedding=math.sqrt(v["d"]))
        if v["query_scalar"]:
            v["multipliers"]["attention"] = v["query_scalar"] ** -0.5
    v["unturned"] = v["unturned"] or [False] * v["layers"]
    if v["moe"]:
        v["moe"] = dict(dict(inner=v["inner"], shared=0, normed=v["family"] == "mixtral", dense=[]), **v["moe"])
    return v


GEMMA = ("gemma", "gemma2", "gemma3_text")
POST_NORMED = ("gemma2", "gemma3_text", "olmo2")
LAYER_NORMED = ("codegen", "gpt_bigcode", "starcoder2", "stablelm", "phi", "gpt_neox")
NORMED_PROJECTIONS = ("olmo2", "olmoe")
UNGATED = ("codegen", "gpt_bigcode", "starcoder2", "phi", "gpt_neox")


def embedding_of(v):
    names = {"codegen": "transformer.wte", "gpt_bigcode": "transformer.wte", "gpt_neox": "gpt_neox.embed_in"}
    return names.get(v["family"], "model.embed_tokens")


def final_norm_of(v):
    names = {"codegen": "transformer.ln_f", "gpt_bigcode": "transformer.ln_f", "phi": "model.final_layernorm"}
    names["gpt_neox"] = "gpt_neox.final_layer_norm"
    return names.get(v["family"], "model.norm")


def output_of(v):
    return "embed_out" if v["family"] == "gpt_neox" else "lm_head"


def mixture_names(v, layer):
    if v["family"] == "mixtral":
        return f"model.layers.{layer}.block_sparse_moe", ("w1", "w3", "w2")
    return f"model.layers.{layer}.mlp", ("gate_proj", "up_proj", "down_proj")


def router_of(v, layer):
    return mixture_names(v, layer)[0] + (".router" if v["family"] == "gpt_oss" else ".gate")


# ---------------------------------------------------------------------------------------------------------
# Random weights. numpy's RandomState is frozen by promise, so a seed means the same weights for ever.


def random_weights(v):
    """Weights by public name, rounded to the type they are stored in.

    Much larger than a training start (std 0.02): attention is peaked, activations reach their curved part, and
    every layer moves the residual stream by about its own size. Untied embeddings are as small as trained ones are,
    so that the epsilon of the first norm shows.
    """
    rng = np.random.RandomState(v["seed"])
    d = v["d"]
    w = {}

    def normal(std, *shape):
        return torch.from_numpy(std * rng.standard_normal(shape))

    def norm(name, size=d):
        w[name + ".weight"] = (0.0 if v["family"] in GEMMA else 1.0) + normal(0.3, size)
        if v["family"] in LAYER_NORMED:
            w[name + ".bias"] = normal(0.2, size)

    def linear(name, fan_in, fan_out, gain, bias=False):
        w[name + ".weight"] = normal(gain / math.sqrt(fan_in), fan_out, fan_in)
        if bias:
            w[name + ".bias"] = normal(0.4, fan_out)

    queries, keys = v["heads"] * v["head_dim"], v["kv_heads"] * v["head_dim"]
    codegen = v["family"] == "codegen"
    w[embedding_of(v) + ".weight"] = normal(2.0 / math.sqrt(d) if v["tied"] else 0.04, v["vocab"], d)
    if v["family"] == "gpt_bigcode":
        w["transformer.wpe.weight"] = normal(1.0 / math.sqrt(d) if v["tied"] else 0.04, v["context"], d)
    for i in range(v["layers"]):
        if v["family"] == "gpt_bigcode":
            layer = f"transformer.h.{i}."
            norm(layer + "ln_1")
            linear(layer + "attn.c_attn", d, d + 2 * keys, 1.4, True)
            linear(layer + "attn.c_proj", d, d, 1.0, True)
            norm(layer + "ln_2")
            linear(layer + "mlp.c_fc", d, v["inner"] or 4 * d, 1.4, True)
            linear(layer + "mlp.c_proj", v["inner"] or 4 * d, d, 1.0, True)
            continue
        if codegen:
            norm(f"transformer.h.{i}.ln_1")
            linear(f"transformer.h.{i}.attn.qkv_proj", d, 3 * d, 1.4)
            linear(f"transformer.h.{i}.attn.out_proj", d, d, 1.0)
            linear(f"transformer.h.{i}.mlp.fc_in", d, v["inner"] or 4 * d, 1.4, True)
            linear(f"transformer.h.{i}.mlp.fc_out", v["inner"] or 4 * d, d, 1.0, True)
            continue
        if v["family"] == "gpt_neox":
            layer, bias = f"gpt_neox.layers.{i}.", v["config"].get("attention_bias", True)
            norm(layer + "input_layernorm")
            linear(layer + "attention.query_key_value", d, 3 * d, 1.4, bias)
            linear(layer + "attention.dense", d, d, 1.0, bias)
            norm(layer + "post_attention_layernorm")
            linear(layer + "mlp.dense_h_to_4h", d, v["inner"], 1.4, True)
            linear(layer + "mlp.dense_4h_to_h", v["inner"], d, 1.0, True)
            continue
        attn, mlp = f"model.layers.{i}.self_attn.", f"model.layers.{i}.mlp."
        if v["family"] != "olmo2":
            norm(f"model.layers.{i}.input_layernorm")
        if v["family"] == "phi3":
            linear(attn + "qkv_proj", d, queries + 2 * keys, 1.4)
            linear(attn + "o_proj", queries, d, 1.0)
            norm(f"model.layers.{i}.post_attention_layernorm")
            linear(mlp + "gate_up_proj", d, 2 * v["inner"], 1.4)
            linear(mlp + "down_proj", v["inner"], d, 1.0)
            continue
        linear(attn + "q_proj", d, queries, 1.4, "q" in v["attention_bias"])
        linear(attn + "k_proj", d, keys, 1.4, "k" in v["attention_bias"])
        linear(attn + "v_proj", d, keys, 1.4, "v" in v["attention_bias"])
        if v["family"] == "phi":
            linear(attn + "dense", queries, d, 1.0, True)
            linear(mlp + "fc1", d, v["inner"], 1.4, True)
            linear(mlp + "fc2", v["inner"], d, 1.0, True)
            continue
        linear(attn + "o_proj", queries, d, 1.0, "o" in v["attention_bias"])
        if v["family"] in ("qwen3", "qwen3_moe", "gemma3_text"):
            norm(attn + "q_norm", v["head_dim"])
            norm(attn + "k_norm", v["head_dim"])
        if v["family"] in NORMED_PROJECTIONS:
            norm(attn + "q_norm", queries)
            norm(attn + "k_norm", keys)
        norm(f"model.layers.{i}.post_attention_layernorm")
        if v["family"] in POST_NORMED:
            if v["family"] != "olmo2":
                norm(f"model.layers.{i}.pre_feedforward_layernorm")
            norm(f"model.layers.{i}.post_feedforward_layernorm")
        if v["family"] == "starcoder2":
            linear(mlp + "c_fc", d, v["inner"], 1.4, v["mlp_bias"])
            linear(mlp + "c_proj", v["inner"], d, 1.0, v["mlp_bias"])
        elif v["moe"] and i not in v["moe"]["dense"]:
            mixture, (gate, up, down) = mixture_names(v, i)
            oss = v["family"] == "gpt_oss"
            if oss:
                w[attn + "sinks"] = 1.0 + normal(1.5, v["heads"])
            linear(router_of(v, i), d, v["moe"]["experts"], 1.4, oss)
            experts = {f".experts.{e}.": v["moe"]["inner"] for e in range(v["moe"]["experts"])}
            if v["moe"]["shared"]:
                linear(mixture + ".shared_expert_gate", d, 1, 1.4)
                experts[".shared_expert."] = v["moe"]["shared"]
            for expert, inner in experts.items():
                linear(mixture + expert + gate, d, inner, 4.0 if oss else 1.4, oss)
                linear(mixture + expert + up, d, inner, 4.0 if oss else 1.4, oss)
                linear(mixture + expert + down, inner, d, 0.4 if oss else 1.5, oss)
        else:
            linear(mlp + "gate_proj", d, v["inner"], 1.4, v["mlp_bias"])
            linear(mlp + "up_proj", d, v["inner"], 1.4, v["mlp_bias"])
            linear(mlp + "down_proj", v["inner"], d, 1.0, v["mlp_bias"])
    norm(final_norm_of(v))
    if not v["tied"]:
        linear(output_of(v), d, v["vocab"], 2.0, v["family"] in ("codegen", "phi"))
    if v["mxfp4"]:
        w.update({name: mxfp4_of(*to_mxfp4(t)) for name, t in w.items() if ".experts." in name and t.dim() == 2})
    return {name: t.to(TORCH_TYPES[v["dtype"]]) for name, t in w.items()}


MXFP4_VALUES = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=torch.float64)


def to_mxfp4(t):
    """Nearest codes [rows, blocks, 32] and exponents [rows, blocks]; what mxfp4_of() returns stays the same."""
    blocks = t.double().reshape(len(t), -1, 32)
    exponents = torch.floor(torch.log2(blocks.abs().amax(-1))) - 2
    scaled = blocks / 2.0 ** exponents[..., None]
    return (scaled[..., None] - MXFP4_VALUES).abs().argmin(-1), exponents


def mxfp4_of(codes, exponents):
    return (MXFP4_VALUES[codes] * 2.0 ** exponents[..., None]).flatten(1)


def random_ids(v, seed, tokens):
    """Both ends of the vocabulary occur, and so does a repetition."""
    ids = np.random.RandomState(seed + v["seed"]).randint(0, v["vocab"], tokens)
    ids[1], ids[2], ids[5] = 0, v["vocab"] - 1, ids[4]
    return torch.from_numpy(ids.astype(np.int64))


# ---------------------------------------------------------------------------------------------------------
# The reference, in float64.


def silu(x):
    return x / (1 + torch.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def gelu_by_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def layer_norm(x, weight, bias, epsilon):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + epsilon) * weight + bias


def rms_norm(x, weight, epsilon):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + epsilon) * weight


def pair_frequencies(v, mistake):
    """Radians per position of each rotated pair of elements."""
    n, theta, scaling = v["rotary_dim"] or v["head_dim"], v["theta"], v["scaling"]
    if mistake == "whole_head_rotated":
        n = v["head_dim"] // 2 * 2
    if mistake == "theta":
        theta = 10000.0 if theta != 10000.0 else 20000.0
    plain = [theta ** (-2 * i / n) for i in range(n // 2)]
    if scaling is None or mistake == "no_scaling":
        return plain
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind == "dynamic":  # the text is shorter than the context
        if mistake == "scaled_at_once":
            theta *= (2 * scaling["factor"] - (scaling["factor"] - 1)) ** (n / (n - 2))
        return [theta ** (-2 * i / n) for i in range(n // 2)]
    if kind == "longrope":
        divisors = scaling["long_factor" if mistake == "long_factors" else "short_factor"]
        return [f / c for f, c in zip(plain, divisors)]
    if kind == "yarn" and mistake != "linear_for_yarn":
        context = scaling["original_max_position_embeddings"]

        def index_of(turns):
            return n * math.log(context / (2 * math.pi * turns)) / (2 * math.log(theta))

        low, high = index_of(scaling.get("beta_fast", 32)), index_of(scaling.get("beta_slow", 1))
        if scaling.get("truncate", True) != (mistake == "other_truncation"):
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, n - 1)
        parts = [min(max((i - low) / (high - low), 0), 1) for i in range(n // 2)]
        return [f * (r / scaling["factor"] + 1 - r) for f, r in zip(plain, parts)]
    if mistake in ("linear_for_llama3", "linear_for_yarn") or kind == "linear":
        return [f / scaling["factor"] for f in plain]
    assert scaling["rope_type"] == "llama3"
    context = scaling["original_max_position_embeddings"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    scaled = []
    for f in plain:
        wavelength = 2 * math.pi / f
        if wavelength < context / high:
            scaled.append(f)
        elif wavelength > context / low or mistake == "no_smoothing":
            scaled.append(f / scaling["factor"])
        else:
            s = (context / wavelength - low) / (high - low)
            scaled.append((1 - s) * f / scaling["factor"] + s * f)
    return scaled


def magnitude_of(v, mistake):
    """The factor on rotated elements."""
    scaling = v["scaling"] or {}
    kind = scaling.get("rope_type", scaling.get("type"))
    if mistake == "no_magnitude" or kind not in ("yarn", "longrope"):
        return 1.0
    if "attention_factor" in scaling:
        return scaling["attention_factor"]
    if kind == "yarn":
        return 0.1 * math.log(scaling["factor"]) + 1
    original = v["config"]["original_max_position_embeddings"]
    return math.sqrt(1 + math.log(v["context"] / original) / math.log(original))


def rotate(x, frequencies, interleaved, first, magnitude=1.0):
    """x: [tokens, heads, head_dim]; row t has position first + t. Elements beyond the rotated ones stay."""
    y, pairs = x.clone(), len(frequencies)
    for i, frequency in enumerate(frequencies):
        a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + pairs)
        angle = frequency * (first + torch.arange(len(x), dtype=torch.float64))[:, None]
        cosine, sine = (magnitude * f(angle).to(x.dtype) for f in (torch.cos, torch.sin))
        y[..., a] = x[..., a] * cosine - x[..., b] * sine
        y[..., b] = x[..., b] * cosine + x[..., a] * sine
    return y


def forward(v, weights, ids, mistake=None, dtype=torch.float64):
    """Returns hidden [layers, tokens, d] and logits [layers, tokens, vocab].

    `mistake` names one deliberate error, to measure how visible it is.
    """
    w = {name: t.to(dtype) for name, t in weights.items()}
    tokens, heads, kv_heads, head_dim = len(ids), v["heads"], v["kv_heads"], v["head_dim"]
    frequencies = pair_frequencies(v, mistake)
    epsilon = v["epsilon"]
    if mistake == "epsilon":
        epsilon = 1e-6 if epsilon == 1e-5 else 1e-5

    score_scale = 1 / math.sqrt(v["d"] / heads if mistake == "scale" else head_dim)
    times = dict(embedding=1.0, attention=score_scale, residual=1.0, logits=1.0)
    times.update({part: value for part, value in (v["multipliers"] or {}).items() if mistake != "no_" + part})
    score_scale = times["attention"]

    if v["family"] == "phi3":  # from here on as if they were stored apart
        queries, keys = heads * head_dim, kv_heads * head_dim
        for i in range(v["layers"]):
            attn, mlp = f"model.layers.{i}.self_attn.", f"model.layers.{i}.mlp."
            rows = [queries, keys, keys]
            names = ["q", "v", "k"] if mistake == "key_before_value" else ["q", "k", "v"]
            for part, t in zip(names, torch.split(w[attn + "qkv_proj.weight"], rows)):
                w[f"{attn}{part}_proj.weight"] = t
            w[mlp + "gate_proj.weight"], w[mlp + "up_proj.weight"] = w[mlp + "gate_up_proj.weight"].chunk(2)

    def linear(x, name):
        y = x @ w[name + ".weight"].t()
        if name + ".bias" in w and mistake != "no_bias_" + name.rsplit(".", 1)[-1]:
            y = y + w[name + ".bias"]
        return y

    def norm(x, name):
        if name + ".bias" not in w:
            more = 1 if v["family"] in GEMMA and mistake != "norm_weights_whole" else 0
            return rms_norm(x, w[name + ".weight"] + more, epsilon)
        bias = 0 if mistake == "no_norm_bias" else w[name + ".bias"]
        if mistake == "mean_kept":
            return rms_norm(x, w[name + ".weight"], epsilon) + bias
        return layer_norm(x, w[name + ".weight"], bias, epsilon)

    def head_norm(x, name):
        """x: [tokens, heads, head_dim]"""
        if name + ".weight" not in w or mistake == "no_qk_norm":
            return x
        if v["family"] in NORMED_PROJECTIONS:
            if mistake == "qk_norm_by_head":
                weight = w[name + ".weight"].view(x.shape[1:])
                return x / torch.sqrt((x * x).mean(-1, keepdim=True) + epsilon) * weight
            return norm(x.flatten(1), name).view(x.shape)
        if mistake == "qk_norm_of_all_heads":
            return x / torch.sqrt((x * x).mean((1, 2), keepdim=True) + epsilon) * w[name + ".weight"]
        return norm(x, name)

    def turn(x, first, layer):
        interleaved = (v["family"] == "codegen") != (mistake == "pairing")
        used = frequencies
        if v["local_theta"] and v["windowed"][layer] and mistake not in ("one_theta", "theta"):
            scaled = v["scaling"] if mistake == "all_layers_scaled" else None
            used = pair_frequencies({**v, "theta": v["local_theta"], "scaling": scaled}, None)
        return x if mistake == "no_rotation" else rotate(x, used, interleaved, first, magnitude_of(v, mistake))

    def turned(q, k, layer):
        if v["unturned"][layer] != (mistake == "other_layers_turned") and mistake != "all_layers_turned":
            return q, k
        return turn(q, 1 if mistake == "query_position" else 0, layer), turn(k, 0, layer)

    def window_of(layer):
        used = v["windowed"] and v["windowed"][layer]
        if mistake == "other_layers_windowed":
            used = not used
        if mistake == "all_layers_windowed":
            used = True
        longer = {"window_longer": 1, "window_shorter": -1}.get(mistake, 0)
        return v["window"] + longer if used and mistake != "no_window" else tokens

    def attend(q, k, u, layer):
        """q: [tokens, heads, head_dim]; k, u: [tokens, kv_heads, head_dim]"""
        if mistake == "query_key" and kv_heads == heads:
            q, k = k, q
        query_at, key_at = torch.arange(tokens)[:, None], torch.arange(tokens)[None, :]
        visible = key_at < tokens if mistake == "no_mask" else key_at <= query_at
        visible = visible & (key_at > query_at - window_of(layer))
        mixed = torch.empty_like(q)
        for h in range(heads):
            g = h % kv_heads if mistake == "groups" else h * kv_heads // heads
            scores = q[:, h] @ k[:, g].t() * score_scale
            if v["score_cap"] and mistake != "no_score_cap":
                scores = v["score_cap"] * torch.tanh(scores / v["score_cap"])
            p = torch.where(visible, torch.exp(scores - scores.max()), torch.zeros_like(scores))
            total = p.sum(1, keepdim=True)
            if f"model.layers.{layer}.self_attn.sinks" in w and mistake != "no_sinks":
                sink = w[f"model.layers.{layer}.self_attn.sinks"][h] * (score_scale if mistake == "scaled_sinks" else 1)
                total = total + torch.exp(sink - scores.max())
            mixed[:, h] = (p / total) @ u[:, g]
        return mixed.reshape(tokens, heads * head_dim)

    def attention(x, name, layer):
        q = linear(x, name + ".q_proj").view(tokens, heads, head_dim)
        k = linear(x, name + ".k_proj").view(tokens, kv_heads, head_dim)
        u = linear(x, name + ".v_proj").view(tokens, kv_heads, head_dim)
        norm_last = mistake == "qk_norm_after_rotation"
        if not norm_last:
            q, k = head_norm(q, name + ".q_norm"), head_norm(k, name + ".k_norm")
        q, k = turned(q, k, layer)
        if norm_last:
            q, k = head_norm(q, name + ".q_norm"), head_norm(k, name + ".k_norm")
        return linear(attend(q, k, u, layer), name + (".dense" if v["family"] == "phi" else ".o_proj"))

    def activate(x):
        if v["activation"] == "silu":
            return gelu(x) if mistake == "activation" else silu(x)
        if v["activation"] == "gelu":
            return gelu_by_tanh(x) if mistake == "activation" else gelu(x)
        return gelu(x) if mistake == "activation" else gelu_by_tanh(x)

    def feed_forward(x, name, names=("gate_proj", "up_proj", "down_proj")):
        if v["family"] == "starcoder2":
            return plain_feed_forward(x, name, "c_fc", "c_proj")
        gate, up = linear(x, f"{name}.{names[0]}"), linear(x, f"{name}.{names[1]}")
        if mistake == "gate_up":
            gate, up = up, gate
        if v["family"] == "gpt_oss":
            return linear(clamped_swiglu(gate, up), f"{name}.{names[2]}")
        return linear(activate(gate) * up, f"{name}.{names[2]}")

    def clamped_swiglu(gate, up):
        if mistake == "gate_before_up":
            gate, up = torch.stack([gate, up], -1).flatten(-2).chunk(2, -1)
        if mistake != "no_gate_limit":
            gate = torch.minimum(gate, torch.full_like(gate, 7))
        if mistake != "no_up_limit":
            up = torch.maximum(torch.minimum(up, torch.full_like(up, 7)), torch.full_like(up, -7))
        slope = 1.0 if mistake == "plain_slope" else 1.702
        return (up if mistake == "no_one_added" else up + 1) * gate / (1 + torch.exp(-slope * gate))

    def mixture(x, layer):
        """Token by token, expert by expert."""
        moe, (name, names) = v["moe"], mixture_names(v, layer)
        active = moe["active"] + {"an_expert_more": 1, "an_expert_fewer": -1}.get(mistake, 0)
        y = torch.zeros_like(x)
        for t, logits in enumerate(linear(x, router_of(v, layer))):
            order = sorted(range(moe["experts"]), key=lambda e: (-logits[e].item(), e))
            if mistake == "smallest_chosen":
                order.reverse()
            odds = torch.exp(logits - logits.max())
            chosen = order[:active]
            total = odds[chosen].sum() if moe["normed"] != (mistake == "other_weights") else odds.sum()
            for e in chosen:
                weight = odds[e] / total if mistake != "equal_weights" else 1 / len(chosen)
                y[t] = y[t] + weight * feed_forward(x[t], f"{name}.experts.{e}", names)
        if moe["shared"] and mistake != "no_shared_expert":
            gate = 1 / (1 + torch.exp(-linear(x, name + ".shared_expert_gate")))
            shared = feed_forward(x, name + ".shared_expert", names)
            y = y + (shared if mistake == "no_shared_gate" else gate * shared)
        return y

    def codegen_attention(x, name, layer):
        blocks = linear(x, name + ".qkv_proj").view(tokens, 4, 3, heads // 4, head_dim)
        if mistake == "one_block":
            blocks = linear(x, name + ".qkv_proj").view(tokens, 1, 3, heads, head_dim)
        q, u, k = (blocks[:, :, part].reshape(tokens, heads, head_dim) for part in range(3))
        if mistake == "key_before_value":
            k, u = u, k
        return linear(attend(*turned(q, k, layer), u, layer), name + ".out_proj")

    def plain_feed_forward(x, name, first, second):
        return linear(activate(linear(x, f"{name}.{first}")), f"{name}.{second}")

    def layer_of_codegen(x, i):
        normed = norm(x, f"transformer.h.{i}.ln_1")
        mixed = codegen_attention(normed, f"transformer.h.{i}.attn", i)
        if mistake == "sequential":
            normed = norm(x + mixed, f"transformer.h.{i}.ln_1")
        return x + mixed + plain_feed_forward(normed, f"transformer.h.{i}.mlp", "fc_in", "fc_out")

    def layer_of_phi(x, i):
        normed = norm(x, f"model.layers.{i}.input_layernorm")
        mixed = attention(normed, f"model.layers.{i}.self_attn", i)
        if mistake == "sequential":
            normed = norm(x + mixed, f"model.layers.{i}.input_layernorm")
        return x + mixed + plain_feed_forward(normed, f"model.layers.{i}.mlp", "fc1", "fc2")

    def layer_of_gpt_neox(x, i):
        layer = f"gpt_neox.layers.{i}."
        rows = linear(norm(x, layer + "input_layernorm"), layer + "attention.query_key_value")
        if mistake == "kind_by_kind":
            q, k, u = rows.view(tokens, 3, heads, head_dim).unbind(1)
        else:
            q, k, u = rows.view(tokens, heads, 3, head_dim).unbind(2)
        mixed = linear(attend(*turned(q, k, i), u, i), layer + "attention.dense")
        parallel = v["parallel"] != (mistake == "other_order")
        second = layer + ("input_layernorm" if mistake == "one_norm" else "post_attention_layernorm")
        normed = norm(x if parallel else x + mixed, second)
        return x + mixed + plain_feed_forward(normed, layer + "mlp", "dense_h_to_4h", "dense_4h_to_h")

    def layer_of_gpt_bigcode(x, i):
        layer = f"transformer.h.{i}."
        rows = linear(norm(x, layer + "ln_1"), layer + "attn.c_attn")
        if kv_heads == 1:
            q, k, u = torch.split(rows.view(tokens, heads + 2, head_dim), [heads, 1, 1], dim=1)
        elif mistake == "kind_by_kind":
            q, k, u = rows.view(tokens, 3, heads, head_dim).unbind(1)
        else:
            q, k, u = rows.view(tokens, heads, 3, head_dim).unbind(2)
        if mistake == "key_before_value":
            k, u = u, k
        x = x + linear(attend(q, k, u, i), layer + "attn.c_proj")
        return x + plain_feed_forward(norm(x, layer + "ln_2"), layer + "mlp", "c_fc", "c_proj")

    def layer_of_the_others(x, i):
        layer, r = f"model.layers.{i}", times["residual"]
        if v["family"] in POST_NORMED:
            olmo2, post = v["family"] == "olmo2", lambda y, name: y if mistake == "no_post_norm" else norm(y, name)
            y = attention(x if olmo2 else norm(x, f"{layer}.input_layernorm"), f"{layer}.self_attn", i)
            if mistake == "norm_of_the_sum":
                x = norm(x + y, f"{layer}.post_attention_layernorm")
            else:
                x = x + post(y, f"{layer}.post_attention_layernorm")
            y = feed_forward(x if olmo2 else norm(x, f"{layer}.pre_feedforward_layernorm"), f"{layer}.mlp")
            return x + post(y, f"{layer}.post_feedforward_layernorm")
        x = x + r * attention(norm(x, f"{layer}.input_layernorm"), f"{layer}.self_attn", i)
        normed = norm(x, f"{layer}.post_attention_layernorm")
        if v["moe"] and i not in v["moe"]["dense"]:
            return x + mixture(normed, i)
        return x + r * feed_forward(normed, f"{layer}.mlp")

    x = w[embedding_of(v) + ".weight"][ids] * times["embedding"]
    output = embedding_of(v) if v["tied"] or mistake == "tied" else output_of(v)
    if v["family"] == "gpt_bigcode" and mistake != "no_positions":
        x = x + w["transformer.wpe.weight"][: len(ids)]
    layers = {"codegen": layer_of_codegen, "gpt_bigcode": layer_of_gpt_bigcode, "phi": layer_of_phi, "gpt_neox": layer_of_gpt_neox}
    layer = layers.get(v["family"], layer_of_the_others)
    hidden, logits = [], []
    for i in range(v["layers"]):
        x = layer(x, i)
        hidden.append(x)
        y = linear(x if mistake == "no_final_norm" else norm(x, final_norm_of(v)), output) / times["logits"]
        capped = v["logit_cap"] and mistake != "no_logit_cap"
        logits.append(v["logit_cap"] * torch.tanh(y / v["logit_cap"]) if capped else y)
    return torch.stack(hidden), torch.stack(logits)


FAR_MISTAKES = ["no_scaling", "no_smoothing", "linear_for_llama3", "no_window", "window_longer", "window_shorter"]
FAR_MISTAKES += ["other_layers_windowed", "linear_for_yarn", "no_magnitude"]


def mistakes_of(v):
    """The errors that this checkpoint must be able to show."""
    names = ["activation", "epsilon", "no_mask", "no_final_norm", "no_rotation", "pairing", "query_position", "theta"]
    if v["family"] == "codegen":
        names += ["whole_head_rotated"] if v["head_dim"] // 2 * 2 != v["rotary_dim"] else []
        names += ["one_block", "key_before_value", "sequential"]
        names += ["no_bias_fc_in", "no_bias_fc_out", "no_bias_lm_head"]
    if v["family"] == "gpt_bigcode":
        for rotation in ("no_rotation", "pairing", "query_position", "theta"):
            names.remove(rotation)
        names += ["no_positions", "key_before_value", "no_bias_c_attn", "no_bias_c_proj", "no_bias_c_fc"]
        names += ["kind_by_kind"] if v["kv_heads"] > 1 else []
    if v["family"] in LAYER_NORMED:
        names += ["mean_kept", "no_norm_bias"]
    if v["family"] not in UNGATED:
        names += ["gate_up"]
    if v["family"] == "phi":
        names += ["sequential", "no_bias_dense", "no_bias_fc1", "no_bias_fc2", "no_bias_lm_head"]
    if v["family"] == "gpt_neox":
        names += ["kind_by_kind", "other_order", "one_norm", "no_bias_dense_h_to_4h", "no_bias_dense_4h_to_h"]
        biased = v["config"].get("attention_bias", True)
        names += ["no_bias_query_key_value", "no_bias_dense"] if biased else []
    names += ["query_key"] if v["kv_heads"] == v["heads"] else []
    names += ["groups"] if 1 < v["kv_heads"] < v["heads"] else []
    names += ["scale"] if v["head_dim"] * v["heads"] != v["d"] and not v["multipliers"] else []
    names += ["other_layers_turned", "all_layers_turned"] if any(v["unturned"]) else []
    names += [f"no_{part}" for part, value in (v["multipliers"] or {}).items() if value != 1.0 or part == "attention"]
    if v["query_scalar"] == v["head_dim"]:
        names.remove("no_attention")
    kind = (v["scaling"] or {}).get("rope_type", (v["scaling"] or {}).get("type"))
    names += ["no_scaling"] if kind and kind != "dynamic" else []
    names += ["no_smoothing", "linear_for_llama3"] if kind == "llama3" else []
    names += ["linear_for_yarn", "no_magnitude", "other_truncation"] if kind == "yarn" else []
    names += ["scaled_at_once"] if kind == "dynamic" else []
    names += ["long_factors", "no_magnitude"] if kind == "longrope" else []
    names += ["norm_weights_whole"] if v["family"] in GEMMA else []
    names += ["no_post_norm", "norm_of_the_sum"] if v["family"] in POST_NORMED else []
    names += ["no_score_cap"] if v["score_cap"] else []
    names += ["no_logit_cap"] if v["logit_cap"] else []
    names += ["one_theta"] if v["local_theta"] else []
    names += ["all_layers_scaled"] if v["local_theta"] and v["scaling"] else []
    names += ["no_qk_norm", "qk_norm_by_head", "qk_norm_after_rotation"] if v["family"] in NORMED_PROJECTIONS else []
    if v["family"] == "gpt_oss":
        names.remove("activation")
        names += ["no_sinks", "scaled_sinks", "gate_before_up", "no_gate_limit", "no_up_limit"]
        names += ["plain_slope", "no_one_added"]
        names += [f"no_bias_{part}" for part in ("router", "gate_proj", "up_proj", "down_proj")]
    if v["moe"]:
        names += ["an_expert_fewer", "an_expert_more", "smallest_chosen", "other_weights", "equal_weights"]
        names += ["no_shared_expert", "no_shared_gate"] if v["moe"]["shared"] else []
    names += ["key_before_value"] if v["family"] == "phi3" else []
    names += ["whole_head_rotated"] if v["rotary_dim"] and v["family"] != "codegen" else []
    names += [] if v["tied"] else ["tied"]
    if v["family"] in ("qwen3", "qwen3_moe", "gemma3_text"):
        names += ["no_qk_norm", "qk_norm_of_all_heads", "qk_norm_after_rotation"]
    if v["window"]:
        names += [] if all(v["windowed"]) else ["all_layers_windowed"]
        names += ["other_layers_windowed", "no_window", "window_longer", "window_shorter"] if any(v["windowed"]) else []
    names += [f"no_bias_{part}_proj" for part in v["attention_bias"]]
    parts = ["c_fc", "c_proj"] if v["family"] == "starcoder2" else ["gate_proj", "up_proj", "down_proj"]
    names += [f"no_bias_{part}" for part in parts] if v["mlp_bias"] else []
    return names


# ---------------------------------------------------------------------------------------------------------
# The second path: from the files, by other means.


def read_checkpoint(files):
    """config and tensors by name, as float64 where they are floating point."""
    numpy_types = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "u1", "U8": "u1"}
    tensors = {}
    for name, raw in files.items():
        if not name.endswith(".safetensors"):
            continue
        size = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8 : 8 + size])
        header.pop("__metadata__")
        for key, h in header.items():
            begin, end = h["data_offsets"]
            a = np.frombuffer(raw[8 + size + begin : 8 + size + end], numpy_types[h["dtype"]]).reshape(h["shape"])
            if h["dtype"] == "BF16":
                a = (a.astype(np.uint32) << 16).view(np.float32)
            tensors[key] = torch.from_numpy(a.astype(np.float64))
    return json.loads(files["config.json"]), tensors


def gemma3_rope(config, layer_type):
    if layer_type == "sliding_attention":
        return {"rope_theta": config.get("rope_local_base_freq", 1e4)}
    return {"rope_theta": config.get("rope_theta", 1e6), **(config.get("rope_scaling") or {})}


def turning(config, head_dim, tokens, layer_type=None):
    """Unit complex numbers [tokens, 1, head_dim / 2] by which pairs of elements are multiplied."""
    rope = config.get("rope_parameters")
    if config.get("model_type") == "gemma3_text":
        rope = dict(rope[layer_type]) if rope else gemma3_rope(config, layer_type)
    if not rope and not config.get("rope_scaling") and config.get("model_type") == "gpt_oss":
        rope = dict(rope_type="yarn", factor=32.0, original_max_position_embeddings=4096, truncate=False)
        rope["rope_theta"] = config.get("rope_theta", 150000.0)
    if not rope:
        absent = {"smollm3": 2e6, "mixtral": 1e6}.get(config.get("model_type"), 10000.0)
        rope = {"rope_theta": config.get("rope_theta", absent), **(config.get("rope_scaling") or {})}
    kind = rope.get("rope_type", rope.get("type", "default"))
    position, length = torch.arange(tokens, dtype=torch.float64), 1.0
    frequency = torch.exp(-math.log(rope["rope_theta"]) * torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    if kind == "linear":
        position = position / rope["factor"]
    elif kind == "llama3":
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        turns = rope["original_max_position_embeddings"] * frequency / (2 * math.pi)
        kept = ((turns - low) / (high - low)).clamp(0, 1)
        frequency = torch.lerp(frequency / rope["factor"], frequency, kept)
    elif kind == "yarn":
        original, factor, planes = rope["original_max_position_embeddings"], rope["factor"], head_dim // 2
        turns = torch.tensor([rope.get("beta_fast", 32), rope.get("beta_slow", 1)], dtype=torch.float64)
        ends = head_dim / 2 * torch.log(original / (turns * 2 * math.pi)) / math.log(rope["rope_theta"])
        if rope.get("truncate", True):
            ends = torch.stack([ends[0].floor(), ends[1].ceil()])
        ends = ends.clamp(0, head_dim - 1)
        slowed = ((torch.arange(planes) - ends[0]) / (ends[1] - ends[0])).clamp(0, 1)
        frequency = torch.lerp(frequency, frequency / factor, slowed)
        length = rope.get("attention_factor", 0.1 * math.log(factor) + 1)
    elif kind == "dynamic":
        limit, factor = config["max_position_embeddings"], rope["factor"]
        longer = factor * max(tokens, limit) / limit - (factor - 1)
        frequency = frequency * longer ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / (head_dim - 2))
    elif kind == "longrope":
        original = config["original_max_position_embeddings"]
        divisors = rope["long_factor" if tokens > original else "short_factor"]
        frequency = frequency / torch.tensor(divisors, dtype=torch.float64)
        length = math.sqrt(1 + math.log(config["max_position_embeddings"] / original) / math.log(original))
    else:
        assert kind == "default"
    angle = torch.outer(position, frequency)[:, None]
    return torch.polar(length * torch.ones_like(angle), angle)


def seen_keys(config, layer, tokens):
    """[tokens, tokens], bool: the band of a mask, by the keys of the file."""
    window = config.get("sliding_window", 4096 if config["model_type"] == "mistral" else None)
    if config["model_type"] in ("gemma2", "gemma3_text"):
        listed = config.get("layer_types")
        period = config.get("sliding_window_pattern", 6) if config["model_type"] == "gemma3_text" else 2
        full = listed[layer] == "full_attention" if listed else layer % period == period - 1
        window = None if full else window
    if config["model_type"] == "smollm3":
        listed = config.get("layer_types")
        sliding = listed[layer] == "sliding_attention" if listed else not turns_in(config, layer)
        window = window if config.get("use_sliding_window", False) and sliding else None
    if config["model_type"] == "gpt_oss":
        listed = config.get("layer_types")
        window = window if (listed[layer] == "sliding_attention" if listed else layer % 2 == 0) else None
    if config["model_type"] == "qwen3_moe":
        window = window if config["use_sliding_window"] else None
    if config["model_type"] in ("qwen2", "qwen3", "qwen2_moe"):
        listed = config.get("layer_types")
        sliding = listed[layer] == "sliding_attention" if listed else layer >= config.get("max_window_layers", 28)
        window = window if config.get("use_sliding_window", False) and sliding else None
    causal = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    return causal.triu(-(window - 1)) if window else causal


def turns_in(config, layer):
    if config["model_type"] != "smollm3":
        return True
    return config.get("no_rope_layers", [(i + 1) % config.get("no_rope_layer_interval", 4) for i in range(99)])[layer]


def capped(x, cap):
    return torch.tanh(x / cap) * cap if cap else x


def capped_attention(q, k, u, seen, scale, cap):
    """As sdpa, whose function knows of no limit."""
    groups = q.unflatten(1, (k.shape[1], -1))
    scores = capped(torch.einsum("tgrk,sgk->grts", groups, k) * scale, cap).masked_fill(~seen, -math.inf)
    return torch.einsum("grts,sgk->tgrk", scores.softmax(-1), u).flatten(1)


def attention_with_sinks(q, k, u, seen, sinks):
    """A sink as the key of one more entry, whose value is dropped."""
    groups = q.unflatten(1, (k.shape[1], -1))
    scores = torch.einsum("tgrk,sgk->grts", groups, k).div(math.sqrt(q.shape[-1])).masked_fill(~seen, -math.inf)
    extra = sinks.view(*scores.shape[:2], 1, 1).expand(*scores.shape[:3], 1)
    weights = torch.cat([scores, extra], -1).softmax(-1)[..., :-1]
    return torch.einsum("grts,sgk->tgrk", weights, u).flatten(1)


def sdpa(q, k, u, seen, scale=None):
    """q: [tokens, heads, head_dim]; k, u: [tokens, kv_heads, head_dim]; seen: [tokens, tokens], bool"""
    repeats = q.shape[1] // k.shape[1]
    k, u = (t.repeat_interleave(repeats, dim=1) for t in (k, u))
    function = getattr(F, "scaled_dot_product_attention", None) or F._scaled_dot_product_attention  # before torch 2
    mask = torch.zeros(seen.shape, dtype=torch.float64).masked_fill(~seen, -math.inf)
    if scale is not None:  # the function's own is 1 / sqrt(head_dim)
        q = q * (scale * math.sqrt(q.shape[-1]))
    mixed = function(*(t.transpose(0, 1)[None].contiguous() for t in (q, k, u)), attn_mask=mask[None])
    mixed = (mixed[0] if isinstance(mixed, tuple) else mixed)[0]
    return mixed.transpose(0, 1).flatten(1)


def codegen_from_files(config, w, ids):
    d, heads, rotated = config["n_embd"], config["n_head"], config["rotary_dim"]
    tokens = len(ids)
    turn = turning({}, rotated, tokens)
    # Which rows of qkv_proj make up q, v and k, head by head.
    rows = torch.arange(3 * d).view(4, 3, d // 4).transpose(0, 1).reshape(3, d)

    def norm(x, name):
        return F.layer_norm(x, (d,), w[name + ".weight"], w[name + ".bias"], config["layer_norm_epsilon"])

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))

    def turned(x):
        y = torch.view_as_real(torch.view_as_complex(x[..., :rotated].unflatten(-1, (-1, 2)).contiguous()) * turn)
        return torch.cat([y.flatten(-2), x[..., rotated:]], dim=-1)

    assert config["activation_function"] == "gelu_new" and not config["tie_word_embeddings"]
    x = F.embedding(ids, w["transformer.wte.weight"])
    hidden, logits = [], []
    for i in range(config["n_layer"]):
        h = f"transformer.h.{i}."
        y = norm(x, h + "ln_1")
        q, u, k = (F.linear(y, w[h + "attn.qkv_proj.weight"][part]).unflatten(1, (heads, -1)) for part in rows)
        mixed = sdpa(turned(q), turned(k), u, seen_keys(config, i, tokens))
        inner = F.gelu(linear(y, h + "mlp.fc_in"), approximate="tanh")
        assert inner.shape[1] == (config["n_inner"] or 4 * d)
        x = linear(mixed, h + "attn.out_proj") + linear(inner, h + "mlp.fc_out") + x
        hidden.append(x)
        logits.append(linear(norm(x, "transformer.ln_f"), "lm_head"))
    return torch.stack(hidden), torch.stack(logits)


def gpt_bigcode_from_files(config, w, ids):
    d, heads, tokens = config["n_embd"], config["n_head"], len(ids)

    def norm(x, name):
        return F.layer_norm(x, (d,), w[name + ".weight"], w[name + ".bias"], config["layer_norm_epsilon"])

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w[name + ".bias"])

    assert config["activation_function"] == "gelu_pytorch_tanh"
    output = w["transformer.wte.weight" if config.get("tie_word_embeddings", True) else "lm_head.weight"]
    x = F.embedding(ids, w["transformer.wte.weight"]) + F.embedding(torch.arange(tokens), w["transformer.wpe.weight"])
    hidden, logits = [], []
    for i in range(config["n_layer"]):
        h = f"transformer.h.{i}."
        rows = linear(norm(x, h + "ln_1"), h + "attn.c_attn")
        if config.get("multi_query", True):
            q = rows[:, :d].unflatten(1, (heads, -1))
            k, u = rows[:, d:].unflatten(1, (2, 1, -1)).unbind(1)
        else:
            q, k, u = rows.unflatten(1, (heads, -1)).chunk(3, dim=-1)
        x = x + linear(sdpa(q, k, u, seen_keys(config, i, tokens)), h + "attn.c_proj")
        inner = F.gelu(linear(norm(x, h + "ln_2"), h + "mlp.c_fc"), approximate="tanh")
        assert inner.shape[1] == (config["n_inner"] or 4 * d)
        x = linear(inner, h + "mlp.c_proj") + x
        hidden.append(x)
        logits.append(F.linear(norm(x, "transformer.ln_f"), output))
    return torch.stack(hidden), torch.stack(logits)


def gpt_neox_from_files(config, w, ids):
    d, heads, tokens = config["hidden_size"], config["num_attention_heads"], len(ids)
    head_dim = d // heads
    rotated = int(head_dim * config.get("rotary_pct", 0.25))
    turn = turning({"rope_theta": config.get("rotary_emb_base", 10000.0)}, rotated, tokens)

    def norm(x, name):
        return F.layer_norm(x, (d,), w[name + ".weight"], w[name + ".bias"], config["layer_norm_eps"])

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))

    def turned(x):
        y = torch.complex(x[..., : rotated // 2].contiguous(), x[..., rotated // 2 : rotated].contiguous()) * turn
        return torch.cat([y.real, y.imag, x[..., rotated:]], dim=-1)

    assert config["hidden_act"] == "gelu" and not config["tie_word_embeddings"]
    x = F.embedding(ids, w["gpt_neox.embed_in.weight"])
    hidden, logits = [], []
    for i in range(config["num_hidden_layers"]):
        h = f"gpt_neox.layers.{i}."
        rows = linear(norm(x, h + "input_layernorm"), h + "attention.query_key_value").unflatten(1, (heads, -1))
        q, k, u = rows.chunk(3, dim=-1)
        mixed = linear(sdpa(turned(q), turned(k), u, seen_keys(config, i, tokens)), h + "attention.dense")
        between = x if config["use_parallel_residual"] else x + mixed
        inner = F.gelu(linear(norm(between, h + "post_attention_layernorm"), h + "mlp.dense_h_to_4h"))
        x = linear(inner, h + "mlp.dense_4h_to_h") + mixed + x
        hidden.append(x)
        logits.append(F.linear(norm(x, "gpt_neox.final_layer_norm"), w["embed_out.weight"]))
    return torch.stack(hidden), torch.stack(logits)


def mxfp4_from_files(blocks, scales):
    """[experts, out, blocks, 16] -> [experts, in, out]"""
    codes = torch.stack([blocks % 16, (blocks / 16).floor()], -1).flatten(-2).long()
    magnitude = codes % 8
    exponent, fraction = magnitude // 2, magnitude % 2  # as of a float; exponent 0 is subnormal
    value = torch.where(exponent > 0, (1 + fraction / 2) * 2.0 ** (exponent - 1), fraction / 2)
    value = torch.ldexp(torch.where(codes > 7, -value, value), (scales - 127)[..., None])
    return value.flatten(2).transpose(1, 2)


def gpt_oss_mixture_from_files(config, w, layer, x):
    name = f"model.layers.{layer}.mlp."

    def matrix(which):
        plain = name + f"experts.{which}"
        return w[plain] if plain in w else mxfp4_from_files(w[plain + "_blocks"], w[plain + "_scales"])

    assert config["hidden_act"] == "silu" and config["swiglu_limit"] == 7.0
    logits = F.linear(x, w[name + "router.weight"], w[name + "router.bias"])
    kept, indices = logits.topk(config["num_experts_per_tok"], dim=-1)
    weights = torch.zeros_like(logits).scatter(1, indices, kept.softmax(-1))
    both = torch.einsum("td,edn->etn", x, matrix("gate_up_proj")) + w[name + "experts.gate_up_proj_bias"][:, None]
    gate, up = both[..., 0::2].clamp(max=7.0), both[..., 1::2].clamp(-7.0, 7.0)
    out = torch.einsum("etn,end->etd", (up + 1) * gate * torch.sigmoid(1.702 * gate), matrix("down_proj"))
    return torch.einsum("te,etd->td", weights, out + w[name + "experts.down_proj_bias"][:, None])


def mixture_from_files(config, w, layer, x):
    """All experts of all tokens, most of them times 0; None where the layer has no experts."""
    if config["model_type"] == "gpt_oss":
        return gpt_oss_mixture_from_files(config, w, layer, x)
    mixtral = config["model_type"] == "mixtral"
    name = f"model.layers.{layer}." + ("block_sparse_moe" if mixtral else "mlp")
    if name + ".gate.weight" not in w:
        return None
    assert layer not in config.get("mlp_only_layers", []) and (layer + 1) % config.get("decoder_sparse_step", 1) == 0
    experts = config["num_local_experts" if mixtral else "num_experts"]
    up, gate, down = ("w3", "w1", "w2") if mixtral else ("up_proj", "gate_proj", "down_proj")

    def swiglu(expert):
        inner = F.linear(x, w[f"{expert}.{up}.weight"]) * F.silu(F.linear(x, w[f"{expert}.{gate}.weight"]))
        return F.linear(inner, w[f"{expert}.{down}.weight"])

    chances = F.linear(x, w[name + ".gate.weight"]).softmax(-1)
    kept, indices = chances.topk(config["num_experts_per_tok"], dim=-1)
    if mixtral or config.get("norm_topk_prob", False):
        kept = F.normalize(kept, p=1, dim=-1)
    weights = torch.zeros_like(chances).scatter(1, indices, kept)
    assert weights.shape[1] == experts
    y = torch.einsum("te,etd->td", weights, torch.stack([swiglu(f"{name}.experts.{e}") for e in range(experts)]))
    if name + ".shared_expert_gate.weight" in w:
        y = torch.addcmul(y, F.linear(x, w[name + ".shared_expert_gate.weight"]).sigmoid(), swiglu(name + ".shared_expert"))
    return y


def forward_from_files(files, ids):
    config, w = read_checkpoint(files)
    if config["model_type"] == "codegen":
        return codegen_from_files(config, w, ids)
    if config["model_type"] == "gpt_bigcode":
        return gpt_bigcode_from_files(config, w, ids)
    if config["model_type"] == "gpt_neox":
        return gpt_neox_from_files(config, w, ids)
    starcoder2 = config["model_type"] == "starcoder2"
    phi = config["model_type"] == "phi"
    d, heads = config["hidden_size"], config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads", heads)
    head_dim = config.get("head_dim") or d // heads
    tokens = len(ids)
    absent = {"stablelm": 0.25, "phi": 0.5}.get(config["model_type"], 1.0)
    inside = config.get("rope_parameters") or config
    rotated = int(head_dim * inside.get("partial_rotary_factor", config.get("partial_rotary_factor", absent)))
    half = rotated // 2
    gemma = config["model_type"] in ("gemma", "gemma2", "gemma3_text")
    if config["model_type"] == "gemma3_text":
        turns = [turning(config, rotated, tokens, kind) for kind in ("full_attention", "sliding_attention")]
    else:
        turns = [turning(config, rotated, tokens)] * 2
    tied = config.get("tie_word_embeddings", gemma or config["model_type"] in ("starcoder2", "smollm3"))
    granite = config["model_type"] == "granite"
    residual = config.get("residual_multiplier", 1.0)
    output = w["model.embed_tokens.weight" if tied else "lm_head.weight"]

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))

    def norm(x, name):
        if name + ".bias" in w:
            epsilon = config["norm_epsilon" if starcoder2 else "layer_norm_eps"]
            return F.layer_norm(x, (d,), w[name + ".weight"], w[name + ".bias"], epsilon)
        y = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"])
        return torch.addcmul(y if gemma else torch.zeros_like(y), y, w[name + ".weight"])

    def turned(x, turn):
        y = torch.complex(x[..., :half].contiguous(), x[..., half:rotated].contiguous()) * turn
        return torch.cat([y.real, y.imag, x[..., rotated:]], dim=-1)

    if not gemma:
        assert config["hidden_act"] == ("gelu_pytorch_tanh" if starcoder2 else "gelu_new" if phi else "silu")
    assert config.get("hidden_activation") in (None, "gelu_pytorch_tanh")
    limits = dict(attn_logit_softcapping=50.0, final_logit_softcapping=30.0) if config["model_type"] == "gemma2" else {}
    score_cap, logit_cap = (config.get(f"{kind}_logit_softcapping", limits.get(f"{kind}_logit_softcapping"))
                            for kind in ("attn", "final"))
    x = F.embedding(ids, w["model.embed_tokens.weight"]) * config.get("embedding_multiplier", d**0.5 if gemma else 1.0)
    hidden, logits = [], []
    for i in range(config["num_hidden_layers"]):
        attn, mlp = f"model.layers.{i}.self_attn.", f"model.layers.{i}.mlp."
        y = x if config["model_type"] == "olmo2" else norm(x, f"model.layers.{i}.input_layernorm")
        if attn + "qkv_proj.weight" in w:
            q, k, u = linear(y, attn + "qkv_proj").unflatten(1, (-1, head_dim)).split([heads, kv_heads, kv_heads], 1)
        else:
            q, k, u = (linear(y, attn + part + "_proj").unflatten(1, (-1, head_dim)) for part in "qkv")
        assert (q.shape[1], k.shape[1], u.shape[1]) == (heads, kv_heads, kv_heads)
        if config["model_type"] in NORMED_PROJECTIONS:
            q, k = (norm(t.flatten(1), attn + n).view_as(t) for t, n in ((q, "q_norm"), (k, "k_norm")))
        elif attn + "q_norm.weight" in w:
            q, k = norm(q, attn + "q_norm"), norm(k, attn + "k_norm")
        seen = seen_keys(config, i, tokens)
        if turns_in(config, i):
            turn = turns[0 if seen[-1, 0] else 1]
            q, k = turned(q, turn), turned(k, turn)
        scale = config.get("attention_multiplier", 1.0) if granite else None
        if "query_pre_attn_scalar" in config:
            mixed = capped_attention(q, k, u, seen, config["query_pre_attn_scalar"] ** -0.5, score_cap)
        elif attn + "sinks" in w:
            mixed = attention_with_sinks(q, k, u, seen, w[attn + "sinks"])
        else:
            mixed = sdpa(q, k, u, seen, scale)
        if phi:
            inner = F.gelu(linear(y, mlp + "fc1"), approximate="tanh")
            x = torch.stack([linear(mixed, attn + "dense"), x, linear(inner, mlp + "fc2")]).sum(0)
            hidden.append(x)
            logits.append(linear(norm(x, "model.final_layernorm"), "lm_head"))
            continue
        mixed, last = linear(mixed, attn + "o_proj"), f"model.layers.{i}.post_feedforward_layernorm"
        if last + ".weight" in w:
            x = x + norm(mixed, f"model.layers.{i}.post_attention_layernorm")
            y = x if config["model_type"] == "olmo2" else norm(x, f"model.layers.{i}.pre_feedforward_layernorm")
        else:
            x = torch.add(x, mixed, alpha=residual)
            y = norm(x, f"model.layers.{i}.post_attention_layernorm")
        if (mixture := mixture_from_files(config, w, i, y)) is not None:
            x = x + mixture
        elif starcoder2:
            x = x + linear(F.gelu(linear(y, mlp + "c_fc"), approximate="tanh"), mlp + "c_proj")
        else:
            if mlp + "gate_up_proj.weight" in w:
                up, gate = linear(y, mlp + "gate_up_proj").view(tokens, 2, -1).flip(1).unbind(1)
            else:
                up, gate = linear(y, mlp + "up_proj"), linear(y, mlp + "gate_proj")
            inner = (F.gelu(gate, approximate="tanh") if gemma else F.silu(gate)) * up
            y = linear(inner, mlp + "down_proj")
            x = torch.add(x, norm(y, last) if last + ".weight" in w else y, alpha=residual)
        hidden.append(x)
        logits.append(capped(F.linear(norm(x, "model.norm"), output) / config.get("logits_scaling", 1.0), logit_cap))
    return torch.stack(hidden), torch.stack(logits)


def check_reference(name, v, weights, ids, files, hidden, logits, kept, mistakes):
    """Returns, over the kept positions: difference of the two paths, that of float32, effect of each mistake."""

    def difference(a, b):
        return (a - b)[:, kept].abs().max().item()

    other_hidden, other_logits = forward_from_files(files, ids)
    paths = max(difference(hidden, other_hidden), difference(logits, other_logits))
    assert paths < 1e-10, f"{name}: the two paths differ by {paths}"
    rounding = difference(forward(v, weights, ids, dtype=torch.float32)[1], logits)
    assert rounding < TEST_TOLERANCE / 5, f"{name}: float32 is off by {rounding}"
    shown = {m: difference(forward(v, weights, ids, m)[1], logits) for m in mistakes}
    for mistake, effect in shown.items():
        # The two kinds of GELU differ by 5e-4 at most.
        needed = 5 if mistake == "activation" and v["activation"] != "silu" else 100
        assert effect > needed * TEST_TOLERANCE, f"{name}: the mistake '{mistake}' moves logits by only {effect}"
    return paths, rounding, shown


def golden_of(name, v, weights, files):
    """File name -> tensors of what a correct forward pass computes."""
    ids = random_ids(v, 1000, v["tokens"])
    hidden, logits = forward(v, weights, ids)
    everywhere = torch.arange(len(ids))
    paths, rounding, shown = check_reference(name, v, weights, ids, files, hidden, logits, everywhere, mistakes_of(v))
    argmax = logits.argmax(-1)
    moved = [(argmax[i] != argmax[i - 1]).double().mean().item() for i in range(1, v["layers"])]
    print(
        f"{name}: two paths agree to {paths:.1e}, float32 to {rounding:.1e};"
        f" logits std {logits.std():.2f}, max {logits.abs().max():.2f};"
        f" hidden max {hidden.abs().max():.2f}; arg-max moved by each further layer: {[round(m, 2) for m in moved]};"
        f" {len(shown)} mistakes, least visible: {sorted(shown.items(), key=lambda item: item[1])[:2]}"
    )
    golden = {"golden.safetensors": {"ids": ids.float(), "hidden": hidden.float(), "logits": logits.float()}}
    if v["long"]:
        ids = random_ids(v, 2000, v["long"])
        hidden, logits = forward(v, weights, ids)
        kept = torch.tensor([v["long"] // 2, *range(v["long"] - 5, v["long"])])
        far = [m for m in mistakes_of(v) if m in FAR_MISTAKES]
        paths, rounding, shown = check_reference(name, v, weights, ids, files, hidden, logits, kept, far)
        print(
            f"{name}, {v['long']} tokens: two paths agree to {paths:.1e}, float32 to {rounding:.1e};"
            f" least visible: {min(shown.items(), key=lambda item: item[1])}"
        )
        golden["golden_long.safetensors"] = {
            "ids": ids.float(),
            "positions": kept.float(),
            "hidden": hidden[:, kept].float(),
            "logits": logits[:, kept].float(),
        }
    return golden


# ---------------------------------------------------------------------------------------------------------
# Files


def fused_experts(v, weights):
    """gpt-oss's experts of a layer together, as its files have them."""
    fused = {}
    for i in range(v["layers"]):
        name = f"model.layers.{i}.mlp.experts."

        def all_of(part):
            return torch.stack([weights.pop(f"{name}{e}.{part}") for e in range(v["moe"]["experts"])])

        gate_up = [torch.stack([all_of("gate_proj." + kind), all_of("up_proj." + kind)], 2).flatten(1, 2)
                   for kind in ("weight", "bias")]
        down = [all_of("down_proj." + kind) for kind in ("weight", "bias")]
        for which, (matrix, bias) in (("gate_up_proj", gate_up), ("down_proj", down)):
            fused[f"{name}{which}_bias"] = stored(bias)
            if not v["mxfp4"]:
                fused[name + which] = stored(matrix.transpose(1, 2))
                continue
            codes, exponents = zip(*map(to_mxfp4, matrix))
            codes, scales = torch.stack(codes).numpy().astype(np.uint8), (torch.stack(exponents) + 127).numpy()
            blocks = codes[..., 0::2] | codes[..., 1::2] << 4
            fused[f"{name}{which}_blocks"] = ("U8", list(blocks.shape), blocks.tobytes())
            fused[f"{name}{which}_scales"] = ("U8", list(scales.shape), scales.astype(np.uint8).tobytes())
    return fused


def checkpoint_tensors(v, weights):
    weights = dict(weights)
    fused = fused_experts(v, weights) if v["family"] == "gpt_oss" else {}
    tensors = {**{name: stored(t) for name, t in weights.items()}, **fused}
    if v["output_copy"]:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    if v["mask_buffers"]:
        causal = np.tril(np.ones((v["context"], v["context"]), dtype=np.uint8)).tobytes()
        for i in range(v["layers"]):
            kind = "U8" if i % 2 else "BOOL"
            tensors[f"transformer.h.{i}.attn.causal_mask"] = (kind, [1, 1, v["context"], v["context"]], causal)
    if v["frequency_buffers"]:
        inverse = torch.tensor(pair_frequencies(v, None), dtype=torch.float32)
        for i in range(v["layers"]):
            if v["family"] == "gpt_neox":
                attention, causal = f"gpt_neox.layers.{i}.attention.", np.tril(np.ones((4, 4), dtype=np.uint8))
                tensors[attention + "bias"] = ("BOOL", [1, 1, 4, 4], causal.tobytes())
                tensors[attention + "masked_bias"] = stored(torch.tensor(-1e9))
                tensors[attention + "rotary_emb.inv_freq"] = stored(inverse)
                continue
            tensors[f"model.layers.{i}.self_attn.rotary_emb.inv_freq"] = stored(inverse)
    return dict(sorted(tensors.items()))


def llama_config(v):
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": bool(v["attention_bias"]),
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "mlp_bias": v["mlp_bias"],
        "model_type": "llama",
        "pretraining_tp": 1,
        "rms_norm_eps": v["epsilon"],
    }


def mistral_config(v):
    return {
        "architectures": ["MistralForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "model_type": "mistral",
        "rms_norm_eps": v["epsilon"],
        "sliding_window": v["window"],
    }


def qwen2_config(v):
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": v["vocab"] - 2,
        "eos_token_id": v["vocab"] - 1,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "max_window_layers": 28,
        "model_type": "qwen2",
        "rms_norm_eps": v["epsilon"],
        "sliding_window": v["window"],
        "use_sliding_window": False,
    }


def qwen3_config(v):
    return {
        **qwen2_config(v),
        "architectures": ["Qwen3ForCausalLM"],
        "attention_bias": False,
        "head_dim": v["head_dim"],
        "model_type": "qwen3",
    }


def mixtral_config(v):
    return {
        **mistral_config(v),
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        "num_experts_per_tok": v["moe"]["active"],
        "num_local_experts": v["moe"]["experts"],
        "output_router_logits": False,
        "router_aux_loss_coef": 0.02,
    }


def qwen2_moe_config(v):
    return {
        **qwen2_config(v),
        "architectures": ["Qwen2MoeForCausalLM"],
        "decoder_sparse_step": 1,
        "max_window_layers": 21,
        "mlp_only_layers": [],
        "model_type": "qwen2_moe",
        "moe_intermediate_size": v["moe"]["inner"],
        "norm_topk_prob": v["moe"]["normed"],
        "num_experts": v["moe"]["experts"],
        "num_experts_per_tok": v["moe"]["active"],
        "output_router_logits": False,
        "qkv_bias": bool(v["attention_bias"]),
        "router_aux_loss_coef": 0.001,
        "shared_expert_intermediate_size": v["moe"]["shared"],
    }


def qwen3_moe_config(v):
    config = {
        **qwen2_moe_config(v),
        "architectures": ["Qwen3MoeForCausalLM"],
        "attention_bias": False,
        "head_dim": v["head_dim"],
        "model_type": "qwen3_moe",
    }
    del config["qkv_bias"], config["shared_expert_intermediate_size"]
    return config


def olmoe_config(v):
    return {
        **olmo2_config(v),
        "architectures": ["OlmoeForCausalLM"],
        "clip_qkv": None,
        "model_type": "olmoe",
        "norm_topk_prob": v["moe"]["normed"],
        "num_experts": v["moe"]["experts"],
        "num_experts_per_tok": v["moe"]["active"],
        "output_router_logits": False,
        "router_aux_loss_coef": 0.01,
    }


def gpt_oss_config(v):
    return {
        "architectures": ["GptOssForCausalLM"],
        "attention_bias": True,
        "attention_dropout": 0.0,
        "eos_token_id": 2,
        "experts_per_token": v["moe"]["active"],
        "hidden_act": "silu",
        "initial_context_length": v["scaling"]["original_max_position_embeddings"],
        "initializer_range": 0.02,
        "layer_types": ["sliding_attention" if windowed else "full_attention" for windowed in v["windowed"]],
        "model_type": "gpt_oss",
        "num_experts_per_tok": v["moe"]["active"],
        "num_local_experts": v["moe"]["experts"],
        "output_router_logits": False,
        "rms_norm_eps": v["epsilon"],
        "router_aux_loss_coef": 0.9,
        "sliding_window": v["window"],
        "swiglu_limit": 7.0,
    }


def smollm3_config(v):
    return {
        **llama_config(v),
        "architectures": ["SmolLM3ForCausalLM"],
        "max_window_layers": 28,
        "model_type": "smollm3",
        "sliding_window": v["window"],
        "use_sliding_window": False,
    }


def granite_config(v):
    times = v["multipliers"]
    return {
        **llama_config(v),
        "architectures": ["GraniteForCausalLM"],
        "attention_multiplier": times["attention"],
        "embedding_multiplier": times["embedding"],
        "logits_scaling": times["logits"],
        "model_type": "granite",
        "residual_multiplier": times["residual"],
    }


def phi3_config(v):
    return {
        "architectures": ["Phi3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "embd_pdrop": 0.0,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "model_type": "phi3",
        "original_max_position_embeddings": v["context"],
        "resid_pdrop": 0.0,
        "rms_norm_eps": v["epsilon"],
        "sliding_window": v["window"],
    }


def gemma_config(v):
    return {
        "architectures": ["GemmaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "hidden_act": v["activation"],
        "hidden_activation": v["activation"],
        "initializer_range": 0.02,
        "model_type": "gemma",
        "pad_token_id": 0,
        "rms_norm_eps": v["epsilon"],
    }


def gemma2_config(v):
    return {
        **gemma_config(v),
        "architectures": ["Gemma2ForCausalLM"],
        "attn_logit_softcapping": v["score_cap"],
        "cache_implementation": "hybrid",
        "final_logit_softcapping": v["logit_cap"],
        "model_type": "gemma2",
        "query_pre_attn_scalar": v["query_scalar"],
        "sliding_window": v["window"],
    }


def gemma3_config(v):
    config = {
        **gemma2_config(v),
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
    }
    if v["rope_parameters"]:
        config["rope_parameters"] = {
            "full_attention": {"rope_theta": v["theta"], **(v["scaling"] or {"rope_type": "default"})},
            "sliding_attention": {"rope_theta": v["local_theta"], "rope_type": "default"},
        }
    else:
        config["rope_local_base_freq"] = v["local_theta"]
        config["sliding_window_pattern"] = 6
    return config


def olmo2_config(v):
    return {
        "architectures": ["Olmo2ForCausalLM"],
        "attention_bias": bool(v["attention_bias"]),
        "attention_dropout": 0.0,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "model_type": "olmo2",
        "pad_token_id": 1,
        "rms_norm_eps": v["epsilon"],
    }


def stablelm_config(v):
    return {
        "architectures": ["StableLmForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "hidden_act": "silu",
        "hidden_dropout": 0.0,
        "initializer_range": 0.02,
        "layer_norm_eps": v["epsilon"],
        "model_type": "stablelm",
        "partial_rotary_factor": v["rotary_dim"] / v["head_dim"],
        "qk_layernorm": False,
        "use_parallel_residual": False,
        "use_qkv_bias": bool(v["attention_bias"]),
    }


def phi_config(v):
    return {
        "architectures": ["PhiForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "embd_pdrop": 0.0,
        "eos_token_id": None,
        "hidden_act": v["activation"],
        "initializer_range": 0.02,
        "layer_norm_eps": v["epsilon"],
        "model_type": "phi",
        "partial_rotary_factor": v["rotary_dim"] / v["head_dim"],
        "qk_layernorm": False,
        "resid_pdrop": 0.1,
    }


def gpt_neox_config(v):
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "bos_token_id": 0,
        "eos_token_id": 0,
        "hidden_act": v["activation"],
        "hidden_size": v["d"],
        "initializer_range": 0.02,
        "intermediate_size": v["inner"],
        "layer_norm_eps": v["epsilon"],
        "max_position_embeddings": v["context"],
        "model_type": "gpt_neox",
        "num_attention_heads": v["heads"],
        "num_hidden_layers": v["layers"],
        "rotary_emb_base": v["theta"],
        "rotary_pct": v["rotary_dim"] / v["head_dim"],
        "tie_word_embeddings": v["tied"],
        "torch_dtype": CONFIG_TYPES[v["dtype"]],
        "use_cache": True,
        "use_parallel_residual": v["parallel"],
        "vocab_size": v["vocab"],
    }


def gpt_bigcode_config(v):
    return {
        "activation_function": v["activation"],
        "architectures": ["GPTBigCodeForCausalLM"],
        "attention_softmax_in_fp32": True,
        "attn_pdrop": 0.1,
        "bos_token_id": 0,
        "embd_pdrop": 0.1,
        "eos_token_id": 0,
        "initializer_range": 0.02,
        "layer_norm_epsilon": v["epsilon"],
        "model_type": "gpt_bigcode",
        "multi_query": True,
        "n_embd": v["d"],
        "n_head": v["heads"],
        "n_inner": v["inner"],
        "n_layer": v["layers"],
        "n_positions": v["context"],
        "resid_pdrop": 0.1,
        "scale_attention_softmax_in_fp32": True,
        "scale_attn_weights": True,
        "summary_type": "cls_index",
        "tie_word_embeddings": v["tied"],
        "torch_dtype": CONFIG_TYPES[v["dtype"]],
        "use_cache": True,
        "vocab_size": v["vocab"],
    }


def starcoder2_config(v):
    return {
        "activation_function": "gelu",
        "architectures": ["Starcoder2ForCausalLM"],
        "attention_dropout": 0.1,
        "attention_softmax_in_fp32": True,
        "bos_token_id": 0,
        "embedding_dropout": 0.1,
        "eos_token_id": 0,
        "hidden_act": v["activation"],
        "initializer_range": 0.018042,
        "layer_norm_epsilon": 1e-05,
        "mlp_type": "default",
        "model_type": "starcoder2",
        "norm_epsilon": v["epsilon"],
        "norm_type": "layer_norm",
        "residual_dropout": 0.1,
        "scale_attention_softmax_in_fp32": True,
        "scale_attn_weights": True,
        "sliding_window": v["window"],
        "use_bias": v["mlp_bias"],
    }


def codegen_config(v):
    return {
        "activation_function": v["activation"],
        "architectures": ["CodeGenForCausalLM"],
        "attn_pdrop": 0.0,
        "bos_token_id": 1,
        "embd_pdrop": 0.0,
        "eos_token_id": v["vocab"] - 1,
        "gradient_checkpointing": False,
        "initializer_range": 0.02,
        "layer_norm_epsilon": v["epsilon"],
        "model_type": "codegen",
        "n_ctx": v["context"],
        "n_embd": v["d"],
        "n_head": v["heads"],
        "n_inner": v["inner"],
        "n_layer": v["layers"],
        "n_positions": v["context"],
        "resid_pdrop": 0.0,
        "rotary_dim": v["rotary_dim"],
        "scale_attn_weights": True,
        "summary_activation": None,
        "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "tie_word_embeddings": v["tied"],
        "tokenizer_class": "GPT2Tokenizer",
        "torch_dtype": CONFIG_TYPES[v["dtype"]],
        "use_cache": True,
        "vocab_size": v["vocab"],
    }


def shape_config(v):
    """The keys that most of them share."""
    config = {
        "hidden_size": v["d"],
        "intermediate_size": v["inner"],
        "max_position_embeddings": v["context"],
        "num_attention_heads": v["heads"],
        "num_hidden_layers": v["layers"],
        "num_key_value_heads": v["kv_heads"],
        "tie_word_embeddings": v["tied"],
        "use_cache": True,
        "vocab_size": v["vocab"],
    }
    if v["own_head_dim"]:
        config["head_dim"] = v["head_dim"]
    if v["rope_parameters"]:
        config["rope_parameters"] = {"rope_theta": v["theta"], **(v["scaling"] or {"rope_type": "default"})}
    else:
        config["rope_theta"] = v["theta"]
        if v["scaling"] or v["family"] in ("llama", "qwen3"):  # files of the others leave the key out
            config["rope_scaling"] = v["scaling"]
    config["dtype" if v["rope_parameters"] else "torch_dtype"] = CONFIG_TYPES[v["dtype"]]
    return config


CONFIGS = {
    "llama": llama_config,
    "mistral": mistral_config,
    "qwen2": qwen2_config,
    "qwen3": qwen3_config,
    "mixtral": mixtral_config,
    "qwen2_moe": qwen2_moe_config,
    "qwen3_moe": qwen3_moe_config,
    "olmoe": olmoe_config,
    "gpt_oss": gpt_oss_config,
    "smollm3": smollm3_config,
    "granite": granite_config,
    "phi3": phi3_config,
    "gemma": gemma_config,
    "gemma2": gemma2_config,
    "gemma3_text": gemma3_config,
    "olmo2": olmo2_config,
    "stablelm": stablelm_config,
    "phi": phi_config,
    "starcoder2": starcoder2_config,
}


def config_json(v):
    if v["family"] in CONFIGS:
        config = {**shape_config(v), **CONFIGS[v["family"]](v)}
    else:
        whole = {"codegen": codegen_config, "gpt_bigcode": gpt_bigcode_config, "gpt_neox": gpt_neox_config}
        config = whole[v["family"]](v)
    config.update(v["config"])
    config = {key: value for key, value in sorted(config.items()) if value is not ABSENT}
    return (json.dumps(config, indent=2) + "\n").encode()


def checkpoint_files(v, weights):
    """File name -> bytes of the checkpoint."""
    tensors = checkpoint_tensors(v, weights)
    files = {"config.json": config_json(v)}
    if v["shards"] == 1:
        files["model.safetensors"] = safetensors_bytes(tensors)
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


def main():
    check = sys.argv[1:2] == ["--check"]
    chosen = sys.argv[1 + check :] or list(VARIANTS)
    torch.set_num_threads(1)
    total = 0
    for name in chosen:
        v = variant(name)
        weights = random_weights(v)
        files, folder = checkpoint_files(v, weights), HERE / name
        golden = golden_of(name, v, weights, files)
        if check:
            for file, content in files.items():
                assert (folder / file).read_bytes() == content, f"{name}/{file} is not what this script writes"
            for file, tensors in golden.items():
                written = read_golden(folder / file)
                assert written.keys() == tensors.keys(), f"{name}/{file} holds {list(written)}"
                for key, value in written.items():
                    # Another BLAS may sum in another order: equal to the last bits of float32, not to the byte.
                    expected = tensors[key].numpy()
                    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6, err_msg=f"{name}/{file}: {key}")
            continue
        for file, tensors in golden.items():
            files[file] = safetensors_bytes({key: stored(value) for key, value in tensors.items()})
        folder.mkdir(exist_ok=True)
        for file, content in files.items():
            (folder / file).write_bytes(content)
            total += len(content)
    print("all files agree" if check else f"wrote {total} bytes")


if __name__ == "__main__":
    main()
