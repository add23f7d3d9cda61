#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Completes code of the test packages greedily with the library, at full depth and with the exits of exits.safetensors.

    6_complete.py choose SRC > prompts.tsv                                twenty places; nothing is run
    6_complete.py prompts MODEL EARLYOUT SRC prompts.tsv > prompts.md     their completions, 24 tokens each
    6_complete.py lines MODEL EARLYOUT SRC [count] > lines.json           1000 other places, each to the end of its line
    6_complete.py middles MODEL EARLYOUT WORK middles.tsv > middles.json  the places of step 5, with what is below them

SRC holds the packages as for step 1, WORK what step 1 wrote, EARLYOUT is the command. Places of `choose` and `lines`
are drawn by fixed seeds: packages in turn, one of the package's lines, one of the line's Python tokens but the first;
so none is in a comment or inside a string. The prompt is the text before that token, without blanks at its end, from
twenty lines above on. Those of `middles` are anywhere in a line, words included; the context is filled, three fifths
of it from above.

Prints, for each way of completing, the share of lines met exactly (blanks at the ends left aside) and the mean
ROUGE-L: F-measure of the longest common subsequence of words, a word being a name, a number or one other character
that is not blank. A completion ends before the first line break, or after 64 tokens.
"""

import json
import os
import re
import subprocess
import sys

from places import around, cut, draw_places, inside_word, read_middles
from text import Encoder, read_documents

WAYS = {"full depth": [], "exits": ["--exit-gate", "learn-to-exit"]}


def ways(model):
    fitted = os.path.exists(model + "/exits.safetensors")
    return {way: options for way, options in WAYS.items() if fitted or not options}


def complete(earlyout, model, prompt, *options):
    command = [earlyout, "complete", "--model", model, "--json", *options]
    done = subprocess.run(command, input=prompt, capture_output=True, text=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


def show_prompts(model, earlyout, src, list_of_places):
    with open(list_of_places) as f:
        places = [row.rstrip("\n").split("\t") for row in f]
    for number, (path, line, column) in enumerate(places, 1):
        prompt, _ = cut(src, path, int(line), int(column))
        name = re.sub(r".*/(dist-packages|site-packages)/", "", path)
        print(f"**{number}.** `{name}`, line {line}\n\n```text")
        print("\n".join(prompt.split("\n")[-2:]))
        for way, options in ways(model).items():
            done = complete(earlyout, model, prompt, "--cut-prompt", "--max-new-tokens", "24", *options)
            print(f"{way:10} | {done['text']}".replace("\n", "↵"))
            if options:
                print(f"{'layers':10} | {' '.join(map(str, done['exit_layers']))}")
        print("```\n")


def words(text):
    return re.findall(r"\w+|[^\w\s]", text)


def rouge_l(produced, reference):
    """As calibrate::rouge_l: the harmonic mean of the common subsequence's share in both."""
    if not produced and not reference:
        return 1.0
    row = [0] * (len(reference) + 1)
    for word in produced:
        diagonal = 0
        for j, other in enumerate(reference, 1):
            diagonal, row[j] = row[j], diagonal + 1 if word == other else max(row[j], row[j - 1])
    return 2 * row[-1] / (len(produced) + len(reference))


class Tally:
    """Completions of one way."""

    def __init__(self):
        self.count = self.exact = self.rouge = self.layers = self.predictions = 0

    def add(self, done, rest):
        self.count += 1
        self.exact += done["text"].strip() == rest.strip()
        self.rouge += rouge_l(words(done["text"]), words(rest))
        self.predictions += len(done["exit_layers"])
        self.layers += sum(done["exit_layers"]) / done["stats"]["layers"]

    def result(self):
        found = {"exact_match": round(self.exact / self.count, 4), "rouge_l": round(self.rouge / self.count, 4)}
        return {**found, "layers_skipped": round(1 - self.layers / self.predictions, 4)}


def measure_lines(model, earlyout, src, count):
    tallies, same = {way: Tally() for way in ways(model)}, 0
    for place in draw_places(src, count, seed=2):
        prompt, rest = cut(src, *place)
        texts = []
        for way, options in ways(model).items():
            done = complete(earlyout, model, prompt, "--cut-prompt", "--max-new-tokens", "64", "--stop", "\n", *options)
            tallies[way].add(done, rest)
            texts.append(done["text"])
        same += len(set(texts)) == 1
    found = {way: tally.result() for way, tally in tallies.items()}
    print(json.dumps({"lines": count, **found, "as_full_depth": same / count}, indent=1))


def measure_middles(model, earlyout, work, list_of_places):
    texts = {(package, path): text for package, path, text in read_documents(work + "/test.jsonl")}
    with open(model + "/config.json") as f:
        context = json.load(f)["max_position_embeddings"]
    encoder, tallies = Encoder.of(work), {}
    places = read_middles(list_of_places)
    for package, path, line, column in places:
        text = texts[package, path]
        room = context - 64 - 24  # for the completion, special tokens, and what words cut in two may have more
        prefix, middle, suffix = around(text, line, column, lambda part: len(encoder.encode(part)), room)
        kind = "inside a word" if inside_word(text.split("\n")[line - 1], column) else "elsewhere"
        for way, options in ways(model).items():
            done = complete(
                earlyout, model, prefix, "--suffix", suffix, "--max-new-tokens", "64", "--stop", "\n", *options
            )
            for name in ("all", kind):
                tallies.setdefault(way, {}).setdefault(name, Tally()).add(done, middle)
    found = {way: {name: tally.result() for name, tally in kinds.items()} for way, kinds in tallies.items()}
    print(json.dumps({"middles": len(places), **found}, indent=1))


def main():
    what, *rest = sys.argv[1:]
    if what == "choose":
        for place in draw_places(rest[0], 20, seed=1):
            print(*place, sep="\t")
    elif what == "prompts":
        show_prompts(*rest)
    elif what == "lines":
        measure_lines(*rest[:3], int(rest[3]) if len(rest) > 3 else 1000)
    elif what == "middles":
        measure_middles(*rest)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
