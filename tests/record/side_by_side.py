#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures decoding and prefill of two builds of the command, interleaved, for every weight format.

    side_by_side.py OLD_BUILD NEW_BUILD [--model PATH]... [--rounds 9] [--threads 1,2] [--formats f32,bf16,...]

Prints new / old for each format and thread count: the median over rounds of the ratio within a round, with a 95 %
bootstrap interval. A round runs both commands one after the other, the first alternating. Let nothing else run.
"""

import argparse
import json
import pathlib
import platform
import random
import statistics
import subprocess

MEASURES = (("decode", "decode_tokens_per_s"), ("prefill", "prefill_tokens_per_s"))


def bench(build, arguments):
    command = [str(pathlib.Path(build) / "examples/earlyout"), "bench", "--json", *arguments]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {name: said[key] for name, key in MEASURES}


def interval(ratios, source):
    medians = sorted(statistics.median(source.choices(ratios, k=len(ratios))) for _ in range(2000))
    return medians[50], medians[1949]


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--formats", default="f32,bf16,f16,int8,int4")
    options = parser.parse_args()
    source = random.Random(1)
    print(f"{processor()}; new / old, median of {options.rounds} interleaved rounds [95 % interval]")
    for model in options.model or [None]:
        print(model or "the bundled model")
        for threads in options.threads.split(","):
            for dtype in options.formats.split(","):
                arguments = ["--dtype", dtype, "--threads", threads, "--rounds", "3"]
                if model:
                    arguments += ["--model", model]
                rounds = []
                for number in range(options.rounds):
                    builds = [options.old, options.new]
                    found = {build: bench(build, arguments) for build in (builds if number % 2 == 0 else builds[::-1])}
                    rounds.append({name: found[options.new][name] / found[options.old][name] for name, _ in MEASURES})
                cells = []
                for name, _ in MEASURES:
                    ratios = [r[name] for r in rounds]
                    low, high = interval(ratios, source)
                    cells.append(f"{name} {statistics.median(ratios):.3f} [{low:.3f}, {high:.3f}]")
                print(f"  {dtype:5} {threads} thread{'s' if threads != '1' else ' '}  " + "  ".join(cells), flush=True)


if __name__ == "__main__":
    main()
