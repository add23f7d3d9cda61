#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a GGUF file of Qwen2.5-Coder-0.5B's shape for the keystroke benchmark: random weights and a tokenizer.

    make_model.py FILE [--mix q4_k_m] [--merges 4000] [--seed 1]

Any server of llama.cpp's /infill can complete with it. Its hints are nonsense, but as long as code: the token behind
<|fim_middle|> depends on the whole prompt, each later one on the one before it, and every tenth ends a line. Hints
never end by themselves: an editor's limits end them.

The tokenizer is byte-level BPE in Qwen2's cut, learned from this Python's standard library, with Qwen2.5-Coder's
control tokens at their own ids. Every other id is a token `[unusedN]`, which is never generated.
"""
import argparse
import collections
import glob
import heapq
import os
import random
import re
import struct
import sys
import sysconfig

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))
import make_models  # noqa: E402

CONTROL = {151643: "<|endoftext|>", 151644: "<|im_start|>", 151645: "<|im_end|>", 151659: "<|fim_prefix|>",
           151660: "<|fim_middle|>", 151661: "<|fim_suffix|>", 151662: "<|fim_pad|>", 151663: "<|repo_name|>",
           151664: "<|file_sep|>"}
MIDDLE = 151660
NAMED = {"bos": 151643, "eos": 151643, "padding": 151643, "eot": 151645, "fim_pre": 151659, "fim_suf": 151661,
         "fim_mid": 151660, "fim_pad": 151662, "fim_rep": 151663, "fim_sep": 151664}
CUT = re.compile(r"'(?:[sdmt]|ll|ve|re)|[^\r\n\w]?[^\W\d_]+|\d| ?[^\s\w]+[\r\n]*|_+|\s*[\r\n]+|\s+(?!\S)|\s+", re.I)
WORDS_OF_A_LINE = 9


def byte_letters():
    """The printable letter that stands for each byte in a byte-level vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {b: chr(b) for b in plain}
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + len(letters) - len(plain))
    return [letters[b] for b in range(256)]


def sources(limit):
    """Python text of the standard library, the same for the same version."""
    made = []
    for path in sorted(glob.glob(os.path.join(sysconfig.get_paths()["stdlib"], "*.py"))):
        with open(path, encoding="utf-8", errors="ignore") as f:
            made.append(f.read())
        limit -= len(made[-1])
        if limit < 0:
            break
    return made


def learn_merges(texts, count):
    """Merges of pairs, by how often they occur, and how often each token is left in the texts."""
    letters = byte_letters()
    words = collections.Counter()
    for one in texts:
        words.update(CUT.findall(one))
    cut = [[letters[b] for b in word.encode()] for word in words]
    times = list(words.values())
    pairs, where = collections.Counter(), collections.defaultdict(set)
    for i, word in enumerate(cut):
        for pair in zip(word, word[1:]):
            pairs[pair] += times[i]
            where[pair].add(i)
    # Entries whose count has changed since are passed over.
    queue = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(queue)
    merges = []
    while len(merges) < count and queue:
        n, best = heapq.heappop(queue)
        if pairs.get(best) != -n:
            continue
        if n > -2:
            break
        merges.append(best)
        changed = set()
        for i in where.pop(best):
            word = cut[i]
            for pair in zip(word, word[1:]):
                pairs[pair] -= times[i]
                changed.add(pair)
            made, at = [], 0
            while at < len(word):
                if tuple(word[at : at + 2]) == best:
                    made.append(word[at] + word[at + 1])
                    at += 2
                else:
                    made.append(word[at])
                    at += 1
            cut[i] = made
            for pair in zip(made, made[1:]):
                pairs[pair] += times[i]
                where[pair].add(i)
                changed.add(pair)
        for pair in changed:
            heapq.heappush(queue, (-pairs[pair], pair))
    left = collections.Counter()
    for word, n in zip(cut, times):
        for token in word:
            left[token] += n
    return merges, left


def successors(tokens, left, source):
    """What follows each token in a hint: a ring of lines of text, in which each token occurs once."""
    ends = [i for i, token in enumerate(tokens) if "Ċ" in token and left[token] > 4]
    kept = set(ends)
    words = [i for i, token in enumerate(tokens) if i not in kept and left[token] > 4 and token.strip("Ġ")]
    words.sort(key=lambda i: (-left[tokens[i]], i))
    words = words[: WORDS_OF_A_LINE * len(ends)]
    source.shuffle(words)
    source.shuffle(ends)
    ring = []
    for line, end in enumerate(ends):
        ring += words[line * WORDS_OF_A_LINE : (line + 1) * WORDS_OF_A_LINE] + [end]
    return dict(zip(ring, ring[1:] + ring[:1]))


def embeddings(vocab, d, follow, source):
    """Bytes of the embedding matrix and of the output matrix, in Q8_0. An output row is the embedding of the token
    that its token follows; no other token is ever generated."""
    blocks, size = d // 32, 34
    row = blocks * size
    into = bytearray(source.randbytes(vocab * row))
    factor = struct.pack("<e", 60 / 74)  # what 24 random layers add is small beside it
    weak = struct.pack("<e", 10 / (74 * d**0.5))
    for at in range(0, len(into), size):
        into[at : at + 2] = factor
    into[MIDDLE * row : (MIDDLE + 1) * row] = bytes(row)
    out = bytearray(len(into))
    for before, token in follow.items():
        made = into[before * row : (before + 1) * row]
        for at in range(0, row, size):
            made[at : at + 2] = weak
        out[token * row : (token + 1) * row] = made
    return into, out


def text(x):
    data = x.encode()
    return struct.pack("<Q", len(data)) + data


def write(path, mix, merge_count, seed):
    shape = make_models.SHARED["qwen05"]
    arch, vocab, d = shape["arch"], shape["vocab"], shape["d"]
    source = random.Random(seed)
    merges, left = learn_merges(sources(3_000_000), merge_count)
    tokens = byte_letters() + [a + b for a, b in merges]
    tokens = list(dict.fromkeys(tokens))  # two merges may make the same token
    follow = successors(tokens, left, source)
    kinds = [1] * len(tokens)
    for i in range(len(tokens), vocab):
        tokens.append(CONTROL.get(i, f"[unused{i}]"))
        kinds.append(3 if i in CONTROL else 5)

    def number(key, value):
        return text(key) + struct.pack("<II", 4, value)

    def real(key, value):
        return text(key) + struct.pack("<If", 6, value)

    def string(key, value):
        return text(key) + struct.pack("<I", 8) + text(value)

    def strings(key, values):
        return text(key) + struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(text, values))

    keys = [string("general.architecture", arch), string("general.name", "random with a tokenizer"),
            number("general.file_type", make_models.MIXES[mix][2]), number("general.quantization_version", 2),
            number(f"{arch}.context_length", shape["context"]), number(f"{arch}.embedding_length", d),
            number(f"{arch}.feed_forward_length", shape["ff"]), number(f"{arch}.block_count", shape["layers"]),
            number(f"{arch}.attention.head_count", shape["heads"]),
            number(f"{arch}.attention.head_count_kv", shape["kv_heads"]),
            number(f"{arch}.rope.dimension_count", d // shape["heads"]), number(f"{arch}.vocab_size", vocab),
            real(f"{arch}.attention.layer_norm_rms_epsilon", 1e-6), real(f"{arch}.rope.freq_base", 1e6),
            string("tokenizer.ggml.model", "gpt2"), string("tokenizer.ggml.pre", "qwen2"),
            strings("tokenizer.ggml.tokens", tokens),
            text("tokenizer.ggml.token_type") + struct.pack(f"<IIQ{vocab}i", 9, 5, vocab, *kinds),
            strings("tokenizer.ggml.merges", [f"{a} {b}" for a, b in merges]),
            text("tokenizer.ggml.add_bos_token") + struct.pack("<IB", 7, 0)]
    keys += [number(f"tokenizer.ggml.{name}_token_id", i) for name, i in NAMED.items()]

    into, out = embeddings(vocab, d, follow, source)
    listed = [("output.weight", (vocab, d), "q8_0"), *make_models.shared_tensors(shape, mix)]
    made, at, parts = [], 0, []
    for name, size, form in listed:
        count = size[0] * (size[1] if len(size) == 2 else 1)
        if name == "output.weight":
            data = out
        elif name == "token_embd.weight":
            if form not in ("q8_0", "q6_k"):
                raise SystemExit(f"make_model.py: --mix {mix} is not supported: its embeddings are {form}")
            form, data = "q8_0", into
        elif form is None:
            data = struct.pack("<f", 1.0 if name.endswith("norm.weight") else 0.0) * count
        else:
            data = make_models.random_blocks(form, count)
        kind = 0 if form is None else make_models.BLOCKS[form][0]
        made.append(text(name) + struct.pack("<I", len(size)) + struct.pack(f"<{len(size)}Q", *size[::-1])
                    + struct.pack("<IQ", kind, at))
        parts += [data, bytes(-len(data) % 32)]
        at += len(data) + -len(data) % 32
    unfinished = path + ".part"
    with open(unfinished, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(made), len(keys)) + b"".join(keys) + b"".join(made))
        f.write(bytes(-f.tell() % 32))
        f.writelines(parts)
    os.replace(unfinished, path)
    return len(merges), len(follow)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE", help="GGUF file to write")
    parser.add_argument("--mix", default="q4_k_m", choices=["q4_k_m", "q5_k_m", "q6_k", "q8_0"])
    parser.add_argument("--merges", type=int, default=4000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    given = parser.parse_args()
    merges, ring = write(given.file, given.mix, given.merges, given.seed)
    print(f"{given.file}: {merges} merges, {ring} tokens in hints")


if __name__ == "__main__":
    main()
