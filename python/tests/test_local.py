"""`weft try` from a notebook: real nodes, real scripts."""

import contextlib
import gc
import io
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

from support import ROOT, environment, weft_program

import weft
from weft import _binary, _program
from weft._local import _flags

TRAIN = ROOT / "examples" / "plain" / "train.py"

FAILS = """
import os, weft
for task in weft.tasks({"w": memoryview(bytearray(4)).cast("f")}, samples=1):
    if os.environ["WEFT_SITE"] == "site-2":
        raise ValueError("no such column: age")
"""

FOREVER = """
import os, time, weft
with open("pid-" + os.environ["WEFT_SITE"], "w") as f:
    f.write(str(os.getpid()))
for task in weft.tasks({"w": memoryview(bytearray(4)).cast("f")}, samples=1):
    open("begun-" + os.environ["WEFT_SITE"], "w").close()
    for _ in task.steps(range(100000)):
        time.sleep(0.01)
"""

NOTEBOOK = """
import pathlib, sys, weft
from weft import _binary
_binary._folders = lambda: [pathlib.Path(sys.argv[1])]
try:
    weft.local([sys.executable, "train.py"])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


class TestLocal(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.temp = self.dir / "tmp"
        self.temp.mkdir()
        self.program = weft_program(self)
        for patch in (
            mock.patch.object(_binary, "_folders", lambda: [self.program.parent]),
            mock.patch.dict(os.environ, environment(TMPDIR=str(self.temp)), clear=True),
            mock.patch.object(tempfile, "tempdir", str(self.temp)),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def script(self, text):
        path = self.dir / "train.py"
        path.write_text(text)
        return path

    def test_a_run(self):
        with contextlib.redirect_stderr(io.StringIO()) as shown:
            run = weft.local([sys.executable, TRAIN], sites=2, rounds=3, evaluate=True, cross_evaluate=True, train={"lr": 0.2}, alone=False)
        self.assertEqual(repr(run), "Run('try', 3 of 3 rounds, done)")
        self.assertIn("round 3", shown.getvalue())
        rows = run.history()
        self.assertEqual([(r["round"], r["site"], r["samples"]) for r in rows if r["round"]], [(n, s, 160) for n in (1, 2, 3) for s in ("site-1", "site-2")])
        self.assertTrue(all(r["took_s"] > 0 and "error" in r for r in rows if r["round"]))
        self.assertEqual(run.status["spec"]["train"], {"lr": "0.2"})
        self.assertEqual(len(run.result["measured"]), 4)  # what it began with, too
        self.assertEqual(run.result["model"], rows[-1]["model"])
        sites = {"site-1", "site-2"}  # by whom, of whom
        self.assertEqual({by: set(of) for by, of in run.result["cross"].items()}, dict.fromkeys(sites, sites))
        self.assertEqual(run.status["cross"], run.result["cross"])
        for which in (1, "latest"):
            self.assertEqual(len(run.model(which, "plain")["w"]), 2)
        self.assertEqual(len(list(self.temp.glob("weft-try-*"))), 1)
        del run
        gc.collect()
        self.assertEqual(list(self.temp.iterdir()), [])

    def test_a_folder_that_stays(self):
        with contextlib.redirect_stderr(io.StringIO()):
            weft.local(f"{sys.executable} {TRAIN}", sites=1, rounds=1, keep=self.dir / "kept", output=self.dir / "model.safetensors")
        gc.collect()
        again = weft.mesh(self.dir / "kept" / "site-1").run("try")  # no node runs: the directory is read
        self.assertEqual(list(again.model(1, "plain")["w"]), list(weft.safetensors.load_file(self.dir / "model.safetensors", "plain")["w"]))
        self.assertEqual(list(self.temp.iterdir()), [])
        with self.assertRaisesRegex(weft.Error, "does not answer"):
            weft.mesh(self.dir / "kept" / "site-1").peers()  # which only a node knows

    def test_a_script_that_fails(self):
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(weft.Error) as raised:
            weft.local([sys.executable, self.script(FAILS)], rounds=2)
        self.assertRegex(raised.exception.reason, "^site-2: .*no such column: age")
        log = raised.exception.hint.removeprefix("what the script wrote is in ")
        self.assertIn("no such column: age", pathlib.Path(log).read_text())
        del raised
        gc.collect()
        self.assertEqual(list(self.temp.iterdir()), [])

    def test_an_option_that_is_none(self):
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaisesRegex(weft.Error, "unknown flag: --speed; hint: `weft try --help`"):
            weft.local([sys.executable, TRAIN], speed=3)
        self.assertEqual(list(self.temp.iterdir()), [])

    def test_interrupted(self):
        """Ctrl-C, which reaches the notebook's process alone or its whole group, leaves no process and no folder."""
        self.script(FOREVER)
        for group in (False, True):
            with self.subTest(group=group):
                self.interrupt(group)

    def interrupt(self, group):
        for name in [*self.dir.glob("pid-*"), *self.dir.glob("begun-*")]:
            name.unlink()
        command = [sys.executable, "-c", NOTEBOOK, str(self.program.parent)]
        with subprocess.Popen(command, cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as notebook:
            try:
                end = time.monotonic() + 60
                while len(list(self.dir.glob("begun-*"))) < 3:
                    self.assertIsNone(notebook.poll(), "it ended")
                    self.assertLess(time.monotonic(), end, "the sites do not train")
                    time.sleep(0.02)
                (os.killpg if group else os.kill)(notebook.pid, signal.SIGINT)
                out, err = notebook.communicate(timeout=60)
            except BaseException:
                os.killpg(notebook.pid, signal.SIGKILL)
                raise
        self.assertEqual((out, notebook.returncode), ("interrupted\n", 0), err)
        self.assertIn("weft: interrupted", err)
        for path in self.dir.glob("pid-*"):
            with self.assertRaises(ProcessLookupError, msg=path.name):
                os.kill(int(path.read_text()), 0)
        self.assertEqual(list(self.temp.iterdir()), [])


class TestWords(unittest.TestCase):
    def test_flags(self):
        options = {"evaluate": True, "alone": False, "best": None, "train": {"lr": 0.1, "layers": [2, 4], "norm": "batch"}, "kill": ["2@3", "1@4"], "seed": 7, "base": pathlib.Path("-a"), "keep_models": 3}
        self.assertEqual(_flags(options), ["--evaluate", "--train=lr=0.1", "--train=layers=[2, 4]", "--train=norm=batch", "--kill=2@3", "--kill=1@4", "--seed=7", "--base=-a", "--keep-models=3"])

    def test_failures(self):
        for said, code, want in [
            (["3 sites", "weft: site-2: KeyError: 'x' (train.py:7)", "  hint: what the script wrote is in the log"], 1, "site-2: KeyError: 'x' (train.py:7); hint: what the script wrote is in the log"),
            (["weft: node ended: site-1; its log ends:", "panic"], 1, "node ended: site-1; its log ends:\npanic"),
            (["fatal"], -9, "the weft program ended with exit code -9; hint: fatal"),
            ([], 1, "the weft program ended with exit code 1"),
        ]:
            self.assertEqual(str(_program._failure(said, code)), want)


if __name__ == "__main__":
    unittest.main()
