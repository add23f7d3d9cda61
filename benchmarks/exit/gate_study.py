#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What separates right from wrong early exits? Fits gates of growing knowledge to what every exit predicted on one part
of the texts (earlyout_observe_exits), chooses their thresholds on a second, and says on a third what they skip, lose
and reach of what an oracle would skip, with 95 % intervals over texts. Needs numpy and scikit-learn.

    gate_study.py LAYERS FIT CHOOSE TEST [TOKENIZER.json]
"""
import json
import sys

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LOSS = 0.011
THRESHOLDS = np.r_[np.arange(.02, .9, .02), np.arange(.9, .999, .003), .999, 1.01]


class Part:
    """Observations of every exit; the last is full depth."""

    def __init__(self, path, layers):
        exit_type = [("argmax", "<i4"), ("p1", "<f4"), ("margin", "<f4"), ("entropy", "<f4")]
        rows = np.fromfile(path, [("where", "<i4", 4), ("exits", exit_type, layers)])
        self.layers = layers
        self.text, self.position, self.token, self.truth = rows["where"].T
        self.argmax = rows["exits"]["argmax"]
        self.p1, self.margin, self.entropy = (rows["exits"][name] for name in ("p1", "margin", "entropy"))
        self.agrees = self.argmax == self.argmax[:, -1:]
        self.right = self.argmax == self.truth[:, None]
        self.follows = np.r_[False, self.text[1:] == self.text[:-1]]

    def oracle(self):
        """The first layer whose prediction is full depth's."""
        return np.argmax(self.agrees, 1)


def features(part, exit, known, classes):
    """The columns that a gate reads at an exit."""
    p1 = np.clip(part.p1[:, exit], 1e-4, 1 - 1e-4)
    p2 = np.clip(part.p1[:, exit] - part.margin[:, exit], 1e-5, 1)
    columns = [np.log(p1 / (1 - p1)), np.log(p1 / p2), part.margin[:, exit], part.margin[:, exit] ** 2]
    if "entropy" in known:
        columns.append(part.entropy[:, exit])
    if "exits" in known:
        for before in range(max(0, exit - 2), exit):
            columns += [part.p1[:, before], part.margin[:, before],
                        part.argmax[:, before] == part.argmax[:, exit]]
    if "token" in known:  # the token before: the margin there, and whether this exit predicted it
        columns += [np.where(part.follows, np.r_[0, part.margin[:-1, exit]], .5),
                    np.where(part.follows, np.r_[0, part.argmax[:-1, exit] == part.truth[:-1]], .5)]
    if "class" in known:
        columns += [classes[part.token], classes[part.argmax[:, exit]], np.minimum(part.position, 128)]
    return np.stack(columns, 1).astype(np.float32)


def classes_of(path, vocab):
    """A coarse class of each token: line end, space, word with and without a space before it, number, bracket, ..."""
    classes = np.zeros(vocab, int)
    if path is None:
        return classes
    for text, i in json.load(open(path))["model"]["vocab"].items():
        text = text.replace("Ġ", " ").replace("Ċ", "\n")
        bare = text.strip(" ")
        classes[i] = (1 if "\n" in text else 2 if not bare else (3 if text[0] == " " else 4) if bare.isidentifier()
                      else 5 if bare.isdigit() else 6 if bare[0] in "([{" else 7 if bare[0] in ")]}"
                      else 8 if bare[0] in "'\"" else 9 if bare[0] in ".,:" else 10)
    return classes


def exit_of(scores, exits, threshold):
    """The exit that each token leaves at: the first of these whose score reaches the threshold."""
    left = np.full(len(scores), scores.shape[1])
    for e in sorted(exits, reverse=True):
        left = np.where(scores[:, e] >= (threshold[e] if np.ndim(threshold) else threshold), e, left)
    return left


def outcome(part, left, rows=None):
    """Layers skipped, share of right predictions lost, share of tokens that differ from full depth."""
    rows = np.arange(len(left)) if rows is None else rows
    exits = left[rows]
    full = part.right[rows, -1].sum()
    return (1 - (exits + 1).mean() / part.layers, (full - part.right[rows, exits].sum()) / full,
            1 - part.agrees[rows, exits].mean())


def report(name, choose, test, at):
    """at(part_index, threshold) returns the exits; the boldest threshold that loses at most LOSS on `choose`."""
    best = max((t for t in range(len(THRESHOLDS)) if outcome(choose, at(0, t))[1] <= LOSS),
               key=lambda t: outcome(choose, at(0, t))[0], default=len(THRESHOLDS) - 1)
    left = at(1, best)
    oracle = test.oracle()
    texts = np.unique(test.text)
    rows_of = [np.flatnonzero(test.text == t) for t in texts]
    random = np.random.default_rng(1)
    draws = []
    for _ in range(400):
        rows = np.concatenate([rows_of[i] for i in random.integers(0, len(texts), len(texts))])
        skipped, lost, _ = outcome(test, left, rows)
        draws.append((skipped / outcome(test, oracle, rows)[0], lost))
    share, lost = np.percentile(draws, [2.5, 97.5], axis=0).T
    found = outcome(test, left)
    print(f"{name:44} {100 * found[0]:7.1f} {100 * found[1]:6.1f} ({100 * lost[0]:4.1f} to {100 * lost[1]:4.1f}) "
          f"{100 * found[2]:8.1f} {found[0] / outcome(test, oracle)[0]:8.3f} ({share[0]:.3f} to {share[1]:.3f})",
          flush=True)


def jointly(fit, scores, price):
    """Thresholds of each exit by dynamic programming from the last: exit where that costs less, in disagreements and
    `price` for the whole depth, than going on does on average."""
    thresholds = np.full(fit.layers - 1, 1.01)
    beyond = np.full(len(scores), price)
    for e in range(fit.layers - 2, -1, -1):
        here = ~fit.agrees[:, e] + price * (e + 1) / fit.layers
        costs = [np.where(scores[:, e] >= t, here, beyond).mean() for t in THRESHOLDS]
        thresholds[e] = THRESHOLDS[int(np.argmin(costs))]
        beyond = np.where(scores[:, e] >= thresholds[e], here, beyond)
    return thresholds


def main():
    layers = int(sys.argv[1])
    fit, choose, test = (Part(path, layers) for path in sys.argv[2:5])
    vocab = 1 + max(int(max(p.token.max(), p.argmax.max(), p.truth.max())) for p in (fit, choose, test))
    classes = classes_of(sys.argv[5] if len(sys.argv) > 5 else None, max(vocab, 4096))
    below = range(layers - 1)
    quarters = sorted({max(1, layers * q // 4) - 1 for q in (1, 2, 3)})
    print(f"{len(fit.text)} tokens to fit to, {len(choose.text)} to choose on, {len(test.text)} to test on; "
          f"chosen for a loss of {100 * LOSS:.1f} %")
    print(f"{'gate':44} skipped   loss                 differs   of the oracle")
    report("oracle", choose, test, lambda p, t: (choose, test)[p].oracle())

    def fixed(name, scores, exits):
        report(name, choose, test, lambda p, t: exit_of(scores[p], exits, THRESHOLDS[t]))

    margins = [p.margin[:, :-1] for p in (choose, test)]
    fixed("margin, first quarter", margins, quarters[:1])
    fixed("margin, quarters", margins, quarters)
    fixed("margin, all exits", margins, below)
    prices = np.geomspace(.02, 1, len(THRESHOLDS))
    tables = [jointly(fit, fit.margin[:, :-1], price) for price in prices]
    report("margin, thresholds of all exits jointly", choose, test,
           lambda p, t: exit_of(margins[p], below, tables[t]))

    def fitted(name, make, known, exits=below):
        scores = [np.zeros_like(m) for m in margins]
        for e in below:
            model = make().fit(features(fit, e, known, classes), fit.agrees[:, e])
            for part, into in zip((choose, test), scores):
                x = features(part, e, known, classes)
                into[:, e] = model.predict_proba(x)[:, 1] if hasattr(model, "predict_proba") else model.predict(x)
        fixed(name + ", all exits", scores, exits)
        fixed(name + ", quarters", scores, quarters)

    class Isotonic:
        def fit(self, x, y):
            self.map = IsotonicRegression(out_of_bounds="clip").fit(x[:, 2], y)
            return self

        def predict(self, x):
            return self.map.predict(x[:, 2])

    def logistic():
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))

    def trees():
        return HistGradientBoostingClassifier(max_iter=150, max_leaf_nodes=15, learning_rate=.08, early_stopping=False)

    def stumps():
        return HistGradientBoostingClassifier(max_iter=150, max_leaf_nodes=2, learning_rate=.1, early_stopping=False)

    fitted("margin, isotonic", Isotonic, ())
    fitted("p1 and p2, logistic (agreement)", logistic, ())
    fitted("p1 and p2, stumps", stumps, ())
    fitted("p1 and p2, trees", trees, ())
    fitted("+ two exits before, trees", trees, ("exits",))
    fitted("+ the token before, trees", trees, ("exits", "token"))
    fitted("+ token classes, trees", trees, ("exits", "token", "class"))
    fitted("+ entropy, trees", trees, ("exits", "token", "class", "entropy"))


if __name__ == "__main__":
    main()
