# SPDX-License-Identifier: MIT
"""The server under test, as its clients see it: `earlyout serve` on a free port."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Answer:
    def __init__(self, status, body):
        self.status = status
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


class Served:
    """A running server. `waits`: until its model is loaded."""

    def __init__(self, command, *arguments, waits=True):
        self.port = free_port()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([command, "serve", "--port", str(self.port), *arguments], stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        if waits:
            self.wait()

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if failure:
            print(self.messages())

    def messages(self):
        self.log.seek(0)
        return self.log.read().decode()

    def wait(self):
        for _ in range(3000):
            try:
                if self.get("/health").status == 200:
                    return
            except OSError:
                if self.process.poll() is not None:
                    raise AssertionError(f"the server ended: {self.messages()}") from None
            time.sleep(0.005)
        raise AssertionError("/health: expected 200 within 15 s")

    def stop(self):
        """Ends it as a service manager does."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=15)
        assert status == 0, f"after SIGTERM: expected status 0, found {status}: {self.messages()}"

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, data, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.ask("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        return self.ask("POST", path, body, headers)

    def events(self, path, body):
        """Returns a stream's objects, and whether [DONE] ended it."""
        answer = self.post(path, {**body, "stream": True})
        equal(answer.status, 200, answer.body)
        made, done = [], False
        for event in answer.body.decode().split("\n\n"):
            if event == "":
                continue
            assert event.startswith("data: ") and not done, f"expected an event of data, found {event!r}"
            if event == "data: [DONE]":
                done = True
            else:
                made.append(json.loads(event[6:]))
        return made, done

    def leave(self, path, body, after=None):
        """Sends a request and closes the connection, after a time or as soon as the reply begins."""
        data = json.dumps(body).encode()
        with socket.create_connection(("127.0.0.1", self.port)) as one:
            one.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
            if after is None:
                one.recv(1)
            else:
                time.sleep(after)

    def counter(self, name):
        found = re.search(rf"^{name} ([0-9.e+-]+)$", self.get("/metrics").body.decode(), re.M)
        assert found, f"/metrics: expected {name}, found none"
        return float(found[1])

    def wait_idle(self):
        for _ in range(1000):
            if not any(slot["is_processing"] for slot in self.get("/slots").json):
                return
            time.sleep(0.005)
        raise AssertionError("/slots: expected all idle within 5 s")


def equal(found, expected, what=""):
    assert found == expected, f"{what}: expected {expected!r}, found {found!r}"


def fim_model(layers=None):
    """Makes a small model that fills in the middle in a temporary folder, which lives as long as what is returned."""
    import make_fim_model

    folder = tempfile.TemporaryDirectory()
    make_fim_model.make(os.path.join(folder.name, "tiny-fim"), *([] if layers is None else [layers]))
    return folder


def run_all(tests, *arguments):
    for test in tests:
        start = time.time()
        test(*arguments)
        print(f"{time.time() - start:6.2f} s  {test.__doc__ or test.__name__}")
