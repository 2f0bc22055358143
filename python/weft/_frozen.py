"""The model that adapters are made for and that no site changes: the one that a run names, and the one that is here."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import _program, _ranks
from ._types import Error, LayoutError
from ._warn import warn

if TYPE_CHECKING:
    from ._desk import Message

KEY = "weft.frozen"  # in the metadata of a model's file

_folder = ""  # that the script has named, or that was found
_files: dict[str, str] = {}  # its files, each with its CID


def frozen(path: str | os.PathLike[str]) -> None:
    """Names the folder of the model that adapters are trained on and that no site changes, tokenizer and all.

    The script that makes what a run begins with states its files in the run, by their content. At
    every other site a task of that run raises ``LayoutError`` if the folder there is another; it
    names the first file that differs. ``weft.transformers.patch`` calls it for a PEFT model that was
    read from a folder. Digests of files that have not changed are taken from a cache.

    Call it on every rank, before ``tasks``. Raises ``Error`` if there is no such folder, or no weft
    program to read it.
    """
    global _folder, _files
    if not os.path.isdir(path):
        hint = "name the folder that from_pretrained reads; of a model of the hub, what huggingface_hub.snapshot_download returns"
        raise Error(f"no folder {os.fspath(path)!r}", hint)
    if _ranks.other_rank():
        return  # the first looks for all
    _folder, _files = os.fspath(path), json.loads(_program.call("model", "digest", "--json", path))["files"]


def found(path: str) -> None:
    """Names the folder that a model was read from, unless the script has named one, or there is no weft program to do so."""
    if _files or not os.path.isdir(path):
        return
    try:
        frozen(path)
    except Error as e:
        warn(f"the frozen model in {path} goes unnamed: {e}")


def said() -> dict[str, str]:
    """What the metadata of a file that a run begins with says of it."""
    return {KEY: json.dumps(_files, sort_keys=True)} if _files else {}


def check(message: Message) -> None:
    """Refuses a task of a run whose frozen model is another."""
    run: Mapping[str, str] = message.get("frozen") or {}
    if not run or _ranks.other_rank():
        return
    if not _files:
        warn(
            f"run {message['name']!r} is for adapters of one frozen model, and nobody has looked whether this site has it; "
            "hint: weft.frozen(FOLDER) does, before weft.tasks"
        )
        return
    for name in sorted({*run, *_files}):
        if run.get(name) != _files.get(name):
            what = "is missing here" if name not in _files else "is in no other site's" if name not in run else "differs"
            raise LayoutError(
                f"the frozen model in {_folder} is not that of run {message['name']!r}: {name} {what}",
                "the same adapter would be another model: get the folder from where the run's opener has it (weft model digest --files)",
            )
