#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes blocks.gguf: random blocks of every block type with the values they mean. Needs Debian's python3-numpy.

    make_golden.py           writes the file beside this script
    make_golden.py --check   makes it again and compares

For each type T there are T ([3, 512], block bytes at random, scales finite) and T.values (the same as F32). The values
are computed in exact rational steps in float64, from the layout of each type, one element at a time by its index: a
second way of reading the format, not a copy of the one in weights/blocks.hpp.
"""

import pathlib
import struct
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROWS, COLS = 3, 512


def half(raw):
    return raw.copy().view("<f2").astype(np.float64).ravel()


def q8_0(block):
    return half(block[0:2])[0] * block[2:].view(np.int8).astype(np.float64)


def q4_0(block):
    codes = np.concatenate([block[2:] % 16, block[2:] // 16]).astype(np.float64)
    return half(block[0:2])[0] * (codes - 8)


def q4_k(block):
    d, d_min = half(block[0:4])
    # The 12 bytes as bits: scales and minimums of groups 4..7 are split between a nibble and two leftover bits.
    s = [int(x) for x in block[4:16]]
    scales = [s[i] % 64 for i in range(4)] + [s[8 + i] % 16 + 16 * (s[i] // 64) for i in range(4)]
    mins = [s[4 + i] % 64 for i in range(4)] + [s[8 + i] // 16 + 16 * (s[4 + i] // 64) for i in range(4)]
    values = np.empty(256)
    for i in range(256):
        group = i // 32
        byte = int(block[16 + i // 64 * 32 + i % 32])
        code = byte // 16 if i % 64 >= 32 else byte % 16
        values[i] = d * scales[group] * code - d_min * mins[group]
    return values


def q6_k(block):
    low, high, scales = block[:128], block[128:192], block[192:208].view(np.int8)
    d = half(block[208:210])[0]
    values = np.empty(256)
    for i in range(256):
        at = i % 128
        byte = int(low[i // 128 * 64 + at % 64])
        nibble = byte // 16 if at >= 64 else byte % 16
        two = int(high[i // 128 * 32 + at % 32]) // 4 ** (at // 32) % 4
        values[i] = d * int(scales[i // 16]) * (nibble + 16 * two - 32)
    return values


def halves_of_16(block):
    """32 codes in 16 bytes: the lower halves first."""
    return np.concatenate([block % 16, block // 16]).astype(int)


def bits_of(block):
    """Single bits, lowest first."""
    return np.unpackbits(block, bitorder="little").astype(int)


def q4_1(block):
    d, m = half(block[0:4])
    return d * halves_of_16(block[4:]) + m


def q5_0(block):
    return half(block[0:2])[0] * (halves_of_16(block[6:]) + 16 * bits_of(block[2:6]) - 16)


def q5_1(block):
    d, m = half(block[0:4])
    return d * (halves_of_16(block[8:]) + 16 * bits_of(block[4:8])) + m


def q2_k(block):
    d, d_min = half(block[80:84])
    values = np.empty(256)
    for i in range(256):
        code = int(block[16 + i // 128 * 32 + i % 32]) // 4 ** (i % 128 // 32) % 4
        scales = int(block[i // 16])
        values[i] = d * (scales % 16) * code - d_min * (scales // 16)
    return values


def q3_k(block):
    d = half(block[108:110])[0]
    third, low, s = block[0:32], block[32:96], [int(x) for x in block[96:108]]
    scales = []
    for i in range(16):
        four = s[i % 8] % 16 if i < 8 else s[i % 8] // 16
        scales.append(four + 16 * (s[8 + i % 4] // 4 ** (i // 4) % 4) - 32)
    values = np.empty(256)
    for i in range(256):
        two = int(low[i // 128 * 32 + i % 32]) // 4 ** (i % 128 // 32) % 4
        one = int(third[i % 32]) // 2 ** (i // 32) % 2
        values[i] = d * scales[i // 16] * (two + 4 * one - 4)
    return values


def q5_k(block):
    fifth = block[16:48]
    lower = q4_k(np.concatenate([block[0:16], block[48:]]))
    step = q4_k(np.concatenate([block[0:2], np.zeros(2, np.uint8), block[4:16], np.full(128, 0x11, np.uint8)]))
    return np.array([lower[i] + 16 * step[i] * (int(fifth[i % 32]) // 2 ** (i // 32) % 2) for i in range(256)])


UNEVEN = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])


def iq4_nl(block):
    return half(block[0:2])[0] * UNEVEN[halves_of_16(block[2:])]


def iq4_xs(block):
    d, high = half(block[0:2])[0], int(block[2]) + 256 * int(block[3])
    groups = []
    for g in range(8):
        low = int(block[4 + g // 2]) // 16 ** (g % 2) % 16
        scale = low + 16 * (high // 4**g % 4) - 32
        groups.append(d * scale * UNEVEN[halves_of_16(block[8 + 16 * g : 24 + 16 * g])])
    return np.concatenate(groups)


def mxfp4(block):
    # Sign, two exponent bits, one of the fraction.
    e2m1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
    values = np.array(e2m1 + [-v for v in e2m1])
    return 2.0 ** (int(block[0]) - 127) * values[halves_of_16(block[1:])]


# type number, elements and bytes of a block, where its binary16 numbers are, how to read it
TYPES = {
    "q8_0": (8, 32, 34, [0], q8_0),
    "q4_0": (2, 32, 18, [0], q4_0),
    "q4_k": (12, 256, 144, [0, 2], q4_k),
    "q6_k": (14, 256, 210, [208], q6_k),
    "q4_1": (3, 32, 20, [0, 2], q4_1),
    "q5_0": (6, 32, 22, [0], q5_0),
    "q5_1": (7, 32, 24, [0, 2], q5_1),
    "q2_k": (10, 256, 84, [80, 82], q2_k),
    "q3_k": (11, 256, 110, [108], q3_k),
    "q5_k": (13, 256, 176, [0, 2], q5_k),
    "iq4_nl": (20, 32, 18, [0], iq4_nl),
    "iq4_xs": (23, 256, 136, [0], iq4_xs),
    "mxfp4": (39, 32, 17, [], mxfp4),
}


def make():
    rng = np.random.default_rng(5)
    tensors = []
    for name, (kind, elements, size, halves, read) in TYPES.items():
        blocks = rng.integers(0, 256, (ROWS * COLS // elements, size), dtype=np.uint8)
        for at in halves:
            scale = (rng.standard_normal(len(blocks)) * 0.05).astype("<f2")
            if at == halves[0]:
                scale[0] = np.float16(6e-8)  # subnormal
            blocks[:, at : at + 2] = scale.view(np.uint8).reshape(-1, 2)
        if name == "mxfp4":
            blocks[:, 0] = rng.integers(110, 130, len(blocks))
            blocks[:2, 0] = 0, 1  # subnormal
        values = np.concatenate([read(b) for b in blocks]).astype("<f4")
        tensors += [(name, kind, blocks.tobytes()), (name + ".values", 0, values.tobytes())]

    def text(x):
        return struct.pack("<Q", len(x)) + x.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 1)
    head += text("general.architecture") + struct.pack("<I", 8) + text("blocks")
    data = b""
    for name, kind, raw in tensors:
        head += text(name) + struct.pack("<IQQIQ", 2, COLS, ROWS, kind, len(data))
        data += raw + bytes(-len(raw) % 32)
    return head + bytes(-len(head) % 32) + data


if __name__ == "__main__":
    path = HERE / "blocks.gguf"
    if "--check" in sys.argv:
        sys.exit(path.read_bytes() != make())
    path.write_bytes(make())
