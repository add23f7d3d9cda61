# SPDX-License-Identifier: MIT
"""Checks of keystrokes.py, against a server in this process: keystrokes.py --self-test."""
import http.server
import json
import os
import tempfile
import threading
import time


class Fake(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    delay, answer, asked = 0.0, "", []

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Fake.asked.append(body)
        if body["n_predict"] == 0:
            return self.whole({})
        time.sleep(Fake.delay)
        text = Fake.answer(body) if callable(Fake.answer) else Fake.answer
        timings = {"prompt_n": 7, "prompt_ms": 0.01, "predicted_n": 2}
        if not body["stream"]:
            return self.whole({"content": text} | {"timings/" + name: value for name, value in timings.items()})
        try:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for i, piece in enumerate((text[:2], text[2:])):
                event = b"data: " + json.dumps({"content": piece, "stop": False}).encode() + b"\n\n"
                self.chunk(event[:5])  # events need not arrive whole
                self.chunk(event[5:])
                time.sleep(0.01)
            self.chunk(b"data: " + json.dumps({"content": "", "stop": True, "timings": timings}).encode() + b"\n\n")
            self.chunk(b"")
        except OSError:
            pass
        self.close_connection = True

    def whole(self, reply):
        data = json.dumps(reply).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass


def run(keystrokes):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    passed = 0

    def check(what, is_so):
        nonlocal passed
        if not is_so:
            raise keystrokes.Failure(f"self-test failed: {what}")
        passed += 1

    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "a.py"), "w") as f:
            for i in range(300):
                f.write(f"def function_{i}(argument):\n    return argument * {i}\n\n")

        def measure(*words, delay=0.0, answer="zz\nyy"):
            Fake.delay, Fake.answer, Fake.asked = delay, answer, []
            return keystrokes.measure(keystrokes.parse([
                "--text", folder, "--server", f"fake=http://127.0.0.1:{server.server_port}", "--places", "1", "--speed",
                "20", "--patience", "20", "--keys", "30", *words]), folder)

        quick = measure("--wait-for-hint")["servers"]["fake"]
        first = [body for body in Fake.asked if body["t_max_predict_ms"] == 250]
        follow = [body for body in Fake.asked if body["t_max_predict_ms"] == 1000]
        check("every key asks where no hint fits", quick["requests"] == quick["keys"] == len(first))
        check("every hint is followed up", len(follow) == len(first))
        check("a follow-up is behind the hint", follow[0]["prompt"] == "yy")
        check("chunks are sent ahead", any(body["n_predict"] == 0 for body in Fake.asked))
        check("tokens are read", quick["prompt_tokens"] == 7)
        check("times are in order", 0 < quick["first_p50_s"] <= quick["line_p50_s"] < 2)
        check("nothing is stale", quick["stale"] == 0)
        exact = measure("--no-stream", "--wait-for-hint")["servers"]["fake"]
        check("no stream is asked for where none is wanted", not any(body["stream"] for body in Fake.asked))
        check("the server's time is the first token's", exact["first_p50_s"] < exact["line_p50_s"])

        slow = measure(delay=0.12)["servers"]["fake"]
        check("keys cancel a slow server's requests", slow["stale"] > 0.8 and slow["first_p99_s"] == float("inf"))
        waited = measure("--wait-for-hint", delay=0.12)["servers"]["fake"]
        check("a typist who waits gets each hint", waited["stale"] == 0 and 0.1 < waited["first_p50_s"] < 2)
        polled = measure("--in-flight", "wait", delay=0.12)["servers"]["fake"]
        check("requests in flight delay others", 0 < polled["requests"] < polled["keys"] and polled["stale"] > 0)

        def clairvoyant(body):
            whole = "return argument * 123\nxx" if "return".startswith(body["prompt"].strip()[:6]) else \
                "def function_123(argument):\nxx"
            typed = body["prompt"].strip()
            return whole[len(typed):] if whole.startswith(typed) else "??"
        known = measure("--wait-for-hint", answer=clairvoyant)["servers"]["fake"]
        check("typing along a hint asks nothing", known["from_cache"] > 3)
        check("its follow-up is asked once", known["requests"] + known["from_cache"] == known["keys"])
        try:
            measure("--server", "other=true")
            check("a command without a port is refused", False)
        except keystrokes.Failure as failure:
            check("a command without a port is refused", "{port}" in str(failure))
    server.shutdown()
    check("an infinite share is no number", keystrokes.quantile([1.0, float("inf"), float("inf")], 0.5) == float("inf"))
    print(f"{passed} passed, 0 failed")
