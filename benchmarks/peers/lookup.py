#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What look-up drafts gain two servers of llama.cpp's /completion, on the same file, prompts and threads.

    lookup.py --text FOLDER --server NAME=COMMAND --server NAME=COMMAND ... [--rewrite]

A COMMAND has {port} where the port goes. Prompts are pieces of the folder's Python files; with --rewrite, a piece and
then its first lines again, as when a file in the prompt is written anew. Every server completes every prompt once, in
turns, greedily, nothing cached: servers may draft from earlier completions, so that a second time would be another
thing. Speed is tokens per second of decoding, as the servers' `timings` say.
"""
import argparse
import http.client
import json
import pathlib
import random
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "keystrokes"))
import keystrokes  # noqa: E402


def post(server, path, body):
    to = http.client.HTTPConnection(*server.address, timeout=600)
    to.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = to.getresponse()
    data = answer.read()
    to.close()
    if answer.status != 200:
        raise keystrokes.Failure(f"Server '{server.name}' answered {path} with {answer.status}: {data[:300]!r}")
    return json.loads(data)


def prompts_of(given, server):
    files = sorted(pathlib.Path(given.text).rglob("*.py"))
    text = "\n".join(file.read_text(errors="replace") for file in files)
    draw = random.Random(given.seed)
    made = []
    while len(made) <= given.pieces:
        at = draw.randrange(max(1, len(text) - 12 * given.prompt))
        at = text.find("\n", at) + 1
        ids = post(server, "/tokenize", {"content": text[at:at + 12 * given.prompt]})["tokens"]
        if len(ids) < given.prompt:
            continue
        if given.rewrite:
            piece = ids[:given.prompt * 3 // 4]
            made.append(piece + piece[:given.prompt // 4])
        else:
            made.append(ids[:given.prompt])
    return made


def interval(values, seed=1):
    """Of the median, over prompts."""
    draw = random.Random(seed)
    medians = sorted(statistics.median(draw.choices(values, k=len(values))) for _ in range(1000))
    return medians[25], medians[974]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--text", required=True)
    options.add_argument("--server", action="append", required=True, help="NAME=COMMAND; the first is compared with")
    options.add_argument("--pieces", type=int, default=48)
    options.add_argument("--prompt", type=int, default=256, help="tokens")
    options.add_argument("--new-tokens", type=int, default=96)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rewrite", action="store_true")
    given = options.parse_args()
    servers = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for one in given.server:
                name, _, command = one.partition("=")
                servers.append(keystrokes.Server(name, command, folder))
            for server in servers:
                server.wait_until_ready(120)
            prompts = prompts_of(given, servers[0])
            speeds = {server.name: [] for server in servers}
            texts = {server.name: [] for server in servers}
            for i, prompt in enumerate(prompts):
                first = i % len(servers)
                for server in servers[first:] + servers[:first]:
                    done = post(server, "/completion", {
                        "prompt": prompt, "n_predict": given.new_tokens, "temperature": 0, "cache_prompt": False,
                        "ignore_eos": True})
                    if i == 0:
                        continue  # warms up
                    of = done["timings"]
                    texts[server.name].append(done["content"])
                    speeds[server.name].append(1000 * of["predicted_n"] / of["predicted_ms"])
        except keystrokes.Failure as failure:
            sys.exit(str(failure))
        finally:
            for server in servers:
                server.stop()
    base = servers[0].name
    print(f"{given.pieces} prompts of {given.prompt} tokens, {given.new_tokens} new")
    print(f"| server | tokens/s, median | over {base}, 95 % over prompts | texts as {base}'s |\n|---|---|---|---|")
    for server in servers:
        ratios = [mine / its for mine, its in zip(speeds[server.name], speeds[base])]
        low, high = interval(ratios)
        same = sum(a == b for a, b in zip(texts[server.name], texts[base]))
        print(f"| {server.name} | {statistics.median(speeds[server.name]):.0f} | {statistics.median(ratios):.2f} "
              f"({low:.2f} to {high:.2f}) | {same} of {given.pieces} |")


if __name__ == "__main__":
    main()
