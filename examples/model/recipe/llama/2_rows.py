#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Documents to rows of tokens to train on.

    OUT=FOLDER CONTEXT=512 2_rows.py SHARD [STREAM]

Reads OUT/STREAM.jsonl (train) and tokenizer.json of step 1 and writes OUT/STREAM.CONTEXT.SHARD.u16: rows of CONTEXT + 1
token ids. A pass over the text is SHARDS (16) shards: shards 0 to 15 hold every document once, 16 to 31 once more, in
another order and cut elsewhere. The shard's number and SEED decide everything. Step 3 calls this as it needs rows.

Documents. Each ends with <|endoftext|>. Some (GROUPED) stand behind others of their package: <|repo_name|>, the
package's name, a line break, and <|file_sep|>, path, line break before each file. Others have their path alone before
them (NAMED).

Middles. FIM (a half) of the documents are cut into pieces that fit what is left of a row, or (SHORT) a part of that. Of
each piece a middle is taken out at characters, not tokens, so that words are cut too; half of the pieces have the part
before it first, half the part behind it:

    <|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>M<|endoftext|>
    <|fim_suffix|>S<|fim_prefix|>P<|fim_middle|>M<|endoftext|>

Half of the middles begin anywhere in a line and end with it, as an editor asks for them; 15 % end within the line, 17 %
with one of the lines below, and the rest is between two places of the piece.

The other documents fill the rows one after the other. About every 600 characters their text is encoded as if it ended
there, so that words begun are continued without a middle, too.
"""

import json
import os
import random
import sys

import numpy as np

from text import END_OF_TEXT, FILE_SEP, FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX, PRETOKEN, REPO_NAME, Encoder, read_documents

OUT = os.environ.get("OUT", "work")
CONTEXT = int(os.environ.get("CONTEXT", "512"))
SEED = int(os.environ.get("SEED", "0"))
FIM = float(os.environ.get("FIM", "0.5"))
SHORT = float(os.environ.get("SHORT", "0.6"))
SHARDS = int(os.environ.get("SHARDS", "16"))
GROUPED, NAMED = 0.2, 0.4
LEAST = 96  # tokens of a row for which a piece is made; fewer are filled with text that goes on
SLACK = 12  # tokens that three encodings may have more than one


class Rows:
    """Writes rows of CONTEXT + 1 ids."""

    def __init__(self, path):
        self.path, self.made = path, f"{path}.{os.getpid()}"
        self.file, self.row, self.count, self.pending = open(self.made, "wb"), [], 0, []

    def room(self):
        return CONTEXT + 1 - len(self.row)

    def add(self, ids):
        """As many as fit."""
        self.row += ids[: self.room()]
        if not self.room():
            self.pending.append(np.array(self.row, np.uint16))
            self.row, self.count = [], self.count + 1
            if len(self.pending) == 1000:
                self.flush()

    def add_all(self, ids):
        """In as many rows as it takes."""
        while ids:
            n = self.room()
            self.add(ids[:n])
            ids = ids[n:]

    def flush(self):
        for row in self.pending:
            row.tofile(self.file)
        self.pending = []

    def close(self):
        """What does not fill a row is left out."""
        self.flush()
        self.file.close()
        os.replace(self.made, self.path)


def middle_of(text, rng):
    """[begin, end) of a middle, or None where the text has no line to take it from."""
    kind = rng.random()
    if kind > 0.82:
        return sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
    for _ in range(8):
        at = rng.randrange(len(text))
        begin, end = text.rfind("\n", 0, at) + 1, text.find("\n", at)
        if end < 0:
            end = len(text)
        line = text[begin:end]
        indent = len(line) - len(line.lstrip())
        if len(line) - indent >= 3:
            break
    else:
        return None
    # An eighth of them are whole lines, the others begin anywhere before the last character.
    start = begin + (indent if rng.random() < 0.125 else rng.randrange(indent, len(line)))
    if kind < 0.5:
        return start, end
    if kind < 0.65:
        return start, rng.randrange(start + 1, end + 1)
    for _ in range(rng.randint(1, 8)):
        following = text.find("\n", end + 1)
        if following < 0:
            break
        end = following
    return start, end


class Builder:
    def __init__(self, encoder, rows, rng):
        self.encoder, self.rows, self.rng = encoder, rows, rng
        self.end, self.prefix, self.middle, self.suffix, self.repository, self.file = (
            encoder.special[name] for name in (END_OF_TEXT, FIM_PREFIX, FIM_MIDDLE, FIM_SUFFIX, REPO_NAME, FILE_SEP)
        )
        self.pieces = 0

    def name(self, path):
        return [self.file] + self.encoder.encode(path + "\n")

    def plain(self, text):
        at, ids = 0, []
        while at < len(text):
            until = at + 1 + int(self.rng.expovariate(1 / 600))
            ids += self.encoder.encode(text[at:until])
            at = until
        self.rows.add_all(ids)

    def words(self, text):
        """Where each word ends, in characters and in tokens."""
        characters, tokens, c, t = [], [], 0, 0
        for word in PRETOKEN.findall(text):
            c += len(word)
            t += len(self.encoder.word(word))
            characters.append(c)
            tokens.append(t)
        return np.array(characters), np.array(tokens)

    def cut(self, text, path):
        """The whole text as pieces with middles."""
        characters, tokens = self.words(text)
        word, at = 0, 0  # words and characters done
        while at < len(text):
            done = tokens[word - 1] if word else 0
            room = self.rows.room()
            if room < LEAST:
                last = int(np.searchsorted(tokens, done + room)) + 1
                self.rows.add(self.encoder.encode(text[at : characters[min(last, len(characters)) - 1]]))
                if last >= len(characters) and self.rows.room() < CONTEXT + 1:
                    self.rows.add([self.end])
            else:
                before = self.name(path) if self.rng.random() < 0.3 else []
                if len(before) > room // 3:
                    before = []
                wanted = room - 4 - SLACK - len(before)
                if self.rng.random() < SHORT:
                    wanted = self.rng.randint(min(64, wanted), wanted)
                last = max(int(np.searchsorted(tokens, done + wanted, "right")), word + 1)
                self.piece(text[at : characters[min(last, len(characters)) - 1]], before)
            word = min(last, len(characters))
            at = int(characters[word - 1])

    def piece(self, text, before):
        place = middle_of(text, self.rng)
        if place is None:
            self.rows.add(before + self.encoder.encode(text) + [self.end])
            return
        p, m, s = text[: place[0]], text[place[0] : place[1]], text[place[1] :]
        p, m, s = map(self.encoder.encode, (p, m, s))
        over = len(before) + len(p) + len(m) + len(s) + 4 - self.rows.room()
        if over > 0:  # the far ends give way
            drop = min(over, len(s))
            s = s[: len(s) - drop]
            p = p[over - drop :]
        if self.rng.random() < 0.5:
            ids = [self.prefix, *p, self.suffix, *s]
        else:
            ids = [self.suffix, *s, self.prefix, *p]
        self.rows.add(before + ids + [self.middle, *m, self.end])
        self.pieces += 1

    def unit(self, documents):
        """One document, or some of one package."""
        if len(documents) > 1:
            package = documents[0][0].removeprefix("python3-")
            self.rows.add_all([self.repository] + self.encoder.encode(package + "\n"))
        for _, path, text in documents:
            if self.rng.random() < FIM:
                self.cut(text, path)
                continue
            if len(documents) > 1 or self.rng.random() < NAMED:
                self.rows.add_all(self.name(path))
            self.plain(text)
            self.rows.add_all([self.end])


def units(documents, rng):
    """The documents in random order, some of a package together."""
    packages, result = {}, []
    for document in documents:
        packages.setdefault(document[0], []).append(document)
    for package in sorted(packages):
        files = packages[package]
        rng.shuffle(files)
        at = 0
        while at < len(files):
            n = rng.randint(2, 4) if rng.random() < GROUPED / 2 else 1
            result.append(files[at : at + n])
            at += n
    rng.shuffle(result)
    return result


def write(stream, shard):
    rows = Rows(f"{OUT}/{stream}.{CONTEXT}.{shard}.u16")
    builder = Builder(Encoder.of(OUT), rows, random.Random(f"{SEED} shard {shard}"))
    all_of_pass = units(read_documents(f"{OUT}/{stream}.jsonl"), random.Random(f"{SEED} pass {shard // SHARDS}"))
    for unit in all_of_pass[shard % SHARDS :: SHARDS]:
        builder.unit(unit)
    rows.close()
    return {"rows": rows.count, "tokens": rows.count * CONTEXT, "middles": builder.pieces}


if __name__ == "__main__":
    print(json.dumps(write(sys.argv[2] if len(sys.argv) > 2 else "train", int(sys.argv[1]))))
