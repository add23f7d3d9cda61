#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Types lines of real files as an editor with llama.vim does, and measures how long hints take.

    keystrokes.py --text FOLDER --server 'NAME=COMMAND with {port}' [--server ...] [options]

Servers of llama.cpp's /infill are started on free ports and typed at in turns, place by place, with the same keys. What
is typed is Python files in FOLDER: places are drawn with a seed; lines are taken out and typed again, key by key.
README.md in this folder says what is sent, what is measured and how to read the table.
"""
import argparse
import datetime
import json
import math
import os
import random
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections import OrderedDict

LINES_BEFORE, LINES_AFTER = 256, 64
CHUNK_LINES, SCOPE_LINES = 64, 1024
CACHED_HINTS, LOOK_BEHIND = 250, 128
N_PREDICT, T_MAX_PROMPT_MS, T_HINT_MS, T_FOLLOW_UP_MS = 128, 500, 250, 1000
RETRY_SECONDS = 0.1
REPLY_FIELDS = ["content", "timings/prompt_n", "timings/prompt_ms", "timings/prompt_per_token_ms",
                "timings/prompt_per_second", "timings/predicted_n", "timings/predicted_ms",
                "timings/predicted_per_token_ms", "timings/predicted_per_second", "truncated", "tokens_cached"]


class Failure(Exception):
    """Ends the program with a sentence."""


# ---------------------------------------------------------------------------------------------------------------------
# What is typed


class Place:
    """Some lines of a file, taken out, and the keys that bring them back: a new line, then each character."""

    def __init__(self, path, lines, number, count, max_keys):
        self.path, self.number = path, number
        self.before, self.after = lines[:number], lines[number + count :]
        self.typed = []  # after each key: the lines that are finished, and the one that is being typed
        for i in range(count):
            line = lines[number + i].rstrip()
            indent = len(line) - len(line.lstrip())  # what the editor indents is not typed
            self.typed += [(lines[number : number + i], line[:n]) for n in range(indent, len(line) + 1)]
        del self.typed[max_keys:]


def draw_places(folder, count, seed, line_count, max_keys):
    paths = []
    for root, folders, files in os.walk(folder):
        folders.sort()
        paths += [os.path.join(root, name) for name in sorted(files) if name.endswith(".py")]
    source, drawn = random.Random(seed), []
    texts = {}
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as f:
            lines = f.read().split("\n")
        if len(lines) >= 100 and max(map(len, lines)) < 400:
            texts[path] = lines
    if not texts:
        raise Failure(f"No Python file of 100 lines or more is below '{folder}'.")
    names = sorted(texts)
    weights = [len(texts[name]) for name in names]
    for _ in range(200 * count):
        if len(drawn) == count:
            break
        path = source.choices(names, weights)[0]
        lines = texts[path]
        number = source.randrange(40, len(lines) - 5 - line_count)
        text = lines[number].strip()
        if len(text) < 10 or text.startswith("#") or not "".join(lines[number : number + line_count]).isascii():
            continue
        if any(place.path == path and abs(place.number - number) < 20 for place in drawn):
            continue
        drawn.append(Place(os.path.relpath(path, folder), lines, number, line_count, max_keys))
    if len(drawn) < count:
        raise Failure(f"Only {len(drawn)} places could be drawn below '{folder}', not {count}.")
    return drawn


# ---------------------------------------------------------------------------------------------------------------------
# The editor's side: which requests it sends


def similarity(one, other):
    """Shared words of two chunks, from 0 to 1; repeated words of the second count each time."""
    a, b = (re.split(r"\W+", "\n".join(lines)) for lines in (one, other))
    known = set(a)
    return 2.0 * sum(word in known for word in b) / (len(a) + len(b)) if a or b else 1.0


class Editor:
    """What llama.vim (of January 2026) keeps between keys: hints it has, chunks of other places, and what to ask."""

    def __init__(self, chunks, seed):
        self.max_chunks, self.random = chunks, random.Random(seed)
        self.hints = OrderedDict()
        self.ring, self.queued = [], []
        self.picked_at = None
        self.indent = -1
        self.name, self.place, self.lines, self.at = "", None, [], 0

    # Text

    def open(self, place):
        self.name = place.path
        self.place = place
        self.type(place.typed[0])
        self.picked_at = None
        self.pick(self.around())

    def type(self, state):
        finished, line = state
        self.lines = self.place.before + finished + [line] + self.place.after
        self.at = len(self.place.before) + len(finished)

    def save(self):
        self.pick(self.around())

    def around(self):
        return self.lines[max(0, self.at - CHUNK_LINES // 2) : self.at + CHUNK_LINES // 2 + 1]

    def context(self, accepted=None):
        """Text before, typed and behind, and the line's indentation; as if a hint were accepted, if one is given."""
        line = self.lines[self.at]
        first = self.at - LINES_BEFORE
        if accepted is None:
            typed = "" if not line.strip() else line
            indent = 0 if not line.strip() else len(line) - len(line.lstrip())
            before = self.lines[max(0, first) : self.at]
        else:
            before = self.lines[max(0, first + len(accepted) - 1) : self.at]
            typed = line + accepted[0] if len(accepted) == 1 else accepted[-1]
            if len(accepted) > 1:
                before = before + [line + accepted[0]] + accepted[1:-1]
            indent = self.indent
        behind = self.lines[self.at + 1 : self.at + 1 + LINES_AFTER]
        return "\n".join(before) + "\n", typed, "\n" + "\n".join(behind) + "\n", indent

    # Hints it has

    def known(self, key):
        if key not in self.hints:
            return None
        self.hints.move_to_end(key)
        return self.hints[key]

    def keep(self, keys, text):
        for key in keys:
            if key not in self.hints and len(self.hints) >= CACHED_HINTS:
                self.hints.popitem(last=False)
            self.hints[key] = text
            self.hints.move_to_end(key)

    def hint(self):
        """The hint to show here, from those it has: this place's own, or the rest of one whose start was typed."""
        prefix, typed, suffix, _ = self.context()
        text, behind = prefix + typed, suffix
        own = self.known((text, behind))
        if own is not None:
            return own
        best = None
        for n in range(1, min(LOOK_BEHIND, len(text)) + 1):
            earlier = self.known((text[:-n], behind))
            if earlier and earlier[:n] == text[-n:] and len(earlier) > n:
                if best is None or len(earlier) - n > len(best):
                    best = earlier[n:]
        return best

    def shown(self, hint):
        """The lines of a hint as they are shown: without what repeats the lines below."""
        lines = hint.split("\n")
        while lines and lines[-1] == "":
            lines.pop()
        if not lines:
            return [""]
        current = self.lines[self.at]
        if not current.strip():
            lead = min(len(lines[0]) - len(lines[0].lstrip()), len(current))
            current, lines[0] = lines[0][:lead], lines[0][lead:]
        below = self.at + 1
        if lines[0] == "" and lines[1:] == self.lines[below : below + len(lines) - 1]:
            return [""]
        while below < len(self.lines) - 1 and not self.lines[below].strip():
            below += 1
        if below < len(self.lines) and current + lines[0] == self.lines[below]:
            behind = self.lines[below + 1 : below + len(lines)]
            if len(lines) == 1 or (len(lines) == 2 and behind and behind[0].startswith(lines[1])):
                return [""]
            if lines[1:] == behind:
                return [""]
        return lines

    # Chunks of other places

    def pick(self, lines, evict=True):
        if self.max_chunks == 0 or len(lines) < 3:
            return
        if len(lines) + 1 >= CHUNK_LINES:
            half = CHUNK_LINES // 2
            start = self.random.randint(0, max(0, len(lines) - half))
            lines = lines[start : start + half + 1]
        if any(chunk["lines"] == lines for chunk in self.ring + self.queued):
            return
        for chunks in (self.queued, self.ring):
            for i in reversed(range(len(chunks))):
                if similarity(chunks[i]["lines"], lines) > 0.9:
                    if not evict:
                        return
                    del chunks[i]
        if len(self.queued) == 16:
            del self.queued[0]
        now = time.time()
        self.queued.append({"lines": lines, "name": self.name, "time": [int(now), int(now % 1 * 1e9)]})

    def extra(self):
        return [{"text": "\n".join(chunk["lines"]) + "\n", "time": chunk["time"], "filename": chunk["name"]}
                for chunk in self.ring]

    # Requests

    def warm_up(self):
        """The request for the next queued chunk, if one is queued."""
        if not self.queued:
            return None
        if len(self.ring) >= self.max_chunks:
            del self.ring[0]
        self.ring.append(self.queued.pop(0))
        return {"id_slot": 0, "input_prefix": "", "input_suffix": "", "input_extra": self.extra(), "prompt": "",
                "n_predict": 0, "temperature": 0.0, "samplers": [], "stream": False, "cache_prompt": True,
                "t_max_prompt_ms": 1, "t_max_predict_ms": 1, "response_fields": [""]}

    def ask(self, accepted=None):
        """The request for a hint here, or behind a hint, and the keys of its answer; none where it has one."""
        prefix, typed, suffix, indent = self.context(accepted)
        keys, cut = [(prefix + typed, suffix)], prefix
        for _ in range(3):
            cut = cut.split("\n", 1)[1]
            if not cut:
                break
            keys.append((cut + typed, suffix))
        if any(self.known(key) is not None for key in keys):
            return None
        self.indent = indent
        around, half = self.around(), CHUNK_LINES // 2
        start = self.random.randint(0, max(0, len(around) - half))
        chunk = around[start : start + half + 1]
        self.ring = [other for other in self.ring if similarity(other["lines"], chunk) <= 0.5]
        request = {"id_slot": 0, "input_prefix": prefix, "input_suffix": suffix, "input_extra": self.extra(),
                   "prompt": typed, "n_predict": N_PREDICT, "stop": [], "n_indent": indent, "top_k": 40, "top_p": 0.9,
                   "samplers": ["top_k", "top_p", "infill"], "stream": False, "cache_prompt": True,
                   "t_max_prompt_ms": T_MAX_PROMPT_MS,
                   "t_max_predict_ms": T_HINT_MS if accepted is None else T_FOLLOW_UP_MS,
                   "response_fields": REPLY_FIELDS}
        return request, keys

    def moved(self):
        """After a request: where the cursor moved far, chunks above and below it are queued."""
        if self.picked_at is not None and abs(self.at - self.picked_at) <= 32:
            return
        self.pick(self.lines[max(0, self.at - SCOPE_LINES) : max(1, self.at - LINES_BEFORE + 1)], False)
        behind = min(len(self.lines) - 1, self.at + LINES_AFTER)
        self.pick(self.lines[behind : behind + CHUNK_LINES + 1], False)
        self.picked_at = self.at


# ---------------------------------------------------------------------------------------------------------------------
# HTTP, on a connection of its own for each request, as curl's


class Request:
    def __init__(self, address, body, stream):
        data = json.dumps(body).encode()
        head = (f"POST /infill HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer \r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n")
        self.stream, self.text, self.end = stream, "", None
        self.first = self.line = self.done = None
        self.raw, self.body, self.chunked, self.length = b"", None, False, None
        self.lines = b""
        self.started = time.monotonic()
        self.socket = socket.create_connection(address, 10)
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(head.encode() + data)

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()

    def read(self):
        """Takes what has arrived; sets `done` at the end."""
        data = self.socket.recv(1 << 16)
        now = time.monotonic() - self.started
        self.raw += data
        if self.body is None and b"\r\n\r\n" in self.raw:
            head, self.raw = self.raw.split(b"\r\n\r\n", 1)
            self.body = b""
            first, *fields = head.decode("latin-1").split("\r\n")
            self.status = int(first.split()[1])
            for field in fields:
                name, _, value = field.partition(":")
                if name.lower() == "transfer-encoding" and "chunked" in value.lower():
                    self.chunked = True
                if name.lower() == "content-length":
                    self.length = int(value)
        if self.body is None:
            if not data:
                raise Failure("A server closed a connection without an answer.")
            return
        last = not data
        if self.chunked:
            while b"\r\n" in self.raw:
                size, rest = self.raw.split(b"\r\n", 1)
                n = int(size.split(b";")[0], 16)
                if n == 0:
                    last = True
                    break
                if len(rest) < n + 2:
                    break
                self.take(rest[:n], now)
                self.raw = rest[n + 2 :]
        elif self.raw:
            self.take(self.raw, now)
            self.raw = b""
            last = last or (self.length is not None and len(self.body) >= self.length)
        if last or self.end is not None:
            self.finish(now)

    def take(self, data, now):
        self.body += data
        if not self.stream:
            return
        *events, self.lines = (self.lines + data).split(b"\n")
        for event in events:
            if not event.startswith(b"data: ") or event.startswith(b"data: [DONE]"):
                continue
            reply = json.loads(event[6:])
            self.text += reply.get("content", "")
            if self.text and self.first is None:
                self.first = now
            if "\n" in self.text and self.line is None:
                self.line = now
            if reply.get("stop"):
                self.end = reply

    def finish(self, now):
        self.done = now
        self.close()
        if self.status != 200:
            raise Failure(f"A server answered {self.status}: {self.body.decode(errors='replace')[:300].strip()}")
        if self.stream:
            if self.end is None:
                raise Failure(f"A server's stream ended early: {self.body[-200:].decode(errors='replace')}")
            self.first = now if self.first is None else self.first
        else:
            reply = self.end = json.loads(self.body)
            self.text = reply.get("content", "")
            taken = self.timing("prompt_ms")
            self.first = now if taken is None else taken / 1000
        self.line = now if self.line is None else self.line

    def timing(self, name):
        if self.end is None:
            return None
        return self.end.get("timings", {}).get(name, self.end.get("timings/" + name))


# ---------------------------------------------------------------------------------------------------------------------
# Servers


class Server:
    def __init__(self, name, command, folder):
        self.name, self.command = name, command
        self.process = None
        if command.startswith("http://"):
            parts = urllib.parse.urlsplit(command)
            self.address = (parts.hostname, parts.port or 80)
            return
        if "{port}" not in command:
            raise Failure(f"The command of server '{name}' lacks {{port}}, which stands for the port to listen on.")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = free.getsockname()
        words = shlex.split(command.replace("{port}", str(self.address[1])))
        self.log = os.path.join(folder, f"{name}.log".replace("/", "_"))
        with open(self.log, "wb") as log:
            try:
                self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            except OSError as error:
                raise Failure(f"Server '{name}' could not be started: {error}.") from None

    def last_lines(self):
        with open(self.log, errors="replace") as log:
            return "\n".join("    " + line for line in log.read().splitlines()[-8:])

    def wait_until_ready(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process and self.process.poll() is not None:
                raise Failure(f"Server '{self.name}' ended with status {self.process.returncode} while it was "
                              f"starting. Its last lines:\n{self.last_lines()}")
            try:
                with socket.create_connection(self.address, 2) as to:
                    to.settimeout(5)
                    to.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    if b" 200 " in to.recv(4096).split(b"\r\n")[0] + b" ":
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise Failure(f"Server '{self.name}' was not ready after {seconds} s (GET /health of {self.address}).")

    def cpu_seconds(self):
        """Processor time of the server's process and its children; none of a server that was not started here."""
        if self.process is None:
            return None
        total, todo, tick = 0.0, [self.process.pid], os.sysconf("SC_CLK_TCK")
        while todo:
            pid = todo.pop()
            try:
                with open(f"/proc/{pid}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                total += sum(int(x) for x in fields[11:15]) / tick
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children") as f:
                        todo += [int(x) for x in f.read().split()]
            except (OSError, IndexError):
                continue
        return total

    def settle(self, seconds=15.0):
        """Waits until no more processor time is used: what is computed for no one is to be counted, too."""
        until, before = time.monotonic() + seconds, self.cpu_seconds()
        while before is not None and time.monotonic() < until:
            time.sleep(0.15)
            now = self.cpu_seconds()
            if now - before < 0.015:
                return
            before = now

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


# ---------------------------------------------------------------------------------------------------------------------
# Typing


class Typist:
    def __init__(self, server, editor, given):
        self.server, self.editor, self.given = server, editor, given

    def send(self, body):
        if self.given.stream and body["n_predict"]:
            body = {key: value for key, value in body.items() if key != "response_fields"} | {"stream": True}
        return Request(self.server.address, body | self.given.fields, body["stream"])

    def finish(self, request):
        while request.done is None:
            if not select.select([request], [], [], self.given.patience)[0]:
                raise Failure(f"Server '{self.server.name}' sent nothing for {self.given.patience:g} s.")
            request.read()

    def type_place(self, place):
        server, editor = self.server, self.editor
        editor.open(place)
        before, warm_ups = server.cpu_seconds(), 0
        while (body := editor.warm_up()) is not None:
            self.finish(self.send(body))
            warm_ups += 1
        server.settle()
        start = server.cpu_seconds()
        keys = self.type_keys(place)
        server.settle()
        end = server.cpu_seconds()
        editor.save()
        cpu = None if end is None else end - start
        warm_cpu = None if end is None else start - before
        return {"keys": keys, "cpu_s": cpu, "warm_up_cpu_s": warm_cpu, "warm_ups": warm_ups}

    def type_keys(self, place):
        """Types a place. Each key's entry tells how its hint was come by, and when."""
        editor, given = self.editor, self.given
        entries, running, retry_at = [], None, None  # running: (request, keys, entry, accepted)
        interval = 1.0 / given.speed
        due, typed, last = time.monotonic(), 0, None

        def start(accepted=None):
            nonlocal running
            asked = editor.ask(accepted)
            if asked is None:
                return False
            body, keys = asked
            entry = last if accepted is None else None
            if running is not None:
                if running[1][0] == keys[0]:
                    return True  # the very text that is being asked for
                stop()
            running = (self.send(body), keys, entry)
            if entry is not None:
                entry.update(how="request", asked=running[0].started - entry["at"])
            editor.moved()
            return True

        def stop():
            nonlocal running
            request, _, entry = running
            request.close()
            if entry is not None:
                self.note(entry, request, cancelled=True)
            running = None

        def move():
            """The cursor moved: a hint it has is shown, and what follows it asked for; or a hint is asked for."""
            nonlocal retry_at
            retry_at = None
            if last["how"] == "none":
                hint = editor.hint()
                if hint is not None:
                    last.update(how="cache")
                    if running is not None and not given.wait_in_flight:
                        stop_unless_wanted(hint)
                    if running is None:
                        start(editor.shown(hint))
                    return
            if running is not None and given.wait_in_flight:
                retry_at = time.monotonic() + RETRY_SECONDS
                return
            if not start() and running is not None and not given.wait_in_flight:
                stop()

        def stop_unless_wanted(hint):
            prefix, line, suffix, _ = editor.context(editor.shown(hint))
            if running[1][0] != (prefix + line, suffix):
                stop()

        def waits():
            return given.wait_for_hint and running is not None and running[2] is not None

        while True:
            now = time.monotonic()
            if now >= due and not waits():
                if typed == len(place.typed):
                    break
                editor.type(place.typed[typed])
                last = {"at": now, "how": "none", "new_place": typed == 0}
                entries.append(last)
                typed += 1
                due = max(due, now) + interval if given.wait_for_hint else due + interval
                move()
            if retry_at is not None and time.monotonic() >= retry_at:
                move()
            until = min(x for x in (due if not waits() else math.inf, retry_at or math.inf, now + given.patience))
            pause = max(0.0, until - time.monotonic())
            if running is None:
                time.sleep(pause)
                continue
            request, keys, entry = running
            if not select.select([request], [], [], pause)[0]:
                if time.monotonic() - request.started > given.patience:
                    raise Failure(f"Server '{self.server.name}' did not answer within {given.patience:g} s.")
                continue
            request.read()
            if request.done is None:
                continue
            running = None
            editor.keep(keys, request.text)
            if entry is not None:
                self.note(entry, request, cancelled=False, stale=entry is not last)
            hint = editor.hint()  # for the place where the cursor is by now
            if hint is not None and entry is not None:
                start(editor.shown(hint))
        if running is not None:
            if running[2] is not None:
                self.finish(running[0])
                self.note(running[2], running[0], cancelled=False)
            else:
                running[0].close()
        for entry in entries:
            del entry["at"]
        return entries

    @staticmethod
    def note(entry, request, cancelled, stale=False):
        wait = entry["asked"]
        entry.update(cancelled=cancelled, stale=cancelled or stale,
                     first_s=None if request.first is None else wait + request.first,
                     line_s=None if request.line is None else wait + request.line,
                     done_s=None if request.done is None else wait + request.done)
        for name in ("prompt_n", "cache_n", "predicted_n", "prompt_ms", "predicted_ms", "omitted"):
            value = request.timing(name)
            if value is not None:
                entry[name] = value


# ---------------------------------------------------------------------------------------------------------------------
# Results


def quantile(values, q):
    """Of values in order, the one at q; infinity stands for what never came."""
    ordered = sorted(values)
    if not ordered:
        return None
    at = q * (len(ordered) - 1)
    low, high = ordered[math.floor(at)], ordered[math.ceil(at)]
    return high if math.isinf(high) or low == high else low + (high - low) * (at - math.floor(at))


def summary(runs):
    keys = [key for run in runs for key in run["keys"]]
    asked = [key for key in keys if key["how"] == "request"]
    answered = [key for key in asked if not key["cancelled"]]
    made = {"places": len(runs), "keys": len(keys), "requests": len(asked),
            "from_cache": sum(key["how"] == "cache" for key in keys)}
    for name in ("first", "line"):
        def times(new_place):
            return [math.inf if key[name + "_s"] is None else key[name + "_s"]
                    for key in asked if key["new_place"] == new_place]
        for q in (50, 95, 99):
            made[f"{name}_p{q}_s"] = quantile(times(False), q / 100)
        made[f"new_place_{name}_p50_s"] = quantile(times(True), 0.5)
    made["stale"] = sum(key["stale"] for key in asked) / len(asked) if asked else None
    answered = [key for key in answered if not key["new_place"]]
    for name, field in (("prompt_tokens", "prompt_n"), ("generated_tokens", "predicted_n")):
        counts = [key[field] for key in answered if field in key]
        made[name] = sum(counts) / len(counts) if counts else None
    omitted = [sum(key["omitted"].values()) if isinstance(key["omitted"], dict) else key["omitted"]
               for key in answered if "omitted" in key]
    made["omitted_tokens"] = sum(omitted) / len(answered) if answered else None
    if all(run["cpu_s"] is not None for run in runs):
        made["cpu_s_per_key"] = sum(run["cpu_s"] for run in runs) / max(1, len(keys))
        made["warm_up_cpu_s_per_place"] = sum(run["warm_up_cpu_s"] for run in runs) / len(runs)
    return made


RATIOS = ("first_p50_s", "first_p95_s", "line_p50_s", "line_p95_s", "new_place_first_p50_s", "cpu_s_per_key",
          "prompt_tokens")


def ratio(over, under):
    if over is None or under is None or math.isinf(under) or under == 0:
        return None
    return over / under


def ratios(first, other, seed, rounds=1000):
    """How many times as much the other server takes, with a 95 % interval over places."""
    source = random.Random(seed)
    point = summary(first), summary(other)
    drawn = {name: [] for name in RATIOS}
    for _ in range(rounds):
        picked = source.choices(range(len(first)), k=len(first))
        a, b = summary([first[i] for i in picked]), summary([other[i] for i in picked])
        for name in RATIOS:
            value = ratio(b.get(name), a.get(name))
            if value is not None:
                drawn[name].append(value)
    made = {}
    for name in RATIOS:
        value = ratio(point[1].get(name), point[0].get(name))
        if value is not None and drawn[name]:
            made[name] = [value, quantile(drawn[name], 0.025), quantile(drawn[name], 0.975)]
    return made


def milliseconds(x):
    return "" if x is None else "never" if math.isinf(x) else f"{1000 * x:.0f}"


def show(results):
    rows = [["server", "first p50", "p95", "p99", "line p50", "p95", "p99", "new place", "prompt tokens",
             "CPU-s/key", "stale", "hints of its own", "omitted"]]
    for name, s in results["servers"].items():
        rows.append([name, *(milliseconds(s[f"{part}_p{q}_s"]) for part in ("first", "line") for q in (50, 95, 99)),
                     milliseconds(s["new_place_first_p50_s"]),
                     "" if s["prompt_tokens"] is None else f"{s['prompt_tokens']:.1f}",
                     f"{s['cpu_s_per_key']:.3f}" if "cpu_s_per_key" in s else "",
                     "" if s["stale"] is None else f"{100 * s['stale']:.0f} %", f"{s['from_cache']} of {s['keys']}",
                     "" if not s["omitted_tokens"] else f"{s['omitted_tokens']:.0f}"])
    print_table(rows)
    for pair, all_of in results["ratios"].items():
        name, first = pair.split("/")
        print(f"\n{name}, times {first}'s (95 % interval over places):\n")
        print_table([["", "ratio", "from", "to"]] + [
            [key.removesuffix("_s").replace("_", " "),
             *("never" if math.isinf(x) else f"{x:.2f}" for x in values)] for key, values in all_of.items()])


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for i, row in enumerate(rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def plain(x):
    """For JSON: infinity, which it lacks, as text."""
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, list):
        return [plain(value) for value in x]
    return "never" if isinstance(x, float) and math.isinf(x) else round(x, 6) if isinstance(x, float) else x


def machine():
    name = "unknown processor"
    try:
        with open("/proc/cpuinfo") as f:
            name = next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {os.cpu_count()} processors"


def measure(given, folder):
    places = draw_places(given.text, given.places, given.seed, given.lines, given.keys)
    servers = []
    try:
        for one in given.server:
            name, _, command = one.partition("=")
            if not name or not command:
                raise Failure(f"'--server {one}': expected NAME=COMMAND or NAME=http://HOST:PORT.")
            if any(server.name == name for server in servers):
                raise Failure(f"Two servers are named '{name}'.")
            servers.append(Server(name, command, folder))
            servers[-1].wait_until_ready(given.patience)
        names = [server.name for server in servers]
        pairs = [tuple(one.split("/")) for one in given.compare] or [(name, names[0]) for name in names[1:]]
        for pair in pairs:
            if len(pair) != 2 or not set(pair) <= set(names):
                raise Failure(f"'--compare {'/'.join(pair)}': expected two of the servers {', '.join(names)}.")
        typists = [Typist(server, Editor(given.chunks, given.seed), given) for server in servers]
        runs = {server.name: [] for server in servers}
        load = [os.getloadavg()[0]]
        began = datetime.datetime.now(datetime.timezone.utc)
        for i, place in enumerate(places):
            for typist in typists if i % 2 == 0 else reversed(typists):
                try:
                    runs[typist.server.name].append(typist.type_place(place))
                except (OSError, ValueError) as error:
                    where = f"at {place.path}:{place.number + 1}"
                    raise Failure(f"Server '{typist.server.name}', {where}: {error}") from None
            if given.verbose:
                print(f"{i + 1} of {len(places)}: {place.path}:{place.number + 1}, {len(place.typed)} keys; " +
                      ", ".join(f"{name} {milliseconds(summary(all_of[-1:])['first_p50_s'])} ms"
                                for name, all_of in runs.items()), file=sys.stderr, flush=True)
            load.append(os.getloadavg()[0])
    finally:
        for server in servers:
            server.stop()
    return {"began": began.isoformat(timespec="seconds"), "machine": machine(),
            "load_average": [min(load), max(load)],
            "options": {key: value for key, value in vars(given).items() if key not in ("json", "logs", "server")},
            "commands": {server.name: server.command for server in servers},
            "servers": {name: summary(all_of) for name, all_of in runs.items()},
            "ratios": {f"{other}/{first}": ratios(runs[first], runs[other], given.seed) for other, first in pairs},
            "runs": runs, "places": [f"{place.path}:{place.number + 1}" for place in places]}


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", metavar="FOLDER", help="Python files to type from")
    parser.add_argument("--server", action="append", default=[], metavar="NAME=COMMAND",
                        help="a server to start, {port} standing for its port; or NAME=http://HOST:PORT, one that runs "
                             "(its processor time is not measured)")
    parser.add_argument("--compare", action="append", default=[], metavar="NAME/NAME",
                        help="ratios of the first's numbers to the second's; by default of each server's to those of "
                             "the first server")
    parser.add_argument("--places", type=int, default=8, metavar="N", help="places to type at (8)")
    parser.add_argument("--lines", type=int, default=3, metavar="N", help="lines to type at each (3)")
    parser.add_argument("--keys", type=int, default=60, metavar="N", help="most keys at each (60)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="draws places and chunks (1)")
    parser.add_argument("--speed", type=float, default=5.0, metavar="X", help="characters per second (5)")
    parser.add_argument("--wait-for-hint", action="store_true",
                        help="the next key is typed when the hint is complete, and at --speed at most: no request is "
                             "given up, and the times are those of hints somebody waits for")
    parser.add_argument("--in-flight", choices=["cancel", "wait"], default="cancel",
                        help="what a key does to a request that is running: it is given up and its connection closed "
                             "(cancel), or its end is awaited and looked for every 100 ms, as llama.vim of January "
                             "2026 does (wait)")
    parser.add_argument("--stream", action=argparse.BooleanOptionalAction, default=True,
                        help="stream replies, which times the first token and the first line as they arrive. Without, "
                             "requests are llama.vim's to the letter, the first token's time is the server's own "
                             "prompt_ms, and the first line's that of the whole reply")
    parser.add_argument("--chunks", type=int, default=16, metavar="N", help="most chunks of other places (16)")
    parser.add_argument("--field", action="append", default=[], metavar="NAME=JSON",
                        help="another field of every request, such as t_max_prompt_ms=0 or ignore_eos=true")
    parser.add_argument("--patience", type=float, default=120.0, metavar="SECONDS",
                        help="how long to wait for a server or an answer (120)")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    parser.add_argument("--logs", metavar="FOLDER", help="keep the servers' output here")
    parser.add_argument("--verbose", action="store_true", help="tell of each place")
    parser.add_argument("--self-test", action="store_true", help="check the program against a server within it")
    given = parser.parse_args(words)
    if given.self_test:
        return given
    if not given.text or not given.server:
        parser.error("--text and at least one --server are needed")
    if not os.path.isdir(given.text):
        parser.error(f"--text: no folder '{given.text}'")
    if min(given.places, given.lines, given.keys) < 1 or given.speed <= 0 or given.chunks < 0:
        parser.error("--places, --lines and --keys are at least 1, --speed above 0, --chunks at least 0")
    given.wait_in_flight = given.in_flight == "wait"
    given.fields = {}
    for one in given.field:
        name, _, value = one.partition("=")
        try:
            given.fields[name] = json.loads(value)
        except ValueError:
            parser.error(f"--field {one}: what follows = is no JSON")
    return given


def main():
    given = parse(sys.argv[1:])
    if given.self_test:
        import self_test
        try:
            self_test.run(sys.modules[__name__])
        except Failure as failure:
            raise SystemExit(f"keystrokes.py: {failure}") from None
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as scratch:
        if given.logs:
            os.makedirs(given.logs, exist_ok=True)
        results = measure(given, given.logs or scratch)
    show(results)
    if given.json:
        with open(given.json, "w") as f:
            json.dump(plain(results), f, indent=1)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        raise SystemExit(f"keystrokes.py: {failure}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
