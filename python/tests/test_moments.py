"""state="average": an optimizer's moments are averaged like weights, and are in no export."""

import contextlib
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

from support import OneSite, environment, run_script, torch, weft_program

import weft
from weft import _binary, _moments, safetensors

# Two sites of 10 and 30 examples, which note their moments before and after each training.
SCRIPT = """
import json, os, sys, torch, weft
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 100)
site = os.environ["WEFT_SITE"]
n = {"site-1": 10, "site-2": 30}[site]
x = torch.randn(n, 3, generator=torch.Generator().manual_seed(n))
def loss():
    return nn.functional.mse_loss(model(x), x.sum(1, keepdim=True) * n)
def moments():
    return {f"{i}/{k}": v.double().flatten().tolist() for i, s in optimizer.state_dict()["state"].items() for k, v in s.items()}
for task in weft.tasks(model, optimizer, scheduler, samples=n, evaluate=lambda: {"loss": loss().item()}, state="average"):
    assert not [name for name in task.params if name.startswith("optimizer/")]
    began = moments()
    for _ in task.steps(range(n // 5)):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        scheduler.step()
    with open(f"{sys.argv[1]}/{site}-{task.round}.json", "w") as f:
        json.dump({"began": began, "ended": moments()}, f)
"""

# A site of its own in a run whose base has moments, or has none.
ONE = """
import torch, weft
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.{optimizer}
for task in weft.tasks(model, optimizer, samples=1, state={state!r}):
    optimizer.zero_grad()
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
"""


@unittest.skipIf(torch is None, "no torch")
class TestAverage(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def test_the_mean(self):
        """What a round begins with is the mean of what the sites ended the one before with, by their
        examples, to the bit; the moments of what stays at the sites stay there."""
        program = weft_program(self)
        script = self.dir / "train.py"
        script.write_text(SCRIPT)
        with (
            mock.patch.object(_binary, "_folders", lambda: [program.parent]),
            mock.patch.dict(os.environ, environment(), clear=True),
            contextlib.redirect_stderr(io.StringIO()) as shown,
        ):
            run = weft.local([sys.executable, script, self.dir], sites=2, rounds=3, evaluate=True, local="1.*", keep=self.dir / "kept")
            weights = run.model("latest", "torch")
        self.assertIn("the sites average the optimizer's state too", shown.getvalue())
        self.assertEqual(set(weights), {"0.weight", "0.bias", "2.weight", "2.bias"})
        said = {(s, r): json.loads((self.dir / f"site-{s}-{r}.json").read_text()) for s in (1, 2) for r in (1, 2, 3)}
        first = said[1, 1]["began"]
        self.assertEqual(len(first), 6 * 3)  # exp_avg, exp_avg_sq and step of each weight
        self.assertEqual({v for values in first.values() for v in values}, {0.0})
        for r in (1, 2):
            a, b = said[1, r]["ended"], said[2, r]["ended"]
            for s in (1, 2):
                for part, now in said[s, r + 1]["began"].items():
                    want = [single((10 * v + 30 * w) / 40) for v, w in zip(a[part], b[part])]
                    if part.split("/")[0] in ("2", "3"):  # the normalisation's
                        want = said[s, r]["ended"][part]
                    self.assertEqual(now, want, (s, r, part))
        self.assertEqual(said[1, 2]["began"]["0/step"], [(10 * 2 + 30 * 6) / 40])

    def test_what_a_run_begins_with(self):
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.5, weight_decay=0.1)
        torch.optim.lr_scheduler.StepLR(optimizer, 1)
        before = [p.detach().clone() for p in model.parameters()]
        moments = _moments.Moments([optimizer]).initial(weft.state_dict(model))
        self.assertEqual(len(moments), 6)
        self.assertFalse([name for name, value in moments.items() if value.dtype != torch.float32 or value.any()])
        self.assertEqual(moments["optimizer/0/exp_avg/weight"].shape, (1, 2))
        self.assertTrue(all(torch.equal(a, b) for a, b in zip(before, model.parameters())))
        self.assertEqual(len(optimizer.state), 0)
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        warm = _moments.Moments([optimizer]).initial(weft.state_dict(model))
        self.assertEqual(warm["optimizer/0/step/weight"].item(), 1)  # one that was trained goes on

    def test_what_cannot_be_averaged(self):
        model = torch.nn.Linear(2, 1)
        weights = weft.state_dict(model)
        with self.assertRaisesRegex(ValueError, "no state, such as momentum"):
            _moments.Moments([torch.optim.SGD(model.parameters(), lr=0.1)]).initial(weights)
        with self.assertRaisesRegex(weft.LayoutError, "NAdam has 'mu_product'"):
            _moments.Moments([torch.optim.NAdam(model.parameters())]).initial(weights)
        with self.assertRaisesRegex(ValueError, "means an optimizer's state"):
            weft.tasks(model, state="average")
        with self.assertRaisesRegex(TypeError, "wants optimizers of torch"):
            weft.tasks(model, torch.optim.lr_scheduler.StepLR(torch.optim.SGD(model.parameters(), lr=1), 1), state="average")

    def test_scripts_that_do_not_agree(self):
        """A run whose base has moments is for scripts that average them, and one without is not."""
        model = torch.nn.Linear(2, 1)
        weights = weft.state_dict(model)
        sgd, adam = "SGD(model.parameters(), lr=0.1, momentum=0.9)", "Adam(model.parameters())"
        moments = _moments.Moments([torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)]).initial(weights)
        for base, optimizer, state, want in (
            (weights | moments, sgd, "average", ""),
            (weights | moments, sgd, "keep", "the run averages the optimizer's state"),
            (weights, sgd, "average", "no optimizer state to average"),
            (weights | moments, adam, "average", "the base's optimizer state is not one of Adam"),
        ):
            with self.subTest(optimizer=optimizer, state=state, base=len(base)):
                path = str(self.dir / "base.safetensors")
                safetensors.save_file(base, path)
                node = OneSite(path, 2)
                self.addCleanup(node.close)
                done = run_script(ONE.format(optimizer=optimizer, state=state), {"WEFT_SOCKET": node.path})
                if want:
                    self.assertRegex(done.stderr, want)
                    self.assertEqual(node.updates, [])
                    continue
                self.assertEqual(done.returncode, 0, done.stderr)
                after = safetensors.load_file(node.base, "torch")
                self.assertEqual(after["optimizer/0/momentum_buffer/bias"].tolist(), [single(0.9 * 1 + 1)])


def single(v):
    return torch.tensor(v, dtype=torch.float64).float().double().item()


if __name__ == "__main__":
    unittest.main()
