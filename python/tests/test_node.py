"""Real nodes, of the weft program that make wheel has built."""

import os
import pathlib
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from array import array

from support import ROOT, environment
from test_package import missing

import weft

MACHINE = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "")
PROGRAM = ROOT / "dist" / f"{sys.platform}-{MACHINE}" / "weft"

TRAIN = """
import os, time, weft
from array import array

class Momentum:
    def __init__(self): self.steps, self.moment = 0, 0.0
    def state_dict(self): return dict(vars(self))
    def load_state_dict(self, state): vars(self).update(state)

targets = [1.0, 0.5, 0.25]
model, momentum = {"w": array("f", [0, 0])}, Momentum()
done = open(os.environ["DONE"], "a", buffering=1)
for task in weft.tasks(model, momentum, samples=10, evaluate=lambda: {"gap": 1 - model["w"][0]}):
    assert task.config["rate"] == 0.5
    print("task", task.round, momentum.steps, file=done)
    for target in task.steps(targets, task.config["steps"]):
        momentum.steps += 1
        momentum.moment = 0.9 * momentum.moment + task.config["rate"] * (target - model["w"][0])
        model["w"][0] += momentum.moment
        time.sleep(0.02)
        task.log(steps_done=momentum.steps)
        print("step", momentum.steps, file=done)
"""

STEPS = """
import weft
from array import array
model = {"w": array("f", [0, 0])}
for task in weft.tasks(model, samples=1):
    for i, w in enumerate(model["w"]):
        model["w"][i] = w + 0.002
"""


class TestNode(unittest.TestCase):
    def setUp(self):
        if not PROGRAM.exists():
            missing(self, f"no {PROGRAM}: make wheel")
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.env = environment(DONE=str(self.dir / "done"), WEFT_DIR=str(self.dir / "site"))
        self.node = None
        self.addCleanup(self.stop)

    def weft(self, *args):
        done = subprocess.run([PROGRAM, *args], cwd=self.dir, env=self.env, capture_output=True, text=True, timeout=60)
        self.said = done.stderr
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def up(self):
        log = open(self.dir / "log", "a")
        self.addCleanup(log.close)
        self.node = subprocess.Popen([PROGRAM, "up"], cwd=self.dir, env=self.env, stdout=log, stderr=log)
        self.wait(lambda: weft.mesh(self.dir / "site").status())

    def stop(self, signal=signal.SIGTERM):
        if self.node is not None:
            self.node.send_signal(signal)
            self.node.wait(timeout=30)
            self.node = None

    def wait(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := condition():
                    return found
            except (weft.Error, OSError):
                pass
            time.sleep(0.02)
        self.fail((self.dir / "log").read_text())

    def lines(self, word):
        return [line for line in (self.dir / "done").read_text().splitlines() if line.startswith(word)]

    def found(self, script):
        """A mesh of one site, whose trainer is a script."""
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.weft("init", "--name", "a", "--listen", f"/ip4/127.0.0.1/tcp/{port}", "--accept", "auto")
        config = (self.dir / "site" / "config.yaml").read_text()
        before, rest = config.split("trainer:\n", 1)
        after = rest[rest.index("# In which runs") :].replace("evaluate: false", "evaluate: true")
        (self.dir / "train.py").write_text(script)
        (self.dir / "site" / "config.yaml").write_text(f"{before}trainer:\n  exec: [{sys.executable}, {self.dir}/train.py]\n\n{after}")
        self.weft("mesh", "create", "m", "--site", self.weft("id").strip(), "-o", "m.weft")

    def test_small_steps(self):
        """A model in bfloat16, whose next number after 1.0 is 1.0078, learns by steps of 0.002: the common models are float32."""
        self.found(STEPS)
        weft.safetensors.save_file({"w": array("f", [1, 3])}, self.dir / "base.safetensors", like={"w": weft.safetensors.TensorInfo("BF16", (2,), 0, 0)})
        self.up()
        mesh = weft.mesh(self.dir / "site")
        file, narrow = "file: base.safetensors", "from: steps1.0keep@latest"
        for model, dtype, want in ((file, "", 1.016), (file, "dtype: f32", 1.016), (file, "dtype: keep", 1.0), (narrow, "", 1.016)):
            name = f"steps{want}{dtype[7:]}" + model[:4].replace("file", "")
            (self.dir / "run.yaml").write_text(f"name: {name}\nrounds: 8\nmodel: {{{model}}}\nmin_sites: 1\n{dtype}\n")
            self.weft("run", "start", "run.yaml")
            self.assertEqual("the run's models are F32" in self.said, want > 1, self.said)
            run = self.wait(lambda name=name: (r := mesh.run(name)).done == 8 and r)
            got = run.model("latest", "plain")["w"]
            self.assertAlmostEqual(got[0], want, places=5)
            self.assertAlmostEqual(got[1], want + 2, places=5)
        self.assertIn("100% of the changes were lost to rounding", (self.dir / "log").read_text())

    def test_a_run(self):
        """A run at one site: its trainer is killed, then its node is stopped and started, and nothing is lost."""
        self.found(TRAIN)
        weft.safetensors.save_file({"w": array("f", [0, 0])}, self.dir / "base.safetensors")
        (self.dir / "run.yaml").write_text("name: r\nrounds: 3\nmodel: {file: base.safetensors}\nmin_sites: 1\nbest: gap:min\ntrain: {steps: 100, rate: 0.5}\n")
        self.up()
        self.weft("run", "start", "run.yaml")
        mesh = weft.mesh(self.dir / "site")
        self.wait(lambda: len(self.lines("step")) >= 60)
        os.kill(mesh.run("r").status["process"], signal.SIGKILL)
        self.wait(lambda: mesh.run("r").done == 1)
        self.wait(lambda: len(self.lines("step")) >= 150)
        self.stop()
        self.up()
        run = self.wait(lambda: (r := mesh.run("r")).done == 3 and not r.status.get("unmeasured") and r)
        rows = run.history()
        self.assertEqual([(r["round"], r["site"], r["samples"], r["steps_done"]) for r in rows[1:]], [(i, "a", 10, 100.0 * i) for i in (1, 2, 3)])
        self.assertEqual(rows[0]["eval_gap"], 1.0)
        best = min(rows, key=lambda r: (r["eval_gap"], r["round"]))
        self.assertEqual(run.status["best"]["round"], best["round"])
        self.assertEqual(1 - run.model("best", "plain")["w"][0], best["eval_gap"])
        self.assertEqual(len(self.lines("task")), 5)  # three, the one killed, the one put off
        # The node's stop repeats a step at most, the kill what came after the last save: of so short a task more than 5 %.
        repeated = [int(line.split()[1]) for line in self.lines("step")]
        repeated = [sum(repeated.count(i) - 1 for i in range(r * 100 + 1, r * 100 + 101)) for r in range(3)]
        self.assertTrue(repeated[0] < 60 and repeated[1] <= 1 and repeated[2] == 0, repeated)
        log = (self.dir / "log").read_text()
        self.assertEqual(log.count("goes on after step"), 2, log)
        # Plain training ends with the same bits.
        model, moment = array("f", [0, 0]), 0.0
        for i in range(300):
            moment = 0.9 * moment + 0.5 * ([1.0, 0.5, 0.25][i % 3] - model[0])
            model[0] += moment
        self.assertEqual(list(run.model("latest", "plain")["w"]), list(model))


if __name__ == "__main__":
    unittest.main()
