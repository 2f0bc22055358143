"""The newest PyTorch itself, where the other tests play its wrappers by classes: make frameworks."""

import os
import tempfile
import traceback
import unittest
import warnings

import test_docs
import test_tasks
import torch
import torch.distributed as dist
from support import OneSite, block_with
from test_model import Folder
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.testing._internal.two_tensor import TwoTensor

import weft
from weft import LayoutError, safetensors


def load_tests(loader, tests, pattern):
    """A mesh of one site is plain training with this torch too."""
    tests.addTest(test_tasks.TestTorch("test_one_site_is_plain_training"))
    return tests


def network():
    return torch.nn.Sequential(torch.nn.Linear(17, 33), torch.nn.BatchNorm1d(33), torch.nn.Linear(33, 1))


class TestWrappers(Folder):
    def wrapped(self):
        dist.init_process_group("gloo", f"file://{self.dir}/store", rank=0, world_size=1)
        self.addCleanup(dist.destroy_process_group)
        yield "DDP", DistributedDataParallel(network())
        yield "compiled", torch.compile(network(), backend="eager")
        yield "DDP of compiled", DistributedDataParallel(torch.compile(network(), backend="eager"))
        yield "compiled DDP", torch.compile(DistributedDataParallel(network()), backend="eager")
        in_place = network()
        in_place.compile(backend="eager")
        yield "compiled in place", in_place
        parts = network()
        yield "checkpointed, compiled parts", torch.nn.Sequential(checkpoint_wrapper(parts[0]), parts[1], torch.compile(parts[2], backend="eager"))

    def test_names(self):
        """What is sent has plain names, and goes back into the model, which trains in between."""
        first = network()
        weft.save(first, self.base)
        want = {n for n, t in first.state_dict().items() if t.is_floating_point()}
        for kind, model in self.wrapped():
            with self.subTest(kind):
                task = self.receive()
                weft.load(model, task)
                for p, q in zip(model.parameters(), first.parameters()):
                    self.assertTrue(torch.equal(p, q))
                model(torch.ones(4, 17)).sum().backward()
                torch.optim.SGD(model.parameters(), lr=0.1).step()
                self.assertEqual(set(weft.state_dict(model)), want)
                for given in (weft.state_dict(model), model.state_dict()):
                    got, metrics, said = self.sent(self.receive(), given)
                    self.assertEqual((set(got), metrics, said), (want, {}, []))
                    self.assertTrue(torch.equal(got["2.bias"], first[2].bias.data - 0.1 * 4))


class TestWithoutMemory(Folder):
    def test_refused_by_name(self):
        odd = {
            "meta tensor.*values first": torch.zeros(2, 2, device="meta"),
            "nested tensor.*to_padded_tensor": torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)], layout=torch.jagged),
            "TwoTensor.*dequantize": TwoTensor(torch.zeros(2, 2), torch.zeros(2, 2)),
            "sparse_csr.*to_dense": torch.eye(2).to_sparse_csr(),
            "Uninitialized.*run a batch": torch.nn.LazyLinear(2).weight,
        }
        safetensors.save_file({"w": torch.zeros(2, 2)}, self.base)
        for words, value in odd.items():
            with self.subTest(words), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's own, of prototypes
                with self.assertRaisesRegex(LayoutError, f"tensor 'w' is a .*{words}"):
                    self.receive().send({"w": value}, samples=1)
                with self.assertRaisesRegex(LayoutError, f"tensor 'w' is a .*{words}"):
                    safetensors.save_file({"w": value}, self.path)


def sharded_names(path):
    """A sharded model is refused by name, on each rank, without waiting for the other; what is gathered has the model's names."""
    model = sharded(network())
    for call in (lambda: weft.state_dict(model), lambda: weft.load(model, safetensors.load_file(path)), lambda: weft.save(model, path + ".no")):
        try:
            call()
        except LayoutError as e:
            assert "tensor '0.bias' is a DTensor" in str(e) and "get_model_state_dict(model" in e.hint, e
            assert "set_model_state_dict loads" in e.hint, e
        else:
            raise AssertionError("a sharded model was taken")
    whole = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if dist.get_rank() == 0:
        assert set(weft.state_dict(whole)) == set(network().state_dict()), set(whole)


def sharded_training(path):
    """docs/trainers.md's loop over a dict of whole tensors, which are dealt out to the shards and gathered again."""
    block = block_with(test_docs.SHARDED, "trainers.md")
    model = sharded(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train_step(model, batch):
        model(batch).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    begins = 'torch.distributed.init_process_group("gloo")\n'
    assert begins in block
    x = torch.ones(8, 17)
    exec(block.replace(begins, ""), {"torch": torch, "weft": weft, "model": model, "x": x, "loader": [x[:4], x[4:]], "train_step": train_step})


def sharded(model):
    mesh = dist.init_device_mesh("cpu", (2,))
    fully_shard(model[0], mesh=mesh)
    return fully_shard(model, mesh=mesh)


class TestSharded(unittest.TestCase):
    """FSDP2 on two ranks. They are forked: to import torch once more costs seconds."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.base = self.dir + "/base.safetensors"
        weft.save(network(), self.base)

    def ranks(self, work, **env):
        started = [self.fork(rank, work, env) for rank in range(2)]
        self.assertEqual([os.waitpid(pid, 0)[1] for pid in started], [0, 0])

    def fork(self, rank, work, env):
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", **env)
            torch.manual_seed(0)
            dist.init_process_group("gloo", f"file://{self.dir}/store", rank=rank, world_size=2)
            work(self.base)
            dist.destroy_process_group()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def test_names(self):
        self.ranks(sharded_names)

    def test_training(self):
        """Two rounds of two steps, down the mean of the ranks' gradients of 4 ones each."""
        before = safetensors.load_file(self.base)
        node = OneSite(self.base, 2)
        self.addCleanup(node.close)
        self.ranks(sharded_training, WEFT_SOCKET=node.path)
        self.assertEqual([u["samples"] for u in node.updates], [8, 8])
        after = safetensors.load_file(node.base)
        self.assertEqual({n: t.shape for n, t in after.items()}, {n: t.shape for n, t in before.items() if t.is_floating_point()})
        self.assertAlmostEqual(float(after["2.bias"]), float(before["2.bias"]) - 2 * 2 * 0.1 * 4, places=5)


if __name__ == "__main__":
    unittest.main()
