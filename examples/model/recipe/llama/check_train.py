#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares losses and gradients of train.cpp with torch's, on a small model and random text.

    check_train.py FOLDER        (for the library; needs python3-torch)
"""

import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

from model import EPSILON, Model

SHAPE = (4, 64, 2, 96, 1600, 128)
EXIT_STEP, DISTILLED, WEIGHTS = 4, 0.5, [0.3, 0.2]


def rms(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * weight


def rotated(x, theta):
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[-2])[:, None] * theta ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


def states(w, model, ids, skip):
    x, (batch, length), heads = w["embed_tokens"][ids], ids.shape, model.heads
    result, mask = [], torch.full((length, length), -math.inf).triu(1)
    for l in range(model.layers):
        at = f"layers.{l}."
        if not skip[l]:
            qkv = rms(x, w[at + "input_layernorm"]) @ w[at + "self_attn.qkv_proj"].T
            q, k, v = qkv.view(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            q, k = rotated(q, model.theta), rotated(k, model.theta)
            p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + mask, -1)
            x = x + (p @ v).transpose(1, 2).reshape(batch, length, -1) @ w[at + "self_attn.o_proj"].T
            g, u = (rms(x, w[at + "post_attention_layernorm"]) @ w[at + "mlp.gate_up_proj"].T).chunk(2, -1)
            x = x + (F.silu(g) * u) @ w[at + "mlp.down_proj"].T
        result.append(x)
    return result


def loss_of(w, model, ids, importance, skip, exits, first):
    x = [h.reshape(-1, model.width) for h in states(w, model, ids[:, :-1], skip)]
    y, importance = ids[:, 1:].reshape(-1), importance.reshape(-1)
    logits = lambda h: rms(h, w["norm"]) @ w["embed_tokens"].T
    last = logits(x[-1])
    losses = [(F.cross_entropy(last, y, reduction="none") * importance).mean()]
    total, rows = losses[0], slice(first, None, EXIT_STEP)
    teacher = torch.softmax(last.detach(), -1)[rows]
    for layer, weight in zip(exits, WEIGHTS):
        log_p = torch.log_softmax(logits(x[layer][rows]), -1)
        truth = -log_p.gather(1, y[rows, None])[:, 0]
        other = -(teacher * log_p).sum(1)
        losses.append((truth * importance[rows]).mean())
        total = total + weight * ((DISTILLED * other + (1 - DISTILLED) * truth) * importance[rows]).mean()
    return total, losses


def main():
    rng = np.random.default_rng(1)
    model = Model(SHAPE, sys.argv[1], threads=2)
    flat = model.initial(0)
    flat *= 3  # so that attention is not uniform
    for name, view in model.named(flat).items():
        if "norm" in name:
            view[:] = rng.uniform(0.5, 1.5, view.shape)
    ids = rng.integers(0, SHAPE[4], (3, 2, 129))
    importance = rng.uniform(0.5, 2, (3, 2, 128)).astype(np.float32)
    skip = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 1]])
    exits, first = np.array([[0, 2], [1, 1], [2, 0]]), np.array([0, 3, 1])

    gradient = np.zeros_like(flat)
    zeros = np.zeros_like(flat)
    found, norm = model.step(
        ids, importance, skip, exits, WEIGHTS, first, EXIT_STEP, DISTILLED, gradient,
        weights=flat, momentum=zeros, second=zeros,
    )  # fmt: skip

    reference = torch.from_numpy(flat.copy()).requires_grad_()
    total, expected = 0, np.zeros(1 + len(WEIGHTS))
    for part in range(3):
        views, offset = {}, 0
        for name, shape in model.tensors():
            views[name] = reference[offset : offset + int(np.prod(shape))].view(shape)
            offset += int(np.prod(shape))
        text = torch.from_numpy(ids[part])
        loss, losses = loss_of(
            views, model, text, torch.from_numpy(importance[part]), skip[part], exits[part], int(first[part])
        )
        total = total + loss / 3
        expected += [float(each) / 3 for each in losses]
    total.backward()
    print("losses", found, expected)
    worst = np.abs(found - expected).max()
    wanted = model.named(reference.grad.numpy())
    for name, view in model.named(gradient).items():
        error = np.linalg.norm(view - wanted[name]) / np.linalg.norm(wanted[name])
        worst = max(worst, error)
        print(f"{name:40} {error:.4f}")
    # evaluate
    nats, hits = model.evaluate(flat, ids[0], [0, 3])
    with torch.no_grad():
        views = {n: torch.from_numpy(v) for n, v in model.named(flat).items()}
        x = states(views, model, torch.from_numpy(ids[0][:, :-1]), [0] * 4)
        y = torch.from_numpy(ids[0][:, 1:])
        for i, layer in enumerate((0, 3)):
            logits = rms(x[layer], views["norm"]) @ views["embed_tokens"].T
            expected = F.cross_entropy(logits.transpose(1, 2), y, reduction="none").numpy()
            error = np.abs(nats[i] - expected).mean()
            worst = max(worst, error)
            print("evaluate", layer, error, (hits[i] == (logits.argmax(-1) == y).numpy()).mean())
    print("worst", worst)
    sys.exit(worst > 0.03)


if __name__ == "__main__":
    main()
