"""The PhraseBank experiment in its quick form, with a really pretrained encoder at three real nodes: make wheel frameworks."""

import csv
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from support import ROOT, environment
from test_node import PROGRAM
from test_package import missing
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

EXAMPLE = ROOT / "examples" / "phrasebank"


class TestPhrasebank(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def play(self, script, *args):
        command = [sys.executable, str(EXAMPLE / script), *map(str, args)]
        done = subprocess.run(command, cwd=self.dir, env=environment(HF_HUB_OFFLINE="1"), capture_output=True, text=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_quick(self):
        """A label is missing at each site: the common model knows it, a site alone cannot. Cells that are there stay."""
        if not PROGRAM.exists():
            missing(self, f"no {PROGRAM}: make wheel")
        quick = ["--quick", "--out", "out", "--weft", PROGRAM]
        first = self.play("experiment.py", *quick)
        text = (self.dir / "out" / "results.csv").read_text()
        last = {row["cell"]: float(row["last"]) for row in csv.DictReader(text.splitlines())}
        self.assertEqual(list(last), ["federated", "alone", "pooled"])
        self.assertLessEqual(last["alone"], 0.67)
        self.assertGreater(last["federated"], last["alone"] + 0.1, text)
        self.assertIn("polyline", (self.dir / "out" / "curves.svg").read_text())
        again = self.play("experiment.py", *quick)
        self.assertIn(again.splitlines()[0], first, "the table, and no cell before it")
        self.assertEqual((self.dir / "out" / "results.csv").read_text(), text)

    def test_gpt2(self):
        """The same script takes a folder of GPT-2's kind, whose tokenizer pads with nothing and whose matrices are no Linear."""
        words = ["profit", "rose", "fell", "is", "reported", "end"]
        tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="end"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="end").save_pretrained(self.dir / "gpt")
        GPT2LMHeadModel(GPT2Config(vocab_size=6, n_positions=8, n_embd=16, n_layer=1, n_head=2, eos_token_id=5)).save_pretrained(self.dir / "gpt")
        told = {"negative": "profit fell", "neutral": "profit is reported", "positive": "profit rose"}
        lines = [json.dumps({"sentence": text, "label": label}) + "\n" for label, text in told.items()]
        (self.dir / "data.jsonl").write_text("".join(lines * 8))
        self.play("train.py", "--model", "gpt", "--data", "data.jsonl", "--validation", "data.jsonl", "--steps", 100, "--rate", "0.02", "--log", "log")
        found = [entry["eval_accuracy"] for entry in json.loads((self.dir / "log").read_text()) if "eval_accuracy" in entry]
        self.assertEqual(found[0], 1.0)


class TestParts(unittest.TestCase):
    """What needs no training."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        spec = importlib.util.spec_from_file_location("phrasebank_data", EXAMPLE / "data.py")
        self.data = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.data)

    def test_set_aside(self):
        """A tenth of the training sentences, in no site's part."""
        self.data.make(self.dir)
        self.data.cell(self.dir, self.dir, 1.0, choose=False)
        whole = (self.dir / "pooled.jsonl").read_text().splitlines()
        self.data.cell(self.dir, self.dir, 1.0, choose=True)
        aside = (self.dir / "validation.jsonl").read_text().splitlines()
        parts = [(self.dir / f"{name}.jsonl").read_text().splitlines() for name in ("pooled", "site-1", "site-2", "site-3")]
        self.assertEqual((len(aside), len(parts[0])), (9, 81))
        self.assertEqual(sorted(aside + parts[0]), sorted(whole))
        self.assertEqual(sorted(parts[1] + parts[2] + parts[3]), sorted(parts[0]))


if __name__ == "__main__":
    unittest.main()
