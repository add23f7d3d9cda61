#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains a GPT-2 whose every layer is an exit: all share the final norm and the tied output matrix.

    OUT=work TAG=stable INIT=FOLDER 2_train.py               run, or resume, at the full learning rate
    OUT=work TAG=final FROM=work/stable.pt DECAY=5e6 2_train.py    the decay branch of a checkpoint

The loss is the last layer's cross entropy, plus that of the early exits on a quarter of the positions: layers 1
and 2 at every step, one random layer of the others. Half of an early exit's target is the last layer's own
distribution (self-distillation, no gradient into the teacher), half the true token.

The learning rate depends on tokens seen alone: it warms up, stays, and falls linearly to zero over DECAY tokens
in a decay branch, which ends then. The stable run goes on until it is told to stop (TOKENS, or SIGTERM to the
first process): it can be paused, resumed and extended at will, and any of its checkpoints can be decayed.

WORKERS single-threaded processes share the weights in memory and take micro-batches from one counter, so that
a worker slowed by other load delays a step little. Muon steps the layers' matrices, AdamW the rest. Sequences
are cut from the stream without overlap and visited in random order, each once per pass. OUT/TAG.pt is written
every SAVE_SECONDS and resumed from by the same command; OUT/TAG.log holds the log, PIDS the process ids.

Environment: SHAPE (layers, d_model, heads, context, vocabulary), OUT (train.u16 and val.u16 of step 1), TAG,
INIT (a Hugging Face folder to take weights from; a longer context repeats its positions), FROM, DECAY, TOKENS,
BATCH (tokens per step), MICRO (tokens per micro-batch), LR (AdamW), MLR (Muon), WARMUP (tokens), WORKERS,
EXITS (0: the last layer's loss alone), EXIT_WEIGHTS (of the losses at layer 1, layer 2 and the random one),
EXIT_POSITIONS (an early exit sees one position in so many), SEED (of the weights and of the order of the text),
SAVE_SECONDS, EVAL_TOKENS, PIDS, BENCH (stop after so many steps; writes no checkpoint).
"""

import os
import sys

SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # glibc would give memory back to the system and fault it in again at every step: half the speed.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "67108864",
}
if __name__ == "__main__" and any(os.environ.get(k) != v for k, v in SETTINGS.items()):
    os.environ.update(SETTINGS)
    os.execv(sys.executable, [sys.executable] + sys.argv)

import json
import math
import signal
import struct
import time

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn as nn
import torch.nn.functional as F


def setting(name, default):
    return type(default)(float(os.environ[name]) if isinstance(default, (int, float)) else os.environ[name]) \
        if name in os.environ else default


SHAPE = setting("SHAPE", "8,160,5,512,4096")
L, D, H, C, V = map(int, SHAPE.split(","))
OUT, TAG = setting("OUT", "work"), setting("TAG", "stable")
INIT, FROM = setting("INIT", ""), setting("FROM", "")
DECAY, TOKENS = setting("DECAY", 0), setting("TOKENS", 0)
BATCH, MICRO, WORKERS = setting("BATCH", 4096), setting("MICRO", 1024), setting("WORKERS", 2)
ADAM_RATE, MUON_RATE, WARMUP = setting("LR", 1.5e-3), setting("MLR", 0.012), setting("WARMUP", 400_000)
SAVE_SECONDS, EVAL_TOKENS = setting("SAVE_SECONDS", 300), setting("EVAL_TOKENS", 1_000_000)
PIDS, BENCH = setting("PIDS", ""), setting("BENCH", 0)
EXITS, SEED = setting("EXITS", 1), setting("SEED", 0)

CHECKPOINT, LOG = f"{OUT}/{TAG}.pt", f"{OUT}/{TAG}.log"
EXIT_POSITIONS = setting("EXIT_POSITIONS", 4)
DISTILLED = 0.5  # share of the last layer's distribution in an early exit's target
FIRST_WEIGHT, SECOND_WEIGHT, OTHER_WEIGHT = map(float, setting("EXIT_WEIGHTS", "0.3,0.4,0.4").split(","))
QUERIES = 128  # attention is computed for so many queries at a time, over the keys before their end
ROWS = 512  # the output matrix is applied to so many positions at a time
BETAS, MOMENTUM, WEIGHT_DECAY = (0.9, 0.95), 0.95, 0.05


# ---------------------------------------------------------------- model


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1 = nn.LayerNorm(D)
        self.c_attn = nn.Linear(D, 3 * D)
        self.c_proj = nn.Linear(D, D)
        self.ln_2 = nn.LayerNorm(D)
        self.c_fc = nn.Linear(D, 4 * D)
        self.m_proj = nn.Linear(4 * D, D)

    def attention(self, x, mask):
        B, T, _ = x.shape
        q, k, v = self.c_attn(x).view(B, T, 3, H, D // H).permute(2, 0, 3, 1, 4).reshape(3, B * H, T, D // H)
        scale, mixed = 1 / math.sqrt(D // H), []
        for begin in range(0, T, QUERIES):
            end = min(begin + QUERIES, T)
            part = mask[begin:end, :end].to(q.dtype).expand(B * H, -1, -1)
            scores = torch.baddbmm(part, q[:, begin:end], k[:, :end].transpose(1, 2), alpha=scale)
            mixed.append(torch.bmm(torch.softmax(scores, -1), v[:, :end]))
        return self.c_proj(torch.cat(mixed, 1).view(B, H, T, -1).transpose(1, 2).reshape(B, T, D))

    def forward(self, x, mask):
        x = x + self.attention(self.ln_1(x), mask)
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
        x, states = self.wte(ids) + self.wpe.weight[:T], []
        for block in self.h:
            x = block(x, self.mask)
            states.append(x)
        return states

    def logits(self, x):
        """Any exit's logits: the final norm and the tied output matrix."""
        return F.linear(self.ln_f(x), self.wte.weight)


def operations_per_token():
    """Floating-point operations of training's matrix products, forward and backward, for each token."""
    blocks = [(begin, min(begin + QUERIES, C)) for begin in range(0, C, QUERIES)]
    keys = sum((end - begin) * end for begin, end in blocks) / C  # for each query, masked ones included
    layers = L * (12 * D * D + 2 * keys * D)
    heads = D * V * (1 + 3 / EXIT_POSITIONS if EXITS else 1)
    return 3 * 2 * (layers + heads)


def matrix_in_layer(name, p):
    return name.startswith("h.") and p.dim() == 2


def ordered(model):
    """[(name, parameter)]: those AdamW steps first, then those of Muon. The order of the flat vectors."""
    return sorted(model.named_parameters(), key=lambda item: matrix_in_layer(*item))


class MultiExitLoss(torch.autograd.Function):
    """Sum of the weighted losses of normed states through one output matrix.

    Computes the gradients on the way forward, ROWS positions at a time, so that no logits are kept.
    exits: [(weight, first)]: exit i reads every EXIT_POSITIONS-th position from `first` on.
    Returns the loss to minimise and each exit's cross entropy against the truth, the last layer's first.
    """

    @staticmethod
    def forward(ctx, matrix, truth, exits, last, *early):
        W = matrix.detach().to(torch.bfloat16)
        Wt = W.t().contiguous()
        states = [h.detach().to(torch.bfloat16) for h in (last, *early)]
        gradients = [torch.empty_like(h) for h in states]
        matrix_gradient = torch.zeros_like(matrix)
        losses = torch.zeros(len(states))

        def one(i, rows, target, scale, teacher=None):
            h = states[i][rows]
            p = torch.log_softmax((h @ Wt).float(), -1)
            at_truth = p.gather(1, target[:, None])
            losses[i] -= at_truth.sum() / len(states[i])
            p.exp_()
            wanted = p.clone() if teacher is None and len(states) > 1 else None
            if teacher is not None:
                p.sub_(teacher, alpha=DISTILLED)
            share = 1.0 if teacher is None else 1 - DISTILLED
            p.scatter_add_(1, target[:, None], torch.full_like(at_truth, -share))
            p = p.mul_(scale / len(states[i])).to(torch.bfloat16)
            gradients[i][rows] = p @ W
            matrix_gradient.add_(p.t() @ h)
            return wanted

        for begin in range(0, len(last), ROWS):
            end = min(begin + ROWS, len(last))
            target = truth[begin:end]
            teacher = one(0, slice(begin, end), target, 1.0)
            for i, (weight, first) in enumerate(exits, 1):
                rows = slice(begin // EXIT_POSITIONS, end // EXIT_POSITIONS)
                one(i, rows, target[first::EXIT_POSITIONS], weight, teacher[first::EXIT_POSITIONS])
        ctx.gradients, ctx.matrix_gradient = gradients, matrix_gradient
        ctx.mark_non_differentiable(losses)
        loss = losses[0] + sum(weight * l for (weight, _), l in zip(exits, losses[1:]))
        return loss, losses

    @staticmethod
    def backward(ctx, gradient, _):
        return (ctx.matrix_gradient * gradient, None, None, *(g.float() * gradient for g in ctx.gradients))


def loss_of(model, x, y, rng):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = [h.reshape(-1, D) for h in model.hidden(x)]
        layers = [(0, FIRST_WEIGHT), (1, SECOND_WEIGHT), (rng.randint(2, L - 1), OTHER_WEIGHT)] if EXITS else []
        exits = [(weight, rng.randint(EXIT_POSITIONS)) for _, weight in layers]
        early = [model.ln_f(states[layer][first::EXIT_POSITIONS]) for (layer, _), (_, first) in zip(layers, exits)]
        last = model.ln_f(states[-1])
    return MultiExitLoss.apply(model.wte.weight, y.reshape(-1), exits, last, *early)


# ---------------------------------------------------------------- weights from elsewhere


def read_safetensors(path):
    raw = open(path, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    types, tensors = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}, {}
    for name, entry in json.loads(raw[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            tensors[name] = torch.frombuffer(bytearray(raw[begin:end]), dtype=types[entry["dtype"]])
            tensors[name] = tensors[name].view(entry["shape"]).float()
    return tensors


def load_pretrained(model, folder):
    """A GPT-2 folder of the same shape. Positions beyond its context repeat its positions from 1 on."""
    tensors = read_safetensors(folder + "/model.safetensors")
    renamed = {"attn.c_attn": "c_attn", "attn.c_proj": "c_proj", "mlp.c_fc": "c_fc", "mlp.c_proj": "m_proj"}
    state = {}
    for name, t in tensors.items():
        name = name.replace("transformer.", "", 1)
        for theirs, ours in renamed.items():
            if f".{theirs}." in name:
                name = name.replace(theirs, ours)
                t = t.t() if t.dim() == 2 else t  # GPT-2 keeps [in, out]
        state[name] = t
    while len(state["wpe.weight"]) < C:
        state["wpe.weight"] = torch.cat([state["wpe.weight"], state["wpe.weight"][1:]])[:C]
        if len(state["wpe.weight"]) == C - 1:
            state["wpe.weight"] = torch.cat([state["wpe.weight"], state["wpe.weight"][-1:]])
    model.load_state_dict(state)


# ---------------------------------------------------------------- optimiser


def orthogonalise(G):
    """Muon's Newton-Schulz iteration: each matrix of the stack with its singular values brought near 1."""
    a, b, c = 3.4445, -4.7750, 2.0315
    X = G / (G.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = X.shape[1] > X.shape[2]
    if tall:
        X = X.transpose(1, 2)
    X = X.contiguous()
    for _ in range(5):
        A = torch.bmm(X, X.transpose(1, 2))
        X = torch.baddbmm(X, torch.baddbmm(A, A, A, beta=b, alpha=c), X, beta=a)
    return X.transpose(1, 2) if tall else X


class Optimiser:
    """One worker's share of the step, on flat vectors that all workers see.

    `first` holds AdamW's first moments and Muon's momentum, `second` AdamW's second moments.
    """

    def __init__(self, model, weights, gradient, first, second, worker):
        names = ordered(model)
        self.weights, self.gradient, self.first, self.second = weights, gradient, first, second
        self.adam_end = sum(p.numel() for name, p in names if not matrix_in_layer(name, p))
        self.matrices, offset = [], self.adam_end
        turn = 0
        for name, p in names:
            if matrix_in_layer(name, p):
                if turn % WORKERS == worker:
                    self.matrices.append((offset, p.shape))
                offset, turn = offset + p.numel(), turn + 1
        share = -(-self.adam_end // WORKERS)
        self.adam = slice(worker * share, min((worker + 1) * share, self.adam_end))

    def step(self, rate, steps, clip):
        g = self.gradient[self.adam] * clip
        m, v, w = self.first[self.adam], self.second[self.adam], self.weights[self.adam]
        m.lerp_(g, 1 - BETAS[0])
        v.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
        corrected = (v / (1 - BETAS[1] ** steps)).sqrt_().add_(1e-8)
        w.addcdiv_(m, corrected, value=-ADAM_RATE * rate / (1 - BETAS[0] ** steps))
        for offset, (rows, columns) in self.matrices:
            part = slice(offset, offset + rows * columns)
            g = self.gradient[part] * clip
            momentum = self.first[part]
            momentum.mul_(MOMENTUM).add_(g)
            update = g.add_(momentum, alpha=MOMENTUM)
            if rows == 3 * D:  # query, key and value are three matrices
                update, scale = orthogonalise(update.view(3, D, D)), 1.0
            else:
                update, scale = orthogonalise(update.view(1, rows, columns)), max(1.0, rows / columns) ** 0.5
            w = self.weights[part]
            w.mul_(1 - MUON_RATE * rate * WEIGHT_DECAY).add_(update.reshape(-1), alpha=-MUON_RATE * rate * scale)


def schedule(tokens, decay_start):
    """The learning rate's factor after so many tokens; decay_start < 0: not decaying."""
    rate = min(1.0, (tokens + BATCH) / WARMUP)
    return rate if decay_start < 0 else rate * max(0.0, 1 - (tokens - decay_start) / DECAY)


# ---------------------------------------------------------------- data and evaluation


class Sequences:
    """Sequence i of an endless run of passes over a stream; each pass in its own random order and phase."""

    def __init__(self, path):
        self.stream = np.memmap(path, dtype=np.uint16, mode="r")
        self.count = (len(self.stream) - 1) // C - 1
        self.current = -1

    def batch(self, begin, n):
        rows = []
        for i in range(begin, begin + n):
            if i // self.count != self.current:
                self.current = i // self.count
                rng = np.random.RandomState(self.current + 1000 * SEED)
                self.phase, self.order = rng.randint(C), rng.permutation(self.count)
            start = self.phase + C * int(self.order[i % self.count])
            rows.append(self.stream[start : start + C + 1])
        tokens = torch.from_numpy(np.stack(rows).astype(np.int64))
        return tokens[:, :-1], tokens[:, 1:]


def evaluate(model, stream, tokens=24576):
    """Per exit: accuracy and nats per token; and the share of tokens that some layer gets right."""
    starts = np.random.RandomState(123).randint(0, len(stream) - C - 1, tokens // C)
    accuracy, nats, some_right, step = np.zeros(L), np.zeros(L), 0.0, 2
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for begin in range(0, len(starts), step):
            rows = np.stack([stream[i : i + C + 1] for i in starts[begin : begin + step]])
            batch = torch.from_numpy(rows.astype(np.int64))
            y = batch[:, 1:].reshape(-1)
            right = torch.zeros_like(y, dtype=torch.bool)
            for i, h in enumerate(model.hidden(batch[:, :-1])):
                logits = model.logits(h).float().view(-1, V)
                hit = logits.argmax(-1) == y
                accuracy[i] += hit.sum().item()
                nats[i] += F.cross_entropy(logits, y, reduction="sum").item()
                right |= hit
            some_right += right.sum().item()
    n = len(starts) * C
    return accuracy / n, nats / n, some_right / n


# ---------------------------------------------------------------- training


def log(*words):
    line = time.strftime("%H:%M:%S ") + " ".join(map(str, words))
    print(line, flush=True)
    if not BENCH:
        with open(LOG, "a") as f:
            f.write(line + "\n")


def attach(model, weights, gradient):
    """Makes the model's parameters and gradients views of flat vectors."""
    offset = 0
    for _, p in ordered(model):
        part = slice(offset, offset + p.numel())
        p.data = weights[part].view_as(p)
        p.grad = gradient[part].view_as(p)
        offset += p.numel()


def save(model, shared, step, tokens, decay_start):
    state = {"m": {k: v.clone() for k, v in model.state_dict().items()}, "shape": SHAPE, "step": step}
    state.update(tokens=tokens, decay_start=decay_start, first=shared["first"], second=shared["second"])
    torch.save(state, CHECKPOINT + ".tmp")
    os.replace(CHECKPOINT + ".tmp", CHECKPOINT)


def load(model, shared):
    """Fills the model and the optimiser's state; returns steps and tokens so far and where decay began."""
    path = CHECKPOINT if os.path.exists(CHECKPOINT) and not BENCH else FROM
    if path:
        state = torch.load(path)
        model.load_state_dict(state["m"])
        shared["first"].copy_(state["first"])
        shared["second"].copy_(state["second"])
        decay_start = state["tokens"] if DECAY and state["decay_start"] < 0 else state["decay_start"]
        log("resumed", path, "step", state["step"], "tokens", state["tokens"])
        return state["step"], state["tokens"], decay_start
    if INIT:
        load_pretrained(model, INIT)
        log("weights of", INIT)
    return 0, 0, -1


def work(worker, shared, barrier, counter, stop):
    """One worker process. Worker 0 also keeps the log, the checkpoints and the evaluation."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the parent's matter
    leader, model = worker == 0, GPT()
    names = ordered(model)
    initial = torch.cat([p.detach().reshape(-1) for _, p in names])
    if leader:
        shared["weights"].copy_(initial)
    gradient = shared["gradients"][worker]
    attach(model, shared["weights"], gradient)
    if leader:
        shared["start"][:] = torch.tensor(load(model, shared))
    barrier.wait()
    step, tokens, decay_start = map(int, shared["start"])
    optimiser = Optimiser(model, shared["weights"], shared["gradients"][0], shared["first"], shared["second"], worker)
    train, validation = Sequences(OUT + "/train.u16"), np.memmap(OUT + "/val.u16", dtype=np.uint16, mode="r")
    parts, per_part, size = BATCH // MICRO, MICRO // C, len(initial)
    mine = slice(worker * size // WORKERS, (worker + 1) * size // WORKERS)

    start = last_save = time.time()
    first_tokens, average = tokens, None
    while True:
        if leader:
            ended = decay_start >= 0 and tokens >= decay_start + DECAY or TOKENS and tokens >= TOKENS
            shared["end"][0] = int(bool(ended or stop.value or (BENCH and step >= BENCH)))
            counter.value = 0
            shared["losses"].zero_()
        barrier.wait()
        if shared["end"][0]:
            break
        gradient.zero_()
        while True:
            with counter.get_lock():
                part, counter.value = counter.value, counter.value + 1
            if part >= parts:
                break
            number = step * parts + part
            rng = np.random.RandomState(number % 2**32)
            loss, losses = loss_of(model, *train.batch(number * per_part, per_part), rng)
            loss.backward()
            shared["losses"][worker] += losses / parts
        barrier.wait()
        total = shared["gradients"][:, mine].sum(0).div_(parts)
        shared["gradients"][0][mine] = total
        shared["norms"][worker] = total.pow(2).sum()
        barrier.wait()
        norm, rate = shared["norms"].sum().sqrt().item(), schedule(tokens, decay_start)
        with torch.no_grad():
            optimiser.step(rate, step + 1, min(1.0, 1.0 / (norm + 1e-6)))
        barrier.wait()
        step, tokens = step + 1, tokens + BATCH
        if not leader:
            continue

        losses = shared["losses"].sum(0)
        average = losses if average is None else 0.98 * average + 0.02 * losses
        if step % 50 == 0 or BENCH:
            speed = (tokens - first_tokens) / (time.time() - start)
            nats = " ".join(f"{l:.3f}" for l in average[:3])
            log(f"step {step} tokens {tokens / 1e6:.2f}M loss (last, 1, 2) {nats} norm {norm:.2f} rate {rate:.3f} {speed:.0f}/s")
        if not BENCH and tokens // EVAL_TOKENS != (tokens - BATCH) // EVAL_TOKENS:
            report(model, validation)
        if not BENCH and time.time() - last_save > SAVE_SECONDS:
            last_save = time.time()
            save(model, shared, step, tokens, decay_start)
    if leader and not BENCH:
        save(model, shared, step, tokens, decay_start)
        report(model, validation)
        log("stopped at", tokens, "tokens,", f"{tokens * operations_per_token():.4g} operations in matrix products")


def report(model, validation):
    accuracy, nats, some_right = evaluate(model, validation)
    log("VAL accuracy", *np.round(accuracy, 3), "nats", *np.round(nats, 3), "some layer right", round(some_right, 3))


def main():
    size = sum(p.numel() for p in GPT().parameters())
    shapes = {"weights": size, "first": size, "second": size, "norms": WORKERS, "losses": (WORKERS, 4 if EXITS else 1)}
    shared = {name: torch.zeros(shape).share_memory_() for name, shape in shapes.items()}
    shared["gradients"] = torch.zeros(WORKERS, size).share_memory_()
    shared["start"] = torch.zeros(3, dtype=torch.int64).share_memory_()
    shared["end"] = torch.zeros(1, dtype=torch.int64).share_memory_()
    barrier, counter, stop = mp.Barrier(WORKERS), mp.Value("i", 0), mp.Value("i", 0)
    workers = [mp.Process(target=work, args=(i, shared, barrier, counter, stop)) for i in range(WORKERS)]
    for process in workers:
        process.start()
    if PIDS:
        with open(PIDS, "w") as f:
            f.writelines(f"{pid}\n" for pid in [os.getpid(), *(process.pid for process in workers)])

    def ask_to_stop(*_):
        stop.value = 1

    signal.signal(signal.SIGTERM, ask_to_stop)
    for process in workers:
        process.join()


if __name__ == "__main__":
    main()
