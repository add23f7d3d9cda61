#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fits the Stop&Exit gate of a model that 3_export.py wrote, and measures it beside the plain margin.

    SRC=FOLDER 5_fit_gate.py [--labels right|paper] [--tokens N] [--out exits.safetensors]

SRC holds one folder per Debian package, as for step 1. The gate is that of Sun et al., "When Neural Code
Completion Models Size up the Situation" (ICSE 2024): one linear map without bias from the raw hidden state to
the classes stop, exit and continue, shared by all layers and evaluated after layers 1 .. L. It decides for
the arg-max class, if its probability is strictly above that class's threshold.

Labels of a token at a layer:
    right   exit if this layer's arg-max is the next token; stop if no layer's is; else continue
    paper   exit from the first layer whose arg-max is the next token upwards, even where a later layer is
            wrong again; stop if there is none; else continue
The loss is the cross entropy, weighted by the layer's number. The problem is convex: LBFGS on whitened states.

Everything is teacher forcing: each token is predicted after the true text, cut into windows of the context's
length. FIT packages fit the weights, TUNE packages choose the thresholds, TEST packages only measure.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import importlib.util
import json
import pathlib
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent

FIT = ["attr", "construct", "falcon", "httpx", "jinja2", "loguru", "networkx", "pyparsing", "rich", "scrapy", "trio"]
TUNE = ["click", "sqlparse", "werkzeug"]
TEST = ["tornado", "marshmallow", "nibabel"]

STOP, EXIT, CONTINUE = 0, 1, 2


def load_script(name):
    spec = importlib.util.spec_from_file_location(name[2:-3], HERE / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---------------------------------------------------------------------------------------------------------
# Model and text


def read_safetensors(path):
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    types = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    tensors = {}
    for name, entry in json.loads(raw[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            data = bytearray(raw[8 + size + begin : 8 + size + end])
            tensors[name] = torch.frombuffer(data, dtype=types[entry["dtype"]]).view(entry["shape"]).float()
    return tensors


def load_model(folder):
    """The trainer's module with the exported weights: 3_export.py read backwards."""
    config = json.loads((folder / "config.json").read_text())
    shape = [config[key] for key in ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size")]
    os.environ["SHAPE"] = ",".join(map(str, shape))
    train = load_script("2_train.py")
    renamed = {"attn.c_attn": "c_attn", "attn.c_proj": "c_proj", "mlp.c_fc": "c_fc", "mlp.c_proj": "m_proj"}
    state = {}
    for name, t in read_safetensors(folder / "model.safetensors").items():
        name = name.removeprefix("transformer.")
        for exported, trained in renamed.items():
            if "." + exported + "." in name:
                name = name.replace(exported, trained)
                t = t.t().contiguous() if name.endswith("weight") else t
        state[name] = t
    model = train.GPT()
    model.load_state_dict(state)
    return model.eval(), config


def load_encoder(folder, corpus):
    bpe = json.loads((folder / "tokenizer.json").read_text())["model"]
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in bpe["merges"]]
    return corpus.Encoder(bpe["vocab"], merges)


def package_windows(package, tokens, context, corpus, encoder):
    """[windows, context + 1] from files of one package, in random order, each preceded by the end of text."""
    corpus.SRC = os.environ.get("SRC", "src")
    texts = sorted(text for _, text in corpus.read_sources(["python3-" + package]))
    assert texts, f"python3-{package} in {corpus.SRC} holds no Python source"
    stream = []
    for i in np.random.RandomState(0).permutation(len(texts)):
        stream += [encoder.vocabulary[corpus.END_OF_TEXT]] + encoder.text(texts[i])
        if len(stream) > tokens:
            break
    count = min(tokens, len(stream) - 1) // context
    return torch.tensor([stream[i * context : (i + 1) * context + 1] for i in range(count)])


def top_two(logits):
    """Arg-max, and p1 - p2. Two passes of max: several times faster than topk here."""
    total = logits.logsumexp(-1)
    first, argmax = logits.max(-1)
    second = logits.scatter(-1, argmax[:, None], float("-inf")).amax(-1)
    return argmax, (first - total).exp() - (second - total).exp()


class Observations:
    """What every layer says about every token: hidden [L, N, D], argmax and margin [L, N], truth [N]."""

    def __init__(self, model, windows):
        hidden, argmax, margin = [], [], []
        with torch.no_grad():
            for batch in windows.split(8):
                states = [h.reshape(-1, h.shape[-1]) for h in model.hidden(batch[:, :-1])]
                tops = [top_two(model.logits(h)) for h in states]
                hidden.append(torch.stack(states))
                argmax.append(torch.stack([a for a, _ in tops]))
                margin.append(torch.stack([m for _, m in tops]))
        self.hidden, self.argmax, self.margin = (torch.cat(x, 1) for x in (hidden, argmax, margin))
        self.truth = windows[:, 1:].reshape(-1)
        self.right = self.argmax == self.truth
        self.layers, self.tokens = self.right.shape


def observe(model, packages, tokens, corpus, encoder, context):
    windows = []
    for package in packages:
        windows.append(package_windows(package, tokens, context, corpus, encoder))
    seen = Observations(model, torch.cat(windows))
    start = 0
    for package, w in zip(packages, windows):
        n = w.shape[0] * context
        print(f"  {package}: {n} tokens, right at full depth {seen.right[-1, start:start + n].float().mean():.3f}")
        start += n
    return seen


# ---------------------------------------------------------------------------------------------------------
# The gate


def make_labels(right, rule):
    """[L, N] classes from right [L, N]."""
    exits = right if rule == "right" else right.int().cummax(0).values.bool()
    labels = torch.full(right.shape, CONTINUE)
    labels[exits] = EXIT
    labels[:, ~right.any(0)] = STOP
    return labels


def fit_gate(seen, rule, iterations=300):
    """Returns W [3, D]."""
    layers, tokens, d = seen.hidden.shape
    states = seen.hidden.reshape(-1, d)
    labels = make_labels(seen.right, rule).reshape(-1)
    weights = torch.arange(1, layers + 1).float()
    weights = (weights / weights.sum())[:, None].expand(layers, tokens).reshape(-1) / tokens

    # Second moments to the power -1/2: there is no bias, so nothing is subtracted.
    moments = (states.t() @ (states * weights[:, None])).double()
    values, vectors = torch.linalg.eigh(moments)
    whiten = (vectors * (values + 1e-9 * values[-1]).rsqrt()) @ vectors.t()
    whitened = states @ whiten.float()

    u = torch.zeros(3, d, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [u], max_iter=iterations, history_size=20, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        loss = (F.cross_entropy(whitened @ u.t(), labels, reduction="none") * weights).sum() + 1e-5 * (u * u).sum()
        loss.backward()
        return loss

    first = closure().item()
    optimiser.step(closure)
    last = closure().item()
    print(f"  loss {first:.4f} -> {last:.4f}, gradient {u.grad.abs().max():.1e}")
    return u.detach() @ whiten.float()


def decide(W, seen, tau_exit, tau_stop):
    """Exit layer (1-based) and stop flag of every token. The gate may stop after the last layer, too."""
    layer = torch.full((seen.tokens,), seen.layers)
    stopped = torch.zeros(seen.tokens, dtype=torch.bool)
    done = torch.zeros(seen.tokens, dtype=torch.bool)
    for i in range(seen.layers):
        p, c = torch.softmax(seen.hidden[i] @ W.t(), -1).max(-1)
        stops = (c == STOP) & (p > tau_stop) & ~done
        exits = (c == EXIT) & (p > tau_exit) & ~done
        layer[stops | exits] = i + 1
        stopped |= stops
        done |= stops | exits
    return layer, stopped


def exit_figures(seen, layer):
    """Layers skipped; token accuracy; share that equals the full model's token; precision and recall of exits.

    Precision: exits below the last layer whose token is right. Recall: of the tokens that some layer below the
    last gets right, those that exit there with the right token.
    """
    at = (layer - 1, torch.arange(seen.tokens))
    right, early = seen.right[at], layer < seen.layers
    share = lambda x: x.float().mean().item()  # noqa: E731
    return dict(
        skipped=1 - layer.float().mean().item() / seen.layers,
        accuracy=share(right),
        agrees=share(seen.argmax[at] == seen.argmax[-1]),
        precision=share(right[early]) if early.any() else float("nan"),
        recall=share((right & early)[seen.right[:-1].any(0)]),
    )


def stop_figures(seen, stopped, layer):
    """Precision and recall of stop against "no layer is right"; tokens stopped; mean layer of the stop."""
    hopeless = ~seen.right.any(0)
    return dict(
        stopped=stopped.float().mean().item(),
        precision=hopeless[stopped].float().mean().item() if stopped.any() else float("nan"),
        recall=stopped[hopeless].float().mean().item(),
        layer=layer[stopped].float().mean().item() if stopped.any() else float("nan"),
    )


def margin_exits(seen, threshold, layers):
    layer = torch.full((seen.tokens,), seen.layers)
    done = torch.zeros(seen.tokens, dtype=torch.bool)
    for l in layers:
        leaves = (seen.margin[l - 1] >= threshold) & ~done
        layer[leaves] = l
        done |= leaves
    return layer


# ---------------------------------------------------------------------------------------------------------
# Thresholds and tables

NEVER = 2.0  # no probability exceeds it
EXIT_GRID = [0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99]
STOP_GRID = [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99]
MARGIN_GRID = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]


def row(threshold, figures):
    return f"  {threshold:<5} " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items())


def choose_exit(W, seen, loss=0.02):
    """The smallest threshold whose accuracy on the tuning text is within 2 % (relative) of full depth."""
    full = seen.right[-1].float().mean().item()
    for tau in EXIT_GRID:
        if exit_figures(seen, decide(W, seen, tau, NEVER)[0])["accuracy"] >= (1 - loss) * full:
            return tau
    return 1.0


def choose_stop(W, seen, precision=0.9):
    """The smallest threshold at which nine of ten stops on the tuning text are at tokens no layer gets right."""
    for tau in STOP_GRID:
        layer, stopped = decide(W, seen, NEVER, tau)
        if stopped.any() and stop_figures(seen, stopped, layer)["precision"] >= precision:
            return tau
    return 1.0


def print_tables(W, seen, tau_exit, tau_stop):
    L = seen.layers
    print("right per layer", [round(x, 4) for x in seen.right.float().mean(1).tolist()], "tokens", seen.tokens)
    print("right at some layer", round(seen.right.any(0).float().mean().item(), 4))
    print("gate, exits only (stop off), by exit threshold")
    for tau in EXIT_GRID:
        print(row(tau, exit_figures(seen, decide(W, seen, tau, NEVER)[0])))
    print("gate, stops only (exit off), by stop threshold")
    for tau in STOP_GRID:
        layer, stopped = decide(W, seen, NEVER, tau)
        print(row(tau, stop_figures(seen, stopped, layer)))
    layer, stopped = decide(W, seen, tau_exit, tau_stop)
    print(f"gate, exit {tau_exit} and stop {tau_stop} together: {dict(stop_figures(seen, stopped, layer))}")
    for layers in (range(1, L), range(2, L, 2), (3, 5), (4, 6), (6,)):
        layers = [l for l in layers if l < L]
        print(f"margin p1 - p2 after layers {layers}, by threshold")
        for tau in MARGIN_GRID:
            print(row(tau, exit_figures(seen, margin_exits(seen, tau, layers))))


# ---------------------------------------------------------------------------------------------------------
# The sidecar


def fingerprint(path):
    """As include/earlyout/io/fingerprint.hpp defines it."""
    mask = (1 << 64) - 1
    state = 0

    def step(h, w):
        h = ((h ^ w) * 0x9E3779B97F4A7C15) & mask
        return h ^ (h >> 32)

    def add(data):
        nonlocal state
        lanes = [1, 2, 3, 4]
        words = np.frombuffer(data + bytes(-len(data) % 32), "<u8").reshape(-1, 4).tolist()
        for row in words:
            lanes = [step(h, w) for h, w in zip(lanes, row)]
        for lane in lanes:
            state = step(state, lane)
        state = step(state, len(data))

    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + size])
    for name in sorted(header, key=str.encode):
        if name == "__metadata__":
            continue
        entry = header[name]
        add(name.encode())
        add(entry["dtype"].encode())
        for extent in entry["shape"]:
            state = step(state, extent)
        begin, end = entry["data_offsets"]
        add(raw[8 + size + begin : 8 + size + end])
    return f"{state:016x}"


def write_sidecar(path, folder, config, W, tau_exit, tau_stop, labels):
    """include/earlyout/io/sidecar.md describes the format."""
    layers = config["n_layer"]
    tensors = {
        "exit_layers": np.arange(1, layers, dtype="<f4"),
        "gate.weight": W.numpy().astype("<f4"),
        "thresholds.exit": np.array([tau_exit], "<f4"),
        "thresholds.stop": np.array([tau_stop], "<f4"),
    }
    header = {
        "__metadata__": {
            "format": "earlyout-exits",
            "version": "1",
            "layers": str(layers),
            "d_model": str(config["n_embd"]),
            "vocab": str(config["vocab_size"]),
            "fingerprint": fingerprint(folder / "model.safetensors"),
            "weight_formats": "f32",
            "gate": f"Stop&Exit, labels by rule '{labels}', fitted by examples/model/recipe/5_fit_gate.py",
        }
    }
    at = 0
    for name, values in tensors.items():
        header[name] = dict(dtype="F32", shape=list(values.shape), data_offsets=[at, at + values.nbytes])
        at += values.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(v.tobytes() for v in tensors.values()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=pathlib.Path, default=HERE.parent)
    parser.add_argument("--labels", choices=["right", "paper"], default="right")
    parser.add_argument(
        "--tokens", type=int, default=16000, help="of each package for fitting and tuning; test: double"
    )
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sys.argv[1:] = []  # the scripts below read it, too

    corpus = load_script("1_corpus_and_tokenizer.py")
    model, config = load_model(options.model)
    encoder = load_encoder(options.model, corpus)
    text = (corpus, encoder, config["n_positions"])
    print("fit")
    seen = observe(model, FIT, options.tokens, *text)
    W = fit_gate(seen, options.labels)
    del seen
    print("tune")
    seen = observe(model, TUNE, options.tokens, *text)
    tau_exit, tau_stop = choose_exit(W, seen), choose_stop(W, seen)
    print(f"  thresholds: exit {tau_exit}, stop {tau_stop}")
    del seen
    print("test")
    seen = observe(model, TEST, 2 * options.tokens, *text)
    print_tables(W, seen, tau_exit, tau_stop)
    if options.out:
        write_sidecar(options.out, options.model, config, W, tau_exit, tau_stop, options.labels)


if __name__ == "__main__":
    main()
