#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains a byte-level BPE tokenizer on Python sources and writes the sources as token streams.

    SRC=FOLDER OUT=FOLDER 1_corpus_and_tokenizer.py [VOCABULARY]

SRC holds one folder per Debian package (`dpkg -x PACKAGE.deb SRC/PACKAGE`). OUT receives tokenizer.json
(and vocab.json, merges.txt), and train.u16, val.u16, test.u16: token ids as uint16, every file of source
preceded by <|endoftext|>. The packages in HELD_OUT become the test stream and are never trained on; 400
random files of the others become the validation stream.
"""

import collections
import hashlib
import heapq
import json
import os
import random
import sys

import numpy as np
import regex

SRC = os.environ.get("SRC", "src")
OUT = os.environ.get("OUT", "work")
VOCABULARY = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
HELD_OUT = {"python3-tornado", "python3-marshmallow", "python3-nibabel"}
VALIDATION_FILES = 400
TOKENIZER_CHARACTERS = 60e6  # the merges are learnt on about this much text

END_OF_TEXT = "<|endoftext|>"
PRETOKEN = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def byte_characters():
    """GPT-2's printable character for each byte: itself where it is printable, else 256, 257, ... in order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        if byte not in characters:
            characters[byte] = chr(256 + len(characters) - len(printable))
    return characters


BYTE_CHARACTER = byte_characters()


def looks_like_code(text):
    """Leaves out data and translations in the shape of Python."""
    lines = text.count("\n") + 1
    if len(text) / lines > 80:
        return False
    if sum(c.isdigit() for c in text) / len(text) > 0.15:
        return False
    return sum(ord(c) > 127 for c in text[:20000]) / min(len(text), 20000) <= 0.05


def read_sources(packages=None):
    """[(package, text)] of these folders of SRC, or of all, each distinct file once."""
    files, seen = [], set()
    for package in packages or sorted(os.listdir(SRC)):
        for folder, _, names in os.walk(os.path.join(SRC, package)):
            for name in names:
                path = os.path.join(folder, name)
                if not name.endswith(".py") or os.path.islink(path):
                    continue
                try:
                    content = open(path, "rb").read()
                except OSError:
                    continue
                if not 200 < len(content) < 150000:
                    continue
                try:
                    text = content.decode("utf-8")
                except UnicodeDecodeError:
                    continue
                digest = hashlib.md5(content).digest()
                if digest in seen:
                    continue
                seen.add(digest)
                if looks_like_code(text):
                    files.append((package, text.replace("\r\n", "\n")))
    return files


def merged(symbols, a, b):
    """`symbols` with every pair (a, b) joined, from left to right."""
    result, k = [], 0
    while k < len(symbols):
        if k + 1 < len(symbols) and symbols[k] == a and symbols[k + 1] == b:
            result.append(a + b)
            k += 2
        else:
            result.append(symbols[k])
            k += 1
    return result


def learn_merges(texts, wanted):
    """Byte-pair encoding: joins the most frequent pair, `wanted` times."""
    count, characters = collections.Counter(), 0
    for text in texts:
        count.update(PRETOKEN.findall(text))
        characters += len(text)
        if characters > TOKENIZER_CHARACTERS:
            break
    words, frequency = [], []
    for word, n in count.items():
        if n >= 2:
            words.append([BYTE_CHARACTER[b] for b in word.encode()])
            frequency.append(n)
    print(len(words), "unique pretokens", flush=True)

    pairs, where = collections.Counter(), collections.defaultdict(set)
    for i, word in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += frequency[i]
            where[pair].add(i)
    heap = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(heap)
    merges = []
    while len(merges) < wanted and heap:
        negative, pair = heapq.heappop(heap)
        if pairs.get(pair, 0) != -negative or negative == 0:
            continue  # the count has changed since this entry was pushed
        merges.append(pair)
        touched = {}
        for i in list(where[pair]):
            for old in zip(words[i], words[i][1:]):
                pairs[old] -= frequency[i]
                touched[old] = True
                where[old].discard(i)
            words[i] = merged(words[i], *pair)
            for new in zip(words[i], words[i][1:]):
                pairs[new] += frequency[i]
                touched[new] = True
                where[new].add(i)
        for other in touched:
            if pairs[other] > 0:
                heapq.heappush(heap, (-pairs[other], other))
            else:
                pairs.pop(other, None)
        pairs.pop(pair, None)
    return merges


def make_vocabulary(merges):
    """Bytes in the order of their value, then merges, then the end of text."""
    vocabulary = {}
    for byte in range(256):
        vocabulary[BYTE_CHARACTER[byte]] = len(vocabulary)
    for a, b in merges:
        vocabulary.setdefault(a + b, len(vocabulary))
    vocabulary[END_OF_TEXT] = len(vocabulary)
    return vocabulary


def write_tokenizer(vocabulary, merges):
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": vocabulary[END_OF_TEXT],
                "content": END_OF_TEXT,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": vocabulary,
            "merges": [a + " " + b for a, b in merges],
        },
    }
    with open(OUT + "/vocab.json", "w") as f:
        json.dump(vocabulary, f, ensure_ascii=False)
    with open(OUT + "/merges.txt", "w") as f:
        f.write("#version: 0.2\n" + "\n".join(a + " " + b for a, b in merges) + "\n")
    with open(OUT + "/tokenizer.json", "w") as f:
        json.dump(tokenizer, f, ensure_ascii=False)


class Encoder:
    """Text to ids. Remembers the words it has met."""

    def __init__(self, vocabulary, merges):
        self.vocabulary = vocabulary
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self.cache = {}

    def word(self, word):
        ids = self.cache.get(word)
        if ids is not None:
            return ids
        never = 1 << 30
        symbols = [BYTE_CHARACTER[b] for b in word.encode()]
        while len(symbols) > 1:
            rank, k = min((self.rank.get(pair, never), k) for k, pair in enumerate(zip(symbols, symbols[1:])))
            if rank == never:
                break
            symbols = merged(symbols, symbols[k], symbols[k + 1])
        ids = [self.vocabulary[s] for s in symbols]
        if len(self.cache) < 3000000:
            self.cache[word] = ids
        return ids

    def text(self, text):
        return [i for word in PRETOKEN.findall(text) for i in self.word(word)]


def write_stream(encoder, texts, name, capacity=220_000_000):
    stream, tokens, characters = np.empty(capacity, dtype=np.uint16), 0, 0
    for text in texts:
        ids = [encoder.vocabulary[END_OF_TEXT]] + encoder.text(text)
        if tokens + len(ids) > capacity:
            break
        stream[tokens : tokens + len(ids)] = ids
        tokens += len(ids)
        characters += len(text)
    stream[:tokens].tofile(f"{OUT}/{name}.u16")
    print(name, tokens, "tokens", characters / tokens, "chars/token", flush=True)


def main():
    random.seed(1)
    files = read_sources()
    print(len(files), "files", sum(len(t) for _, t in files) / 1e6, "MB", flush=True)
    test = [text for package, text in files if package in HELD_OUT]
    rest = [text for package, text in files if package not in HELD_OUT]
    random.shuffle(rest)
    validation, train = rest[:VALIDATION_FILES], rest[VALIDATION_FILES:]

    merges = learn_merges(train, VOCABULARY - 256 - 1)
    vocabulary = make_vocabulary(merges)
    print("vocab", len(vocabulary), "first merges", merges[:10], flush=True)
    write_tokenizer(vocabulary, merges)

    encoder = Encoder(vocabulary, merges)
    write_stream(encoder, validation, "val")
    write_stream(encoder, test, "test")
    write_stream(encoder, train, "train")


if __name__ == "__main__":
    main()
