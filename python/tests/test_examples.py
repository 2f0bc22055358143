"""The examples run, and the lines that a script changes are counted."""

import difflib
import os
import subprocess
import sys
import tempfile
import unittest

from support import ROOT, OneSite, environment, torch

from weft import safetensors

EXAMPLES = ROOT / "examples"


def changed(before, after):
    """The signs of the lines that change, empty ones left out."""
    texts = [path.read_text().splitlines() for path in (before, after)]
    changes = [line for line in difflib.unified_diff(*texts, n=0, lineterm="") if line[0] in "+-" and line[:3] not in ("+++", "---")]
    return "".join(line[0] for line in changes if line[1:].strip())


class TestExamples(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.base = folder.name + "/base.safetensors"
        self.dir = folder.name

    def play(self, script, *args, **env):
        """What a script prints, and says."""
        done = subprocess.run([sys.executable, str(EXAMPLES / script), *args], env=environment(**env), cwd=self.dir, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, done.stderr

    def site(self, rounds, **more):
        node = OneSite(self.base, rounds, evaluate=True, **more)
        self.addCleanup(node.close)
        return node

    def test_plain(self):
        self.play("plain/train.py", "--init", self.base)
        node = self.site(3, config={"lr": "0.5"})
        self.play("plain/train.py", WEFT_SOCKET=node.path)
        accuracy = [u["metrics"]["accuracy"] for u in node.updates if "update" not in u]
        self.assertLess(accuracy[0], 0.8)
        self.assertGreater(accuracy[-1], 0.85)
        self.assertEqual({u["samples"] for u in node.updates}, {160, 40})
        with open(self.dir + "/data.csv", "w") as f:
            f.writelines(f"{i % 7 - 3},{i % 5 - 2},{int(i % 7 > 3)}\n" for i in range(100))
        self.assertIn("alone: update of 80 samples", self.play("plain/train.py", "--data", "data.csv")[1])

    def test_lines_of_others(self):
        """The table of examples/lines, and what the documents repeat of it, are counted."""
        lines = EXAMPLES / "lines"
        pages = {
            lines / "README.md": ("weft", "FLARE", "Flower"),
            ROOT / "docs" / "coming-from-flare.md": ("weft", "FLARE"),
            ROOT / "docs" / "coming-from-flower.md": ("weft", "Flower"),
        }
        for name, script, *more in (
            ("weft", "federated.py"),
            ("FLARE", "flare/train.py", "flare/model.py", "flare/job.py"),
            ("Flower", "flower/client_app.py", "flower/server_app.py", "flower/pyproject.toml"),
        ):
            changes = changed(lines / "plain.py", lines / script)
            further = sum(bool(line.strip()) for f in more for line in (lines / f).read_text().splitlines())
            files = f"{len(more)} files, {further} lines" if more else "none"
            for page, names in pages.items():
                if name in names:
                    self.assertIn(f"| {name} | +{changes.count('+')} -{changes.count('-')} | {files} |", page.read_text(), page.name)
        for name, folder in (("weft, Hugging Face", "huggingface"), ("weft, Lightning", "lightning")):
            self.assertEqual(changed(lines / folder / "plain.py", lines / folder / "federated.py"), "++", "an import and a line")
            self.assertIn(f"| {name} | +2 -0 | none |", (lines / "README.md").read_text())
        for f in lines.rglob("*.py"):
            compile(f.read_text(), str(f), "exec")

    @unittest.skipIf(torch is None, "no torch")
    def test_lines(self):
        """An import, and two changed lines."""
        self.assertEqual(changed(EXAMPLES / "lines" / "plain.py", EXAMPLES / "lines" / "federated.py"), "+--++")
        alone = float(self.play("lines/plain.py")[0].split()[1])
        self.assertGreater(alone, 0.95)
        self.play("lines/federated.py")  # alone, too
        script = (EXAMPLES / "lines" / "federated.py").read_text()
        subprocess.run([sys.executable, "-c", script.split("def accuracy")[0] + f"weft.save(model, {self.base!r})"], env=environment(), check=True)
        node = self.site(10)
        said = float(self.play("lines/federated.py", WEFT_SOCKET=node.path)[0].split()[1])
        self.assertEqual(said, alone, "ten rounds of an epoch are ten epochs")
        self.assertEqual(len(safetensors.read_header(node.base)), 4)
        self.assertGreater(node.updates[-2]["metrics"]["accuracy"], 0.9)
        self.assertTrue(os.path.exists(node.base))


if __name__ == "__main__":
    unittest.main()
