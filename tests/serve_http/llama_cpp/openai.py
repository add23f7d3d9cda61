# SPDX-License-Identifier: MIT
"""Stands in for OpenAI's Python client in the tests of llama.cpp's server: completions, whole and streamed; chat."""
import json
import types

import requests


def as_object(value):
    return json.loads(json.dumps(value), object_hook=lambda members: types.SimpleNamespace(**members))


class OpenAI:
    def __init__(self, api_key, base_url):
        self.headers = {"Authorization": f"Bearer {api_key}"}
        self.base_url = base_url
        self.completions = types.SimpleNamespace(create=lambda **asked: self.create("/completions", asked))
        self.chat = types.SimpleNamespace(completions=types.SimpleNamespace(
            create=lambda **asked: self.create("/chat/completions", asked)))

    def create(self, path, asked):
        stream = asked.get("stream", False)
        answer = requests.post(self.base_url + path, json=asked, headers=self.headers, stream=stream,
                               timeout=60)
        answer.raise_for_status()
        return self.events(answer) if stream else as_object(answer.json())

    @staticmethod
    def events(answer):
        for line in answer.iter_lines():
            if line == b"data: [DONE]":
                return
            if line.startswith(b"data: "):
                yield as_object(json.loads(line[6:]))
        raise AssertionError("expected [DONE] at the end of the stream, found none")
