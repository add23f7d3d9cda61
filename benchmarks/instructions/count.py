#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the instructions of an AArch64 object's inner loops per product of a weight with a value.

    count.py OBJECT [FUNCTION]

Prints, for each function whose demangled name matches the regular expression FUNCTION, the loop with the most products,
each if there are several: its instructions per product, its instructions and its products. An instruction's products are those of its lanes:
16 of sdot and usdot, 32 of smmla and usmmla, 8 or 4 of smull and smlal, 4 of fmla. Where a loop has products of
integers, those of floats are scales. OBJDUMP names the disassembler.
"""
import collections
import os
import re
import subprocess
import sys

BRANCH = re.compile(r"^(b|b\.[a-z]+|cbn?z|tbn?z)$")
INTEGER = {"sdot": 16, "udot": 16, "usdot": 16, "smmla": 32, "usmmla": 32}
LANES = {"8h": 8, "4s": 4, "2d": 2, "2s": 2}


def products(mnemonic, operands):
    """Returns an instruction's products of integers and of floats."""
    to = operands.split(",")[0].rpartition(".")[2].split("[")[0]
    if mnemonic in INTEGER:
        return INTEGER[mnemonic], 0
    if re.match(r"^[su]ml[as]?l2?$|^[su]mull2?$|^mla$", mnemonic):
        return LANES.get(to, 0), 0
    if mnemonic in ("fmla", "fmls"):
        return 0, LANES.get(to, 0)
    return 0, 0


def functions(path):
    """Yields the name and the instructions (address, mnemonic, operands, target of a branch) of each function."""
    objdump = os.environ.get("OBJDUMP", "aarch64-linux-gnu-objdump")
    text = subprocess.run([objdump, "-dC", "--no-show-raw-insn", path], check=True, capture_output=True, text=True)
    name, found = None, []
    for line in text.stdout.splitlines():
        if head := re.match(r"^[0-9a-f]+ <(.*)>:$", line):
            if found:
                yield name, found
            name, found = head[1], []
        elif code := re.match(r"^ *([0-9a-f]+):\s+(\S+)\s*(.*)$", line):
            target = re.search(r"([0-9a-f]+) <", code[3]) if BRANCH.match(code[2]) else None
            found.append((int(code[1], 16), code[2], code[3], int(target[1], 16) if target else None))
    if found:
        yield name, found


def loops(instructions):
    """Yields the loops with products that contain no other such loop."""
    at = {address: i for i, (address, *_) in enumerate(instructions)}
    spans = sorted({(at[target], i) for i, (address, _, _, target) in enumerate(instructions)
                    if target is not None and target <= address and target in at})
    spans = [(a, b) for a, b in spans if any(any(products(m, o)) for _, m, o, _ in instructions[a:b + 1])]
    for first, last in spans:
        if not any((a, b) != (first, last) and first <= a and b <= last for a, b in spans):
            yield instructions[first:last + 1]


def describe(loop):
    """Returns a loop's instructions, products and counts by mnemonic."""
    integers = sum(products(m, o)[0] for _, m, o, _ in loop)
    floats = sum(products(m, o)[1] for _, m, o, _ in loop)
    return len(loop), integers or floats, collections.Counter(m for _, m, *_ in loop)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    wanted = re.compile(sys.argv[2] if len(sys.argv) == 3 else "")
    for name, instructions in functions(sys.argv[1]):
        if not wanted.search(name):
            continue
        found = sorted((describe(loop) for loop in loops(instructions)), key=lambda loop: loop[0])
        most = max((done for _, done, _ in found), default=0)
        if most == 0:
            continue
        print(name)
        for size, done, counts in found:
            if done == most:
                often = ", ".join(f"{n} {m}" for m, n in counts.most_common(12))
                print(f"    {size / done:.4f} = {size} / {done}: {often}")


if __name__ == "__main__":
    main()
