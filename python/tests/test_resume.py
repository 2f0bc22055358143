"""Trainings that are killed go on where they were, and end with the bytes of undisturbed ones."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from array import array

from support import OneSite, environment, numpy, run_script, torch
from test_tasks import TRAIN

import weft
from weft import _statefile, safetensors

STEPS = 100
KILLS = int(os.environ.get("WEFT_TEST_KILLS", "4"))  # 20 take a minute or two
OFTEN = "import weft._steps; weft._steps.COST = 1\n"  # as in a training long enough for 5 % of it to outweigh a save

SCRIPT = (
    TRAIN
    + """
import os, time
steps = open(sys.argv[1], "a", buffering=1)
for task in weft.tasks(model, optimizer, scheduler, samples=60, evaluate=lambda: {"loss": nn.functional.mse_loss(model(x), y)}):
    print(task.round, "begins", file=steps)
    for i, batch in enumerate(task.steps(loader, STEPS)):
        task.log(loss=step(*batch))
        time.sleep(0.01)
        print(task.round, "step", file=steps)
""".replace("STEPS", str(STEPS))
)


@unittest.skipIf(torch is None, "no torch")
class TestResume(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.base = self.dir + "/base.safetensors"
        done = run_script(TRAIN + f"\nweft.save(model, {self.base!r})", {})
        self.assertEqual(done.returncode, 0, done.stderr)

    def site(self, rounds):
        node = OneSite(self.base, rounds, evaluate=True)
        self.addCleanup(node.close)
        return node

    def start(self, node, script=SCRIPT):
        command = [sys.executable, "-c", script, self.dir + "/steps"]
        process = subprocess.Popen(command, env=environment(WEFT_SOCKET=node.path), stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def finish(self, node, script=SCRIPT):
        process = self.start(node, script)
        _, said = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, said)
        return said

    def lines(self):
        with open(self.dir + "/steps") as f:
            return f.read().splitlines()

    def wait_for_step(self, process, count):
        """Waits until so many steps are done in all."""
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            if os.path.exists(self.dir + "/steps") and sum("step" in line for line in self.lines()) >= count:
                return
            time.sleep(0.002)
        self.fail(f"step {count} was not reached: {process.poll()}")

    def content(self, path):
        with open(path, "rb") as f:
            return f.read()

    def test_kills(self):
        """kill -9 at random steps of two rounds: each repeats 5 % of the steps at most, and the
        model is the undisturbed one, byte for byte."""
        undisturbed = self.site(2)
        self.finish(undisturbed)
        os.remove(self.dir + "/steps")
        node, rng = self.site(2), random.Random(1)
        at = sorted(rng.sample(range(3, 2 * STEPS - 3), KILLS))
        done = 0
        for target in at:
            process = self.start(node, OFTEN + SCRIPT)
            self.wait_for_step(process, done + max(1, target - done) if done < target else done + 1)
            process.kill()
            process.wait()
            done = sum("step" in line for line in self.lines())
        self.finish(node, OFTEN + SCRIPT)
        self.assertEqual(self.content(node.base), self.content(undisturbed.base))
        total = sum("step" in line for line in self.lines())
        self.assertLessEqual(total, 2 * STEPS + KILLS * (STEPS * 0.05 + 1), "more than 5 % of a task's steps were repeated by a kill")
        self.assertGreater(total, 2 * STEPS)
        self.assertEqual(os.listdir(node.state_dir), ["weft-kept.safetensors"])

    def test_sigterm_saves(self):
        """No step is done twice, and the signal does what it does to a script."""
        node = self.site(1)
        process = self.start(node)
        self.wait_for_step(process, 33)  # no multiple of 5 %
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=20), -signal.SIGTERM)
        done = sum("step" in line for line in self.lines())
        said = self.finish(node)
        self.assertRegex(said, f"round 1: goes on after step {done} of {STEPS}, where it was saved")
        self.assertEqual(sum("step" in line for line in self.lines()), STEPS)

    def test_a_node_that_stops(self):
        """It cancels the task in hand, and gives it out again when it is back."""
        node = self.site(1)
        answer, stops = node.answer, []

        def stopping(method, path, body):
            if path == "/v1/progress" and not stops and body["step"] > 30:
                stops.append(body["step"])
                return 409, {"error": "the node stops", "stopping": True}
            return answer(method, path, body)

        node.answer = stopping
        self.finish(node)  # Cancelled ends the script, quietly
        self.assertEqual(node.updates[1:], [])
        self.assertRegex(self.finish(node), f"goes on after step {stops[0]} of")

    def test_another_task_is_not_resumed(self):
        node = self.site(2)
        process = self.start(node)
        self.wait_for_step(process, 50)
        process.kill()
        process.wait()
        self.assertIn("weft-task.safetensors", os.listdir(node.state_dir))
        tensors = safetensors.load_file(node.base, "torch")
        safetensors.save_file({n: t / 2 for n, t in tensors.items()}, node.base)  # the mesh has another model
        self.assertNotIn("goes on", self.finish(node))
        self.assertNotIn("weft-task.safetensors", os.listdir(node.state_dir))

    def test_without_an_optimizer_nothing_is_saved(self):
        """The package cannot know what else there is: half a state would train another model."""
        script = SCRIPT.replace("weft.tasks(model, optimizer, scheduler,", "weft.tasks(model,")
        node = self.site(1)
        process = self.start(node, script)
        self.wait_for_step(process, 40)
        process.kill()
        process.wait()
        self.assertEqual(os.listdir(node.state_dir), [])
        self.assertNotIn("goes on", self.finish(node, script))

    def test_a_damaged_file_is_none(self):
        node = self.site(1)
        process = self.start(node)
        self.wait_for_step(process, 40)
        process.kill()
        process.wait()
        path = node.state_dir + "/weft-task.safetensors"
        for content in (self.content(path)[:-3], b"", b"\0" * 100):
            with open(path, "wb") as f:
                f.write(content)
        self.assertNotIn("goes on", self.finish(node))

    def test_the_cost(self):
        """Where saving takes long, it is done less often: 2 % of the time at most."""
        slow = """
import weft._work
write = weft._work._statefile.write
def slowly(path, state):
    time.sleep(0.2)
    write(path, state)
    print("saved", file=steps)
weft._work._statefile.write = slowly
"""
        node = self.site(1)
        self.finish(node, SCRIPT.replace("for task in", slow + "for task in"))
        self.assertLessEqual(sum(line == "saved" for line in self.lines()), 2)  # the first, and that of the round's end


class TestStateFile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = weft._work.Path(folder.name) / "state"

    def test_plain(self):
        state = {"a": [1, 2.5, None, True, "text", (1, [2])], 3: {"x": float("inf")}, ("k", 1): b"\0\xff", "f": 0.1, "none": []}
        _statefile.write(self.path, {**state, "f2": print})
        self.assertEqual(_statefile.read(self.path), state)
        nan = float("nan")
        _statefile.write(self.path, [nan])
        self.assertNotEqual(_statefile.read(self.path), [nan])
        arrays = {code: array(code, [1, 2, 3]) for code in "fdbBhHiIqQ"}
        _statefile.write(self.path, {**arrays, "view": memoryview(array("f", range(6))).cast("B").cast("f", (2, 3))})
        got = _statefile.read(self.path)
        self.assertEqual(got.pop("view").tolist(), [[0, 1, 2], [3, 4, 5]])
        self.assertEqual({code: (a.typecode, a) for code, a in got.items()}, {code: (code, a) for code, a in arrays.items()})
        with self.assertRaisesRegex(_statefile.Unsupported, r"state\['x'\]\[1\] is a set"):
            _statefile.write(self.path, {"x": [1, {2}]})

    @unittest.skipIf(numpy is None, "no numpy")
    def test_numpy(self):
        state = {"f": numpy.arange(6, dtype="f4").reshape(2, 3).T, "i": numpy.int64(3), "b": numpy.array([True]), "rng": numpy.random.get_state()}
        _statefile.write(self.path, state)
        got = _statefile.read(self.path)
        numpy.testing.assert_array_equal(got["f"], state["f"])
        self.assertEqual((int(got["i"]), got["b"].tolist(), got["rng"][2]), (3, [True], state["rng"][2]))
        numpy.random.set_state(got["rng"])
        with self.assertRaisesRegex(_statefile.Unsupported, "complex128"):
            _statefile.write(self.path, numpy.zeros(1, "c16"))

    @unittest.skipIf(torch is None, "no torch")
    def test_tensors(self):
        tensors = {
            "f": torch.randn(2, 3), "half": torch.randn(3).half(), "b": torch.randn(3).bfloat16(), "d": torch.randn(()).double(),
            "i": torch.tensor([[1, -2]]), "u": torch.tensor([1, 255], dtype=torch.uint8), "t": torch.tensor([True, False]), "e": torch.zeros(0, 2),
            "s": torch.randn(4, 4).t()[1:], "nan": torch.tensor([float("nan"), float("inf")]),
        }
        _statefile.write(self.path, tensors)
        for name, got in _statefile.read(self.path).items():
            self.assertEqual((got.dtype, got.shape), (tensors[name].dtype, tensors[name].shape))
            self.assertTrue(torch.equal(got.nan_to_num(7) if got.is_floating_point() else got, tensors[name].nan_to_num(7) if got.is_floating_point() else tensors[name]), name)
        with self.assertRaisesRegex(_statefile.Unsupported, "complex64"):
            _statefile.write(self.path, torch.zeros(1, dtype=torch.complex64))

    @unittest.skipIf(torch is None, "no torch")
    def test_optimizers_and_schedules(self):
        """What torch has, with its state after a step, comes back equal."""
        optim, sched = torch.optim, torch.optim.lr_scheduler
        for make in (
            lambda p: optim.SGD(p, 0.1, momentum=0.9), lambda p: optim.SGD(p, 0.1), lambda p: optim.Adam(p, amsgrad=True), optim.AdamW, optim.Adagrad, optim.RMSprop,
        ):
            weight = torch.nn.Parameter(torch.ones(3))
            o = make([weight])
            schedules = [
                sched.StepLR(o, 1), sched.CosineAnnealingLR(o, 5), sched.MultiStepLR(o, [2, 4]), sched.LambdaLR(o, lambda e: 1 / (e + 1)), sched.ExponentialLR(o, 0.9),
                sched.ReduceLROnPlateau(o), sched.LinearLR(o), sched.OneCycleLR(o, 1, total_steps=9, cycle_momentum=False),
            ]
            weight.sum().backward()
            o.step()
            for part in [o, *schedules]:
                if part is not o:
                    part.step(1) if isinstance(part, sched.ReduceLROnPlateau) else part.step()
                _statefile.write(self.path, part.state_dict())
                got = _statefile.read(self.path)
                want = {k: v for k, v in part.state_dict().items() if not callable(v)}
                self.assertEqual(repr(got), repr(want), type(part).__name__)
                part.load_state_dict(got)


if __name__ == "__main__":
    unittest.main()
