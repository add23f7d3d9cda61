#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Records what the library computes: token ids, exit layers and the bits of probabilities, over weight formats, gates,
cache policies, thread counts, prefix reuse and rollback.

    record.py record BUILD_DIR OUT.json     run everything with a build's command and its record program
    record.py compare OLD.json NEW.json [KEY...]
                                            say what differs, but for values of these keys; exit status 1 if anything does

For changes that must not change results: record with the tree as it was and with the changed tree, each with its own
copy of this script, on the same machine with the same compiler flags (bits depend on the instruction set). Recorded
values are those of one build; nothing is stored in the repository. BUILD_DIR needs the targets earlyout_cli and
earlyout_record.
"""

import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys
import sysconfig
import tempfile

FORMATS = ("f32", "bf16", "f16", "int8", "int4")
PROMPTS = ("def read_file(path):\n    ", "import os\n\nclass Reader:\n    def __init__(self, name):\n        self.name = ")
# Any text will do for fitting as long as both records see the same: Python's own library.
TEXT = [str(pathlib.Path(sysconfig.get_paths()["stdlib"]) / name) for name in
        ("argparse.py", "ast.py", "calendar.py", "cgi.py", "cmd.py", "configparser.py", "csv.py", "datetime.py",
         "difflib.py", "dis.py", "enum.py", "fileinput.py", "ftplib.py", "gzip.py", "heapq.py", "inspect.py")]

# What a completion says that must not change. Times are left out.
KEPT = ("text", "ids", "exit_layers", "logprobs", "finish_reason")
WORK = ("prompt_tokens", "reused_tokens", "new_tokens", "prefill", "decode", "gate_evaluations", "head_evaluations",
        "shortlist_evaluations")


def commands(over_budget):
    """(name, arguments) of everything that runs through the command.
    over_budget: what it calls exiting at once when a budget is spent"""
    for dtype in FORMATS:
        yield f"logits {dtype}", ["logits", "--ids", "5,17,300,42,7,7,1021,9", "--dtype", dtype, "--json"]
        for threads in ("1", "2"):
            common = ["complete", "--dtype", dtype, "--threads", threads, "--max-new-tokens", "24", "--json"]
            for p, prompt in enumerate(PROMPTS):
                yield f"full depth {dtype} {threads} {p}", [*common, "--prompt", prompt, "--exit-gate", "none"]
                for cache in ("propagate", "defer", "omit"):
                    yield (f"margin {cache} {dtype} {threads} {p}",
                           [*common, "--prompt", prompt, "--kv", cache, "--exit-gate", "margin", "--threshold", "0.4",
                            "--exit-layers", "2,4,6"])
    common = ["complete", "--max-new-tokens", "24", "--json", "--prompt", PROMPTS[0]]
    for gate in ("fixed", "max-probability", "margin", "entropy", "saturation", "patience", "learn-to-exit", "sec"):
        for cache in ("propagate", "defer", "omit"):
            yield f"{gate} {cache}", [*common, "--kv", cache, "--exit-gate", gate]
    margin = ["--exit-gate", "margin", "--threshold", "0.3", "--exit-layers", "1,3,5"]
    yield "lazy prefill", [*common, *margin, "--kv", "defer", "--prefill", "lazy"]
    yield "defer cap", [*common, *margin, "--kv", "defer", "--defer-cap", "3"]
    yield "shortlist", [*common, *margin, "--shortlist", "32"]
    yield "shortlist to the top", [*common, *margin, "--shortlist", "32", "--shortlist-reach", "full-depth"]
    yield "sec stops", [*common, "--exit-gate", "sec", "--stop-threshold", "0.5"]
    yield "token budget", [*common, *margin, "--token-budget", "8", "--over-budget", over_budget]
    for kv in ("f16", "bf16"):
        yield f"cache in {kv}", [*common, *margin, "--kv-dtype", kv]
    # Left out, the gate was none once and is now what fit chose.
    yield "sampled", [*common, "--exit-gate", "none", "--temperature", "0.8", "--top-k", "40", "--top-p", "0.9", "--seed", "7"]
    yield "sampled with exits", [*common, *margin, "--temperature", "0.8", "--min-p", "0.05", "--seed", "7",
                                 "--repetition-penalty", "1.2"]
    yield "long prompt", [*common[:-1], PROMPTS[1] + "x = 1\n" * 60, *margin, "--kv", "defer"]


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items()
                if not any(word in k for word in ("second", "per_s", "speed", "ratio", "time"))}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def tensors(path):
    """Hashes of a safetensors file's weights, whatever they are called. Thresholds and lists of layers, of a few values
    each, are left out: `fit` chooses them by measured speed."""
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    body = data[8 + size:]
    return sorted(hashlib.sha256(body[slice(*entry["data_offsets"])]).hexdigest()
                  for name, entry in header.items()
                  if name != "__metadata__" and entry["data_offsets"][1] - entry["data_offsets"][0] > 128)


def run(arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def record(build):
    command = str(pathlib.Path(build) / "examples/earlyout")
    found = {}
    over_budget = "leave" if "{end,leave}" in run([command, "complete", "--help"]) else "exit"  # as it was called
    for name, arguments in commands(over_budget):
        said = json.loads(run([command, *arguments]))
        if "logits" in said:
            found[name] = hashlib.sha256(repr(said["logits"]).encode()).hexdigest()
        else:
            found[name] = {k: said[k] for k in KEPT} | {k: said["stats"][k] for k in WORK}
    with tempfile.TemporaryDirectory() as folder:
        exits = os.path.join(folder, "exits.safetensors")
        for name, more in (("fit", ["--gates", "learn-to-exit,sec,jei-dnn"]), ("fit adapters", ["--heads", "adapter"])):
            said = json.loads(run([command, "fit", "--text", *TEXT, "--tokens", "24000", "--tokens-per-file", "1500",
                                   "--samples", "12", "--threads",
                                   "2", "--out", exits, "--json", *more]))
            said.pop("out", None)
            said.pop("threads", None)  # not always told
            found[name] = {"report": without(without_times(said), ("model", "choices")), "tensors": tensors(exits)}
    said = json.loads(run([command, "evaluate", "--text", *TEXT, "--tokens", "24000", "--tokens-per-file", "1500", "--samples", "6", "--gates",
                           "fixed,margin,sec", "--json"]))
    found["evaluate"] = without(without_times(said), ("model",))
    program = next(pathlib.Path(build).rglob("earlyout_record"))
    found["sessions"] = run([str(program)]).splitlines()
    return found


def without(value, keys):
    if isinstance(value, dict):
        return {k: without(v, keys) for k, v in value.items() if k not in keys}
    if isinstance(value, list):
        return [without(v, keys) for v in value]
    # Lines of the program: "reused 0, layer tokens 66 17, bytes 191396 910464".
    return value.split(", bytes")[0] if isinstance(value, str) and "weight_bytes" in keys else value


def compare(old, new, keys):
    old, new = without(old, keys), without(new, keys)
    differences = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    for name in differences:
        print(f"{name}:\n  old {json.dumps(old.get(name))[:600]}\n  new {json.dumps(new.get(name))[:600]}")
    print(f"{len(old)} recorded, {len(differences)} differ")
    return 1 if differences else 0


def main(arguments):
    if len(arguments) == 4 and arguments[1] == "record":
        pathlib.Path(arguments[3]).write_text(json.dumps(record(arguments[2]), indent=1))
        return 0
    if len(arguments) >= 4 and arguments[1] == "compare":
        old, new = (json.loads(pathlib.Path(path).read_text()) for path in arguments[2:4])
        return compare(old, new, arguments[4:])
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
