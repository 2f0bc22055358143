"""FedAvg at ten real nodes is FedAvg as the papers have it: scikit-learn's digits, with BatchNorm. make wheel frameworks."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy
import torch
from sklearn.datasets import load_digits
from support import environment
from test_node import PROGRAM
from test_package import missing

from weft import safetensors

SITES, ROUNDS = 10, 3

# Steps by hand: torch's optimizers import its compiler, which would take ten processes longer than all the rest.
TRAIN = """
import sys
import numpy, torch

def make():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.BatchNorm1d(32), torch.nn.ReLU(), torch.nn.Linear(32, 10))

def batches(path):
    data = numpy.load(path)
    x, y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"])
    return len(x), [(x[i::4], y[i::4]) for i in range(4)]

def step(model, x, y):
    loss = torch.nn.functional.cross_entropy(model(x), y)
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.2 * parameter.grad
    return loss
"""

SITE = """
import weft
model, (samples, loader) = make(), batches(sys.argv[1])
for task in weft.tasks(model, samples=samples):
    for batch in task.steps(loader):
        task.log(loss=step(model, *batch))
"""


class TestFedAvg(unittest.TestCase):
    def setUp(self):
        if not PROGRAM.exists():
            missing(self, f"no {PROGRAM}: make wheel")
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.env = environment()

    def weft(self, *args):
        done = subprocess.run([PROGRAM, *args], cwd=self.dir, env=self.env, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_every_round(self):
        x, y = load_digits(return_X_y=True)
        numpy.savez(self.dir / "digits.npz", x=(x / 16).astype("f4"), y=y)
        (self.dir / "train.py").write_text(TRAIN + SITE)
        deal = ["--data", "digits.npz", "--partition", "dirichlet:0.5", "--label", "y"]
        site = [sys.executable, "train.py", "{data}"]
        self.weft("try", "--sites", str(SITES), "--rounds", str(ROUNDS), *deal, "--keep", "kept", "--", *site)
        fedavg = FedAvg(sorted((self.dir / "kept" / "data").glob("*.npz")))
        for number in range(ROUNDS + 1):
            self.weft("--dir", "kept/site-1", "model", "export", str(number), "-o", f"{number}.safetensors")
            got = safetensors.load_file(self.dir / f"{number}.safetensors")
            counters = {name for name, value in got.items() if not value.is_floating_point()}
            self.assertEqual((set(got) - counters, counters), (set(fedavg.weights), {"1.num_batches_tracked"}))
            for name, value in fedavg.weights.items():
                self.assertLess(float((got[name] - value).abs().max()), 1e-5, f"round {number}: {name}")
            fedavg.round()
        self.assertGreater(fedavg.accuracy(numpy.load(self.dir / "digits.npz")), 0.5)


class FedAvg:
    """The same in this process, with nothing of weft's: each site trains from the common weights, whose mean by samples follows."""

    def __init__(self, parts):
        self.code = {}
        exec(TRAIN, self.code)
        self.sites = [self.code["batches"](part) for part in parts]
        assert len(parts) == SITES
        self.model = self.code["make"]()
        self.weights = self.floats()

    def floats(self):
        return {n: t.clone() for n, t in self.model.state_dict().items() if t.is_floating_point()}

    def round(self):
        mean = {n: torch.zeros_like(t, dtype=torch.float64) for n, t in self.weights.items()}
        total = sum(samples for samples, _ in self.sites)
        for samples, loader in self.sites:
            self.model.load_state_dict(self.weights, strict=False)
            for batch in loader:
                self.code["step"](self.model, *batch)
            for name, value in self.floats().items():
                mean[name] += value.double() * (samples / total)
        self.weights = {n: t.float() for n, t in mean.items()}

    def accuracy(self, data):
        self.model.load_state_dict(self.weights, strict=False)
        self.model.eval()
        with torch.no_grad():
            return float((self.model(torch.from_numpy(data["x"])).argmax(1) == torch.from_numpy(data["y"])).double().mean())


if __name__ == "__main__":
    unittest.main()
