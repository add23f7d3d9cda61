#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures every exit of a model that 3_export.py wrote, on the streams of step 1 that it was not trained on.

    4_measure.py WORK MODEL [tokens] > metrics.json

WORK holds val.u16, test.u16 and tokenizer.json. Tokens (default 200,000 of each stream, in windows of the
context's length from random places) are predicted after the true text before them. Prints JSON: accuracy and
nats per exit, the share of tokens right first at each layer and at none, and bits per character at full depth.
"""

import importlib.util
import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
work, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
tokens = int(sys.argv[3]) if len(sys.argv) > 3 else 200_000

config = json.loads((folder / "config.json").read_text())
shape = [config[key] for key in ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size")]
os.environ["SHAPE"] = ",".join(map(str, shape))
spec = importlib.util.spec_from_file_location("train", HERE / "2_train.py")
train = importlib.util.module_from_spec(spec)
spec.loader.exec_module(train)

import numpy as np
import torch
import torch.nn.functional as F


def characters(ids):
    """Of the text that these tokens stand for; byte-level BPE spells a byte as one character."""
    vocabulary = json.loads((work / "tokenizer.json").read_text())["model"]["vocab"]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    byte_of = {chr(b): b for b in printable}
    byte_of.update({chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in printable)})
    text = {i: bytes(byte_of[c] for c in token) for token, i in vocabulary.items() if not token.startswith("<|")}
    starts = {i: sum((b & 0xC0) != 0x80 for b in raw) for i, raw in text.items()}
    counts = np.bincount(ids, minlength=shape[4])
    return sum(int(counts[i]) * n for i, n in starts.items())


def measure(model, stream):
    layers, context = shape[0], shape[3]
    starts = np.random.RandomState(1).randint(0, len(stream) - context - 1, tokens // context)
    right, nats = np.zeros(layers), np.zeros(layers)
    first, count, truths = np.zeros(layers + 1), 0, []
    for begin in range(0, len(starts), 4):
        rows = np.stack([stream[i : i + context + 1] for i in starts[begin : begin + 4]]).astype(np.int64)
        y = torch.from_numpy(rows[:, 1:]).reshape(-1)
        hits = []
        for i, h in enumerate(model.hidden(torch.from_numpy(rows[:, :-1]))):
            logits = model.logits(h).view(-1, shape[4])
            hits.append(logits.argmax(-1) == y)
            right[i] += hits[-1].sum().item()
            nats[i] += F.cross_entropy(logits, y, reduction="sum").item()
        some = torch.stack(hits)
        at = torch.where(some.any(0), some.int().argmax(0), torch.tensor(layers))
        first += np.bincount(at.numpy(), minlength=layers + 1)
        count += len(y)
        truths.append(y.numpy())
    bits = nats[-1] / np.log(2) / characters(np.concatenate(truths))
    return {
        "tokens": count,
        "accuracy_per_exit": [round(float(x), 4) for x in right / count],
        "nats_per_token_per_exit": [round(float(x), 4) for x in nats / count],
        "bits_per_character": round(float(bits), 4),
        "first_right_at_layer": [round(float(x), 4) for x in first[:-1] / count],
        "never_right": round(float(first[-1] / count), 4),
    }


def main():
    torch.set_num_threads(os.cpu_count())
    model = train.GPT()
    train.load_pretrained(model, str(folder))
    with torch.no_grad():
        streams = {s: np.memmap(work / f"{s}.u16", dtype=np.uint16, mode="r") for s in ("val", "test")}
        print(json.dumps({name: measure(model, stream) for name, stream in streams.items()}, indent=1))


if __name__ == "__main__":
    main()
