"""The scripts of examples/lines that have a framework's loop, before and after the two lines: make frameworks."""

import subprocess
import sys
import tempfile
import unittest

from support import ROOT, OneSite, environment

LINES = ROOT / "examples" / "lines"


class TestLines(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def play(self, code, **env):
        """The accuracy that a script prints at last."""
        done = subprocess.run([sys.executable, "-c", code], env=environment(HF_HUB_OFFLINE="1", **env), cwd=self.dir, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()[-1]

    def test_lines(self):
        """After a round of a run of one site the model is what the script gave before."""
        for folder in ("huggingface", "lightning"):
            with self.subTest(folder):
                plain, federated = ((LINES / folder / f"{name}.py").read_text() for name in ("plain", "federated"))
                base = f"{self.dir}/{folder}.safetensors"
                before = self.play(plain.replace("trainer = ", f"import weft\nweft.save(model, {base!r})\ntrainer = "))
                self.assertRegex(before, r"^accuracy (0\.[5-9]|1\.)")
                node = OneSite(base, 2, evaluate=True)
                self.addCleanup(node.close)
                self.assertRegex(self.play(federated, WEFT_SOCKET=node.path), "^accuracy ")
                first, second = (u["metrics"]["accuracy"] for u in node.updates if "update" not in u)
                self.assertEqual(f"accuracy {second:.3f}", before)
                self.assertLess(first, second)
                self.assertEqual(len(node.updates), 4)


if __name__ == "__main__":
    unittest.main()
