"""What is shipped: wheels, the weft program in them, and how the package is imported."""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

from support import ROOT, environment, missing, run_script

import weft

PYTHON = ROOT / "python"
WHEELS = ROOT / "dist" / "wheels"
TOOLS = os.environ.get("WEFT_PYTOOLS", "")  # an environment with python/constraints.txt, made by make


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def output(self, *command, **env):
        done = subprocess.run(command, cwd=self.dir, env={"PATH": "", **env}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()


class TestWheels(Folder):
    def wheel(self, platform):
        found = sorted(WHEELS.glob(f"weft_mesh-{weft.__version__}-py3-none*{platform}*.whl"))
        if not found:
            missing(self, f"no wheel for {platform} in {WHEELS}: make wheel")
        return found[0]

    def install(self, wheel):
        """A new environment with the wheel and nothing else; its bin."""
        if not TOOLS:
            missing(self, "WEFT_PYTOOLS names no environment with pip: make python sets it")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.dir / "env"], check=True)
        bin = self.dir / "env" / "bin"
        pip = [TOOLS + "/bin/python", "-m", "pip", "--python", str(bin / "python"), "install", "-q", "--no-index", "--disable-pip-version-check"]
        done = subprocess.run([*pip, str(wheel)], env=environment(), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return bin

    def test_installed_with_nothing_around(self):
        """No index, no PATH: the program is there, and of the package's version."""
        bin = self.install(self.wheel("x86_64" if os.uname().machine == "x86_64" else "aarch64"))
        python = str(bin / "python")
        self.assertEqual(self.output(str(bin / "weft"), "version"), f"weft version {weft.__version__}")
        self.assertEqual(self.output(python, "-m", "weft", "version"), f"weft version {weft.__version__}")
        self.assertEqual(self.output(python, "-c", "import weft; print(weft.binary())"), str(bin / "weft"))
        train = f"import sys, weft; print(weft.local([sys.executable, {str(ROOT / 'examples/plain/train.py')!r}], rounds=1))"
        self.assertEqual(self.output(python, "-c", train), "Run('try', 1 of 1 rounds, done)")
        self.assertIn("site-packages/weft/__init__.py", self.output(python, "-c", "import weft; print(weft.__file__)"))

    def test_of_python_alone(self):
        bin = self.install(self.wheel("-any"))
        self.assertFalse((bin / "weft").exists())
        done = subprocess.run([bin / "python", "-m", "weft"], env={"PATH": ""}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("weft: this installation of weft-mesh has no weft program; hint: install a wheel for this machine", done.stderr)

    def test_are_of_these_sources(self):
        wheels = sorted(WHEELS.glob("*.whl"))
        if not wheels:
            missing(self, f"no wheels in {WHEELS}: make wheel")
        self.maxDiff = 200
        sources = {p.relative_to(PYTHON).as_posix(): p.read_bytes() for p in (PYTHON / "weft").iterdir() if p.suffix == ".py" or p.name == "py.typed"}
        for wheel in wheels:
            with self.subTest(wheel.name), zipfile.ZipFile(wheel) as archive:
                inside = {n: archive.read(n) for n in archive.namelist()}
                if {n: b for n, b in inside.items() if n.startswith("weft/")} != sources:
                    missing(self, f"{wheel.name} is not of these sources: make wheel")
                info = f"weft_mesh-{weft.__version__}.dist-info"
                metadata = inside[f"{info}/METADATA"].decode()
                self.assertIn("\nRequires-Python: >=3.10\n", metadata)
                needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
                self.assertTrue(all("; extra == " in line for line in needed), needed)  # nothing unless asked for
                self.assertEqual(inside[f"{info}/licenses/LICENSE"], (ROOT / "LICENSE").read_bytes())
                program = inside.get(f"weft_mesh-{weft.__version__}.data/scripts/weft")
                self.assertEqual(program is None, wheel.name.endswith("-any.whl"))
                self.assertLess(wheel.stat().st_size, 60 << 20)
                if "macosx" in wheel.name:
                    self.assertIn(0x1D, load_commands(program), "macOS runs no unsigned program on arm64")

    def test_equal_sources_make_equal_wheels(self):
        if not TOOLS:
            missing(self, "WEFT_PYTOOLS names no environment with hatchling: make python sets it")
        for i in "12":
            command = [TOOLS + "/bin/python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(self.dir / i)]
            done = subprocess.run(command, cwd=PYTHON, env=environment(), capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
        first, second = (next((self.dir / i).iterdir()).read_bytes() for i in "12")
        self.assertEqual(first, second)


def load_commands(program):
    """The kinds of a Mach-O file's load commands."""
    count, at, kinds = struct.unpack("<I", program[16:20])[0], 32, []
    for _ in range(count):
        kind, size = struct.unpack("<II", program[at : at + 8])
        kinds.append(kind)
        at += size
    return kinds


class TestImport(Folder):
    def test_is_quick(self):
        """It drags in no framework, and not what only a conversation needs. Measured in CPU time: other work goes on beside the test."""
        script = """
            import sys, time
            before = set(sys.modules)
            start = time.process_time()
            import weft
            took = time.process_time() - start
            more = {"torch", "numpy", "http.client", "ssl", "ctypes", "dataclasses", "random"} & (set(sys.modules) - before)
            assert not more, more
            print(took)
        """
        took = []
        for _ in range(5):
            done = run_script(script, {"PYTHONDONTWRITEBYTECODE": ""})
            self.assertEqual(done.returncode, 0, done.stderr)
            took.append(float(done.stdout))
        took = min(took)
        self.assertLess(took, 0.1)

    def test_names_a_foreign_package(self):
        shutil.copytree(PYTHON / "weft", self.dir / "weft", ignore=shutil.ignore_patterns("__pycache__"))
        script = "import warnings; warnings.simplefilter('error'); import weft"
        self.output(sys.executable, "-c", script, PYTHONPATH=str(self.dir))
        (self.dir / "weft-0.3.dist-info").mkdir()
        done = subprocess.run([sys.executable, "-c", script], cwd=self.dir, env={"PYTHONPATH": str(self.dir)}, capture_output=True, text=True)
        self.assertIn("weft-0.3.dist-info in ", done.stderr)
        self.assertIn("is another project's package of the same name", done.stderr)

    def test_the_licenses_are_one(self):
        self.assertEqual((PYTHON / "LICENSE").read_bytes(), (ROOT / "LICENSE").read_bytes())


class TestWords(unittest.TestCase):
    def test_nobody_is_sent_to_another_projects_package(self):
        """The name weft on PyPI is not ours: the distribution is weft-mesh."""
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True)
        files = listed.stdout.decode().split("\0") if listed.returncode == 0 else [str(p) for p in ROOT.rglob("*") if p.is_file()]
        wrong = re.compile(r"(?:pip3?|uv add|uv pip|pipx?) (?:install|add)?\s*(?:-\S+\s+)*[\"']?weft(?![-_/.\w]*mesh)(?![./])\b")
        told = []
        for name in files:
            path = ROOT / name
            if path.suffix in (".md", ".py", ".go", ".txt", ".toml", ".yaml", ".tmpl") and path.is_file() and path != pathlib.Path(__file__).resolve():
                told += [f"{name}: {line}" for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if wrong.search(line)]
        self.assertEqual(told, [])
        for bad in ("pip install weft", "pip install -U weft", "uv pip install 'weft'", "pip3 install --user weft[torch]"):
            self.assertTrue(wrong.search(bad), bad)
        for good in ("pip install weft-mesh", "pip install ./weft", "pip install dist/wheels/weft_mesh-1.whl", "pip install weft_mesh"):
            self.assertFalse(wrong.search(good), good)


if __name__ == "__main__":
    unittest.main()
