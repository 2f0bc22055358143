"""A script that somebody starts comes to a node whose trainer is attach: a real node, real processes."""

import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from array import array

from support import environment, run_script, weft_program

import weft

TRAIN = """
import os, sys, time, weft
from array import array

class Momentum:
    def __init__(self): self.steps = 0
    def state_dict(self): return dict(vars(self))
    def load_state_dict(self, state): vars(self).update(state)

weft.init("plain", node=sys.argv[1])
model, momentum = {"w": array("f", [0, 0])}, Momentum()
print("here", flush=True)
for task in weft.tasks(model, momentum, samples=10, evaluate=lambda: {"w": model["w"][0]}):
    for _ in task.steps([0], 60):
        momentum.steps += 1
        model["w"][0] += 1
        time.sleep(0.02)
        print("step", momentum.steps, flush=True)
weft.init("plain", node=sys.argv[1])  # a cell that runs once more
"""


class TestAttach(unittest.TestCase):
    def setUp(self):
        self.program = weft_program(self)
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.site = self.dir / "site"
        self.env = environment(WEFT_DIR=str(self.site))
        (self.dir / "train.py").write_text(TRAIN)
        weft.safetensors.save_file({"w": array("f", [0, 0])}, self.dir / "base.safetensors")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.weft("init", "--name", "a", "--listen", f"/ip4/127.0.0.1/tcp/{port}", "--accept", "auto", "--attach", "--evaluate")
        self.weft("mesh", "create", "m", "--site", self.weft("id").strip(), "-o", "m.weft")

    def weft(self, *args):
        done = subprocess.run([self.program, *args], cwd=self.dir, env=self.env, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def process(self, command, log):
        out = open(self.dir / log, "w")
        self.addCleanup(out.close)
        process = subprocess.Popen(command, cwd=self.dir, env=self.env, stdout=out, stderr=out)

        def end():
            process.kill()
            process.wait()

        self.addCleanup(end)
        return process

    def script(self, log):
        return self.process([sys.executable, "train.py", str(self.site)], log)

    def wait(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := condition():
                    return found
            except (weft.Error, OSError):
                pass
            time.sleep(0.02)
        self.fail("\n".join(f"{log.name}:\n{log.read_text()}" for log in self.dir.glob("*.log")))

    def said(self, log, word):
        return [line for line in (self.dir / log).read_text().splitlines() if line.startswith(word)]

    def open(self, name):
        (self.dir / "run.yaml").write_text(f"name: {name}\nrounds: 2\nmodel: {{file: base.safetensors}}\nmin_sites: 1\n")
        self.weft("run", "start", "run.yaml")

    def test_runs(self):
        node = self.process([self.program, "up"], "node.log")
        mesh = weft.mesh(self.site)
        self.wait(mesh.status)
        # A script that comes after its task, dies of kill -9 in the middle, and another that goes on.
        self.open("late")
        self.wait(lambda: "no process is attached" in mesh.run("late").status.get("trainer_waits", ""))
        self.assertIn("no process is attached to train: start the script", self.weft("status"))
        first = self.script("first.log")
        self.wait(lambda: len(self.said("first.log", "step")) >= 30)
        self.assertEqual(mesh.run("late").status["process"], first.pid)
        second = run_script(f"import weft; weft.init(node={str(self.site)!r})", {})
        self.assertIn(f"another process ({first.pid}) is attached", second.stderr)
        first.send_signal(signal.SIGKILL)
        first.wait()
        self.wait(lambda: "no process is attached" in mesh.run("late").status.get("trainer_waits", ""))
        third = self.script("third.log")
        run = self.wait(lambda: (r := mesh.run("late")).done == 2 and not r.status.get("unmeasured") and r)
        self.assertEqual(run.model("latest", "plain")["w"][0], 120)  # two rounds of 60 steps
        self.assertIn("goes on after step", (self.dir / "third.log").read_text())
        # The same process is there before the next run's task.
        self.open("early")
        self.wait(lambda: mesh.run("early").done == 2)
        self.assertEqual(mesh.run("early").model("latest", "plain")["w"][0], 120)
        self.assertIsNone(third.poll())
        node.send_signal(signal.SIGTERM)  # which ends the loop
        self.assertEqual(third.wait(timeout=60), 1)
        self.assertRegex((self.dir / "third.log").read_text(), "no node runs in|the node stops|does not answer")
        self.assertEqual(node.wait(timeout=60), 0)

    def test_who_is_not_there(self):
        for node, want in (
            (self.site, "no node runs in .*trainer: {attach: true}"),
            (self.dir, "is no site's directory"),
        ):
            self.assertRegex(run_script(f"import weft; weft.init(node={str(node)!r})", {}).stderr, want)
        config = self.site / "config.yaml"
        config.write_text(config.read_text().replace("attach: true", "synthetic: {}"))
        self.process([self.program, "up"], "node.log")
        self.wait(weft.mesh(self.site).status)
        self.assertRegex(run_script(f"import weft; weft.init(node={str(self.site)!r})", {}).stderr, "has another trainer")


if __name__ == "__main__":
    unittest.main()
