#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""python3 clients_test.py EARLYOUT EXAMPLE_MODEL: asks `earlyout serve` what its clients ask, as they ask it."""
import os
import re
import sys
import tempfile
import threading
import time

from served import Served, equal, fim_model, run_all

VIM = {"id_slot": 0, "input_prefix": "import os\n\ndef f(a):\n", "input_suffix": "\n    return x\n\nprint(f(3))\n",
       "input_extra": [{"text": "def g(): return 3\n", "time": [3, 81727], "filename": "g.py"}],
       "prompt": "    x = ", "n_predict": 128, "stop": [], "n_indent": 4, "top_k": 40, "top_p": 0.90,
       "samplers": ["top_k", "top_p", "infill"], "stream": False, "cache_prompt": True, "t_max_prompt_ms": 500,
       "t_max_predict_ms": 250, "model": "",
       "response_fields": ["content", "timings/prompt_n", "timings/prompt_ms", "timings/prompt_per_token_ms",
                           "timings/prompt_per_second", "timings/predicted_n", "timings/predicted_ms",
                           "timings/predicted_per_token_ms", "timings/predicted_per_second", "truncated",
                           "tokens_cached"]}
VIM_KEY = {"Authorization": "Bearer "}
VSCODE = {"id_slot": 0, "input_prefix": "def f(a):\n", "input_suffix": "\n",
          "input_extra": [{"text": "x = 1\n", "time": 1760000000000, "filename": "/home/someone/x.py"}],
          "prompt": "    re", "n_predict": 32, "n_cmpl": 3, "top_k": 40, "top_p": 0.99, "stream": False,
          "samplers": ["top_k", "top_p", "infill"], "cache_prompt": True, "n_indent": 4, "t_max_prompt_ms": 500,
          "t_max_predict_ms": 2500}


def refused(answer, status, kind):
    error = answer.json["error"]
    equal((answer.status, error["code"], error["type"]), (status, status, kind), error["message"])
    return error


def llama_vim(server):
    """llama.vim: a warm-up, then one line of compact JSON with the fields it names"""
    warm_up = {**VIM, "input_prefix": "", "input_suffix": "", "prompt": "", "n_predict": 0, "temperature": 0.0,
               "samplers": [], "t_max_prompt_ms": 1, "t_max_predict_ms": 1, "response_fields": [""]}
    equal(server.post("/infill", warm_up, VIM_KEY).body, b"{}")
    text = server.post("/infill", VIM, VIM_KEY).body.decode()
    assert re.match(r"\s*{", text) and re.search(r'"content"\s*:"', text) and "\n" not in text, text
    reply = server.post("/infill", VIM, VIM_KEY).json
    equal(sorted(reply), sorted(VIM["response_fields"]))
    # After a hint it asks for what follows it: only the new tokens are computed, and perhaps the middle's token.
    typed = VIM["prompt"] + reply["content"]
    follow = {**VIM, "prompt": typed, "t_max_predict_ms": 1000}
    del follow["response_fields"]
    assert server.post("/infill", follow).json["timings"]["cache_n"] > 0


def llama_vscode(server):
    """llama.vscode: several completions, each with settings, and what it asks before"""
    reply = server.post("/infill", VSCODE).json
    equal([one["index"] for one in reply], [0, 1, 2])
    for one in reply:
        assert isinstance(one["content"], str) and one["generation_settings"]["n_ctx"] > 0, one
    warm_up = {name: VSCODE[name] for name in ("id_slot", "input_prefix", "input_suffix", "input_extra", "prompt")}
    warm_up.update(n_predict=0, samplers=[], cache_prompt=True, t_max_prompt_ms=500, t_max_predict_ms=1)
    equal(server.post("/infill", warm_up).json["content"], "")
    equal(server.get("/health").json["status"], "ok")
    models = server.get("/v1/models").json["data"]
    equal(models[0]["owned_by"], "llamacpp")
    assert server.get("/props").json["default_generation_settings"]["n_ctx"] > 0


def wrong_requests(server):
    """/infill refuses what llama.cpp refuses"""
    for change in ({"input_prefix": None}, {"input_suffix": None}, {"prompt": 3}, {"input_extra": {}},
                   {"input_extra": [{}]}, {"input_extra": [{"filename": "ok"}]},
                   {"input_extra": [{"filename": 123, "text": "abc"}]}, {"input_extra": [{"text": 456}]}):
        refused(server.post("/infill", {**VIM, **change}), 400, "invalid_request_error")
    refused(server.post("/infill", b"{"), 400, "invalid_request_error")
    error = refused(server.post("/completion", {"prompt": "x y " * 4000}), 400, "exceed_context_size_error")
    assert error["n_prompt_tokens"] > error["n_ctx"], error
    refused(server.get("/nothing"), 404, "not_found_error")


def completions(server):
    """/completion: streams, stop strings, probabilities, seeds, arrays, ids"""
    asked = {"prompt": "def f(", "n_predict": 12, "seed": 3}
    whole = server.post("/completion", asked).json
    parts, done = server.events("/completion", asked)
    equal("".join(part["content"] for part in parts), whole["content"])
    equal([part["stop"] for part in parts], [False] * (len(parts) - 1) + [True])
    assert not done and all(part["tokens"] for part in parts[:-1])
    equal(parts[-1]["stop_type"], whole["stop_type"])
    others = {server.post("/completion", {**asked, "seed": seed}).json["content"] for seed in range(8)}
    assert len(others) > 4, others

    stop = whole["content"][4:6]
    stopped = server.post("/completion", {**asked, "stop": [stop, "never"]}).json
    equal((stopped["stop_type"], stopped["stopping_word"]), ("word", stop))
    equal(stopped["content"], whole["content"][:whole["content"].index(stop)])
    parts, _ = server.events("/completion", {**asked, "stop": [stop]})
    equal("".join(part["content"] for part in parts), stopped["content"])

    likely = server.post("/completion", {**asked, "n_probs": 5, "temperature": 0, "ignore_eos": True}).json
    equal([len(one["top_logprobs"]) for one in likely["completion_probabilities"]], [5] * 12)
    for one in likely["completion_probabilities"]:
        equal(one["id"], one["top_logprobs"][0]["id"], "the likeliest at temperature 0")

    ids = server.post("/tokenize", {"content": "def f(", "add_special": True}).json["tokens"]
    many = server.post("/completion", {**asked, "prompt": ["def f(", ids, {"prompt_string": "def f("}, [*ids, "x"]]})
    equal([one["content"] for one in many.json[:3]], [whole["content"]] * 3)
    equal([one["index"] for one in many.json], [0, 1, 2, 3])
    assert "generation_settings" in server.post("/completion", {**asked, "response_fields": []}).json


def openai(server):
    """/v1: completions with a suffix, streams that end with [DONE], usage"""
    asked = {"model": "any", "prompt": "def f(a):\n    x = ", "max_tokens": 9, "seed": 5, "stop": ["\n\n"]}
    for extra in ({}, {"suffix": "\n    return x\n"}):
        reply = server.post("/v1/completions", {**asked, **extra}).json
        equal(reply["object"], "text_completion")
        usage = reply["usage"]
        equal(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])
        assert isinstance(reply["id"], str) and isinstance(reply["created"], int) and reply["system_fingerprint"]
        parts, done = server.events("/v1/completions", {**asked, **extra, "stream_options": {"include_usage": True}})
        assert done
        equal("".join(part["choices"][0]["text"] for part in parts[:-1]), reply["choices"][0]["text"])
        equal(parts[-2]["choices"][0]["finish_reason"], reply["choices"][0]["finish_reason"])
        equal((parts[-1]["choices"], parts[-1]["usage"]["total_tokens"]), ([], usage["total_tokens"]))
    chat = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    reply = server.post("/v1/chat/completions", chat).json["choices"][0]
    parts, done = server.events("/v1/chat/completions", chat)
    assert done
    equal("".join(part["choices"][0]["delta"].get("content", "") for part in parts), reply["message"]["content"])
    name = server.get("/v1/models").json["data"][0]["id"]
    equal(server.get("/v1/models/" + name).json["id"], name)


def tokens(server):
    """/tokenize and /detokenize are each other's inverse"""
    for text in ("", "def f():\n    return \"é\"\n", "a \u5abd \U0001f917\t\r\n", "<|fim_middle|></s>"):
        for special in (True, False):
            ids = server.post("/tokenize", {"content": text, "parse_special": special}).json["tokens"]
            equal(server.post("/detokenize", {"tokens": ids}).json["content"], text)
    pieces = server.post("/tokenize", {"content": "é\u5abd", "with_pieces": True}).json["tokens"]
    whole = b"".join(p["piece"].encode() if isinstance(p["piece"], str) else bytes(p["piece"]) for p in pieces)
    equal(whole.decode(), "é\u5abd")


def leaving(server):
    """A client that leaves ends its completion, whether it streams or waits"""
    for path, body in (("/completion", {"prompt": "long", "n_predict": 4000, "stream": True}),
                       ("/completion", {"prompt": "long", "n_predict": 4000}),
                       ("/infill", {**VIM, "n_predict": 4000, "n_indent": 0, "t_max_predict_ms": 0})):
        server.leave(path, {**body, "ignore_eos": True, "draft": "none"}, None if body.get("stream") else 0.02)
        start = time.time()
        server.wait_idle()
        assert time.time() - start < 2.0


def replaced(server):
    """A newer /infill of the same slot ends the older one; others are left alone"""
    older = []
    asked = {**VIM, "n_predict": 4000, "n_indent": 0, "t_max_predict_ms": 0, "ignore_eos": True, "id_slot": 1,
             "draft": "none", "samplers": ["top_k"], "input_suffix": ""}
    del asked["response_fields"]
    thread = threading.Thread(target=lambda: older.append(server.post("/infill", asked).json))
    thread.start()
    while not any(slot["n_decoded"] > 3 and slot["is_processing"] for slot in server.get("/slots").json):
        assert thread.is_alive(), "expected the older one to run on"
    server.post("/infill", VIM)
    assert thread.is_alive(), "slot 0 ended a completion of slot 1"
    server.post("/infill", {**VIM, "id_slot": 1})
    thread.join(timeout=10)
    equal(older[0].get("cancelled"), True, "the older one's reply")


def starting(command, _):
    """While a model loads, /health says so; SIGTERM ends it with status 0"""
    seen = 0
    with fim_model(100) as folder, Served(command, "--model", os.path.join(folder, "tiny-fim"), waits=False) as server:
        end = time.time() + 15.0
        while time.time() < end:
            time.sleep(0.001)
            try:
                answer = server.get("/health")
            except OSError:
                continue
            if answer.status == 200:
                break
            equal(refused(answer, 503, "unavailable_error")["message"], "Loading model")
            seen += 1
        print(f"          /health said {seen} times that the model was loading")
        server.stop()


def keys(command, _):
    """With a file of keys each request needs one, but for /health"""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "keys")
        with open(file, "w", encoding="utf-8") as out:
            out.write("# of one user\nsecret\n")
        with fim_model() as model, Served(command, "--model", os.path.join(model, "tiny-fim"),
                                          "--api-key-file", file) as server:
            refused(server.post("/infill", VIM, VIM_KEY), 401, "authentication_error")
            refused(server.get("/v1/models"), 401, "authentication_error")
            equal(server.get("/health").status, 200)
            equal(server.post("/infill", VIM, {"Authorization": "Bearer secret"}).status, 200)
            equal(server.post("/infill", VIM, {"X-Api-Key": "secret"}).status, 200)
            server.stop()


def example_model(command, model):
    """The bundled model, which has no tokens for a middle, completes, and says what it lacks"""
    with Served(command, "--model", model) as server:
        asked = {"prompt": "def add(a, b):\n    return", "n_predict": 8, "temperature": 0}
        assert server.post("/completion", asked).json["content"].strip()
        error = refused(server.post("/infill", VIM), 501, "not_supported_error")
        assert "prefix, suffix and middle" in error["message"], error
        refused(server.post("/v1/completions", {"prompt": "a", "suffix": "b"}), 501, "not_supported_error")
        server.stop()


def main():
    command, example = sys.argv[1:]
    run_all([starting, keys, example_model], command, example)
    with fim_model() as folder, Served(command, "--model", os.path.join(folder, "tiny-fim")) as server:
        run_all([llama_vim, llama_vscode, wrong_requests, completions, openai, tokens, leaving, replaced], server)
        equal(server.get("/health").status, 200)
        server.stop()


if __name__ == "__main__":
    main()
