"""Calls of the weft program."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ._binary import binary
from ._types import Error

if TYPE_CHECKING:
    import subprocess

_ERROR, _HINT = "weft: ", "hint: "


def call(*args: str | os.PathLike[str], shown: bool = False) -> bytes:
    """What the program prints. With shown its progress goes to sys.stderr, line by line: a notebook shows it.

    Raises Error with its last words and their hint if it fails. Ctrl-C lets it end in order.
    """
    import subprocess
    import tempfile

    said: list[str] = []
    with tempfile.TemporaryFile() as out:
        # In our own process group: what ends that, such as a terminal that is closed, ends it too.
        command, none, pipe = [binary(), *args], subprocess.DEVNULL, subprocess.PIPE
        with subprocess.Popen(command, stdin=none, stdout=out, stderr=pipe, encoding="utf-8", errors="replace") as p:
            try:
                _listen(p, said, shown)
            except BaseException:
                p.terminate()  # a terminal's Ctrl-C has reached it already, which a SIGTERM does not disturb, but a second SIGINT would
                _listen(p, said, shown)
                raise
        if p.returncode != 0:
            raise _failure(said, p.returncode)
        out.seek(0)
        return out.read()


def _listen(p: subprocess.Popen[str], said: list[str], shown: bool) -> None:
    assert p.stderr is not None
    for line in p.stderr:
        said.append(line.rstrip("\n"))
        if shown:
            sys.stderr.write(line)
            sys.stderr.flush()


def _failure(said: Sequence[str], code: int) -> Error:
    """The error at the end of what was said: `weft: ` and its text, then perhaps a hint on a line of its own."""
    start = max((i for i, line in enumerate(said) if line.startswith(_ERROR)), default=None)
    if start is None:
        return Error(f"the weft program ended with exit code {code}", "\n".join(said[-3:]))
    text, hint = [said[start][len(_ERROR) :]], ""
    for line in said[start + 1 :]:
        if line.lstrip().startswith(_HINT):
            hint = line.lstrip()[len(_HINT) :]
        else:
            text.append(line)
    return Error("\n".join(text), hint)
