#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A first look at what gates could save, under teacher forcing.

    CK=CHECKPOINT.pt OUT=FOLDER 4_gate_look.py

OUT holds val.u16 of step 1. Half of the positions fit a linear gate per layer (logistic regression on the raw
hidden state: does this layer's arg-max agree with the last layer's?); the other half shows the layers skipped
and the accuracy of that gate and of the plain margin p1 - p2 at several thresholds, and of an oracle.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import importlib.util
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

spec = importlib.util.spec_from_file_location("train", pathlib.Path(__file__).resolve().with_name("2_train.py"))
train = importlib.util.module_from_spec(spec)
spec.loader.exec_module(train)
L, D, V = train.L, train.D, train.V

OUT = os.environ.get("OUT", "work")
BATCHES, SEQUENCES = 20, 16


def collect():
    """Per layer: hidden states [N, D], arg-max [N], margin p1 - p2 [N]; and the true next tokens [N]."""
    model = train.GPT()
    model.load_state_dict(torch.load(os.environ["CK"])["m"])
    model.eval()
    stream = np.memmap(OUT + "/val.u16", dtype=np.uint16, mode="r")
    rng = np.random.RandomState(5)
    hidden, argmax, margin = ([[] for _ in range(L)] for _ in range(3))
    truth = []
    with torch.no_grad():
        for _ in range(BATCHES):
            starts = rng.randint(0, len(stream) - 257, SEQUENCES)
            tokens = torch.from_numpy(np.stack([stream[i : i + 257] for i in starts]).astype(np.int64))
            for i, h in enumerate(model.hidden(tokens[:, :-1])):
                top = F.softmax(model.logits(h).view(-1, V), -1).topk(2, -1)
                hidden[i].append(h.reshape(-1, D).clone())
                argmax[i].append(top.indices[:, 0])
                margin[i].append(top.values[:, 0] - top.values[:, 1])
            truth.append(tokens[:, 1:].reshape(-1))
    return [[torch.cat(layer) for layer in x] for x in (hidden, argmax, margin)] + [torch.cat(truth)]


def fit_linear_gate(states, target, iterations=60):
    """Logistic regression on standardised states; returns the function states -> score before the sigmoid."""
    mean, std = states.mean(0), states.std(0) + 1e-6
    z = (states - mean) / std
    w, b = torch.zeros(D, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([w, b], max_iter=iterations, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = F.binary_cross_entropy_with_logits(z @ w + b, target) + 1e-4 * (w * w).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return lambda x: ((x - mean) / std) @ w.detach() + b.detach()


def first_exit(scores, threshold):
    """0-based layer that each position leaves after: the first whose score exceeds the threshold, else the last."""
    exit_layer = torch.full((len(scores[0]),), L - 1)
    done = torch.zeros(len(scores[0]), dtype=torch.bool)
    for i in range(L - 1):
        leaves = (scores[i] > threshold) & ~done
        exit_layer[leaves] = i
        done |= leaves
    return exit_layer


def main():
    torch.set_num_threads(1)
    hidden, argmax, margin, truth = collect()
    half = len(truth) // 2
    right = torch.stack([a == truth for a in argmax])
    agree = torch.stack([a == argmax[-1] for a in argmax])

    def share(x):
        return round(x.float().mean().item(), 3)

    print("acc", [share(r) for r in right], "any", share(right.any(0)), "first layer right", share(right[0]))
    print("agree", [share(a) for a in agree])

    gates = [fit_linear_gate(hidden[i][:half], agree[i][:half].float()) for i in range(L - 1)]
    scores = {
        "linear gate on h": [torch.sigmoid(gates[i](hidden[i][half:])) for i in range(L - 1)],
        "margin p1-p2": [margin[i][half:] for i in range(L - 1)],
    }
    predictions, truth = torch.stack([a[half:] for a in argmax]), truth[half:]
    full = right[-1][half:].float().mean().item()
    for name, score in scores.items():
        for tau in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
            exit_layer = first_exit(score, tau)
            chosen = predictions[exit_layer, torch.arange(len(truth))]
            accuracy = (chosen == truth).float().mean().item()
            disagree = (chosen != predictions[-1]).float().mean().item()
            mean = exit_layer.float().mean().item() + 1
            print(
                f"{name} tau {tau}: mean layer {mean:.2f}/{L} skipped {1 - mean / L:.3f}"
                f" acc {accuracy:.4f} (full {full:.4f}) disagree {disagree:.3f}"
            )
    first = agree.float().argmax(0)[half:].float().mean().item() + 1
    print("oracle (first agreeing layer): mean layer", round(first, 2), "skipped", round(1 - first / L, 3))


if __name__ == "__main__":
    main()
