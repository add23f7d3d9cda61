#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decoding and prefill beside llama.cpp, on the same shapes, interleaved, with the machine's bandwidth probed in
every round. Prints one table; --json FILE keeps every sample.

    compare.py --ours PROGRAM --theirs PROGRAM --backends FOLDER --models FOLDER
"""
import argparse
import json
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True  # leave no folder in the sources

import make_models

# our format: theirs
PEERS = {"f32": ["f32"], "bf16": ["bf16", "f16"], "int8": ["q8_0"], "int4": ["q4_0"]}
# Of these shapes both read the same GGUF file.
PEERS.update({mix: [mix] for mix in make_models.MIXES})
ALL_SHAPES = {**make_models.SHAPES, **make_models.SHARED}
FAST = 40e9  # bytes per second: rounds in which two threads have the machine to themselves


class Engine:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        first = self.process.stdout.readline().split()
        if not first or first[0] != "ready":
            sys.exit(f"compare.py: {command[0]} did not start")
        self.bytes = int(first[1]) if len(first) > 1 else 0

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("compare.py: an engine ended")
        return float(answer)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Competitors:
    """Processes that only keep cores busy, until stopped or orphaned."""

    LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"

    def __init__(self, count):
        self.processes = [subprocess.Popen([sys.executable, "-c", self.LOOP]) for _ in range(count)]

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()


def median(values):
    return statistics.median(values) if values else float("nan")


def measure(o, shape, form, threads):
    s = ALL_SHAPES[shape]
    shared = shape in make_models.SHARED
    ours = Engine(o.ours, f"{o.models}/{shape}" + (f"-{form}.gguf" if shared else ""), "stored" if shared else form,
                  str(threads), "f16")  # keys and values as theirs
    theirs = {
        name: Engine(o.theirs, o.backends, f"{o.models}/{shape}-{name}.gguf", str(threads), str(s["vocab"]), "1024")
        for name in PEERS[form]
    }
    work = {"decode": f"decode {o.new_tokens} 0", "decode@512": f"decode {o.new_tokens} 512",
            "decode busy": f"decode {o.busy_tokens} 0"}
    work.update({f"prefill@{n}": f"prefill {n}" for n in o.prompt_tokens})
    if threads == 1:
        del work["decode busy"]
    rounds = []
    for number in range(o.rounds + 1):
        one = {}
        for what, line in work.items():
            if what == "decode busy" and number > o.busy_rounds:
                continue
            before = ours.ask("bandwidth")
            engines = [("ours", ours), *theirs.items()]
            busy = Competitors(2 if what == "decode busy" else 0)
            times = {name: engine.ask(line) for name, engine in (engines if number % 2 else reversed(engines))}
            busy.stop()
            times["bandwidth"] = (before + ours.ask("bandwidth")) / 2
            one[what] = times
        one["peak"] = ours.ask("peak")
        if number:  # the first round wakes caches and threads
            rounds.append(one)
    bytes_ = ours.bytes
    for engine in (ours, *theirs.values()):
        engine.stop()
    return dict(shape=shape, format=form, threads=threads, bytes=bytes_, rounds=rounds)


def rows(o, found):
    s = ALL_SHAPES[found["shape"]]
    if found["shape"] in make_models.SHARED:
        kv = s["d"] // s["heads"] * s["kv_heads"]
        matrices = s["layers"] * (2 * s["d"] * (s["d"] + kv) + 3 * s["d"] * s["ff"] * s.get("active", 1))
    else:
        matrices = s["layers"] * (4 * s["d"] ** 2 + 2 * s["d"] * s["ff"])
    for what in [key for key in found["rounds"][0] if key != "peak"]:
        prefill = what.startswith("prefill")
        count = int(what.split("@")[1]) if prefill else o.busy_tokens if what == "decode busy" else o.new_tokens
        rounds = [r[what] for r in found["rounds"] if what in r]
        best = min(PEERS[found["format"]], key=lambda name: median([r[name] for r in rounds]))
        counted = [r for r in rounds if r["bandwidth"] >= FAST]
        row = dict(shape=found["shape"], format=found["format"], threads=found["threads"], work=what,
                   ours=count / median([r["ours"] for r in rounds]), theirs=count / median([r[best] for r in rounds]),
                   peer=best, ratio=median([r[best] / r["ours"] for r in rounds]),
                   rounds=len(rounds), fast_rounds=len(counted), fast_ratio=median([r[best] / r["ours"] for r in counted]))
        if prefill:
            row["share"] = median([2 * matrices * count / r[what]["ours"] / r["peak"] for r in found["rounds"]])
        else:
            row["share"] = median([found["bytes"] * count / r["ours"] / r["bandwidth"] for r in rounds])
            row["their_share"] = median([found["bytes"] * count / r[best] / r["bandwidth"] for r in rounds])
        yield row


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--ours", "--theirs", "--backends", "--models"):
        p.add_argument(name, required=True)
    p.add_argument("--shapes", nargs="+", default=["124m"], choices=list(ALL_SHAPES))
    p.add_argument("--formats", nargs="+", choices=list(PEERS), help="default: all that the shape has")
    p.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--new-tokens", type=int, default=64)
    p.add_argument("--prompt-tokens", nargs="+", type=int, default=[128])
    p.add_argument("--busy-rounds", type=int, default=3, help="rounds beside busy processes (they take long)")
    p.add_argument("--busy-tokens", type=int, default=8)
    p.add_argument("--json")
    o = p.parse_args()
    kept = []
    print("tokens per second, medians; ratio: ours to theirs, median of rounds (of decoding on more than one thread also\n"
          "of the rounds whose probe read at least 40 GB/s); share: of the bandwidth probed around it, prefill: of the\n"
          "multiply-add peak. decode@512: after 512 cached tokens; decode busy: beside two processes that never pause\n")
    print(f"{'shape':8} {'format':6} {'thr':>3} {'work':11} {'ours':>8} {'theirs':>8} {'':5} {'ratio':>6} {'fast':>11} "
          f"{'share':>6} {'theirs':>6}")
    for shape in o.shapes:
        own = list(make_models.MIXES if shape in make_models.SHARED else ("f32", "bf16", "int8", "int4"))
        for form in [f for f in own if f in (o.formats or own)]:
            for threads in o.threads:
                found = measure(o, shape, form, threads)
                kept.append(found)
                for r in rows(o, found):
                    fast = f"{r['fast_ratio']:.2f} ({r['fast_rounds']}/{r['rounds']})" if threads > 1 and r["work"].startswith("decode") else ""
                    their_share = f"{r['their_share']:6.2f}" if "their_share" in r else ""
                    print(f"{r['shape']:8} {r['format']:6} {threads:3} {r['work']:11} {r['ours']:8.1f} {r['theirs']:8.1f} "
                          f"{r['peer']:5} {r['ratio']:6.2f} {fast:>11} {r['share']:6.2f} {their_share}", flush=True)
                if o.json:
                    with open(o.json, "w") as f:
                        json.dump(kept, f)


if __name__ == "__main__":
    main()
