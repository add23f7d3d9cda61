#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""python3 equality_test.py EARLYOUT EXAMPLE_MODEL: a reply does not depend on what else the server does or has done.

Mixed requests, each alone on a server of its own, and 8 at a time on one server, while others are cancelled: equal
contents, byte for byte.
"""
import concurrent.futures
import os
import random
import sys
import threading
import time

from served import Served, equal, fim_model

REQUESTS, AT_A_TIME, ROUNDS = 200, 8, 3
POLICIES = ["", "", "full-depth", "margin(0.3) @ 1,2,3", "margin(0.5) @ 2; cache=defer", "max-probability(0.4) @ 1,3",
            "entropy(1.5) @ 2,3", "patience(1) @ 1,2,3", "saturation(0.9) @ 2", "fixed @ 3; cache=omit"]
DRAFTS = ["", "", "none", "suffix", "hashed", "recycled", "suffix|hashed|recycled"]
EXIT_DRAFTS = ["", "", "none", "depth", "suffix|depth"]  # with exits
SAMPLERS = [None, ["top_k", "top_p", "infill"], ["temperature"], ["penalties", "min_p", "temperature"], []]
LINES = ["def f(a):\n", "    x = a + 1\n", "    return x\n", "\n", "class C:\n", "    self.x = self.y\n",
         "for i in r:\n", "    print(i, \"é\")\n", "if x in the:\n"]


def requests(draw):
    """Returns requests whose prompts often begin alike, so that they share keys and values."""
    files = ["".join(draw.choice(LINES) for _ in range(draw.randrange(2, 40))) for _ in range(6)]
    made = []
    for _ in range(REQUESTS):
        file = draw.choice(files)
        cut = draw.randrange(len(file) + 1)
        asked = {"n_predict": draw.choice([1, 3, 16, 40, 90]), "cache_prompt": draw.random() < 0.7,
                 "seed": draw.randrange(5), "temperature": draw.choice([0.0, 0.0, 0.7, 1.3]),
                 "exit_policy": draw.choice(POLICIES)}
        asked["draft"] = draw.choice(EXIT_DRAFTS if "@" in asked["exit_policy"] else DRAFTS)
        samplers = draw.choice(SAMPLERS)
        if samplers is not None:
            asked["samplers"] = samplers
        if draw.random() < 0.2:
            asked.update(repeat_penalty=1.3)
        if draw.random() < 0.2:
            asked["stop"] = ["e", "\n\n"]
        if draw.random() < 0.1:
            asked["logit_bias"] = [[" ", 2.0], ["x", False]]
        if draw.random() < 0.5:
            made.append(("/completion", {**asked, "prompt": file[:cut]}))
            continue
        line = file.rfind("\n", 0, cut) + 1
        if draw.random() < 0.5:
            asked["input_extra"] = [{"filename": "other.py", "text": draw.choice(files)}]
        made.append(("/infill", {**asked, "input_prefix": file[:line], "prompt": file[line:cut],
                                 "input_suffix": file[cut:], "n_indent": draw.choice([0, 4])}))
    return made


def alone(command, model, path, asked, *options):
    with Served(command, "--model", model, "--threads", "1", *options) as server:
        return content(server, path, asked)


def content(server, path, asked):
    answer = server.post(path, asked)
    equal(answer.status, 200, f"{path} {asked}: {answer.body}")
    return answer.json["content"]


def streamed(server, path, asked):
    return "".join(part["content"] for part in server.events(path, asked)[0])


def disturb(server, some, over, draw):
    """Cancels requests at random moments, until it is over."""
    while not over.is_set():
        path, asked = draw.choice(some)
        server.leave(path, {**asked, "n_predict": 500, "ignore_eos": True, "stream": draw.random() < 0.5},
                     draw.random() * 0.02)
        time.sleep(0.002)


def compare(command, model, some, servers, draw, *common):
    start = time.time()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        expected = list(pool.map(lambda one: alone(command, model, *one, *common), some))
    different = len(set(expected))
    print(f"{time.time() - start:6.2f} s  {len(some)} requests, each alone: {different} different replies")
    assert different > len(some) // 3, expected
    for options in servers:
        start = time.time()
        with Served(command, "--model", model, *common, *options) as server:
            over = threading.Event()
            others = threading.Thread(target=disturb, args=(server, some, over, random.Random(1)))
            others.start()
            try:
                order = ROUNDS * list(range(len(some)))
                draw.shuffle(order)
                ways = [content, streamed]
                with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
                    found = list(pool.map(lambda i: ways[draw.randrange(2)](server, *some[i]), order))
            finally:
                over.set()
                others.join()
            for i, one in zip(order, found):
                equal(one, expected[i], f"{options}: request {i}, {some[i]}")
            cancelled = server.counter("earlyout_cancelled_total")
            server.stop()
        print(f"{time.time() - start:6.2f} s  {ROUNDS} times, {AT_A_TIME} at a time, {' '.join(options)}: equal; "
              f"{cancelled:.0f} others were cancelled")


def main():
    command, example = sys.argv[1:]
    draw = random.Random(20)
    with fim_model() as folder:
        compare(command, os.path.join(folder, "tiny-fim"), requests(draw),
                [["--slots", "8"], ["--slots", "3", "--kv-memory", "12000000", "--threads", "2"]], draw)
    some = [(path, {**asked, "exit_policy": draw.choice(["", "fitted", "full-depth"]), "draft": ""})
            for path, asked in requests(draw) if path == "/completion"]
    # On another machine than the fit's each server would measure costs and might choose another policy by them.
    compare(command, example, some[:30], [["--slots", "4"]], draw, "--policy", "fitted")


if __name__ == "__main__":
    main()
