import math
import os
import subprocess
import sys
import tempfile
import unittest
import warnings
from array import array

from support import FakeNode, environment, numpy, run_script, torch

import weft
from weft import safetensors


class ClientTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.base = os.path.join(self.dir, "base.safetensors")
        safetensors.save_file({"b": array("f", [0.5]), "w": array("f", [1, 2, 3])}, self.base)

    def task(self, **more):
        return {
            "id": 1, "kind": "train", "run": "bafy", "name": "demo", "round": 2, "rounds": 5, "attempt": 1,
            "base": self.base, "dir": self.dir, "seed": (2**32 - 1 << 32) + 1, "config": {"lr": "0.1"}, **more,
        }

    def connect(self, *tasks, framework="plain"):
        self.node = FakeNode(*tasks)
        self.addCleanup(self.node.close)
        return weft.Client(self.node.path, framework)

    def said(self):
        return [(path, body) for method, path, body in self.node.calls if method == "POST"]


class TestConversation(ClientTest):
    def test_a_whole_one(self):
        c = self.connect(None, self.task(), self.task(id=2, kind="evaluate", config=None, unknown="field"))
        self.assertTrue(c.is_running())
        model = c.receive()
        self.assertEqual((model.id, model.kind, model.run, model.name), (1, "train", "bafy", "demo"))
        self.assertEqual((model.round, model.total_rounds, model.attempt, model.seed), (2, 5, 1, 2**32 - 2))
        self.assertEqual((model.config, model.base, model.dir), ({"lr": 0.1}, self.base, self.dir))
        self.assertEqual({n: list(t) for n, t in model.params.items()}, {"b": [0.5], "w": [1, 2, 3]})
        self.assertNotIn("params", repr(model))
        self.assertTrue(c.is_running())
        c.log(step=3, steps=9, loss=0.25)
        c.log({"eval/loss": 1})
        for i in range(3):
            model.params["w"][i] += 1
        c.send(weft.Update(model.params, samples=7, metrics={"loss": 0.125}))
        update = os.path.join(self.dir, "update.safetensors")
        self.assertEqual(
            self.said(),
            [
                ("/v1/progress", {"task": 1, "step": 3, "steps": 9, "metrics": {"loss": 0.25}}),
                ("/v1/progress", {"task": 1, "step": 4, "steps": 0, "metrics": {"eval/loss": 1.0}}),
                ("/v1/update", {"task": 1, "update": update, "samples": 7, "metrics": {"loss": 0.125}}),
            ],
        )
        self.assertEqual(list(safetensors.load_file(update, "plain")["w"]), [2, 3, 4])
        self.assertTrue(c.is_running())
        model = c.receive()
        self.assertEqual((model.kind, model.config), ("evaluate", {}))
        c.send(weft.Update(samples=4, metrics={"accuracy": 0.75}))
        self.assertEqual(self.said()[-1], ("/v1/update", {"task": 2, "samples": 4, "metrics": {"accuracy": 0.75}}))
        self.assertFalse(c.is_running())
        self.assertFalse(c.is_running())
        self.assertIsNone(c.receive())
        asked = [path for method, path, _ in self.node.calls if method == "GET"]
        poll = "/v1/task?wait=30"
        self.assertEqual(asked, [poll, poll, "/v1/task/1", poll, poll])

    def test_receive_alone(self):
        c = self.connect(self.task(), self.task(id=2))
        seen = []
        while True:
            model = c.receive()
            if model is None:
                break
            seen.append(model.id)
            c.send(weft.Update(model.params, samples=1))
        self.assertEqual(seen, [1, 2])

    def test_generate(self):
        asked = {"prompt": "Dear Dr", "max_tokens": 64, "temperature": 0}
        c = self.connect(self.task(kind="generate", generate=asked), self.task(id=2))
        task = c.receive()
        self.assertEqual((task.kind, task.prompt), ("generate", "Dear Dr"))
        self.assertEqual(task.sampling, {"max_tokens": 64, "temperature": 0, "seed": 2**32 - 2})
        for bad in (weft.Update(task.params, samples=1), weft.Update(text=b"bytes"), weft.Update(task.params, text="a")):
            with self.assertRaisesRegex(ValueError, "wants a text only"):
                c.send(bad)
        with self.assertRaisesRegex(weft.Error, "65538 bytes, at most 65536; hint: generate fewer tokens"):
            c.send(weft.Update(text="é" * 32769))
        c.send(weft.Update(text="é\ud800\x1b"))  # half of a surrogate pair cannot be sent
        self.assertEqual(self.said()[-1], ("/v1/text", {"task": 1, "text": "é?\x1b"}))
        model = c.receive()
        self.assertEqual((model.prompt, model.sampling), (None, {}))
        with self.assertRaisesRegex(ValueError, "'train' wants no text"):
            c.send(weft.Update(text="a"))

    def test_nothing_in_hand(self):
        c = self.connect(self.task())
        for call in (lambda: c.log(step=1), lambda: c.send(weft.Update(samples=1))):
            with self.assertRaisesRegex(weft.Error, "without a task in hand; hint: call receive first"):
                call()
        model = c.receive()
        c.send(weft.Update(model.params, samples=1))
        with self.assertRaisesRegex(weft.Error, "send without a task"):
            c.send(weft.Update(model.params, samples=1))


class TestCancelled(ClientTest):
    def test_raised_once(self):
        for call in (lambda c, m: c.log(loss=1), lambda c, m: c.send(weft.Update(m.params, samples=1))):
            c = self.connect(self.task(), self.task(id=2))
            model = c.receive()
            self.node.wanted = False
            with self.assertRaises(weft.Cancelled) as e:
                call(c, model)
            self.assertIn("was cancelled", str(e.exception))
            self.assertTrue(c.is_running())
            self.assertEqual(c.receive().id, 2)

    def test_is_running_tells(self):
        c = self.connect(self.task(), self.task(id=2))
        c.receive()
        self.node.wanted = False
        self.assertFalse(c.is_running())
        self.assertTrue(c.is_running())
        self.assertEqual(c.receive().id, 2)

    def test_uncaught_it_ends_the_script_quietly(self):
        script = "import weft\ntry:\n    raise weft.Cancelled('over')\nexcept Exception:\n    print('swallowed')"
        done = run_script(script, {})
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


class TestRefused(ClientTest):
    def test_by_the_package(self):
        c = self.connect(self.task())
        model = c.receive()
        good = dict(model.params)
        for update, error, words in (
            (weft.Update(good), ValueError, "samples is 0"),
            (weft.Update(good, samples=-1), ValueError, "samples is -1"),
            (weft.Update(good, samples=1.5), TypeError, "samples is 1.5: want a whole number"),
            (weft.Update(samples=1), ValueError, "needs params"),
            (weft.Update({"w": good["w"]}, samples=1), weft.LayoutError, "tensor 'b' is missing"),
            (weft.Update({**good, "w": array("f", [1, 2])}, samples=1), weft.LayoutError, r"'w' has shape \(2,\), the base has \(3,\)"),
            (weft.Update({**good, "x": array("f", [1])}, samples=1), weft.LayoutError, "tensor 'x' is not in the base"),
        ):
            with self.subTest(words), self.assertRaisesRegex(error, words):
                c.send(update)
        self.assertEqual(self.said(), [])
        c.send(weft.Update(good, samples=1))  # the task was in hand all the time

    def test_an_evaluation_has_no_params(self):
        c = self.connect(self.task(kind="evaluate"))
        model = c.receive()
        with self.assertRaisesRegex(ValueError, "wants metrics only"):
            c.send(weft.Update(model.params, samples=1))

    def test_by_the_node(self):
        c = self.connect(self.task())
        c.receive()
        self.node.replies = [
            (422, {"error": "samples: too many", "hint": "count again"}),
            (500, b"<html>"),
            (200, b"[]"),
            (200, b" " * (1 << 20) + b"{}"),
            (503, {}),
        ]
        expected = "samples: too many; hint: count again", "not what this package expects", "not an object", "more than", "status 503"
        for words in expected:
            with self.assertRaisesRegex(weft.Error, words):
                c.log(step=1)

    def test_what_is_not_a_weight_stays(self):
        c = self.connect(self.task())
        model = c.receive()
        c.send(weft.Update({**model.params, "seen": array("q", [3])}, samples=1))
        self.assertEqual(list(safetensors.read_header(self.said()[-1][1]["update"])), ["b", "w"])

    def test_odd_metrics(self):
        """No metric is worth a training: what does not fit is left out, and named once."""
        c = self.connect(self.task(), self.task(id=2))
        odd = {"timing(s)/epoch": 1, 7: 1, "loss": "low", "big": 10**400, **{f"m{i}": i for i in range(17)}}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                model = c.receive()
                c.log(odd)
                c.send(weft.Update(model.params, samples=1, metrics=odd))
        said = [str(w.message) for w in caught if "leaves out" in str(w.message)]
        self.assertEqual(len(said), 2 * 5, said)
        for words in ("'timing(s)/epoch': names have 1 to 64 letters", "'7': names", "'loss': it is not a number", "'big'", "'m16': 16 metrics are the most"):
            self.assertEqual(len([s for s in said if words in s]), 2, words)
        for _, body in self.said():
            self.assertEqual(body["metrics"], {f"m{i}": float(i) for i in range(16)})

    def test_odd_progress(self):
        c = self.connect(self.task())
        c.receive()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            c.log(loss=math.nan, grad_norm=math.inf, lr=0.5)
            c.log(loss=math.nan)
        said = [str(w.message) for w in caught]
        self.assertEqual(said, [f"weft.log leaves out {what} (said once)" for what in ("'loss': it is nan", "'grad_norm': it is inf")])
        self.assertEqual({w.filename for w in caught}, {__file__})
        self.assertEqual([body["metrics"] for _, body in self.said()], [{"lr": 0.5}, {}])

    def test_odd_metrics_of_an_update(self):
        """The training is not thrown away over them; what progress left out is another matter."""
        c = self.connect(self.task(), self.task(id=2))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                model = c.receive()
                c.log(loss=math.nan)
                c.send(weft.Update(model.params, samples=1, metrics={"loss": math.inf, "accuracy": 0.5}))
        said = [str(w.message) for w in caught if "leaves out" in str(w.message)]
        self.assertEqual(said, ["weft.log leaves out 'loss': it is nan (said once)", "weft.send leaves out 'loss': it is inf (said once)"])
        self.assertEqual([body["metrics"] for path, body in self.said() if path == "/v1/update"], [{"accuracy": 0.5, "unchanged": 1.0}] * 2)

    def test_a_task_from_the_future(self):
        task = self.task()
        del task["round"]
        with self.assertRaisesRegex(weft.Error, "'round'.*hint: use a package of the node's version"):
            self.connect(task).receive()

    def test_a_node_that_is_gone(self):
        c = self.connect(self.task())
        c.receive()
        with self.assertRaisesRegex(weft.Error, "does not answer.*hint: it has ended"):
            weft.Client(self.node.path + "x").receive()


class TestWorkers(unittest.TestCase):
    def test_one_that_imports_the_script_says_so(self):
        node = FakeNode()
        self.addCleanup(node.close)
        with tempfile.TemporaryDirectory() as folder:
            script = os.path.join(folder, "train.py")
            with open(script, "w") as f:
                f.write(
                    "import multiprocessing, weft\n"
                    "weft.init('plain')\n"
                    "weft.is_running()\n"
                    "if __name__ == '__main__':\n"
                    "    p = multiprocessing.get_context('spawn').Process(target=print)\n"
                    "    p.start(); p.join()\n"
                )
            done = subprocess.run([sys.executable, script], env=environment(WEFT_SOCKET=node.path), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([path for _, path, _ in node.calls], ["/v1/task?wait=30", "/v1/task?wait=30&worker=1"])

    def test_a_fork_has_another_name(self):
        from weft import _http

        own = _http._name()
        self.assertEqual(own, _http._name())
        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, _http._name().encode())
            os._exit(0)
        os.wait()
        self.assertNotEqual(os.read(read, 64).decode(), own)


class TestModule(ClientTest):
    """The module's functions, in a process of their own."""

    def test_a_script(self):
        node = FakeNode(self.task())
        self.addCleanup(node.close)
        done = run_script(
            """
            import weft
            weft.init("plain")
            while weft.is_running():
                task = weft.receive()
                weft.log(step=1, loss=2.0)
                task.params["b"][0] += 1
                weft.send(weft.Update(task.params, samples=3, metrics={"loss": 1.0}))
            assert weft.receive() is None
            """,
            {"WEFT_SOCKET": node.path, "RANK": "0"},
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([path for method, path, _ in node.calls if method == "POST"], ["/v1/progress", "/v1/update"])

    def test_what_init_refuses(self):
        for script, env, words in (
            ("import weft; weft.init(); weft.is_running()", {}, "weft.Error: no node: WEFT_SOCKET is not set; hint: try the script with `weft trainer test"),
            ("import weft; weft.init(); weft.is_running()", {"WEFT_SOCKET": "/s", "RANK": "3"}, r"rank 3 (RANK=3): only rank 0 speaks"),
            ("import weft; weft.init('tf')", {"WEFT_SOCKET": "/s"}, "framework 'tf': not one of auto"),
            ("import weft; weft.init(); weft.init()", {"WEFT_SOCKET": "/s"}, "init was called before"),
            ("import weft; weft.is_running()", {"WEFT_SOCKET": "/s"}, "init was not called; hint"),
        ):
            with self.subTest(words):
                done = run_script(script, env)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)

    def test_exceptions_have_the_documented_names(self):
        for name in ("Cancelled", "Error", "LayoutError"):
            self.assertEqual(getattr(weft, name).__module__, "weft")
        done = run_script("import weft; raise weft.LayoutError('no', 'yes')", {})
        self.assertEqual(done.stderr.splitlines()[-1], "weft.LayoutError: no; hint: yes")

    def test_auto_follows_the_script(self):
        kinds = [("", "memoryview" if numpy is None else "ndarray")]
        if torch is not None:
            kinds.append(("import torch", "Tensor"))
        for imports, kind in kinds:
            with self.subTest(imports):
                script = f"import weft\n{imports}\nprint(type(weft.safetensors.load_file({self.base!r})['w']).__name__)"
                self.assertEqual(run_script(script, {}).stdout.strip(), kind)


@unittest.skipIf(torch is None, "no torch")
class TestTorch(ClientTest):
    def test_a_model(self):
        def network():
            return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))

        def weights(m):
            return {n: t for n, t in m.state_dict().items() if t.is_floating_point()}

        first = network()
        safetensors.save_file(weights(first), self.base)
        c = self.connect(self.task(), framework="auto")
        model = c.receive()
        second = network()
        second.load_state_dict(model.params, strict=False)
        self.assertTrue(all(torch.equal(t, weights(second)[n]) for n, t in weights(first).items()))
        second(torch.randn(4, 3)).sum().backward()
        with torch.no_grad():
            for p in second.parameters():
                p += 1
        c.send(weft.Update(second.state_dict(), samples=4, metrics={"loss": torch.tensor(0.5)}))
        sent = safetensors.load_file(self.said()[-1][1]["update"], "torch")
        self.assertEqual(set(sent), set(weights(first)))
        self.assertTrue(all(torch.equal(t, weights(second)[n]) for n, t in sent.items()))


if __name__ == "__main__":
    unittest.main()
