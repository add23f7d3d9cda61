#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same small random GGUF files through earlyout and llama.cpp: do the logits and the tokens agree?

    agree.py --ours EARLYOUT_PEER_CHECK --theirs LLAMA_CPP_CHECK --backends FOLDER --work FOLDER [--only TEXT]
             [--bytes N] [--folders FOLDER...]

Logits: for each architecture and format the root mean square of the difference over all positions, as a share of the
logits' own: of llama.cpp from us in f32 ("theirs"), of us in the stored formats from us in f32 ("ours"), of the two
("apart"). The first two are errors of arithmetic: of 8-bit activations, in llama.cpp also of bfloat16 ones and of its table
of GELU in binary16. "apart" should be no more than both together.
Tokens: texts through the tokenizer inside the file, of every pattern; they must be equal. The texts are files of this
repository, pathological ones, and N bytes (4 MB if nothing else is said): nine tenths of them files below FOLDERs, each
folder's in an order drawn once, the rest characters drawn from all of Unicode. Needs Debian's python3-numpy.
"""
import argparse
import bisect
import json
import os
import pathlib
import struct
import subprocess
import sys
import unicodedata

import numpy as np

FORMATS = {  # type number, weights and bytes of a block, where its binary16 numbers are
    "f32": (0, 1, 4, []),
    "f16": (1, 1, 2, []),
    "bf16": (30, 1, 2, []),
    "q8_0": (8, 32, 34, [(0, 0.02 / 74)]),
    "q4_0": (2, 32, 18, [(0, 0.02 / 4.6)]),
    "q4_k": (12, 256, 144, [(0, 0.0001), (2, 0.0008)]),
    "q6_k": (14, 256, 210, [(208, 0.02 / 74 / 18)]),
}
# Grouped queries and heads of other sizes than d / heads if the architecture has them.
ARCHITECTURES = {
    "gpt2": dict(),
    "llama": dict(kv=2, head=48),
    "llama3": dict(kv=1, head=64, freqs=True),
    "mistral_like": dict(kv=4, head=32, tied=False),
    "qwen2": dict(kv=2, head=64, biases=True),
    "qwen3": dict(kv=2, head=32, norms=True, tied=False),
    "starcoder2": dict(kv=2, head=64, biases=True),
}
NAMES = dict(llama3="llama", mistral_like="llama")
LAYERS, D, HEADS, FF, VOCAB, CONTEXT = 3, 256, 4, 512, 320, 128
IDS, FIRST = 40, 24

LARGEST = 1 << 16  # bytes of a text
FOLDERS = ["/usr/lib/python3", "/usr/include", "/usr/share/doc", "/usr/share/perl", "/usr/share/nodejs"]

rng = np.random.default_rng(7)


def weights(form, count):
    kind, block, size, halves = FORMATS[form]
    values = (rng.standard_normal(count) * 0.035).astype("<f4")
    if form == "f32":
        return values.tobytes()
    if form == "f16":
        return values.astype("<f2").tobytes()
    if form == "bf16":
        return (values.view("<u4") >> 16).astype("<u2").tobytes()
    blocks = rng.integers(0, 256, (count // block, size), dtype=np.uint8)
    for at, scale in halves:
        drawn = (rng.uniform(0.5, 1.5, len(blocks)) * scale * 1.75).astype("<f2")
        blocks[:, at : at + 2] = drawn.view(np.uint8).reshape(-1, 2)
    return blocks.tobytes()


def text(x):
    x = x if isinstance(x, bytes) else x.encode()
    return struct.pack("<Q", len(x)) + x


def key(name, kind, value):
    number = dict(u32=(4, "I"), i32=(5, "i"), f32=(6, "f"), bool=(7, "?"))
    if kind == "text":
        return text(name) + struct.pack("<I", 8) + text(value)
    if kind == "texts":
        return text(name) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(v) for v in value)
    if kind in ("i32s", "f32s"):
        code, letter = number[kind[:3]]
        return text(name) + struct.pack("<IIQ", 9, code, len(value)) + struct.pack(f"<{len(value)}{letter}", *value)
    return text(name) + struct.pack("<I" + number[kind][1], number[kind][0], value)


def write_gguf(path, keys, tensors):
    head, data, at = b"", [], 0
    for name, shape, form, raw in tensors:
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape[::-1])
        head += struct.pack("<IQ", FORMATS[form][0], at)
        data.append(raw + bytes(-len(raw) % 32))
        at += len(data[-1])
    start = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + head
    path.write_bytes(start + bytes(-len(start) % 32) + b"".join(data))


def make_model(path, architecture, form, vocab=VOCAB, tokenizer=None):
    a = ARCHITECTURES[architecture]
    name = NAMES.get(architecture, architecture)
    head, kv = a.get("head", D // HEADS), a.get("kv", HEADS)
    tensors = []

    def matrix(tensor, rows, cols):
        fits = form if cols % FORMATS[form][1] == 0 else "q8_0"  # as llama.cpp's own quantiser does
        tensors.append((tensor + ".weight", (rows, cols), fits, weights(fits, rows * cols)))

    def vector(tensor, size, mean=0.0):
        tensors.append((tensor, (size,), "f32", (mean + 0.1 * rng.standard_normal(size)).astype("<f4").tobytes()))

    layer_norm = name in ("gpt2", "starcoder2")
    biases = name in ("gpt2", "starcoder2")

    def norm(tensor):
        vector(tensor + ".weight", D, 1.0)
        if layer_norm:
            vector(tensor + ".bias", D)

    matrix("token_embd", vocab, D)
    if name == "gpt2":
        tensors.append(("position_embd.weight", (CONTEXT, D), "f32", weights("f32", CONTEXT * D)))
    norm("output_norm")
    if not a.get("tied", True):
        matrix("output", vocab, D)
    if a.get("freqs"):
        divisors = np.geomspace(1, 8, head // 2).astype("<f4")
        tensors.append(("rope_freqs.weight", (head // 2,), "f32", divisors.tobytes()))
    for layer in range(LAYERS):
        at = f"blk.{layer}."
        norm(at + "attn_norm")
        norm(at + "ffn_norm")
        parts = [("attn_qkv", 3 * D, D)] if name == "gpt2" else [
            ("attn_q", HEADS * head, D), ("attn_k", kv * head, D), ("attn_v", kv * head, D)]
        rest = [("attn_output", D, HEADS * head), ("ffn_up", FF, D), ("ffn_down", D, FF)]
        if not layer_norm:
            rest.append(("ffn_gate", FF, D))
        for tensor, rows, cols in parts + rest:
            matrix(at + tensor, rows, cols)
            if biases or (a.get("biases") and (tensor, rows, cols) in parts):
                vector(at + tensor + ".bias", rows)
        if a.get("norms"):
            vector(at + "attn_q_norm.weight", head, 1.0)
            vector(at + "attn_k_norm.weight", head, 1.0)
    sizes = [("context_length", CONTEXT), ("embedding_length", D), ("feed_forward_length", FF), ("block_count", LAYERS),
             ("attention.head_count", HEADS), ("vocab_size", vocab)]
    if name != "gpt2":
        sizes += [("attention.head_count_kv", kv), ("attention.key_length", head), ("attention.value_length", head),
                  ("rope.dimension_count", head)]
    epsilon = "attention.layer_norm_epsilon" if layer_norm else "attention.layer_norm_rms_epsilon"
    keys = [key("general.architecture", "text", name), key("general.name", "text", "random")]
    keys += [key(f"{name}.{k}", "u32", v) for k, v in sizes] + [key(f"{name}.{epsilon}", "f32", 1e-5)]
    if name != "gpt2":
        keys.append(key(name + ".rope.freq_base", "f32", 10000.0))
    keys += tokenizer or [key("tokenizer.ggml.model", "text", "no_vocab")]
    write_gguf(path, keys, tensors)


class Asked:
    """One of the two programs, which take the same commands."""

    def __init__(self, *command):
        self.run = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run.stdin.close()
        self.run.wait()

    def ask(self, question, lines):
        self.run.stdin.write(question)
        self.run.stdin.flush()
        return [self.run.stdout.readline().split() for _ in range(lines)]

    def logits(self, ids):
        question = f"logits {FIRST} {len(ids)} " + " ".join(map(str, ids)) + "\n"
        return np.array(self.ask(question.encode(), len(ids) - FIRST + 1), dtype=np.float64)

    def tokens(self, raw):
        return [int(i) for i in self.ask(f"tokens {len(raw)}\n".encode() + raw + b"\n", 1)[0]]


def compare_logits(o):
    print(f"{'':24}{'theirs':>10}{'ours':>10}{'apart':>10}")
    for architecture in ARCHITECTURES:
        for form in FORMATS:
            label = f"{architecture} {form}"
            if o.only and o.only not in label:
                continue
            model = o.work / f"{architecture}-{form}.gguf"
            make_model(model, architecture, form)
            ids = [int(i) for i in rng.integers(0, VOCAB, IDS)]
            programs = (o.theirs, o.backends), (o.ours, "f32"), (o.ours, "stored")
            logits = []
            for program in programs:
                with Asked(*program, model) as one:
                    logits.append(one.logits(ids))
            theirs, exact, stored = logits
            size = np.sqrt(np.mean(exact**2))
            shares = [np.sqrt(np.mean((a - b) ** 2)) / size for a, b in ((theirs, exact), (stored, exact), (theirs, stored))]
            print(f"{label:24}" + "".join(f"{share:10.1e}" for share in shares), flush=True)


def tokenizers(example):
    """(name, keys, number of tokens): the example model's vocabulary under every pattern, and as SentencePiece."""
    stored = json.loads((example / "tokenizer.json").read_text())
    vocab = sorted(stored["model"]["vocab"], key=stored["model"]["vocab"].get)
    merges = stored["model"]["merges"]
    types = [1] * (len(vocab) - 1) + [3]
    for pattern in ("default", "gpt-2", "llama-bpe", "qwen2", "starcoder", "refact", "smollm", "deepseek-coder"):
        yield pattern, [
            key("tokenizer.ggml.model", "text", "gpt2"), key("tokenizer.ggml.pre", "text", pattern),
            key("tokenizer.ggml.tokens", "texts", vocab), key("tokenizer.ggml.token_type", "i32s", types),
            key("tokenizer.ggml.merges", "texts", merges), key("tokenizer.ggml.bos_token_id", "u32", len(vocab) - 1),
            key("tokenizer.ggml.eos_token_id", "u32", len(vocab) - 1)], len(vocab)
    pieces = [b"<unk>", b"<s>", b"</s>"] + [f"<0x{b:02X}>".encode() for b in range(256)]
    types = [2, 3, 3] + [6] * 256
    spelled = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    byte_of = {chr(b): b for b in spelled} | {chr(0x100 + i): b for i, b in enumerate(sorted(set(range(256)) - set(spelled)))}
    for piece in vocab[:-1]:
        raw = bytes(byte_of[c] for c in piece)
        try:
            whole = raw.decode().replace(" ", "\u2581").encode()
        except UnicodeDecodeError:
            continue
        if whole not in pieces:
            pieces.append(whole)
            types.append(1)
    scores = [0.0] * 259 + [float(-i) for i in range(len(pieces) - 259)]
    for prefix in (True, False):
        yield f"llama, prefix {prefix}", [
            key("tokenizer.ggml.model", "text", "llama"), key("tokenizer.ggml.pre", "text", "default"),
            key("tokenizer.ggml.tokens", "texts", pieces), key("tokenizer.ggml.token_type", "i32s", types),
            key("tokenizer.ggml.scores", "f32s", scores), key("tokenizer.ggml.bos_token_id", "u32", 1),
            key("tokenizer.ggml.eos_token_id", "u32", 2), key("tokenizer.ggml.unknown_token_id", "u32", 0),
            key("tokenizer.ggml.add_space_prefix", "bool", prefix)], len(pieces)


def texts(repository):
    for path in sorted(repository.glob("include/earlyout/*/*.hpp"))[:30] + sorted(repository.glob("tests/**/*.py")):
        yield path.read_bytes()
    yield " ".join(chr(int(c)) for c in rng.integers(0x20, 0xD7FF, 4000)).encode()
    yield "".join(chr(int(c)) for c in rng.integers(0x20, 0x250, 4000)).encode()
    yield b"  x\n\n\t\t y 1234567 12 I'LL don't \r\n<s>a</s> b<|endoftext|>c   "
    yield "\u4f60\u597d\uff0c\u4e16\u754c \u0928\u092e\u0938\u094d\u0924\u0947 \U0001f600\U0001f601 e\u0301 \u00a0\u2003x".encode()


def files(folder, size):
    """Texts of that many bytes together: whole files in UTF-8, in an order that depends on their names only."""
    paths = sorted(str(p) for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    for at in np.random.default_rng(len(paths)).permutation(len(paths)):
        if size <= 0:
            return
        raw = pathlib.Path(paths[at]).read_bytes()[:LARGEST]
        try:
            raw = raw.decode().encode()
        except UnicodeDecodeError as e:
            if e.start < len(raw) - 3:
                continue  # not text; else a character that the cut went through
            raw = raw[:e.start]
        yield raw
        size -= len(raw)


def characters(size):
    """Texts of that many bytes together: random words of one script each, then anything that is a character. Those that
    this Python's Unicode does not have are left out: whether they are letters depends on how new a tokenizer's is."""
    made = np.random.default_rng(11)
    known = [c for c in range(1, 0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    while size > 0:
        words = []
        for _ in range(2000):
            first = int(made.choice([0x20, 0x80, 0x300, 0x400, 0x5D0, 0x600, 0x900, 0xE00, 0x1100, 0x2000, 0x3040, 0x4E00,
                                     0xAC00, 0xFB00, 0x1F300, 0x20000]))
            at = bisect.bisect(known, first)
            words.append("".join(chr(known[i]) for i in made.integers(at, at + 0x100, made.integers(1, 9))))
        words += [chr(known[i]) for i in made.integers(0, len(known), 4000)]
        for part in (words[:2000], words[2000:]):
            raw = "".join(word + made.choice(["", " ", "  ", "\n", "\t", "'", "7"]) for word in part).encode()
            yield raw
            size -= len(raw)


def compare_tokens(o):
    repository = pathlib.Path(__file__).resolve().parents[2]
    given = list(texts(repository))
    folders = [folder for folder in o.folders if folder.is_dir()]
    for folder in folders:
        given += files(folder, 9 * o.bytes // 10 // len(folders))
    given += characters(o.bytes - o.bytes * 9 // 10)
    print(f"\ntokens of {sum(map(len, given))} bytes in {len(given)} texts")
    different = 0
    for name, keys, vocab in tokenizers(repository / "examples" / "model"):
        if o.only and o.only not in name:
            continue
        model = o.work / "tokenizer.gguf"
        make_model(model, "llama", "f16", vocab, keys)
        wrong, count = [], 0
        with Asked(o.theirs, o.backends, model) as them, Asked(o.ours, "stored", model) as us:
            for number, raw in enumerate(given):
                theirs, mine = them.tokens(raw), us.tokens(raw)
                count += len(theirs)
                if mine != theirs:
                    at = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), min(len(mine), len(theirs)))
                    wrong.append(f"text {number}, token {at}: {mine[at:at + 4]} here, {theirs[at:at + 4]} there")
        different += bool(wrong)
        print(f"{name:24}{count:9} tokens  " + (f"{len(wrong)} texts differ, first {wrong[0]}" if wrong else "equal"), flush=True)
    return different


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--ours", "--theirs", "--backends"):
        options.add_argument(name, required=True)
    options.add_argument("--work", type=pathlib.Path, required=True)
    options.add_argument("--only", help="lines whose name has this in it")
    options.add_argument("--bytes", type=int, default=4_000_000, help="of text from elsewhere for the tokenizers")
    options.add_argument("--folders", type=pathlib.Path, nargs="*", default=[pathlib.Path(f) for f in FOLDERS])
    o = options.parse_args()
    os.makedirs(o.work, exist_ok=True)
    compare_logits(o)
    return compare_tokens(o)


if __name__ == "__main__":
    sys.exit(main())
