"""The frozen model that a run names: stated by who makes what it begins with, checked by all."""

import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest
import warnings
from unittest import mock

from support import FRAMEWORKS, environment, missing, weft_program

from weft import LayoutError, _frozen

_PROGRAM = """#!/bin/sh
cat "$4.json"
"""  # plays `weft model digest --json FOLDER`


class TestFrozen(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weft-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        program = self.dir / "weft"
        program.write_text(_PROGRAM)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        patched = mock.patch.dict(os.environ, {"WEFT_PROGRAM": str(program)})
        patched.start()
        self.addCleanup(patched.stop)
        state = mock.patch.multiple(_frozen, _folder="", _files={})
        state.start()
        self.addCleanup(state.stop)

    def base(self, name, files):
        """A folder of which the program says that it has these files."""
        folder = self.dir / name
        folder.mkdir()
        (self.dir / f"{name}.json").write_text(json.dumps({"digest": "bafy", "bytes": 1, "files": files}))
        return folder

    def test_said(self):
        self.assertEqual(_frozen.said(), {})
        _frozen.frozen(self.base("one", {"b": "2", "a": "1"}))
        self.assertEqual(_frozen.said(), {"weft.frozen": '{"a": "1", "b": "2"}'})

    def test_checked(self):
        task = {"name": "letters", "frozen": {"config.json": "1", "model.safetensors": "2"}}
        _frozen.check({"name": "of nothing"})
        with self.assertWarnsRegex(UserWarning, r"nobody has looked whether this site has it; hint: weft.frozen\(FOLDER\)"):
            _frozen.check(task)
        _frozen.frozen(self.base("same", dict(task["frozen"])))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _frozen.check(task)
        for name, files, words in (
            ("other", {"config.json": "1", "model.safetensors": "x"}, "model.safetensors differs"),
            ("less", {"config.json": "1"}, "model.safetensors is missing here"),
            ("more", {**task["frozen"], "adapter.json": "3"}, "adapter.json is in no other site's"),
        ):
            _frozen.frozen(self.base(name, files))
            with self.assertRaisesRegex(LayoutError, f"{name} is not that of run 'letters': {words}; hint: the same adapter would be another model"):
                _frozen.check(task)

    def test_ranks(self):
        """Only the first rank looks and refuses: the others end with it."""
        with mock.patch.dict(os.environ, {"RANK": "1"}):
            _frozen.frozen(self.base("one", {"a": "1"}))
            self.assertEqual(_frozen.said(), {})
            _frozen.check({"name": "letters", "frozen": {"a": "2"}})

    def test_no_folder(self):
        with self.assertRaisesRegex(Exception, "no folder 'nowhere'; hint: name the folder that from_pretrained reads"):
            _frozen.frozen("nowhere")
        _frozen.found("gpt2")  # a name of the hub is none
        self.assertEqual(_frozen.said(), {})
        with mock.patch.dict(os.environ, {"WEFT_PROGRAM": str(self.dir / "none")}), self.assertWarnsRegex(UserWarning, "goes unnamed"):
            _frozen.found(str(self.base("one", {})))

    def test_peft(self):
        """A PEFT model names the folder that it was read from; a whole model has none that is frozen."""
        if "torch" not in FRAMEWORKS:
            missing(self, "no torch")
        from types import SimpleNamespace

        from weft import _model

        made = SimpleNamespace(peft_config={"default": SimpleNamespace(base_model_name_or_path="/models/a")}, active_adapter="default")
        self.assertEqual(_model.frozen_of(made, "auto"), "/models/a")
        self.assertEqual(_model.frozen_of(made, "all"), "")
        self.assertEqual(_model.frozen_of(SimpleNamespace(), "auto"), "")


SCRIPT = """
import os, sys, weft
from array import array
weft.frozen(os.path.join(sys.argv[1], os.environ["WEFT_SITE"]))
model = {"w": array("f", [0])}
for task in weft.tasks(model, samples=1):
    model["w"][0] += 1
"""


class TestMesh(unittest.TestCase):
    """Real nodes, and the program itself."""

    def test_another_tokenizer(self):
        program = weft_program(self)
        with tempfile.TemporaryDirectory(prefix="weft-") as folder:
            root = pathlib.Path(folder)
            (root / "train.py").write_text(SCRIPT)
            for site in ("site-1", "site-2"):
                (root / site).mkdir()
                for name in ("config.json", "model.safetensors", "tokenizer.json"):
                    (root / site / name).write_text(name)

            def weft(*args):
                return subprocess.run([program, *args], cwd=root, env=environment(XDG_CACHE_HOME=folder), capture_output=True, text=True, timeout=120)

            run = "try", "--sites", "2", "--rounds", "1", "--alone=false", "--keep"
            done = weft(*run, "same", "--", sys.executable, "train.py", folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            done = weft("--dir", "same/site-2", "model", "digest", "site-1", "--run", "try")
            self.assertEqual(done.returncode, 0, done.stderr)  # the run says which it is
            (root / "site-2" / "tokenizer.json").write_text("another")
            done = weft(*run, "other", "--", sys.executable, "train.py", folder)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, r"site-2 is not that of run 'try': tokenizer.json differs")


if __name__ == "__main__":
    unittest.main()
