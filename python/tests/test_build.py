import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

from support import ROOT
import weft
import weft_build

PYTHON = ROOT / "python"


class TestBuild(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def run_python(self, *args, path):
        """Python away from the sources, with path to import from."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        env["PYTHONPATH"] = path
        done = subprocess.run([sys.executable, *args], cwd=self.dir, env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def check_import(self, path):
        """The package is found in path, and works."""
        found = self.run_python("-c", "import weft; print(weft.__file__)", path=path)
        self.assertEqual(found, os.path.join(path, "weft", "__init__.py"))

    def test_version(self):
        self.assertEqual(weft.__version__, weft_build.VERSION)

    def test_wheel(self):
        name = weft_build.build_wheel(self.dir)
        wheel = os.path.join(self.dir, name)
        with zipfile.ZipFile(wheel) as archive:
            self.assertIsNone(archive.testzip())
            names = archive.namelist()
            record = archive.read(f"{weft_build.INFO}/RECORD").decode()
        self.assertEqual([line.split(",")[0] for line in record.splitlines()], names)
        self.assertLessEqual({"weft/__init__.py", "weft/py.typed", "weft/safetensors.py"}, set(names))
        self.assertFalse([n for n in names if "test" in n or "pyc" in n])
        self.check_import(wheel)
        with open(wheel, "rb") as f:
            first = f.read()
        weft_build.build_wheel(self.dir)
        with open(wheel, "rb") as f:
            self.assertEqual(f.read(), first)

    def test_sdist(self):
        with tarfile.open(os.path.join(self.dir, weft_build.build_sdist(self.dir))) as archive:
            names = archive.getnames()
        self.assertIn(f"weft-{weft.__version__}/pyproject.toml", names)
        self.assertIn(f"weft-{weft.__version__}/weft/__init__.py", names)

    def test_pip(self):
        """What the README says, without a package index and into a folder of the test."""
        if importlib.util.find_spec("pip") is None:
            self.skipTest("no pip")
        target = os.path.join(self.dir, "site")
        options = ["-q", "--no-index", "--disable-pip-version-check", "--target", target]
        self.run_python("-m", "pip", "install", *options, str(PYTHON), path="")
        self.check_import(target)


if __name__ == "__main__":
    unittest.main()
