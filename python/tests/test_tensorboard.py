"""`weft run history --tensorboard`, read by TensorBoard itself."""

import contextlib
import csv
import io
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

from support import ROOT, environment, missing, weft_program

import weft
from weft import _binary

TOOLS = os.environ.get("WEFT_PYTOOLS", "")  # an environment with python/constraints.txt, made by make

READ = """
import json, sys
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
runs = EventMultiplexer(size_guidance={"scalars": 0}).AddRunsFromDirectory(sys.argv[1]).Reload()
json.dump({
    run: {tag: [(e.step, e.wall_time, e.value) for e in runs.Scalars(run, tag)] for tag in tags["scalars"]}
    for run, tags in runs.Runs().items()
}, sys.stdout)
"""


class TestTensorBoard(unittest.TestCase):
    def test_reads_the_curves(self):
        if not TOOLS:
            missing(self, "WEFT_PYTOOLS names no environment with tensorboard: make python sets it")
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        kept, curves = pathlib.Path(folder.name, "kept"), pathlib.Path(folder.name, "curves")
        program = weft_program(self)
        begun = time.time()
        with mock.patch.object(_binary, "_folders", lambda: [program.parent]), mock.patch.dict(os.environ, environment()), contextlib.redirect_stderr(io.StringIO()):
            run = weft.local([sys.executable, ROOT / "examples" / "plain" / "train.py"], sites=2, rounds=3, evaluate=True, keep=kept)
        ended = time.time()
        for _ in range(2):  # the second time in place of the first
            subprocess.run([program, "--dir", kept / "site-1", "run", "history", "--tensorboard", curves], check=True, capture_output=True)
        done = subprocess.run([TOOLS + "/bin/python", "-c", READ, curves], env=environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        rows = run.history()
        metrics = set().union(*rows) - {"round", "site", "samples", "weight", "attempts", "marks", "took_s", "height", "model", "share", "norm", "norm_ratio"}
        self.assertIn("error", metrics)
        self.assertEqual(sorted(found), ["mean", "site/site-1", "site/site-2"])
        own = {tag: found["site/site-1"].pop(tag) for tag in list(found["site/site-1"]) if tag.startswith("step/")}
        self.check_steps(own, program, kept, begun, ended)
        for name, tags in found.items():
            of = [r for r in rows if name in ("mean", "site/" + r["site"])]
            self.assertEqual(set(tags), metrics, name)
            for tag, points in tags.items():
                values = {n: [r[tag] for r in of if r["round"] == n and tag in r] for n in sorted({r["round"] for r in of})}
                want = [(n, single(sum(v) / len(v))) for n, v in values.items() if v]
                self.assertEqual([(step, value) for step, _, value in points], want, (name, tag))
                times = [at for _, at, _ in points]
                self.assertEqual([begun, *times, ended], sorted([begun, *times, ended]), "each round has the time of its commit")

    def check_steps(self, tags, program, kept, begun, ended):
        """The site's own trainings come by step, over all rounds, as --steps --csv has them."""
        done = subprocess.run([program, "--dir", kept / "site-1", "run", "history", "--steps", "--csv"], capture_output=True, text=True, check=True)
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        self.assertEqual(sorted({r["round"] for r in rows}), ["1", "2", "3"])
        self.assertIn("step/error", tags)
        for tag, points in tags.items():
            want = [(int(r["global_step"]), single(float(r[tag[5:]]))) for r in rows if r[tag[5:]]]
            self.assertEqual([(step, value) for step, _, value in points], want, tag)
            self.assertEqual([step for step, _, _ in points], sorted({step for step, _, _ in points}))
            times = [at for _, at, _ in points]
            self.assertEqual([begun, *times, ended], sorted([begun, *times, ended]))


def single(value):
    """The float32 next to a number."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


if __name__ == "__main__":
    unittest.main()
