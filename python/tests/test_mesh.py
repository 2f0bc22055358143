"""A mesh as a site sees it: the local API of a node, played."""

import http.server
import json
import os
import pathlib
import tempfile
import threading
import unittest
from array import array

from support import _Server

import weft
from weft import safetensors

STATUS = {
    "site": "a",
    "runs": [
        {"id": "bafyold", "name": "letters", "rounds": 1, "done": 1, "phase": "stopped"},
        {
            "id": "bafynew", "name": "letters", "rounds": 9, "done": 2, "phase": "training",
            "newest": {"round": 2, "model": "m2"},
        },
    ],
}  # fmt: skip
ROUNDS = [
    {
        "round": 1, "height": 4, "model": "m1", "sites": ["a", "b"], "held": False, "took": 1500000000,
        "site_samples": {"a": 10, "b": 20}, "weights": {"a": 10, "b": 20}, "shares": {"a": 0.25, "b": 0.75}, "norms": {"b": 1.5}, "norm_ratios": {"b": 1.0}, "attempts": {"a": 1, "b": 2},
        "metrics": {"a": {"loss": 0.5}, "b": {"loss": 0.25, "accuracy": 0.75}},
    },
    {"round": 2, "height": 7, "model": "m2", "sites": ["b"], "held": True, "took": 0, "site_samples": {"b": 20}, "metrics": None},
]  # fmt: skip


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, body = self.server.replies.get(self.path, (404, b'{"error":"no such thing","hint":"look elsewhere"}'))
        self.send_response(status)
        self.send_header("Transfer-Encoding", "chunked")  # as Go sends what is long
        self.end_headers()
        for i in range(0, len(body), 1000):
            part = body[i : i + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def address_string(self):
        return "script"

    def log_message(self, *args):
        pass


class TestMesh(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        safetensors.save_file({"w": array("f", range(5000))}, self.dir / "m2")
        self.server = _Server(str(self.dir / "api.sock"), Handler)
        self.server.replies = {
            "/v1/status": (200, json.dumps(STATUS).encode()),
            "/v1/runs/bafynew/rounds?from=1&limit=2": (200, json.dumps({"done": 3, "rounds": ROUNDS[:1]}).encode()),
            "/v1/runs/bafynew/rounds?from=2&limit=1": (200, json.dumps({"done": 3, "rounds": ROUNDS[1:]}).encode()),
            "/v1/peers": (200, b'[{"site":"b"}]'),
            "/v1/models/m2?run=bafynew": (200, (self.dir / "m2").read_bytes()),
        }
        thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)

    def test_history(self):
        mesh = weft.mesh(self.dir)
        self.assertEqual((mesh.status()["site"], mesh.peers()), ("a", [{"site": "b"}]))
        self.assertEqual([r.id for r in mesh.runs()], ["bafyold", "bafynew"])
        run = mesh.run("letters")  # the newest of that name
        self.assertEqual((run.id, run.rounds, run.done, run.phase, repr(run)), ("bafynew", 9, 2, "training", "Run('letters', 2 of 9 rounds, training)"))
        self.assertEqual(
            run.history(),
            [
                {"round": 1, "site": "a", "samples": 10, "weight": 10, "attempts": 1, "share": 0.25, "loss": 0.5, "took_s": 1.5, "height": 4, "model": "m1"},
                {"round": 1, "site": "b", "samples": 20, "weight": 20, "attempts": 2, "share": 0.75, "norm": 1.5, "norm_ratio": 1.0, "loss": 0.25, "accuracy": 0.75, "took_s": 1.5, "height": 4, "model": "m1"},
                {"round": 2, "site": "b", "samples": 20, "weight": 0, "attempts": 0, "took_s": None, "height": 7, "model": "m2"},
            ],
        )
        self.assertEqual(mesh.run("bafyold").history(), [])

    def test_models(self):
        run = weft.mesh(self.dir).run("letters")
        for which in ("latest", 2):
            self.assertEqual(list(run.model(which, "plain")["w"])[-3:], [4997, 4998, 4999])
        with self.assertRaisesRegex(weft.Error, "the model of round 1 of 'letters' is not at this site; hint: it holds those of rounds: 2"):
            run.model(1)
        with self.assertRaisesRegex(weft.Error, "no such thing; hint: look elsewhere"):
            weft.mesh(self.dir).model("m3")

    def test_what_is_not_there(self):
        with self.assertRaisesRegex(weft.Error, "no run 'x' at this site; hint: it has: letters"):
            weft.mesh(self.dir).run("x")
        with self.assertRaisesRegex(weft.Error, "does not answer.*hint: does the site's node run"):
            weft.mesh(self.dir / "other").runs()
        self.addCleanup(os.environ.pop, "WEFT_DIR", None)
        os.environ["WEFT_DIR"] = str(self.dir)
        self.assertEqual(len(weft.mesh().runs()), 2)


if __name__ == "__main__":
    unittest.main()
