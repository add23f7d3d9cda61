#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many clients of `earlyout serve` at once, some of which leave early or send nonsense.

    load.py COMMAND [--clients 64] [--minutes 10] [--port 8199]

COMMAND starts the server, in which {port} is replaced. Every client sends requests one after the other: completions in
several forms, streams that it leaves after some bytes, bodies that are no JSON, requests of unknown routes. Prints the
replies by status, those that never came, the percentiles of the time to a reply, and the server's memory as it goes;
ends with status 1 if a reply was lost or the server ended.
"""
import argparse
import collections
import http.client
import json
import random
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

TEXT = ("import os\nimport sys\n\n\ndef read_file(path):\n    with open(path) as f:\n        return f.read()\n\n\n"
        "class Parser(object):\n    def __init__(self, text):\n        self.text = text\n")


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024.0
    return 0.0


def body_of(draw):
    prompt = TEXT[: draw.randrange(1, len(TEXT))] + str(draw.randrange(50))
    body = {"prompt": prompt, "n_predict": draw.randrange(1, 40)}
    if draw.random() < 0.5:
        body["temperature"] = 0
    if draw.random() < 0.2:
        body["n_probs"] = 3
    if draw.random() < 0.3:
        body["stop"] = ["\n"]
    return body


class Client(threading.Thread):
    """One client; counts by kind what it got."""

    def __init__(self, port, number, until, counts, seconds, lock):
        super().__init__(daemon=True)
        self.port, self.until, self.counts, self.seconds, self.lock = port, until, counts, seconds, lock
        self.draw = random.Random(number)

    def count(self, kind, took=None):
        with self.lock:
            self.counts[kind] += 1
            if took is not None:
                self.seconds.append(took)

    def run(self):
        while time.monotonic() < self.until:
            kind = self.draw.random()
            try:
                if kind < 0.15:
                    self.leave()
                elif kind < 0.25:
                    self.send_nonsense()
                else:
                    self.complete()
            except (OSError, http.client.HTTPException) as error:
                self.count(f"lost: {type(error).__name__}: {error}")

    def post(self, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        started = time.monotonic()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        return reply.status, data, time.monotonic() - started

    def complete(self):
        body = body_of(self.draw)
        stream = self.draw.random() < 0.3
        body["stream"] = stream
        path = self.draw.choice(["/completion", "/v1/completions"])
        if path.startswith("/v1"):
            body["max_tokens"] = body.pop("n_predict")
            body.pop("n_probs", None)
        status, data, took = self.post(path, json.dumps(body))
        complete = data.rstrip().endswith(b"[DONE]") or b'"stop":true' in data if stream else bool(json.loads(data))
        self.count(f"{status}" if complete else "lost: a reply without its end", took)

    def leave(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as one:
            body = json.dumps({**body_of(self.draw), "n_predict": 300, "stream": True}).encode()
            one.sendall(b"POST /completion HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            if self.draw.random() < 0.7:
                one.recv(self.draw.randrange(1, 2000))
        self.count("left early")

    def send_nonsense(self):
        bodies = ["", "{", "[1,2]", '{"prompt":{}}', '{"prompt":"x","top_p":7}', '{"prompt":"x","grammar":"root"}',
                  json.dumps({"prompt": "x" * self.draw.randrange(20000)}), "\x00\x01"]
        path = self.draw.choice(["/completion", "/infill", "/v1/completions", "/nowhere", "/tokenize"])
        status, data, _ = self.post(path, self.draw.choice(bodies))
        good = status == 200 or b'"error"' in data
        self.count(f"nonsense: {status}" if good else f"lost: {status} without a sentence")


def wait_until_ready(port, server):
    for _ in range(600):
        if server.poll() is not None:
            sys.exit("load.py: the server ended before it was ready")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("load.py: the server was not ready within a minute")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--port", type=int, default=8199)
    o = parser.parse_args()
    server = subprocess.Popen(shlex.split(o.command.replace("{port}", str(o.port))), stderr=subprocess.DEVNULL)
    wait_until_ready(o.port, server)
    counts, seconds, lock = collections.Counter(), [], threading.Lock()
    begun = time.monotonic()
    clients = [Client(o.port, i, begun + 60 * o.minutes, counts, seconds, lock) for i in range(o.clients)]
    for client in clients:
        client.start()
    memory = []
    while any(client.is_alive() for client in clients) and server.poll() is None:
        memory.append(resident(server.pid))
        time.sleep(min(5.0, 6.0 * o.minutes))
    ended = server.poll() is not None
    for client in clients:
        client.join(130)
    server.send_signal(signal.SIGTERM)
    status = server.wait(60)
    for kind, count in sorted(counts.items()):
        print(f"{count:8d}  {kind}")
    seconds.sort()
    if seconds:
        for share in (0.5, 0.95, 0.99):
            print(f"{1e3 * seconds[min(len(seconds) - 1, int(share * len(seconds)))]:8.0f}  ms, p{100 * share:.0f}")
    third = max(1, len(memory) // 3)
    print(f"{memory[0]:8.1f}  MB of memory at first, {max(memory[:third]):.1f} at most in the first third, "
          f"{max(memory[-third:]):.1f} in the last")
    print(f"{status:8d}  status of the server")
    lost = sum(count for kind, count in counts.items() if kind.startswith("lost"))
    sys.exit(1 if lost or ended or status != 0 else 0)


if __name__ == "__main__":
    main()
