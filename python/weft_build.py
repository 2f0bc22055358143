"""Builds the package with nothing but the standard library: a PEP 517 and PEP 660 back-end.

A wheel of pure Python is a zip archive of the package and three files about it
(https://packaging.python.org/specifications/binary-distribution-format/).
"""

import base64
import hashlib
import io
import os
import pathlib
import tarfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
NAME, VERSION = "weft", "0.1.0.dev0"
INFO = f"{NAME}-{VERSION}.dist-info"
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # of zip's calendar: equal sources make equal wheels

METADATA = f"""\
Metadata-Version: 2.4
Name: {NAME}
Version: {VERSION}
Summary: Let a training script take part in a weft mesh: one model, trained at many sites
License-Expression: Apache-2.0
Project-URL: Source, https://github.com/weft-mesh/weft
Requires-Python: >=3.9
Classifier: Development Status :: 3 - Alpha
Classifier: Intended Audience :: Science/Research
Classifier: Operating System :: POSIX
Classifier: Programming Language :: Python :: 3
Classifier: Topic :: Scientific/Engineering :: Artificial Intelligence
Classifier: Typing :: Typed
Description-Content-Type: text/markdown

"""

WHEEL = """\
Wheel-Version: 1.0
Generator: weft_build
Root-Is-Purelib: true
Tag: py3-none-any
"""


def metadata():
    return (METADATA + (HERE / "README.md").read_text(encoding="utf-8")).encode()


def package():
    """The package's files: path in the archive -> content."""
    files = sorted(p for p in (HERE / NAME).rglob("*") if p.suffix == ".py" or p.name == "py.typed")
    return {p.relative_to(HERE).as_posix(): p.read_bytes() for p in files}


def write_wheel(directory, files):
    files = {**files, f"{INFO}/METADATA": metadata(), f"{INFO}/WHEEL": WHEEL.encode()}
    record = ""
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content)}\n"
    files[f"{INFO}/RECORD"] = f"{record}{INFO}/RECORD,,\n".encode()
    name = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, FIRST_DAY)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return write_wheel(wheel_directory, package())


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return write_wheel(wheel_directory, {f"{NAME}.pth": f"{HERE}\n".encode()})


def build_sdist(sdist_directory, config_settings=None):
    root = f"{NAME}-{VERSION}"
    files = {path: (HERE / path).read_bytes() for path in ("README.md", "pyproject.toml", "weft_build.py")}
    with tarfile.open(os.path.join(sdist_directory, root + ".tar.gz"), "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for path, content in {**files, **package(), "PKG-INFO": metadata()}.items():
            entry = tarfile.TarInfo(f"{root}/{path}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return root + ".tar.gz"
