"""What the tests share: the package's place, the frameworks at hand, a node that plays a script."""

import http.server
import json
import os
import pathlib
import re
import shutil
import socketserver
import subprocess
import sys
import tempfile
import textwrap
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "testdata" / "vectors" / "safetensors"
sys.path.insert(0, str(ROOT / "python"))

try:
    import numpy
except ImportError:
    numpy = None
try:
    import torch
except ImportError:
    torch = None

FRAMEWORKS = ["plain"] + ["numpy"] * (numpy is not None) + ["torch"] * (torch is not None)


def environment(**more):
    """The environment of a script that no node has started."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("WEFT_", "PYTHON", "SLURM_", "OMPI_", "PMI")) and "RANK" not in k}
    return {**clean, "PYTHONPATH": str(ROOT / "python"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", **more}


def run_script(script, env, timeout=120):
    """Runs script in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(**env), timeout=timeout)


def block_with(word, document):
    """The one block of Python in a document that has a word in it."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    (block,) = [found[1] for found in re.finditer(r"^```(?:python|py)\n(.*?)^```$", text, re.M | re.S) if word in found[1]]
    return block


def missing(test, what):
    """Skips a test; where everything should be there, as in CI, it fails."""
    if os.environ.get("WEFT_TEST_ALL") == "1":
        test.fail(f"{what}, and WEFT_TEST_ALL=1 allows no skips")
    test.skipTest(what)


def weft_program(test):
    """The weft program of these sources, in a folder of its own."""
    if not shutil.which("go"):
        missing(test, "no Go, to build the weft program")
    path = ROOT / "dist" / "for-tests" / "weft"
    done = subprocess.run(["go", "build", "-o", str(path), "./cmd/weft"], cwd=ROOT, capture_output=True, text=True)
    test.assertEqual(done.returncode, 0, done.stderr)
    return path


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(None)

    def do_POST(self):
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body):
        status, reply = self.server.node.answer(self.command, self.path, body)
        raw = b"" if reply is None else reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def address_string(self):
        return "script"

    def log_message(self, *args):
        pass


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def server_bind(self):
        super().server_bind()
        self.server_name, self.server_port = "weft", 0

    def handle_error(self, request, client_address):
        pass  # a script that hangs up in the middle is a case that the tests make


class FakeNode:
    """A node that gives out ``tasks`` one after the other, then stops; ``calls`` keeps what the
    script said, and ``replies`` what it is told in the order of its POSTs, if not yes."""

    def __init__(self, *tasks):
        self.tasks = list(tasks)
        self.calls = []
        self.replies = []
        self.wanted = True
        self._dir = tempfile.TemporaryDirectory(prefix="weft-")  # short: a socket's path is limited
        self.path = self._dir.name + "/s"
        self._server = _Server(self.path, _Handler)
        self._server.node = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, method, path, body):
        self.calls.append((method, path, body))
        over = (409, {"error": "task 1 was cancelled", "hint": "ask for the next one"})
        if method == "POST":
            if self.replies:
                return self.replies.pop(0)
            return (200, {}) if self.wanted else over
        if not path.startswith("/v1/task?"):
            return (200, {}) if self.wanted else over
        if not self.tasks:
            return 200, {"kind": "stop"}
        task = self.tasks.pop(0)
        return (204, None) if task is None else (200, task)

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._dir.cleanup()


def split(path, folder, local=()):
    """Parts a checkpoint as a node does: the base's file, and what a task says of the rest. local
    are names of tensors that stay at the site."""
    from weft import _arrays, safetensors

    whole = safetensors.open_file(path)
    tensors = whole.tensors("plain")

    def write(name, chosen):
        layout = {n: (i.dtype, i.shape) for n, i in whole.infos.items() if (i.dtype in _arrays.WEIGHTS and n not in local) == chosen}
        safetensors.write(f"{folder}/{name}.safetensors", layout, whole.bytes_of, {})
        return f"{folder}/{name}.safetensors" if layout else ""

    base, constants = write("base-1", True), write("constants", False)
    aliases = {a: n for a, n in whole.metadata.items() if n in tensors}
    names = {"local": sorted(local)} if local else {}
    return base, {**names, **({"constants": constants} if constants else {}), **({"aliases": aliases} if aliases else {})}


class OneSite(FakeNode):
    """A mesh of one site: every update is the next round's base. A task that was given out and not
    answered is given out again, as after a script's death."""

    def __init__(self, base, rounds, evaluate=False, local=(), **more):
        super().__init__()
        self.dir = self._dir.name
        self.rounds, self.round = rounds, 1
        self.kinds = ["evaluate", "train"] if evaluate else ["train"]
        self.at, self.given = 0, 0
        self.updates, self.progress, self.skips = [], [], []
        self.base, beside = split(base, self.dir, local)
        self.more = {**beside, **more}
        self.state_dir = self.dir + "/state"
        os.mkdir(self.state_dir)

    def answer(self, method, path, body):
        self.calls.append((method, path, body))
        if path == "/v1/progress":
            self.progress.append(body)
        if path == "/v1/skip" and self.wanted:
            self.skips.append(body)
            self.at, self.round = 0, self.round + 1  # whose model is the one before
            return 200, {}
        if path == "/v1/update":
            if not self.wanted:
                return 409, {"error": "task was cancelled"}
            self.updates.append(body)
            self.at += 1
            if "update" in body:
                self.at, self.round = 0, self.round + 1
                self.base = shutil.move(body["update"], f"{self.dir}/base-{self.round}.safetensors")
        if path.startswith("/v1/task?"):
            if self.round > self.rounds:
                return 200, {"kind": "stop"}
            self.given += 1
            folder = f"{self.dir}/task-{self.given}"
            os.mkdir(folder)
            kind = self.kinds[self.at]
            return 200, {
                "id": self.given, "kind": kind, "run": "bafy", "name": "demo", "round": self.round, "rounds": self.rounds,
                "attempt": 1, "base": self.base, "dir": folder, "seed": self.round, "config": {},
                "state_dir": self.state_dir, **self.more,
            }
        return (200, {}) if self.wanted else (409, {"error": "task was cancelled"})
