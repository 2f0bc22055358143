"""Tensors that stay at the site: in no update, and the site's own from its first update on."""

import os
import subprocess
import sys
import tempfile
import threading
import unittest
from array import array

from support import FRAMEWORKS, OneSite, environment, run_script, torch

from weft import safetensors

# Every tensor grows by one in a round; what the script saw is printed.
PLAIN = """
import weft
{framework}
weft.init({name!r})
while weft.is_running():
    task = weft.receive()
    seen = {{n: float(memoryview(t).cast("B").cast("f")[0]) for n, t in task.params.items() if n != "n"}}
    print(task.round, sorted(seen.items()), sorted(task.local))
    {work}
"""
WORK = {
    "plain": "weft.send(weft.Update({n: array('f', [v + 1 for v in t]) for n, t in task.params.items() if n != 'n'}, samples=1))",
    "numpy": "weft.send(weft.Update({n: t + 1 for n, t in task.params.items()}, samples=1))",
    "torch": "weft.send(weft.Update({n: t + 1 for n, t in task.params.items()}, samples=1))",
}

# FedBN: the normalisation's statistics and weights stay.
FEDBN = """
import torch, weft
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.arange(32.0).view(8, 4) / 9
def loss():
    return nn.functional.mse_loss(model(x), x.sum(1, keepdim=True))
for task in weft.tasks(model, optimizer, samples=8, evaluate=lambda: {"loss": loss().item()}):
    model.load_state_dict(dict(task.params), strict=True)
    for _ in range(3):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
"""
BN = tuple("1." + n for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"))


class TestOwn(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.base = folder.name + "/whole.safetensors"

    def site(self, rounds, **more):
        node = OneSite(self.base, rounds, **more)
        self.addCleanup(node.close)
        return node

    def run_at(self, node, script):
        done = run_script(script, {"WEFT_SOCKET": node.path})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def plain(self, framework):
        imports = {"plain": "from array import array", "numpy": "import numpy", "torch": "import torch"}[framework]
        script = PLAIN.format(framework=imports, name=framework, work=WORK[framework])
        return script.replace("memoryview(t)", "memoryview(t.numpy())") if framework == "torch" else script

    def write_base(self):
        tensors = {"a": array("f", [0, 0]), "head": array("f", [5, 5]), "n": memoryview(array("q", [7]))}
        safetensors.save_file(tensors, self.base)

    def own(self, node):
        return safetensors.load_file(node.state_dir + "/local.safetensors", "plain")

    def test_single_calls(self):
        """Whatever the framework: the common tensors go, the others come back, also to a new process."""
        self.write_base()
        for framework in FRAMEWORKS:
            with self.subTest(framework):
                node = self.site(3, local=("head", "n"))
                node.rounds = 2
                said = self.run_at(node, self.plain(framework))
                self.assertEqual(said[0], "1 [('a', 0.0), ('head', 5.0)] ['head', 'n']")
                self.assertEqual(said[1], "2 [('a', 1.0), ('head', 6.0)] ['head', 'n']")
                self.assertEqual(list(safetensors.read_header(node.base)), ["a"])
                node.rounds = 3
                self.assertEqual(self.run_at(node, self.plain(framework)), ["3 [('a', 2.0), ('head', 7.0)] ['head', 'n']"])
                own = self.own(node)
                self.assertEqual((list(own["head"]), list(own["n"])), ([8, 8], [7 if framework == "plain" else 10]))
                self.assertEqual(os.listdir(node.state_dir), ["local.safetensors"])

    def test_what_the_node_does_not_take(self):
        """A cancelled training leaves the site's own as they were."""
        self.write_base()
        node = self.site(2, local=("head",))
        node.rounds = 1
        self.run_at(node, self.plain("plain"))
        node.rounds = 2
        node.wanted = False
        script = self.plain("plain").replace("    weft.send", "    try: weft.send").replace("samples=1))", "samples=1))\n    except weft.Cancelled: break")
        self.run_at(node, script)
        self.assertEqual(list(self.own(node)["head"]), [6, 6])
        self.assertEqual(os.listdir(node.state_dir), ["local.safetensors"])

    def test_an_answer_that_is_lost(self):
        """Where the process ends before it hears of its update, the next task tells: the same one
        comes again if the node had not taken it."""
        self.write_base()
        for taken, head in ((True, 6.0), (False, 5.0)):
            with self.subTest(taken=taken):
                node = self.site(2, local=("head",))
                answer = node.answer

                def losing(method, path, body, node=node, answer=answer, taken=taken):
                    if path != "/v1/update" or node.updates or (not taken and losing.lost):
                        return answer(method, path, body)
                    losing.lost = True
                    if taken:
                        answer(method, path, body)
                    os.kill(losing.script, 9)
                    return 200, {}

                losing.lost = False
                node.answer = losing
                command = [sys.executable, "-c", self.plain("plain")]
                script = subprocess.Popen(command, env=environment(WEFT_SOCKET=node.path), stdout=subprocess.DEVNULL)
                losing.script = script.pid
                killer = threading.Timer(60, script.kill)
                killer.start()
                self.assertEqual(script.wait(), -9)
                killer.cancel()
                self.assertIn("weft-local.safetensors", os.listdir(node.state_dir))
                node.answer = answer
                said = self.run_at(node, self.plain("plain"))
                self.assertIn(f"('head', {head})", said[0])
                self.assertEqual(list(self.own(node)["head"]), [7, 7])

    def test_what_is_missing(self):
        self.write_base()
        node = self.site(1, local=("head",))
        done = run_script(self.plain("plain").replace("if n != 'n'", "if n == 'a'"), {"WEFT_SOCKET": node.path})
        self.assertIn("tensor 'head', of which this site has its own, is missing in what is sent", done.stderr)

    @unittest.skipIf(torch is None, "no torch")
    def test_fedbn(self):
        """A mesh of one trains the same model with BatchNorm at the site as without, byte for byte;
        evaluations measure the site's own."""
        whole = "\n".join(FEDBN.splitlines()[:5]) + f"\nweft.save(model, {self.base!r})"
        done = run_script(whole, {})
        self.assertEqual(done.returncode, 0, done.stderr)
        alone = self.site(3, evaluate=True, local=BN[4:])  # a counter is in no update anyway
        self.run_at(alone, FEDBN)
        trained = self.site(3, evaluate=True, local=BN)
        for rounds in (1, 3):  # in two processes
            trained.rounds = rounds
            self.run_at(trained, FEDBN)
        common, own = safetensors.load_file(trained.base, "torch"), safetensors.load_file(trained.state_dir + "/local.safetensors", "torch")
        together = safetensors.load_file(alone.base, "torch")
        self.assertEqual((sorted(own), sorted(common)), (sorted(BN), ["0.bias", "0.weight", "2.bias", "2.weight"]))
        for name, value in together.items():
            self.assertTrue(torch.equal(value, {**common, **own}[name]), name)
        losses = [[u["metrics"]["loss"] for u in node.updates if "update" not in u] for node in (alone, trained)]
        self.assertEqual(losses[0], losses[1])
        self.assertEqual(own["1.num_batches_tracked"].item(), 9)


if __name__ == "__main__":
    unittest.main()
