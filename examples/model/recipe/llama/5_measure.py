#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures every exit of a model that 4_export.py wrote, on text of step 1 that it was not trained on.

    5_measure.py choose WORK > middles.tsv                          1000 places; nothing is run
    5_measure.py exits WORK MODEL [tokens [length]] > metrics.json
    5_measure.py middles WORK MODEL middles.tsv [length] > middles.json

WORK holds what step 1 wrote. `exits`: tokens (default 200,000 of each stream, in windows of `length` from random
places, by default of the context's) are predicted after the true text before them. Prints accuracy and nats per exit,
the share of tokens right first at each layer and at none, and bits per character at full depth.

`middles`: the rest of a line, between what is above and below it, asked for in both orders. Exact: every token of it
is the likeliest after the true ones before it, and so is <|endoftext|> after it, which is what a greedy completion
would be.
"""

import collections
import json
import math
import os
import pathlib
import struct
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np

from model import Model
from places import around, draw_middles, inside_word, read_middles
from text import END_OF_TEXT, FIM_MIDDLE, FIM_PAD, FIM_PREFIX, FIM_SUFFIX, Encoder, read_documents


def read_folder(folder, library, length=0):
    """The model in a folder of step 4 and its weights."""
    config = json.loads((folder / "config.json").read_text())
    keys = "num_hidden_layers hidden_size num_attention_heads intermediate_size vocab_size max_position_embeddings"
    *shape, context = (config[key] for key in keys.split())
    model = Model((*shape, length or context), str(library), os.cpu_count(), config["rope_theta"])
    raw = (folder / "model.safetensors").read_bytes()
    size, tensors = struct.unpack("<Q", raw[:8])[0], {}
    for name, entry in json.loads(raw[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            if entry["dtype"] == "BF16":
                values = (np.frombuffer(raw[begin:end], np.uint16).astype(np.uint32) << 16).view(np.float32)
            else:
                values = np.frombuffer(raw[begin:end], np.float32)
            tensors[name.removeprefix("model.").removesuffix(".weight")] = values.reshape(entry["shape"])
    flat = np.empty(model.parameters(), np.float32)
    for name, view in model.named(flat).items():
        parts = [name]
        if name.endswith("qkv_proj"):
            parts = [name.replace("qkv", each) for each in "qkv"]
        elif name.endswith("gate_up_proj"):
            parts = [name.replace("gate_up", each) for each in ("gate", "up")]
        view[:] = np.concatenate([tensors[part] for part in parts])
    return model, flat


def measure(model, weights, stream, tokens, characters):
    length = model.context
    starts = np.random.RandomState(1).randint(0, len(stream) - length - 1, tokens // length)
    rows = np.stack([stream[i : i + length + 1] for i in starts]).astype(np.int32)
    nats, hits = model.evaluate(weights, rows, range(model.layers))
    hits = hits.astype(bool).reshape(model.layers, -1)
    first = np.where(hits.any(0), hits.argmax(0), model.layers)
    share = np.bincount(first, minlength=model.layers + 1) / hits.shape[1]
    bits = nats[-1].sum(dtype=np.float64) / math.log(2) / characters[rows[:, 1:]].sum()
    return {
        "tokens": hits.shape[1],
        "length": length,
        "accuracy_per_exit": [round(float(x), 4) for x in hits.mean(1)],
        "nats_per_token_per_exit": [round(float(x), 4) for x in nats.mean((1, 2), dtype=np.float64)],
        "bits_per_character": round(float(bits), 4),
        "first_right_at_layer": [round(float(x), 4) for x in share[:-1]],
        "never_right": round(float(share[-1]), 4),
    }


def measure_middles(model, weights, encoder, documents, places):
    """{order: {kind of place: shares right}}."""
    texts = {(package, path): text for package, path, text in documents}
    special, length = encoder.special, model.context
    exits = sorted({model.layers // 4 - 1, model.layers // 2 - 1, model.layers - 1})
    result = {"places": len(places), "length": length}
    for order in ("prefix first", "suffix first"):
        rows = np.full((len(places), length + 1), special[FIM_PAD], np.int32)
        spans, kinds = [], []
        for row, (package, path, line, column) in zip(rows, places):
            text = texts[package, path]
            room = length - 24  # the special tokens, and what words cut in two may have more
            p, m, s = map(encoder.encode, around(text, line, column, lambda t: len(encoder.encode(t)), room))
            prefix, suffix = [special[FIM_PREFIX], *p], [special[FIM_SUFFIX], *s]
            ids = prefix + suffix if order == "prefix first" else suffix + prefix
            ids = [*ids, special[FIM_MIDDLE], *m, special[END_OF_TEXT]]
            assert len(ids) <= length + 1, (path, line, len(ids))
            row[: len(ids)] = ids
            spans.append((len(ids) - len(m) - 2, len(ids) - 1))  # of the targets
            kinds.append("inside a word" if inside_word(text.split("\n")[line - 1], column) else "elsewhere")
        _, hits = model.evaluate(weights, rows, exits)
        result[order] = {}
        for e, layer in enumerate(exits):
            right, text_right, count = collections.Counter(), 0, collections.Counter(kinds)
            for row, ((begin, end), kind) in enumerate(zip(spans, kinds)):
                right[kind] += hits[e, row, begin:end].all()
                text_right += hits[e, row, begin : end - 1].all()
            shares = {"exact": sum(right.values()) / len(places), "text without its end": text_right / len(places)}
            for kind in sorted(count):
                shares[f"exact, {kind} ({count[kind]})"] = round(right[kind] / count[kind], 4)
            result[order][f"layer {layer + 1}"] = shares
    return result


def main():
    what, work, *rest = sys.argv[1:]
    work = pathlib.Path(work)
    if what == "choose":
        for place in draw_middles(read_documents(str(work / "test.jsonl")), 1000, seed=3):
            print(*place, sep="\t")
    elif what == "exits":
        tokens = int(rest[1]) if len(rest) > 1 else 200_000
        model, weights = read_folder(pathlib.Path(rest[0]), work, int(rest[2]) if len(rest) > 2 else 0)
        characters = np.array(Encoder.of(str(work)).characters())
        streams = {s: np.memmap(work / f"{s}.u16", dtype=np.uint16, mode="r") for s in ("val", "test")}
        found = {name: measure(model, weights, stream, tokens, characters) for name, stream in streams.items()}
        print(json.dumps(found, indent=1))
    elif what == "middles":
        model, weights = read_folder(pathlib.Path(rest[0]), work, int(rest[2]) if len(rest) > 2 else 0)
        documents = read_documents(str(work / "test.jsonl"))
        places = read_middles(rest[1])
        print(json.dumps(measure_middles(model, weights, Encoder.of(str(work)), documents, places), indent=1))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
