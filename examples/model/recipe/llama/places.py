# SPDX-License-Identifier: MIT
"""Places in the test packages, drawn by fixed seeds: where lines are completed and where middles are asked for."""

import os
import random
import re
import tokenize

PACKAGES = ["python3-tornado", "python3-marshmallow", "python3-nibabel"]
CODE = {tokenize.NAME, tokenize.NUMBER, tokenize.OP, tokenize.STRING}
LINES_ABOVE = 20


# ---------------------------------------------------------------- before a Python token


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


# ---------------------------------------------------------------- anywhere in a line, words included


def draw_middles(documents, count, seed):
    """[(package, path, line from 1, column)]: any character of a line behind its indentation, packages in turn.

    Lines have three characters or more that are not blank at their ends, comments and docstrings among them, as an
    editor asks there too.
    """
    lines = {}  # {package: [(path, line, first column, last)]}
    for package, path, text in sorted(documents):
        for number, line in enumerate(text.split("\n"), 1):
            first, last = len(line) - len(line.lstrip()), len(line.rstrip())
            if 3 <= last - first <= 200:
                lines.setdefault(package, []).append((path, number, first, last))
    rng, places = random.Random(seed), {}
    while len(places) < count:
        package = PACKAGES[len(places) % len(PACKAGES)]
        path, number, first, last = rng.choice(lines[package])
        places.setdefault((package, path, number), rng.randrange(first, last))
    return [(*place, column) for place, column in places.items()]


def read_middles(path):
    with open(path) as f:
        rows = [row.rstrip("\n").split("\t") for row in f]
    return [(package, path, int(line), int(column)) for package, path, line, column in rows]


def inside_word(text, at):
    """Whether a name or number goes on there."""
    return 0 < at < len(text) and bool(re.fullmatch(r"\w\w", text[at - 1 : at + 1]))


def around(text, line, column, count, room):
    """Prefix, middle (the rest of the line without blanks at its end) and suffix of a place.

    Whole lines above and below, the nearest, as many as have together at most `room` by `count`; three fifths of it
    above.
    """
    lines = text.split("\n")
    here = lines[line - 1]
    before, middle = here[:column], here[column:].rstrip()
    behind = here[column + len(middle) :] + "\n"

    def taken(candidates, most):
        result, used = [], 0
        for candidate in candidates:
            used += count(candidate)
            if used > most:
                break
            result.append(candidate)
        return result

    room -= count(before) + count(middle) + count(behind)
    above = taken([text + "\n" for text in reversed(lines[: line - 1])], room * 3 // 5)
    room -= sum(map(count, above))
    below = taken([text + "\n" for text in lines[line:]], room)
    return "".join(reversed(above)) + before, middle, behind + "".join(below)
