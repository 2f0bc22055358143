"""The weft program: the one that has started this script, or that a wheel brings along."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from ._types import Error

NAME = "weft"
_PROGRAM = "WEFT_PROGRAM"  # path of the node that has started this script


def binary() -> Path:
    """The path of the weft program: that of the node which has started this script, or else the one that wheels for
    Linux and macOS bring along.

    Raises Error if this installation has none, as one from the sources.
    """
    node = os.environ.get(_PROGRAM)
    if node and os.access(node, os.X_OK):
        return Path(node)
    for folder in _folders():
        path = folder / NAME
        # A script of Python of that name would be another project's, or this very module started over.
        if path.is_file() and os.access(path, os.X_OK) and not _is_text(path):
            return path
    raise Error(
        "this installation of weft-mesh has no weft program",
        "install a wheel for this machine (make wheels builds them), or the program itself: go install ./cmd/weft",
    )


def _folders() -> list[Path]:
    here = Path(__file__).resolve().parent.parent  # where packages are: site-packages, or --target's folder
    schemes = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user")]
    return [*(Path(s) for s in schemes if s), Path(sys.executable).parent, here / "bin"]


def _is_text(path: Path) -> bool:
    with open(path, "rb") as f:
        return f.read(2) == b"#!"
