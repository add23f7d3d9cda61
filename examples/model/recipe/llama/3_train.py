#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains a Llama with exits: all share the final norm and the tied output matrix.

    OUT=work TAG=stable 3_train.py                                   run, or resume, at the full learning rate
    OUT=work TAG=final FROM=work/stable.npz DECAY=30e6 3_train.py    the decay branch of a checkpoint
    OUT=work TAG=small TOKENS=20e6 DECAY=4e6 3_train.py              both, one after the other

The loss is the last layer's cross entropy, plus that of early exits on one position in EXIT_STEP: the layers named in
EXITS at every step, and one random layer of the others. Half (DISTILLED) of an early exit's target is the last
layer's own distribution (self-distillation, no gradient into the teacher), half the true token. Layers are left out
at random, the higher the more often (LayerSkip, Elhoushi et al. 2024): layer l of L with probability DROP (2^(l / (L
- 1)) - 1).

The learning rate depends on tokens seen alone: it warms up, stays, and falls linearly to zero over DECAY tokens in a
decay branch, which ends then. The stable run goes on until it is told to stop (TOKENS, or SIGTERM): it can be paused
(SIGSTOP), resumed and extended at will, and any of its checkpoints can be decayed. Settings may differ from one start
to the next.

Rows come from step 2, a shard at a time: the next is written while this one is read. OUT/TAG.npz is written every
SAVE_SECONDS and at SIGTERM, the one before it is kept as TAG.previous.npz; the same command resumes. OUT/TAG.log
holds the log, core-seconds included, PIDS the process's id.

Environment: SHAPE (layers, width, heads, inner width, vocabulary), CONTEXT, OUT, TAG, FROM, DECAY, TOKENS, BATCH
(tokens per step), LR (AdamW), MLR (Muon), WARMUP (tokens), WORKERS (threads), EXITS (layers from 1 on), EXIT_WEIGHTS
(one for each of them, and for the random one), EXIT_STEP, DROP, DISTILLED, MIDDLE_WEIGHT (of targets in a middle),
KEEP_ROWS (1: rows are not removed when they were read), SEED, SAVE_SECONDS, EVAL_TOKENS, PIDS, and those of step 2.
"""

import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np

from model import Model
from text import END_OF_TEXT, FIM_MIDDLE, Encoder

HERE = pathlib.Path(__file__).resolve().parent


def setting(name, default):
    if name not in os.environ:
        return default
    return type(default)(float(os.environ[name]) if isinstance(default, (int, float)) else os.environ[name])


SHAPE = tuple(map(int, setting("SHAPE", "12,192,6,512,6144").split(",")))
CONTEXT, OUT, TAG, FROM = setting("CONTEXT", 512), setting("OUT", "work"), setting("TAG", "stable"), setting("FROM", "")
DECAY, TOKENS, BATCH = setting("DECAY", 0), setting("TOKENS", 0), setting("BATCH", 8192)
ADAM_RATE, MUON_RATE, WARMUP = setting("LR", 2e-3), setting("MLR", 0.015), setting("WARMUP", 1_000_000)
WORKERS, SEED, PIDS = setting("WORKERS", 2), setting("SEED", 0), setting("PIDS", "")
EXITS = [int(layer) - 1 for layer in setting("EXITS", "3").split(",") if layer]
EXIT_WEIGHTS = [float(weight) for weight in setting("EXIT_WEIGHTS", "0.2,0.1").split(",") if weight]
EXIT_STEP, DROP, DISTILLED = setting("EXIT_STEP", 4), setting("DROP", 0.1), setting("DISTILLED", 0.5)
MIDDLE_WEIGHT, KEEP_ROWS = setting("MIDDLE_WEIGHT", 1.0), setting("KEEP_ROWS", 0)
SAVE_SECONDS, EVAL_TOKENS = setting("SAVE_SECONDS", 180), setting("EVAL_TOKENS", 2_000_000)

LAYERS = SHAPE[0]
CHECKPOINT, PREVIOUS, LOG = f"{OUT}/{TAG}.npz", f"{OUT}/{TAG}.previous.npz", f"{OUT}/{TAG}.log"
OPTIMISER = dict(beta1=0.9, beta2=0.95, muon_momentum=0.95, weight_decay=0.05, max_norm=1.0)
DROPPED = DROP * (2 ** (np.arange(LAYERS) / (LAYERS - 1)) - 1)


def log(*words):
    line = time.strftime("%m-%d %H:%M:%S ") + " ".join(map(str, words))
    print(line, flush=True)
    with open(LOG, "a") as f:
        f.write(line + "\n")


# ---------------------------------------------------------------- text


def command(shard, stream, **environment):
    return subprocess.Popen(
        [sys.executable, str(HERE / "2_rows.py"), str(shard), stream],
        env={**os.environ, "OUT": OUT, "CONTEXT": str(CONTEXT), **environment},
        stdout=subprocess.DEVNULL,
    )


class Source:
    """Rows one after the other, from a shard and a row of it on; a shard's rows in random order."""

    def __init__(self, shard, row):
        self.shard, self.row, self.writer = shard, row, None
        self.open()

    @staticmethod
    def path(shard):
        return f"{OUT}/train.{CONTEXT}.{shard}.u16"

    def open(self):
        if self.writer:
            self.writer.wait()
        if not os.path.exists(self.path(self.shard)) and command(self.shard, "train").wait():
            sys.exit("step 2 failed")
        self.rows = np.memmap(self.path(self.shard), np.uint16, "r").reshape(-1, CONTEXT + 1)
        self.order = np.random.default_rng([SEED, self.shard]).permutation(len(self.rows))
        self.writer = None if os.path.exists(self.path(self.shard + 1)) else command(self.shard + 1, "train")

    def next(self, n):
        taken = []
        while len(taken) < n:
            if self.row == len(self.order):
                if not KEEP_ROWS and os.path.exists(self.path(self.shard - 1)):
                    os.remove(self.path(self.shard - 1))  # a checkpoint may still want the present one
                self.shard, self.row = self.shard + 1, 0
                self.open()
            taken.append(self.rows[self.order[self.row]])
            self.row += 1
        return np.stack(taken).astype(np.int32)


def in_middle(ids, encoder):
    """Whether each id belongs to a middle or ends it; rows of ids."""
    middle, end = encoder.special[FIM_MIDDLE], encoder.special[END_OF_TEXT]
    begun = np.cumsum(ids == middle, 1) - (ids == middle)  # middles begun before this place
    ended = np.zeros_like(ids)
    for row, tokens in enumerate(ids):
        inside = False
        for i in np.flatnonzero((tokens == middle) | (tokens == end)):
            ended[row, i] = inside and tokens[i] == end
            inside = tokens[i] == middle
    closed = np.cumsum(ended, 1) - ended
    return begun > closed


# ---------------------------------------------------------------- evaluation


class Validation:
    """Text of the validation packages from fixed places, and pieces of it with middles."""

    def __init__(self, model, encoder):
        self.model, self.encoder = model, encoder
        stream = np.memmap(f"{OUT}/val.u16", np.uint16, "r")
        starts = np.random.default_rng(123).integers(0, len(stream) - CONTEXT - 1, 24576 // CONTEXT)
        self.text = np.stack([stream[i : i + CONTEXT + 1] for i in starts]).astype(np.int32)
        path = f"{OUT}/val.{CONTEXT}.0.u16"
        if not os.path.exists(path) and command(0, "val", FIM="1", SHARDS="1", SEED="9").wait():
            sys.exit("step 2 failed")
        rows = np.memmap(path, np.uint16, "r").reshape(-1, CONTEXT + 1)
        self.pieces = np.random.default_rng(5).permutation(rows)[: 65536 // CONTEXT].astype(np.int32)
        self.characters = np.array(encoder.characters())[self.text[:, 1:]].sum()

    def report(self, weights):
        nats, hits = self.model.evaluate(weights, self.text, range(LAYERS))
        accuracy, bits = hits.mean((1, 2)), nats[-1].sum() / math.log(2) / self.characters
        means = np.round(nats.mean((1, 2)), 3)
        log("VAL accuracy", *np.round(accuracy, 3), "nats", *means, "bits per character", round(bits, 4))
        nats, hits = self.model.evaluate(weights, self.pieces, [LAYERS - 1])
        inside = in_middle(self.pieces, self.encoder)[:, 1:]
        whole = lines = right = lines_right = 0
        breaks = np.zeros(self.encoder.size, bool)
        for token, i in self.encoder.vocabulary.items():
            breaks[i] = "\u010a" in token  # the character for a line break
        for row in range(len(self.pieces)):
            edges = np.flatnonzero(np.diff(np.concatenate([[0], inside[row], [0]])))
            for begin, end in edges.reshape(-1, 2):
                if self.pieces[row, end] != self.encoder.special[END_OF_TEXT]:
                    continue  # cut by the row's end
                all_right = hits[0, row, begin:end].all()
                whole, right = whole + 1, right + all_right
                if not breaks[self.pieces[row, begin + 1 : end + 1]].any():
                    lines, lines_right = lines + 1, lines_right + all_right
        log(
            f"VAL middles: nats {nats[0][inside].mean():.3f} accuracy {hits[0][inside].mean():.3f}",
            f"wholly right {right / max(whole, 1):.3f} of {whole},",
            f"within a line {lines_right / max(lines, 1):.3f} of {lines}",
        )


# ---------------------------------------------------------------- training


def schedule(tokens, decay_start):
    """The learning rate's factor after so many tokens; decay_start < 0: not decaying."""
    rate = min(1.0, (tokens + BATCH) / WARMUP)
    return rate if tokens <= decay_start or decay_start < 0 else rate * max(0.0, 1 - (tokens - decay_start) / DECAY)


class State:
    """What a checkpoint holds."""

    def __init__(self, model):
        self.weights = model.initial(SEED)
        self.momentum = np.zeros_like(self.weights)
        self.second = np.zeros(model.adam_parameters(), np.float32)
        self.counts = dict(step=0, tokens=0, decay_start=-1, shard=0, row=0, core_seconds=0.0, context=CONTEXT)
        if DECAY and TOKENS:
            self.counts["decay_start"] = int(TOKENS - DECAY)
        for path in (CHECKPOINT, PREVIOUS, FROM):
            if path and os.path.exists(path):
                self.read(path)
                break

    def read(self, path):
        with np.load(path) as saved:
            counts = json.loads(str(saved["counts"]))
            assert tuple(counts["shape"]) == SHAPE, counts["shape"]
            for name in ("weights", "momentum", "second"):
                getattr(self, name)[:] = saved[name]
        if DECAY and counts["decay_start"] < 0:
            counts["decay_start"] = counts["tokens"]
        if counts["context"] != CONTEXT:  # rows are others; the shard that was begun is left
            counts.update(context=CONTEXT, shard=counts["shard"] + 1, row=0)
        self.counts = counts
        log("resumed", path, json.dumps(counts))

    def save(self):
        counts = json.dumps({**self.counts, "shape": SHAPE})
        with open(CHECKPOINT + ".tmp", "wb") as f:
            np.savez(f, weights=self.weights, momentum=self.momentum, second=self.second, counts=counts)
            f.flush()
            os.fsync(f.fileno())
        if os.path.exists(CHECKPOINT):
            os.replace(CHECKPOINT, PREVIOUS)
        os.replace(CHECKPOINT + ".tmp", CHECKPOINT)


def draws(parts, step):
    """Layers left out, early exits and their first positions, of each part of a step."""
    rng = np.random.default_rng([SEED, step])
    skip = rng.random((parts, LAYERS)) < DROPPED
    first = rng.integers(0, EXIT_STEP, parts)
    others = [layer for layer in range(LAYERS - 1) if layer not in EXITS]
    exits = np.array([EXITS + [rng.choice(others)] * (len(EXIT_WEIGHTS) - len(EXITS)) for _ in range(parts)], np.int32)
    return skip, exits.reshape(parts, len(EXIT_WEIGHTS)), first


def main():
    stop = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.append(1))
    if PIDS:
        with open(PIDS, "w") as f:
            f.write(f"{os.getpid()}\n")
    encoder = Encoder.of(OUT)
    assert encoder.size <= SHAPE[4] and len(EXIT_WEIGHTS) - len(EXITS) in (0, 1)
    model = Model((*SHAPE, CONTEXT), OUT, WORKERS)
    state = State(model)
    counts, validation = state.counts, Validation(model, encoder)
    source = Source(counts["shard"], counts["row"])
    names = "EXITS EXIT_WEIGHTS EXIT_STEP DROP DISTILLED MIDDLE_WEIGHT BATCH ADAM_RATE MUON_RATE".split()
    log(model.parameters(), "parameters", json.dumps({name: globals()[name] for name in names}))

    parts = BATCH // CONTEXT
    begin, begin_cpu, begin_tokens, last_save = time.time(), time.process_time(), counts["tokens"], time.time()
    counted, average = begin_cpu, None
    while True:
        tokens = counts["tokens"]
        decayed = 0 <= counts["decay_start"] <= tokens - DECAY
        if stop or decayed or (TOKENS and tokens >= TOKENS):
            break
        ids = source.next(parts)
        importance = np.ones((parts, 1, CONTEXT), np.float32)
        if MIDDLE_WEIGHT != 1:
            importance[:, 0][in_middle(ids, encoder)[:, 1:]] = MIDDLE_WEIGHT
        skip, exits, first = draws(parts, counts["step"])
        rate = schedule(tokens, counts["decay_start"])
        losses, norm = model.step(
            ids[:, None], importance, skip, exits, EXIT_WEIGHTS, first, EXIT_STEP, DISTILLED,
            weights=state.weights, momentum=state.momentum, second=state.second, steps=counts["step"],
            adam_rate=ADAM_RATE * rate, muon_rate=MUON_RATE * rate, **OPTIMISER,
        )  # fmt: skip
        if not math.isfinite(losses[0]):
            sys.exit("the loss is not a number; the last checkpoint is before it")
        now = time.process_time()
        counts.update(step=counts["step"] + 1, tokens=tokens + BATCH, shard=source.shard, row=source.row)
        counts["core_seconds"] += now - counted
        counted = now
        average = losses if average is None else 0.98 * average + 0.02 * losses
        if counts["step"] % 50 == 0:
            done = counts["tokens"] - begin_tokens
            log(
                f"step {counts['step']} tokens {counts['tokens'] / 1e6:.2f}M shard {source.shard} loss",
                *np.round(average, 3),
                f"norm {norm:.2f} rate {rate:.3f} {done / (time.time() - begin):.0f}/s",
                f"{done / (now - begin_cpu):.0f} per core-second, {counts['core_seconds'] / 3600:.2f} core-hours",
            )
        if counts["tokens"] // EVAL_TOKENS != tokens // EVAL_TOKENS:
            validation.report(state.weights)
        if time.time() - last_save > SAVE_SECONDS:
            last_save = time.time()
            state.save()
    state.save()
    if source.writer and stop:
        source.writer.terminate()
    if not stop:
        validation.report(state.weights)
    log("stopped", json.dumps(counts))


if __name__ == "__main__":
    main()
