"""`weft try` from a notebook."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import _program
from ._mesh import Run, mesh
from ._types import Error

Value = str | float | os.PathLike[str]
Option = Value | Sequence[Value] | Mapping[str, Any] | None


def local(command: str | Sequence[str | os.PathLike[str]], *, sites: int = 3, rounds: int = 5, **options: Option) -> Run:
    """Trains with a script at a few sites on this machine, as `weft try` does, and returns the run.

    command is a line, as a shell splits it, or a list: ``[sys.executable, "train.py"]`` has the
    script run by this interpreter. options are the flags of `weft try`: ``evaluate=True``,
    ``best="accuracy:max"``, ``data="all.csv"``, ``train={"lr": 0.1}``, ``kill=["2@3"]``. Progress
    goes to sys.stderr; Ctrl-C ends nodes and scripts.

    The sites' directories are below ``keep=DIR``; without it they go when the run that is
    returned does. ``run.result`` is what `weft try --json` says.

    Raises Error with the site, the script's exception and a hint when a script fails.
    """
    import shlex
    import shutil
    import tempfile
    import weakref

    words = shlex.split(command) if isinstance(command, str) else [os.fspath(w) for w in command]
    keep = options.pop("keep", None)
    folder = Path(str(keep) if keep is not None else tempfile.mkdtemp(prefix="weft-try-"))

    def goes_with(what: object) -> None:
        if keep is None:
            weakref.finalize(what, shutil.rmtree, folder, ignore_errors=True)

    try:
        flags = [f"--sites={sites}", f"--rounds={rounds}", f"--keep={folder}", *_flags(options)]
        result = json.loads(_program.call("try", "--json", *flags, "--", *words, shown=True))
        run = mesh(folder / result["sites"][0]["site"]).run(result["run"])
    except Error as e:
        goes_with(e)  # its hint may name a site's log
        raise
    except BaseException:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    goes_with(run)
    run.result = result
    for row, timed in zip(run.status["history"], result["rounds"]):
        row["took"] = timed["took"]  # which is known to a running node only
    return run


def _flags(options: Mapping[str, Option]) -> list[str]:
    """The options as flags: True alone, lists repeated, mappings as key=value."""
    flags: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            flags.append(flag)
        elif isinstance(value, Mapping):
            flags += [f"{flag}={k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in value.items()]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            flags += [f"{flag}={os.fspath(v) if isinstance(v, os.PathLike) else v}" for v in value]
        elif value is not None and value is not False:
            flags.append(f"{flag}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
    return flags
