"""Several processes of one training: the first speaks to the node, the others hear."""

import os
import subprocess
import sys
import tempfile
import unittest

from support import OneSite, environment, run_script, torch

from weft import _ranks, safetensors


class TestVariables(unittest.TestCase):
    def test_launchers(self):
        """What each launcher sets in its first process and in another."""
        for env, want in (
            ({}, ""),
            ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}, ""),  # torchrun, accelerate
            ({"RANK": "1", "LOCAL_RANK": "1"}, "RANK=1"),
            ({"RANK": "2", "LOCAL_RANK": "0"}, "RANK=2"),  # on a second machine
            ({"RANK": "0", "LOCAL_RANK": "0", "SLURM_PROCID": "1", "NODE_RANK": "1"}, ""),  # torchrun under srun
            ({"LOCAL_RANK": "0", "NODE_RANK": "0", "WORLD_SIZE": "2"}, ""),  # Lightning
            ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, "LOCAL_RANK=1"),
            ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, "NODE_RANK=1"),
            ({"LOCAL_RANK": "1", "SLURM_PROCID": "0"}, "LOCAL_RANK=1"),  # Lightning in a batch job
            ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "0"}, ""),
            ({"OMPI_COMM_WORLD_RANK": "3"}, "OMPI_COMM_WORLD_RANK=3"),
            ({"PMI_RANK": "1"}, "PMI_RANK=1"),
            ({"PMIX_RANK": "1"}, "PMIX_RANK=1"),
            ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, ""),
            ({"SLURM_PROCID": "2"}, "SLURM_PROCID=2"),
            ({"RANK": "first"}, ""),
        ):
            self.assertEqual(_ranks.other_rank(env), want, env)

    def test_another_process_is_told(self):
        for call in ("weft.receive()", "weft.is_running()", "next(weft.tasks({}))"):
            done = run_script(f"import weft\nweft.init()\n{call}", {"WEFT_SOCKET": "/s", "LOCAL_RANK": "1"})
            self.assertIn("weft.Error: this is the process of rank 1 (LOCAL_RANK=1): only rank 0 speaks to the node; hint", done.stderr)


SCRIPT = """
import os, sys, torch, weft
import torch.distributed as dist
from torch import nn
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(rank)
model = nn.Linear(2, 1)
wrapped = nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
rounds = []
for task in weft.tasks(wrapped, optimizer, samples=10, evaluate=lambda: {"loss": float(model.weight.sum())}):
    rounds.append((task.id, float(model.weight.sum())))
    with task:
        for x in task.steps([torch.ones(4, 2) * (rank + 1)], 20):
            wrapped(x).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            task.log(loss=1)
    print(rank, rounds, task.over, flush=True)
"""


@unittest.skipIf(torch is None or not torch.distributed.is_available(), "no torch.distributed")
class TestDistributed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.base = os.path.join(self.dir, "base.safetensors")
        safetensors.save_file({"weight": torch.tensor([[0.5, 0.25]]), "bias": torch.zeros(1)}, self.base)

    def ranks(self, node, script=SCRIPT):
        """What two ranks print."""
        both = []
        for rank in range(2):
            # A file store needs no port. Gloo's threads may abort a process that ends with its group.
            script_ = f"{script}\ndist.destroy_process_group()\n".replace('init_process_group("gloo")', f'init_process_group("gloo", "file://{self.dir}/store", rank={rank}, world_size=2)')
            env = environment(WEFT_SOCKET=node.path, RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2")
            both.append(subprocess.Popen([sys.executable, "-c", script_], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        said = [p.communicate(timeout=120) for p in both]
        self.assertEqual([p.returncode for p in both], [0, 0], said)
        return [out.splitlines() for out, _ in said]

    def test_all_get_the_same_tasks(self):
        node = OneSite(self.base, 2, evaluate=True)
        self.addCleanup(node.close)
        first, second = self.ranks(node)
        self.assertEqual([line.replace("0 [", "1 [", 1) for line in first], second)
        self.assertEqual(len(first), 2)
        self.assertEqual([u["samples"] for u in node.updates], [10] * 4)  # each is said once
        weight = safetensors.load_file(node.base)["weight"]
        # Two rounds of 20 steps down the mean gradient of 4 examples of 1 and of 2.
        self.assertAlmostEqual(float(weight[0, 0]), 0.5 - 2 * 20 * 0.1 * 6, places=3)
        self.assertEqual(os.listdir(node.state_dir), [])  # which holds one process' state

    def test_own_tensors(self):
        """What stays at the site is the same on every rank: the first one writes it."""
        script = SCRIPT.replace("float(model.weight.sum())))", "float(model.bias.sum())))")
        node = OneSite(self.base, 3, local=("bias",))
        self.addCleanup(node.close)
        first, second = self.ranks(node, script)
        self.assertEqual([line.replace("0 [", "1 [", 1) for line in first], second)
        self.assertEqual(os.listdir(node.state_dir), ["local.safetensors"])
        self.assertEqual(list(safetensors.read_header(node.base)), ["weight"])
        own = float(safetensors.load_file(node.state_dir + "/local.safetensors")["bias"])
        self.assertAlmostEqual(own, -3 * 20 * 0.1 * 4, places=3)  # three rounds of 20 steps, each down a gradient of 4
        self.assertRegex(first[2], r"\(3, -1[56]\.")  # where the third began

    def test_skip(self):
        """Skipped on every rank, the node hears of it once."""
        script = SCRIPT.replace("    with task:\n", "    if task.round == 1:\n        task.skip('no data')\n        continue\n    with task:\n")
        node = OneSite(self.base, 2)
        self.addCleanup(node.close)
        first, second = self.ranks(node, script)
        self.assertEqual([line.replace("0 [", "1 [", 1) for line in first], second)
        self.assertEqual((node.skips, len(node.updates)), ([{"task": 1, "reason": "no data"}], 1))

    def test_single_calls_at_the_first_rank(self):
        """A script may hand the tasks on by itself: nothing but what rank 0 calls goes to the others."""
        script = """
import torch, weft
import torch.distributed as dist
dist.init_process_group("gloo")
rank = dist.get_rank()
if rank == 0:
    weft.init("torch")

def to_all(x):
    box = [x]
    dist.broadcast_object_list(box, src=0)
    return box[0]

while to_all(weft.is_running() if rank == 0 else None):
    task = weft.receive() if rank == 0 else None
    w = to_all(task.params["weight"] if rank == 0 else None) + rank
    dist.all_reduce(w)
    if rank == 0:
        weft.log(loss=1)
        weft.send(weft.Update({**task.params, "weight": w}, samples=1))
print(rank)
"""
        node = OneSite(self.base, 2)
        self.addCleanup(node.close)
        self.assertEqual(self.ranks(node, script), [["0"], ["1"]])
        self.assertEqual(safetensors.load_file(node.base)["weight"].tolist(), [[5.0, 4.0]])

    def test_all_hear_of_a_bad_update(self):
        node = OneSite(self.base, 1)
        self.addCleanup(node.close)
        bad = SCRIPT.replace("task.log(loss=1)", "pass").replace("    print(rank,", """    with torch.no_grad():
        model.weight *= float("nan") if rank == 0 else 1
    try:
        task.send()
    except weft.Error as e:
        print(rank, [], e, flush=True)
        break
    print(rank,""")
        first, second = self.ranks(node, bad)
        self.assertEqual([line.replace("0 [", "1 [", 1) for line in first], second)
        self.assertIn("tensor 'weight' has values that are NaN", first[0])

    def test_all_hear_of_a_cancelled_task(self):
        """At the same step: else one would wait for the other's gradients for ever."""
        node = OneSite(self.base, 1)
        self.addCleanup(node.close)
        answer = node.answer

        def cancels(method, path, body):
            if path == "/v1/progress" and body["task"] == 1 and body["step"] > 0:
                return 409, {"error": "task 1 was cancelled"}
            return answer(method, path, body)

        node.answer = cancels
        slow = SCRIPT.replace("task.log(loss=1)", "__import__('time').sleep(0.05)")
        first, second = self.ranks(node, slow)
        self.assertEqual([line.replace("0 [", "1 [", 1) for line in first], second)
        self.assertEqual([line.endswith("True") for line in first], [True, False])
        self.assertEqual([u["task"] for u in node.updates], [2])


if __name__ == "__main__":
    unittest.main()
