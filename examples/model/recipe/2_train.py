#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains a GPT-2 whose every layer is an exit: final norm and output matrix are shared by all of them.

    SHAPE=L,D,H,C,V OUT=FOLDER MIN=MINUTES 2_train.py

The loss is the last layer's cross entropy plus, at each step, 0.3 times that of two random earlier layers on a
quarter of the positions. W single-threaded worker processes compute gradients of different batches in bf16
autocast; worker 0 averages them and steps: Muon for the layers' matrices, AdamW for the rest. The checkpoint
OUT/TAG.pt is written every five minutes and resumed from.

Environment: SHAPE, OUT (train.u16 and val.u16 of step 1), TAG, MIN (wall-clock minutes; the learning rate
falls over the last 70 % of them), BS (sequences per worker and step), LR (AdamW), MLR (Muon), W (workers),
INIT (weights to begin with), BENCH (stop after so many steps and write nothing).
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import math
import time

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn as nn
import torch.nn.functional as F

L, D, H, C, V = (int(x) for x in os.environ.get("SHAPE", "8,160,5,256,4096").split(","))
OUT = os.environ.get("OUT", "work")
TAG = os.environ.get("TAG", "m8x160")
MINUTES = float(os.environ.get("MIN", "90"))
BATCH = int(os.environ.get("BS", "16"))
ADAM_RATE = float(os.environ.get("LR", "2.5e-3"))
MUON_RATE = float(os.environ.get("MLR", "0.02"))
WORKERS = int(os.environ.get("W", "2"))
BENCH = int(os.environ.get("BENCH", "0"))

CHECKPOINT = f"{OUT}/{TAG}.pt"
EARLY_EXITS, EARLY_WEIGHT, EARLY_SHARE = 2, 0.3, 4  # exits per step, their weight, 1 / share of positions


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(D)
        self.c_attn = nn.Linear(D, 3 * D)
        self.c_proj = nn.Linear(D, D)
        self.ln_2 = nn.LayerNorm(D)
        self.c_fc = nn.Linear(D, 4 * D)
        self.m_proj = nn.Linear(4 * D, D)

    def forward(self, x, mask):
        B, T, _ = x.shape
        q, k, v = self.c_attn(self.ln_1(x)).view(B, T, 3, H, D // H).permute(2, 0, 3, 1, 4)
        q, k, v = (part.reshape(B * H, T, -1) for part in (q, k, v))
        scale = 1 / math.sqrt(D // H)
        scores = torch.baddbmm(mask.expand(B * H, T, T).to(q.dtype), q, k.transpose(1, 2), alpha=scale)
        mixed = torch.bmm(torch.softmax(scores, -1), v).view(B, H, T, -1).transpose(1, 2).reshape(B, T, D)
        x = x + self.c_proj(mixed)
        return x + self.m_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(V, D)
        self.wpe = nn.Embedding(C, D)
        self.h = nn.ModuleList([Block() for _ in range(L)])
        self.ln_f = nn.LayerNorm(D)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02 / (math.sqrt(2 * L) if "proj" in name else 1))
            elif "bias" in name:
                nn.init.zeros_(p)
        self.register_buffer("mask", torch.full((C, C), float("-inf")).triu(1), persistent=False)

    def hidden(self, ids):
        """The residual stream after each layer, [batch, tokens, D] each."""
        T = ids.shape[1]
        x = self.wte(ids) + self.wpe.weight[:T]
        states, mask = [], self.mask[:T, :T]
        for block in self.h:
            x = block(x, mask)
            states.append(x)
        return states

    def logits(self, x):
        """Any exit's logits: the final norm and the tied output matrix."""
        return F.linear(self.ln_f(x), self.wte.weight)


def copy_from_flat(parameters, flat):
    offset = 0
    for p in parameters:
        p.data.copy_(flat[offset : offset + p.numel()].view_as(p))
        offset += p.numel()


def copy_to_flat(tensors, flat):
    offset = 0
    for t in tensors:
        flat[offset : offset + t.numel()].copy_(t.reshape(-1))
        offset += t.numel()


def random_batch(stream, sequences):
    """Inputs and next tokens, [sequences, C] each, from random places of a token stream."""
    starts = np.random.randint(0, len(stream) - C - 1, sequences)
    tokens = torch.from_numpy(np.stack([stream[i : i + C + 1] for i in starts]).astype(np.int64))
    return tokens[:, :-1], tokens[:, 1:]


def multi_exit_loss(model, x, y, rng):
    """Loss to minimise, and the last layer's own cross entropy."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = model.hidden(x)
        exits = rng.choice(L - 1, EARLY_EXITS, replace=False)
        loss = F.cross_entropy(model.logits(states[-1]).float().view(-1, V), y.reshape(-1))
        last = loss.item()
        positions = torch.from_numpy(rng.permutation(BATCH * C)[: BATCH * C // EARLY_SHARE])
        truth = y.reshape(-1)[positions]
        for e in exits:
            logits = model.logits(states[int(e)].reshape(-1, D)[positions])
            loss = loss + EARLY_WEIGHT * F.cross_entropy(logits.float(), truth)
    return loss, last


def evaluate(model, validation):
    """Per exit: accuracy and cross entropy in nats; and the share of tokens that some layer gets right."""
    model.eval()
    saved = np.random.get_state()
    np.random.seed(123)
    accuracy, nats, some_right, batches = np.zeros(L), np.zeros(L), 0, 6
    with torch.no_grad():
        for _ in range(batches):
            x, y = random_batch(validation, 16)
            right = torch.zeros_like(y, dtype=torch.bool)
            for i, h in enumerate(model.hidden(x)):
                logits = model.logits(h)
                hit = logits.argmax(-1) == y
                accuracy[i] += hit.float().mean().item()
                nats[i] += F.cross_entropy(logits.view(-1, V), y.reshape(-1)).item()
                right |= hit
            some_right += right.float().mean().item()
    np.random.set_state(saved)
    model.train()
    return accuracy / batches, nats / batches, some_right / batches


def print_evaluation(title, model, validation, digits):
    accuracy, nats, some_right = evaluate(model, validation)
    accuracy, nats = np.round(accuracy, digits).tolist(), np.round(nats, digits).tolist()
    print(title, "acc", accuracy, "ce", nats, "any", round(some_right, digits), flush=True)


def orthogonalise(G):
    """Muon's Newton-Schulz iteration: G with its singular values brought near 1."""
    a, b, c = 3.4445, -4.7750, 2.0315
    X = G / (G.norm() + 1e-7)
    tall = X.shape[0] > X.shape[1]
    if tall:
        X = X.t()
    for _ in range(5):
        A = X @ X.t()
        X = a * X + (b * A + c * (A @ A)) @ X
    return X.t() if tall else X


class Optimiser:
    """Muon for the layers' matrices; AdamW for embeddings, norms and biases."""

    def __init__(self, model):
        named = list(model.named_parameters())
        in_layer = [name.startswith("h.") for name, _ in named]
        self.matrices = [p for (_, p), layer in zip(named, in_layer) if p.dim() == 2 and layer]
        embeddings = [p for (_, p), layer in zip(named, in_layer) if p.dim() == 2 and not layer]
        vectors = [p for _, p in named if p.dim() != 2]
        groups = [{"params": embeddings, "weight_decay": 0.0}, {"params": vectors, "weight_decay": 0}]
        self.adam = torch.optim.AdamW(groups, lr=ADAM_RATE, betas=(0.9, 0.95))
        self.momentum = [torch.zeros_like(p) for p in self.matrices]

    def step(self, schedule):
        for group in self.adam.param_groups:
            group["lr"] = ADAM_RATE * schedule
        self.adam.step()
        with torch.no_grad():
            for p, momentum in zip(self.matrices, self.momentum):
                momentum.mul_(0.95).add_(p.grad)
                update = p.grad.add(momentum, alpha=0.95)
                rows, columns = p.shape
                if rows == 3 * D:  # query, key and value are three matrices
                    update, scale = torch.cat([orthogonalise(part) for part in update.chunk(3)]), 1.0
                else:
                    update, scale = orthogonalise(update), max(1.0, rows / columns) ** 0.5
                p.mul_(1 - MUON_RATE * schedule * 0.05).add_(update, alpha=-MUON_RATE * schedule * scale)


def save(model, optimiser, step, spent):
    state = {"m": model.state_dict(), "o": optimiser.adam.state_dict(), "mu": optimiser.momentum}
    torch.save({**state, "step": step, "spent": spent}, CHECKPOINT + ".tmp")
    os.replace(CHECKPOINT + ".tmp", CHECKPOINT)


def resume(model, optimiser):
    """Returns steps done and seconds spent so far."""
    if os.path.exists(CHECKPOINT) and not BENCH:
        state = torch.load(CHECKPOINT)
        model.load_state_dict(state["m"])
        optimiser.adam.load_state_dict(state["o"])
        for momentum, saved in zip(optimiser.momentum, state["mu"]):
            momentum.copy_(saved)
        print("resumed", state["step"], flush=True)
        return state["step"], state["spent"]
    if os.environ.get("INIT"):
        model.load_state_dict(torch.load(os.environ["INIT"])["m"])
        print("initialised", flush=True)
    return 0, 0.0


def apply_mean_gradient(parameters, gradients):
    """Averages the workers' gradients, clips their norm to 1; returns the norm before clipping."""
    mean = gradients.mean(0)
    norm = mean.norm().item()
    mean.mul_(min(1, 1.0 / (norm + 1e-6)))
    offset = 0
    for p in parameters:
        p.grad.copy_(mean[offset : offset + p.numel()].view_as(p))
        offset += p.numel()
    return norm


def work(worker, gradients, weights, barrier, shared):
    """One worker process. `shared`: [stop, first step]; worker 0 writes it, the weights and the log."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(100 + worker)
    leader = worker == 0
    model = GPT()
    parameters = list(model.parameters())
    train = np.memmap(OUT + "/train.u16", dtype=np.uint16, mode="r")
    validation = np.memmap(OUT + "/val.u16", dtype=np.uint16, mode="r")
    spent_before = 0.0
    if leader:
        print("params", sum(p.numel() for p in parameters) / 1e6, flush=True)
        optimiser = Optimiser(model)
        shared[1], spent_before = resume(model, optimiser)
        copy_to_flat([p.data for p in parameters], weights)
    barrier.wait()
    copy_from_flat(parameters, weights)
    step = first_step = int(shared[1])
    np.random.seed(1000 * step + worker)
    rng = np.random.RandomState(step + 7 + worker * 31)

    start = last_save = time.time()
    average = None
    while True:
        if leader:
            spent = spent_before + time.time() - start
            progress = spent / (MINUTES * 60)
            if (BENCH and step >= BENCH) or (not BENCH and progress >= 1):
                shared[0] = 1
            schedule = min(1, (step + 1) / 100) * min(1, max(0.02, (1 - progress) / 0.7))
        barrier.wait()
        if shared[0]:
            break
        loss, last = multi_exit_loss(model, *random_batch(train, BATCH), rng)
        for p in parameters:
            p.grad = None
        loss.backward()
        copy_to_flat([p.grad for p in parameters], gradients[worker])
        barrier.wait()
        if leader:
            norm = apply_mean_gradient(parameters, gradients)
            optimiser.step(schedule)
            copy_to_flat([p.data for p in parameters], weights)
        barrier.wait()
        step += 1
        if not leader:
            copy_from_flat(parameters, weights)
            continue

        average = last if average is None else 0.98 * average + 0.02 * last
        if step % 50 == 0 or BENCH:
            speed = (step - first_step) * BATCH * C * WORKERS / (time.time() - start)
            print(
                f"step {step} loss {average:.3f} gn {norm:.2f} lr {ADAM_RATE * schedule:.2e}"
                f" tok/s {speed:.0f} spent {spent / 60:.1f}m",
                flush=True,
            )
        if step % 1000 == 0 and not BENCH:
            print_evaluation("EVAL", model, validation, 3)
        if time.time() - last_save > 300 and not BENCH:
            last_save = time.time()
            save(model, optimiser, step, spent)
    if leader and not BENCH:
        save(model, optimiser, step, spent_before + time.time() - start)
        print_evaluation("FINAL", model, validation, 4)


def main():
    size = sum(p.numel() for p in GPT().parameters())
    gradients = torch.zeros(WORKERS, size).share_memory_()
    weights = torch.zeros(size).share_memory_()
    shared = torch.zeros(2, dtype=torch.int64).share_memory_()
    barrier = mp.Barrier(WORKERS)
    workers = [mp.Process(target=work, args=(i, gradients, weights, barrier, shared)) for i in range(WORKERS)]
    for process in workers:
        process.start()
    for process in workers:
        process.join()


if __name__ == "__main__":
    main()
