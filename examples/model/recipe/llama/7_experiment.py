#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What training with exits costs and gives: a smaller model trained several ways on the same rows in the same order.

    OUT=FOLDER WORK=work 7_experiment.py [VARIANT ...]       trains and measures; resumes by the same command
    OUT=FOLDER 7_experiment.py table                         what was measured so far, as Markdown

WORK holds what step 1 wrote. Each variant is step 3 with other settings: 8 layers, width 128, TOKENS (20e6) tokens,
the last fifth at a falling rate; then steps 4 and 5. Nothing else differs, the seed of the weights included.
"""

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OUT, WORK = pathlib.Path(os.environ.get("OUT", "experiment")), pathlib.Path(os.environ.get("WORK", "work"))
TOKENS = float(os.environ.get("TOKENS", "20e6"))
COMMON = {
    "SHAPE": "8,128,4,320,6144",
    "CONTEXT": "512",
    "EXITS": "2",  # a quarter of the layers, as in the model itself
    "TOKENS": str(TOKENS),
    "DECAY": str(TOKENS / 5),
    "KEEP_ROWS": "1",
    "EVAL_TOKENS": "5e6",
}
VARIANTS = {
    "plain": {"EXITS": "", "EXIT_WEIGHTS": "", "DROP": "0"},  # the last layer's loss alone
    "chosen": {},
    "no-drop": {"DROP": "0"},
    "drop-alone": {"EXITS": "", "EXIT_WEIGHTS": ""},
    "no-distillation": {"DISTILLED": "0"},
    "thrice": {"EXIT_WEIGHTS": "0.6,0.3"},
    "third": {"EXIT_WEIGHTS": "0.067,0.033"},
}


def run(script, *arguments, output=None, **environment):
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=output)
    if done.returncode:
        sys.exit(f"{script} failed")


def measure(name):
    target = OUT / f"{name}.json"
    if target.exists():
        return
    settings = {**COMMON, **VARIANTS[name], "OUT": str(OUT), "TAG": name}
    run("3_train.py", **settings)
    log = (OUT / f"{name}.log").read_text().splitlines()
    counts = json.loads(log[-1].split("stopped ")[1])
    if counts["tokens"] < TOKENS:
        sys.exit("stopped before its end")  # by a signal
    run("4_export.py", OUT / f"{name}.npz", OUT, OUT / name, "f32")
    made = target.with_suffix(".tmp")
    with open(made, "w") as f:
        run("5_measure.py", "exits", OUT, OUT / name, 200_000, output=f)
    found = {"core_seconds": round(counts["core_seconds"]), **json.loads(made.read_text())}
    made.write_text(json.dumps(found, indent=1))
    made.replace(target)


def table():
    paths = {name: OUT / f"{name}.json" for name in VARIANTS}
    found = {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}
    layers = int(COMMON["SHAPE"].split(",")[0])
    print("| | core-seconds | |", *(f"{l + 1} |" for l in range(layers)), "full depth's loss | bits per character |")
    print("|---|---|---|" + "---|" * (layers + 2))
    for name, result in found.items():
        for stream in ("val", "test"):
            accuracy = result[stream]["accuracy_per_exit"]
            row = [f"{name} | {result['core_seconds']}" if stream == "val" else " | ", stream]
            row += [f"{a:.3f}".lstrip("0") for a in accuracy]
            if "plain" in found:
                row.append(f"{100 * (1 - accuracy[-1] / found['plain'][stream]['accuracy_per_exit'][-1]):.1f} %")
            print("|", " | ".join([*row, f"{result[stream]['bits_per_character']:.3f}"]), "|")


def main():
    if sys.argv[1:] == ["table"]:
        return table()
    OUT.mkdir(exist_ok=True)
    for name in ("train.jsonl", "val.jsonl", "val.u16", "test.u16", "tokenizer.json"):
        if not (OUT / name).exists():
            (OUT / name).symlink_to((WORK / name).resolve())
    for name in sys.argv[1:] or VARIANTS:
        measure(name)


if __name__ == "__main__":
    main()
