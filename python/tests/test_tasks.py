"""The loop over a run's tasks: what a script gets, and what is sent for it."""

import os
import tempfile
import unittest
from array import array

from support import FakeNode, OneSite, numpy, run_script, torch

import weft
from weft import _config, safetensors

TRAIN = """
import sys, torch, weft
from torch import nn
torch.manual_seed(1)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 7, gamma=0.5)
x = torch.randn(60, 4)
y = x.sum(1, keepdim=True)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8, shuffle=True)

def step(x, y):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    return loss
"""


# A model of three numbers, and in the place of an optimizer what counts steps.
COUNTING = """
import weft
from array import array

class Counter:
    n = 0
    def state_dict(self):
        return {"n": self.n}
    def load_state_dict(self, state):
        self.n = state["n"]

weights, counter = {"w": array("f", [0, 0, 0])}, Counter()
"""


class TaskTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.base = os.path.join(self.dir, "base.safetensors")

    def node(self, rounds=1, **more):
        node = OneSite(self.base, rounds, **more)
        self.addCleanup(node.close)
        return node

    def run_at(self, node, script, **env):
        done = run_script(script, {"WEFT_SOCKET": node.path, **env})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done


class TestPlain(TaskTest):
    """Without any framework: a dict of arrays is a model too."""

    SCRIPT = """
        from array import array
        import weft
        weights = {"w": array("f", [0, 0, 0])}
        for task in weft.tasks(weights, samples=7, evaluate=lambda: {"gap": 1 - weights["w"][0]}):
            for target in task.steps([1.0, 1.0], 4):
                for i, v in enumerate(weights["w"]):
                    weights["w"][i] = v + 0.5 * (target - v)
                task.log(loss=1 - weights["w"][0])
    """

    def setUp(self):
        super().setUp()
        safetensors.save_file({"w": array("f", [0, 0, 0])}, self.base)

    def test_rounds(self):
        node = self.node(rounds=2, evaluate=True)
        self.run_at(node, self.SCRIPT)
        want = [("gap", 1.0), ("loss", 1 / 16), ("gap", 1 / 16), ("loss", 1 / 256)]
        self.assertEqual([(list(u["metrics"].items())[0], u["samples"]) for u in node.updates], [(w, 7) for w in want])
        self.assertEqual(list(safetensors.load_file(node.base, "plain")["w"]), [1 - 1 / 256] * 3)
        self.assertEqual([(p["step"], p["steps"]) for p in node.progress if p["step"] in (0, 4)], [(0, 4), (4, 4)] * 2)
        self.assertEqual(node.progress[-1]["metrics"], {"loss": 1 / 256})

    def test_alone(self):
        done = run_script(self.SCRIPT, {})
        self.assertEqual(done.returncode, 0, done.stderr)
        said = done.stderr.splitlines()
        self.assertEqual(len(said), 3, said)
        self.assertIn("no node started this script (WEFT_SOCKET is not set): it runs alone, one round on its own weights", said[0])
        self.assertIn("alone: update of 7 samples  loss 0.0625", said[1])
        self.assertIn("alone: measured with 7 samples  gap 0.0625", said[2])

    def test_alone_the_calls_work_too(self):
        script = """
            from array import array
            import weft
            for task in weft.tasks({"w": array("f", [0])}, samples=1):
                weft.log(loss=1)
                assert weft.is_running() and not task.over
                task.send({"w": array("f", [1])})
            assert not weft.is_running() and weft.receive() is None
        """
        done = run_script(script, {})
        self.assertEqual((done.returncode, done.stderr.count("alone")), (0, 2), done.stderr)

    def test_it_makes_the_base(self):
        """The model of an init task is the script's own, and the loop does not see the task."""
        node = FakeNode({"id": 1, "kind": "init", "run": "", "name": "n", "round": 0, "rounds": 2, "attempt": 1, "base": "", "dir": self.dir, "seed": 1})
        self.addCleanup(node.close)
        self.run_at(node, self.SCRIPT.replace("[0, 0, 0]", "[1, 2, 3]"))
        [answer] = [body for method, path, body in node.calls if path == "/v1/update"]
        self.assertEqual((answer["task"], answer["samples"], answer["metrics"]), (1, 7, {}))
        self.assertEqual(list(safetensors.load_file(answer["update"], "plain")["w"]), [1, 2, 3])

    GENERATES = """
        import random
        from array import array
        import weft
        weights = {"w": array("f", [0])}
        def generate(prompt, **sampling):
            random.random()
            return f"{prompt}: {list(weights['w'])} {sorted(sampling.items())}"
        random.seed(1)
        before = random.getstate()
        for task in weft.tasks(weights, samples=7, generate=generate):
            assert random.getstate() == before and task.kind == "train" and task.prompt is None and task.sampling == {}
    """

    def asks(self, **more):
        base = {"run": "bafy", "name": "n", "round": 1, "rounds": 2, "attempt": 1, "base": self.base, "dir": self.dir, "seed": 9, **more}
        asked = {"id": 1, "kind": "generate", "generate": {"prompt": "Dear Dr", "max_tokens": 64, "temperature": 0.5}}
        node = FakeNode({**base, **asked}, {**base, "id": 2, "kind": "train"})
        self.addCleanup(node.close)
        return node

    def test_generate(self):
        """A prompt is answered by the task's model, and the training does not feel it."""
        safetensors.save_file({"w": array("f", [3])}, self.base)
        node = self.asks()
        self.run_at(node, self.GENERATES)
        [text, update] = [(path, body) for method, path, body in node.calls if path in ("/v1/text", "/v1/update")]
        want = "Dear Dr: [3.0] [('max_tokens', 64), ('seed', 9), ('temperature', 0.5)]"
        self.assertEqual(text, ("/v1/text", {"task": 1, "text": want}))
        self.assertEqual(update[1]["task"], 2)

    def test_a_script_that_cannot_generate(self):
        safetensors.save_file({"w": array("f", [3])}, self.base)
        node = self.asks()
        self.run_at(node, self.GENERATES.replace(", generate=generate", "").replace("before = random", "before = 0 and random").replace("random.getstate() == before and ", ""))
        [skip] = [body for method, path, body in node.calls if path == "/v1/skip"]
        self.assertEqual(skip, {"task": 1, "reason": "the script cannot generate: weft.tasks(...) has no generate="})
        self.assertEqual([body["task"] for method, path, body in node.calls if path == "/v1/update"], [2])

    def test_single_calls_make_no_base(self):
        node = FakeNode({"id": 1, "kind": "init", "run": "", "name": "n", "round": 0, "rounds": 2, "attempt": 1, "base": "", "dir": self.dir, "seed": 1})
        self.addCleanup(node.close)
        done = run_script("import weft\nweft.init()\nweft.receive()", {"WEFT_SOCKET": node.path})
        self.assertIn("a model that this script makes, and the single calls cannot; hint: loop over weft.tasks(model, ...)", done.stderr)

    def test_the_body_may_send(self):
        script = """
            from array import array
            import weft
            for task in weft.tasks({"w": array("f", [0, 0, 0])}):
                task.send({"w": array("f", [1, 2, 3])}, samples=5, metrics={"loss": 2}, steps=40)
                task.send()
                assert task.over
        """
        node = self.node(rounds=2)
        self.run_at(node, script)
        said = {"loss": 2.0, "steps": 40.0}
        self.assertEqual([(u["samples"], u["metrics"]) for u in node.updates], [(5, said), (5, {**said, "unchanged": 1.0})])

    def test_evaluation_without_a_measure(self):
        node = self.node(rounds=1, evaluate=True)
        self.run_at(node, self.SCRIPT.replace(', evaluate=lambda: {"gap": 1 - weights["w"][0]}', ""))
        self.assertEqual([(u["samples"], u["metrics"]) for u in node.updates], [(0, {}), (7, {"loss": 1 / 16})])

    def test_cancelled_in_with(self):
        """The script goes on with its next task, and nothing is sent for the one cancelled."""
        script = """
            from array import array
            import weft
            weights, seen = {"w": array("f", [0, 0, 0])}, []
            for task in weft.tasks(weights, samples=1):
                seen.append(task.id)
                with task:
                    for _ in task.steps([0], 3):
                        weights["w"][0] += 1
                    print("done", task.id)
            print(seen)
        """

        def task(i):
            return {"id": i, "kind": "train", "run": "r", "name": "n", "round": i, "rounds": 2, "attempt": 1, "base": self.base, "dir": self.dir, "seed": 1}

        node = FakeNode(task(1), task(2))
        self.addCleanup(node.close)
        node.replies = [(409, {"error": "task 1 was cancelled"})]
        done = self.run_at(node, script)
        self.assertEqual(done.stdout.split("\n")[:2], ["done 2", "[1, 2]"])
        self.assertEqual([body["task"] for method, path, body in node.calls if path == "/v1/update"], [2])

    def test_a_lost_answer(self):
        """A connection that breaks while the update is taken is no reason to train again."""
        node = self.node(rounds=1)
        answer, broken = node.answer, []

        def once_broken(method, path, body):
            if path == "/v1/update" and not broken:
                broken.append(body)
                raise ConnectionError
            return answer(method, path, body)

        node.answer = once_broken
        self.run_at(node, self.SCRIPT)
        self.assertEqual(node.updates, broken)

    def test_skip(self):
        skips = 'import weft\nfor task in weft.tasks({"w": __import__("array").array("f", [0, 0, 0])}):\n    task.skip("no data")\n'
        done = run_script(skips, {})
        self.assertEqual((done.returncode, "skipped: no data" in done.stderr), (0, True), done.stderr)
        node = self.node(rounds=2)
        self.run_at(node, skips)
        self.assertEqual((len(node.skips), node.skips[0], node.updates), (2, {"task": 1, "reason": "no data"}, []))
        node = self.node()
        node.wanted = False
        cancelled = skips.replace("    task.skip", "    with task:\n        task.skip") + "    print(task.over)\n    break\n"
        self.assertEqual((self.run_at(node, cancelled).stdout, node.skips), ("True\n", []))

    def test_reasons(self):
        node = self.node(rounds=3)
        script = """
            import weft
            from array import array
            for task in weft.tasks({"w": array("f", [0, 0, 0])}):
                try:
                    task.skip(" ")
                except ValueError:
                    task.skip("ä" * 200)
                    task.skip("and again")
        """
        self.run_at(node, script)
        self.assertEqual([s["reason"] for s in node.skips], ["ä" * 128] * 3)

    def test_an_update_whose_fate_is_unknown(self):
        """The node stops while it takes an update: whether the state that goes with it is in force shows in the next task."""
        script = COUNTING + """
for task in weft.tasks(weights, counter, samples=1):
    with task:
        for _ in task.steps([0], 5):
            counter.n += 1
        print(task.round, counter.n)
        task.send()
"""
        for taken, want in ((True, ["1 5", "2 10"]), (False, ["1 5", "1 5", "2 10"])):
            node, lost = self.node(rounds=2), []
            answer = node.answer

            def stops_once(method, path, body, answer=answer, lost=lost, taken=taken):
                if path == "/v1/update" and not lost:
                    lost.append(body)
                    if taken:
                        answer(method, path, body)
                    return 409, {"error": "task 1 is put off: the node stops", "stopping": True}
                return answer(method, path, body)

            node.answer = stops_once
            self.assertEqual(self.run_at(node, script).stdout.split("\n")[:-1], want)

    def test_a_skipped_round_leaves_nothing(self):
        """What a training has changed before the round is skipped is taken back: the optimizer has counted the others' steps alone."""
        script = COUNTING + """
for task in weft.tasks(weights, counter, samples=1):
    for _ in task.steps([0], 5):
        counter.n += 1
        if task.round == 2 and counter.n == 8:
            break
    if task.round == 2:
        task.skip("enough")
    print(task.round, counter.n)
"""
        node = self.node(rounds=3)
        done = self.run_at(node, script)
        self.assertEqual(done.stdout.split("\n")[:3], ["1 5", "2 8", "3 10"])
        self.assertEqual((len(node.updates), len(node.skips), os.listdir(node.state_dir)), (2, 1, ["weft-kept.safetensors"]))

    def test_what_the_node_says_of_the_task(self):
        node = self.node(site="a", sealed=False, time_left=100, seed=(5 << 32) + 1, config={"n": "3", "on": "true", "names": '["a"]', "word": "abc"})
        script = """
            import pathlib, weft
            weft.init("plain")
            while weft.is_running():
                task = weft.receive()
                assert isinstance(task, weft.Model)
                assert (task.site, task.sealed, task.seed) == ("a", False, 4), vars(task)
                assert 90 < task.time_left <= 100 and task.state_dir.is_dir()
                assert task.config == {"n": 3, "on": True, "names": ["a"], "word": "abc"}, task.config
                print(task)
                task.send(task.params, samples=1)
        """
        done = self.run_at(node, script)
        self.assertEqual(done.stdout, "Task(train, run 'demo', round 1 of 1, attempt 1)\n")
        safetensors.save_file({"w": array("f", [0])}, self.base)
        client = weft.Client(FakeNodeOf(self, {"id": 1, "kind": "train", "run": "r", "name": "n", "round": 1, "rounds": 1, "attempt": 1, "base": self.base, "dir": self.dir, "seed": 1}).path)
        task = client.receive()
        self.assertEqual((task.site, task.sealed, task.time_left, task.state_dir), (None,) * 4)

    def test_time_is_up(self):
        node = self.node(rounds=1, time_left=0.3)
        script = """
            import time, weft
            from array import array
            weights = {"w": array("f", [0, 0, 0])}
            for task in weft.tasks(weights, samples=1):
                for _ in task.steps([0], 100):
                    time.sleep(0.05)
                    weights["w"][0] += 1
        """
        self.run_at(node, script)
        steps = safetensors.load_file(node.base, "plain")["w"][0]
        self.assertTrue(1 <= steps <= 7, steps)
        self.assertEqual(node.progress[-1]["step"], steps, "the node hears of the last step: the update counts by it")

    def test_loaders(self):
        """A pass without n; with n the place goes on from task to task, as in plain training."""
        script = """
            import weft
            from array import array
            batches, seen = [0, 1, 2, 3, 4], []
            for task in weft.tasks({"w": array("f", [0, 0, 0])}, samples=1):
                seen.append(list(task.steps(batches, 3)) if task.round < 4 else list(task.steps(batches)))
                seen[-1] += task.steps(iter([7, 8]), 5) if task.round == 5 else task.steps([], 5) if task.round == 6 else []
            print(seen)
        """
        node = self.node(rounds=6)
        done = self.run_at(node, script)
        whole = [0, 1, 2, 3, 4]
        self.assertEqual(eval(done.stdout), [[0, 1, 2], [3, 4, 0], [1, 2, 3], whole, whole + [7, 8], whole])

    def test_wrong_use(self):
        for call, error, words in (
            (lambda: weft.tasks({}, state="mean"), ValueError, "state 'mean': not one of keep, reset, average"),
            (lambda: weft.tasks({}, params="some"), ValueError, "params 'some': not one of auto, adapter, all"),
            (lambda: weft.tasks(3), TypeError, "the model is a int: want a torch.nn.Module, or a dict of arrays"),
            (lambda: weft.tasks({}, optimizer=3), TypeError, "optimizer is a int: want one with state_dict"),
        ):
            with self.subTest(words), self.assertRaisesRegex(error, words):
                call()
        script = 'import weft\nfrom array import array\nfor task in weft.tasks({"w": array("f", [0])}):\n    list(task.steps([1], 2%s))\n'
        for more, words in (("", "samples is missing"), (', checkpoint="5"', "checkpoint '5': a share"), (", checkpoint=2", "checkpoint 2: a share")):
            with self.subTest(words):
                self.assertIn(words, run_script(script % more, {}).stderr)


def FakeNodeOf(test, *tasks):
    node = FakeNode(*tasks)
    test.addCleanup(node.close)
    return node


class TestConfig(unittest.TestCase):
    def test_typed(self):
        for text, want in (
            ("0.1", 0.1), ("1e-3", 1e-3), (".5", 0.5), ("1.", 1.0), ("+1e3", 1000.0), ("-2", -2), ("12", 12), ("007", "007"), ("1_000", "1_000"),
            ("true", True), ("false", False), ("null", None), ("True", "True"), ("yes", "yes"), ("NaN", "NaN"), ("Infinity", "Infinity"), ("-Infinity", "-Infinity"),
            ('["q", "v"]', ["q", "v"]), ('{"lr": 0.001}', {"lr": 0.001}), ("[q, v]", "[q, v]"), ("", ""), ("adam", "adam"), ('"3"', "3"), ("1 2", "1 2"), ("١", "١"),
        ):
            got = _config.typed({"k": text})["k"]
            self.assertEqual((type(got), got), (type(want), want), text)
        self.assertEqual(_config.typed({"k": [1, "2"], "n": 3}), {"k": [1, "2"], "n": 3})
        self.assertEqual(_config.typed(None), {})

    def test_seed(self):
        seeds = [_config.seed32(s) for s in (0, 1, 2**32, 2**53 - 1, 2**64 - 1)]
        self.assertTrue(all(0 <= s < 2**32 for s in seeds))
        self.assertEqual(seeds[:3], [0, 1, 1])


@unittest.skipIf(torch is None, "no torch")
class TestTorch(TaskTest):
    def write_base(self):
        run = run_script(TRAIN + f"\nweft.save(model, {self.base!r})", {})
        self.assertEqual(run.returncode, 0, run.stderr)

    def test_one_site_is_plain_training(self):
        """Four rounds of ten steps are forty steps, bit for bit: with momentum, dropout, BatchNorm,
        a schedule, shuffled batches that are no whole passes, and evaluations in between."""
        self.write_base()
        plain = run_script(
            TRAIN
            + f"""
done = 0
while done < 40:
    for batch in loader:
        step(*batch)
        done += 1
        if done == 40:
            break
weft.save(model, {self.dir + "/plain.safetensors"!r})
""",
            {},
        )
        self.assertEqual(plain.returncode, 0, plain.stderr)
        node = self.node(rounds=4, evaluate=True)
        self.run_at(
            node,
            TRAIN
            + """
def measure():
    return {"loss": nn.functional.mse_loss(model(x), y), "noise": torch.rand(1)}
for task in weft.tasks(model, optimizer, scheduler, evaluate=measure):
    for batch in task.steps(loader, 10):
        task.log(loss=step(*batch))
""",
        )
        plain, got = (safetensors.open_file(path) for path in (self.dir + "/plain.safetensors", node.base))
        self.assertEqual(set(got.infos), {n for n, i in plain.infos.items() if i.dtype != "I64"})  # all but BatchNorm's counter
        for name in got.infos:
            self.assertEqual(got.bytes_of(name).tobytes(), plain.bytes_of(name).tobytes(), name)
        self.assertEqual([u["samples"] for u in node.updates], [0] + [60] * 7)  # the data set's, once the loader is known
        losses = [u["metrics"]["loss"] for u in node.updates if "update" not in u]
        self.assertLess(losses[-1], losses[0])

    def test_reset(self):
        """Every round begins with the optimizer as it was made."""
        self.write_base()
        script = TRAIN + """
for task in weft.tasks(model, optimizer, scheduler, samples=1, state=STATE):
    before = len(optimizer.state), scheduler.last_epoch
    for batch in task.steps(loader, 3):
        step(*batch)
    task.log(state=before[0], epoch=before[1])
"""
        for state, want in (("reset", [(0, 0)] * 3), ("keep", [(0, 0), (6, 3), (6, 6)])):
            node = self.node(rounds=3)
            self.run_at(node, script.replace("STATE", repr(state)))
            self.assertEqual([(u["metrics"]["state"], u["metrics"]["epoch"]) for u in node.updates], want)

    def test_a_cancelled_training_leaves_nothing_behind(self):
        """The optimizer goes on from the last update that the node took, whenever the task was cancelled."""
        self.write_base()
        script = TRAIN + """
for task in weft.tasks(model, optimizer, scheduler, samples=1):
    with task:
        task.log(epoch=scheduler.last_epoch)
        for batch in task.steps(loader, 3):
            step(*batch)
        task.send()
"""
        for path in ("/v1/progress", "/v1/update"):
            node = self.node(rounds=2)
            answer = node.answer

            def cancels(method, at, body, node=node, answer=answer, path=path):
                if at == path and body["task"] in (1, 3) and body.get("step") != 1:  # not the one of task.log
                    return 409, {"error": "task was cancelled"}
                return answer(method, at, body)

            node.answer = cancels
            self.run_at(node, script)
            self.assertEqual([(u["task"], u["metrics"]["epoch"]) for u in node.updates], [(2, 0), (4, 3)], path)

    def test_seed(self):
        class Task:
            seed = 2**32 - 1

        weft.seed(Task)
        first = torch.rand(3).tolist(), numpy.random.rand() if numpy else None
        weft.seed(Task)
        self.assertEqual((torch.rand(3).tolist(), numpy.random.rand() if numpy else None), first)


if __name__ == "__main__":
    unittest.main()
