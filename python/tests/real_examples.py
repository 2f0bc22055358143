"""The examples with scikit-learn and JAX at three real nodes: make wheel frameworks."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from support import ROOT, environment
from test_node import PROGRAM
from test_package import missing


class TestDigits(unittest.TestCase):
    def setUp(self):
        if not PROGRAM.exists():
            missing(self, f"no {PROGRAM}: make wheel")
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.run_(sys.executable, ROOT / "examples" / "numpy" / "train.py", "--make", "digits.npz")

    def run_(self, *command):
        done = subprocess.run(command, cwd=self.dir, env=environment(), capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def federated(self, example, *flags):
        """The page's command: what came of it, and the last common model's accuracy, over the sites' samples."""
        script = [sys.executable, ROOT / "examples" / example / "train.py", "--data", "{data}"]
        said = json.loads(self.run_(PROGRAM, "try", "--data", "digits.npz", "--label", "y", "--evaluate", "--json", *flags, "--", *script))
        last = said["measured"][-1].values()
        return said, sum(f["metrics"]["accuracy"] * f["samples"] for f in last) / sum(f["samples"] for f in last)

    def test_numpy(self):
        said, last = self.federated("numpy", "--partition", "label:4", "--alone")
        self.assertGreater(last, 0.85)
        alone = [figures["metrics"]["accuracy"] for site in said["alone"] for by, figures in site["measured"].items() if by != site["site"]]
        self.assertLess(sum(alone) / len(alone), 0.6, "a site alone knows the labels that it has")

    def test_jax(self):
        _, last = self.federated("jax", "--partition", "dirichlet:0.5", "--rounds", "10")
        self.assertGreater(last, 0.87)


if __name__ == "__main__":
    unittest.main()
