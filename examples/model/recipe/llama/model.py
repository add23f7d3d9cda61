# SPDX-License-Identifier: MIT
"""train.cpp for Python: translates it where needed, and calls it with numpy's arrays."""

import ctypes
import os
import pathlib
import subprocess
import zlib
from ctypes import POINTER, c_double, c_float, c_int32, c_int64, c_uint8, c_void_p

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = "-std=c++20 -O3 -ffast-math -march=native -mprefer-vector-width=512 -shared -fPIC -pthread".split()
ROPE_THETA, EPSILON = 10000.0, 1e-5


def library(folder):
    """train.cpp as a library in the folder; translated anew for another source or processor."""
    source = HERE / "train.cpp"
    with open("/proc/cpuinfo") as f:
        processor = next((line for line in f if line.startswith("flags")), "")
    target = pathlib.Path(folder) / f"train-{zlib.crc32(source.read_bytes() + processor.encode()):08x}.so"
    if not target.exists():
        made = target.with_suffix(f".{os.getpid()}")
        subprocess.run([os.environ.get("CXX", "g++"), *FLAGS, str(source), "-o", str(made)], check=True)
        made.replace(target)
    return ctypes.CDLL(str(target))


class StepRequest(ctypes.Structure):
    _fields_ = [
        ("ids", c_void_p),
        ("importance", c_void_p),
        *((name, c_int64) for name in ("parts", "sequences", "length")),
        *((name, c_void_p) for name in ("skip", "exits", "exit_weights", "first")),
        ("exit_count", c_int64),
        ("exit_step", c_int64),
        ("distilled", c_float),
        *((name, c_void_p) for name in ("weights", "momentum", "second")),
        ("steps", c_int64),
        *((n, c_float) for n in "adam_rate muon_rate beta1 beta2 muon_momentum weight_decay max_norm".split()),
        *((name, c_void_p) for name in ("losses", "norm", "gradient")),
    ]


class Model:
    """layers, width, heads, inner, vocabulary, context; weights: one flat vector of f32 in the order of `tensors`."""

    def __init__(self, shape, folder, threads, theta=ROPE_THETA):
        self.layers, self.width, self.heads, self.inner, self.vocabulary, self.context = self.shape = tuple(shape)
        self.theta = theta
        self.library = library(folder)
        self.library.model_new.restype = c_void_p
        self.library.model_new.argtypes = [c_int64] * 6 + [c_double] * 2 + [c_int64]
        self.library.train_step.argtypes = [c_void_p, POINTER(StepRequest)]
        self.library.evaluate.argtypes = [c_void_p] * 3 + [c_int64] * 2 + [c_void_p, c_int64, c_void_p, c_void_p]
        self.handle = self.library.model_new(*self.shape, theta, EPSILON, threads)

    def tensors(self):
        """[(name, shape)] as in a Hugging Face file, but for query, key and value, gate and up, which are one each."""
        d, f = self.width, self.inner
        yield "embed_tokens", (self.vocabulary, d)
        for l in range(self.layers):
            yield f"layers.{l}.input_layernorm", (d,)
            yield f"layers.{l}.post_attention_layernorm", (d,)
        yield "norm", (d,)
        for l in range(self.layers):
            yield f"layers.{l}.self_attn.qkv_proj", (3 * d, d)
            yield f"layers.{l}.self_attn.o_proj", (d, d)
            yield f"layers.{l}.mlp.gate_up_proj", (2 * f, d)
            yield f"layers.{l}.mlp.down_proj", (d, f)

    def named(self, flat):
        """{name: view of the flat vector}."""
        views, offset = {}, 0
        for name, shape in self.tensors():
            size = int(np.prod(shape))
            views[name] = flat[offset : offset + size].reshape(shape)
            offset += size
        assert offset == len(flat)
        return views

    def parameters(self):
        return sum(int(np.prod(shape)) for _, shape in self.tensors())

    def adam_parameters(self):
        return self.vocabulary * self.width + (2 * self.layers + 1) * self.width

    def initial(self, seed):
        rng, flat = np.random.default_rng(seed), np.empty(self.parameters(), np.float32)
        for name, view in self.named(flat).items():
            if "norm" in name:
                view[:] = 1
            else:
                std = 0.02 / (np.sqrt(2 * self.layers) if "o_proj" in name or "down_proj" in name else 1)
                view[:] = rng.standard_normal(view.shape, np.float32) * std
        return flat

    def step(self, ids, importance, skip, exits, exit_weights, first, exit_step, distilled, gradient=None, **optimiser):
        """One step. ids: [parts, sequences, length + 1]. The losses (last layer, exits) and the gradient's norm."""
        parts, sequences, length = ids.shape[0], ids.shape[1], ids.shape[2] - 1
        assert length % 32 == 0 and length <= self.context and ids.min() >= 0 and ids.max() < self.vocabulary
        arrays = {
            "ids": np.ascontiguousarray(ids, np.int32),
            "importance": np.ascontiguousarray(importance, np.float32),
            "skip": np.ascontiguousarray(skip, np.uint8),
            "exits": np.ascontiguousarray(exits, np.int32),
            "exit_weights": np.ascontiguousarray(exit_weights, np.float32),
            "first": np.ascontiguousarray(first, np.int32),
            "losses": np.zeros(1 + len(exit_weights)),
            "norm": np.zeros(1),
        }
        assert arrays["importance"].shape == (parts, sequences, length)
        assert arrays["skip"].shape == (parts, self.layers) and arrays["exits"].shape == (parts, len(exit_weights))
        for name in ("weights", "momentum", "second"):
            arrays[name] = optimiser.pop(name)
        if gradient is not None:
            arrays["gradient"] = gradient
        request = StepRequest(parts=parts, sequences=sequences, length=length, exit_count=len(exit_weights))
        request.exit_step, request.distilled = exit_step, distilled
        for name, value in optimiser.items():
            setattr(request, name, value)
        for name, array in arrays.items():
            assert array.flags.c_contiguous
            setattr(request, name, array.ctypes.data)
        self.library.train_step(self.handle, ctypes.byref(request))
        return arrays["losses"], float(arrays["norm"][0])

    def evaluate(self, weights, ids, exits):
        """nats and hits of every target at the exits (layers from 0 on), each [exits, sequences, length]."""
        ids, exits = np.ascontiguousarray(ids, np.int32), np.ascontiguousarray(exits, np.int32)
        sequences, length = ids.shape[0], ids.shape[1] - 1
        assert length % 32 == 0 and length <= self.context and ids.min() >= 0 and ids.max() < self.vocabulary
        nats = np.zeros((len(exits), sequences, length), np.float32)
        hits = np.zeros((len(exits), sequences, length), np.uint8)
        data = [a.ctypes.data for a in (weights, ids)]
        results = [a.ctypes.data for a in (nats, hits)]
        self.library.evaluate(self.handle, *data, sequences, length, exits.ctypes.data, len(exits), *results)
        return nats, hits
