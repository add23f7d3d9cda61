#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles every source of a configured build as far as its warnings, without making objects.

    syntax.py BUILD_FOLDER [EXCEPT]

EXCEPT is a regular expression: sources whose path it matches are compiled elsewhere.
"""
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys


def check(entry):
    # What the build generates is checked when it is built.
    if not os.path.exists(os.path.join(entry["directory"], entry["file"])):
        return entry["file"], 0, ""
    command = shlex.split(entry["command"])
    while "-o" in command:
        at = command.index("-o")
        del command[at:at + 2]
    command.append("-fsyntax-only")
    done = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True)
    return entry["file"], done.returncode, done.stderr


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    path = os.path.join(sys.argv[1], "compile_commands.json")
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)
    except OSError as e:
        sys.exit(f"{path}: cannot be read: {e.strerror}")
    if len(sys.argv) == 3:
        entries = [e for e in entries if not re.search(sys.argv[2], e["file"])]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, status, messages in pool.map(check, entries):
            if messages:
                print(messages, file=sys.stderr)
            if status != 0:
                failed += 1
                print(f"{name}: does not compile", file=sys.stderr)
    print(f"{len(entries)} sources, {failed} of which do not compile")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
