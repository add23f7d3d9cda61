#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Completes code of the test packages greedily, at full depth and with the exits of exits.safetensors.

    6_complete.py choose SRC > prompts.tsv                       twenty places; nothing is run
    6_complete.py prompts SRC prompts.tsv EARLYOUT > prompts.md  their completions, 24 tokens each
    6_complete.py lines SRC EARLYOUT [count] > lines.json        1000 other places, each to the end of its line

SRC holds the packages as for step 1, EARLYOUT is the command. A place is drawn by a fixed seed: packages in turn, one
of the package's lines, one of the line's Python tokens but the first; so none is in a comment or inside a string. The
prompt is the text before that token, without blanks at its end, from twenty lines above on.

`lines` prints, for both ways of completing, the share of lines met exactly (blanks at the ends left aside) and the mean
ROUGE-L: F-measure of the longest common subsequence of words, a word being a name, a number or one other character
that is not blank. A completion ends before the first line break, or after 64 tokens.
"""

import json
import os
import random
import re
import subprocess
import sys
import tokenize

PACKAGES = ["python3-tornado", "python3-marshmallow", "python3-nibabel"]
CODE = {tokenize.NAME, tokenize.NUMBER, tokenize.OP, tokenize.STRING}
LINES_ABOVE = 20
WAYS = {"full depth": [], "exits": ["--exit-gate", "learn-to-exit"]}


# ---------------------------------------------------------------- places


def sources(src, package):
    """Paths below SRC of a package's files, as many as step 1 reads."""
    paths = []
    for folder, _, names in os.walk(os.path.join(src, package)):
        paths += [os.path.join(folder, n) for n in names if n.endswith(".py")]
    paths = [p for p in paths if not os.path.islink(p) and 200 < os.path.getsize(p) < 150000]
    return sorted(os.path.relpath(p, src) for p in paths)


def columns_of_lines(path):
    """{line, from 1: columns where a token of code begins that is not the line's first}; none if it is not Python 3."""
    begun, columns = set(), {}
    try:
        with open(path, "rb") as f:
            for token in tokenize.tokenize(f.readline):
                line, column = token.start
                if token.type in CODE:
                    if line in begun:
                        columns.setdefault(line, []).append(column)
                    begun.add(line)
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        return {}
    return columns


def draw_places(src, count, seed):
    """[(path below SRC, line, column)], no two in the same line."""
    columns = {}  # {package: {(path, line): columns}}
    for package in PACKAGES:
        found = {path: columns_of_lines(os.path.join(src, path)) for path in sources(src, package)}
        columns[package] = {(path, line): found[path][line] for path in found for line in sorted(found[path])}
    rng, places = random.Random(seed), {}
    while len(places) < count:
        lines = columns[PACKAGES[len(places) % len(PACKAGES)]]
        place = rng.choice(list(lines))
        places.setdefault(place, rng.choice(lines[place]))
    return [(*place, column) for place, column in places.items()]


def cut(src, path, line, column):
    """The prompt that ends there, and what follows it in the line."""
    with tokenize.open(os.path.join(src, path)) as f:
        lines = f.read().split("\n")
    above = "".join(text + "\n" for text in lines[max(0, line - 1 - LINES_ABOVE) : line - 1])
    before = lines[line - 1][:column].rstrip()
    return above + before, lines[line - 1][len(before) :]


# ---------------------------------------------------------------- completions


def complete(earlyout, prompt, *options):
    command = [earlyout, "complete", "--cut-prompt", "--json", *options]
    done = subprocess.run(command, input=prompt, capture_output=True, text=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


def show_prompts(src, list_of_places, earlyout):
    with open(list_of_places) as f:
        places = [row.rstrip("\n").split("\t") for row in f]
    for number, (path, line, column) in enumerate(places, 1):
        prompt, _ = cut(src, path, int(line), int(column))
        name = re.sub(r".*/(dist-packages|site-packages)/", "", path)
        print(f"**{number}.** `{name}`, line {line}\n\n```text")
        print("\n".join(prompt.split("\n")[-2:]))
        for way, options in WAYS.items():
            done = complete(earlyout, prompt, "--max-new-tokens", "24", *options)
            layers = "".join(map(str, done["exit_layers"]))
            print(f"{way:10} | {done['text']}".replace("\n", "↵"))
            if options:
                print(f"{'layers':10} | {layers}")
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


def measure_lines(src, earlyout, count):
    exact, rouge = dict.fromkeys(WAYS, 0), dict.fromkeys(WAYS, 0.0)
    same, predictions, layers = 0, 0, 0
    for place in draw_places(src, count, seed=2):
        prompt, rest = cut(src, *place)
        texts = []
        for way, options in WAYS.items():
            done = complete(earlyout, prompt, "--max-new-tokens", "64", "--stop", "\n", *options)
            exact[way] += done["text"].strip() == rest.strip()
            rouge[way] += rouge_l(words(done["text"]), words(rest))
            texts.append(done["text"])
            if options:
                predictions += len(done["exit_layers"])
                layers += sum(done["exit_layers"]) / done["stats"]["layers"]
        same += texts[0] == texts[1]
    found = {way: {"exact_match": exact[way] / count, "rouge_l": round(rouge[way] / count, 4)} for way in WAYS}
    found["exits"].update(as_full_depth=same / count, layers_skipped=round(1 - layers / predictions, 4))
    print(json.dumps({"lines": count, **found}, indent=1))


def main():
    what, src, *rest = sys.argv[1:]
    if what == "choose":
        for place in draw_places(src, 20, seed=1):
            print(*place, sep="\t")
    elif what == "prompts":
        show_prompts(src, *rest)
    elif what == "lines":
        measure_lines(src, rest[0], int(rest[1]) if len(rest) > 1 else 1000)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
