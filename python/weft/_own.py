"""The tensors that a site has its own of: they are in no update, and in no common model.

Their first values are among the run's constants. From the site's first update on its own lie in the
task's state_dir; those that go with an update wait beside them until the node has it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _arrays, _names, safetensors
from ._config import seed32
from ._types import LayoutError

if TYPE_CHECKING:
    from ._desk import Message
    from ._task import Task

FILE = "local.safetensors"  # after the last update that the node took
_OFFERED = "weft-local.safetensors"  # the same, while the node is asked
_TASK = "weft_task"  # in its metadata: the task that they came of


def settle(message: Message) -> None:
    """Before a training: what was offered by a process that did not hear the node's answer takes
    its place if the node has gone on, and goes if the same task comes again."""
    folder = message.get("state_dir")
    if not folder or message["kind"] != "train":
        return
    if _went_on(Path(folder), message):
        _rename(Path(folder))
    else:
        (Path(folder) / _OFFERED).unlink(missing_ok=True)


def load(message: Message, framework: str) -> dict[str, Any]:
    """The site's own tensors, as far as it has any yet."""
    folder, local = message.get("state_dir"), message.get("local") or ()
    if not folder or not local:
        return {}
    for name in (_OFFERED, FILE) if _went_on(Path(folder), message) else (FILE,):
        try:
            own = safetensors.load_file(Path(folder) / name, framework)
        except FileNotFoundError:
            continue  # another rank may have put it in place just now
        return {name: own[name] for name in local if name in own}
    return {}


def offer(task: Task, params: Mapping[str, Any]) -> None:
    """Writes the site's own tensors out of what a training has made, for keep or drop."""
    if task.state_dir is None or task.kind != "train" or not task.local or task._constants is None:
        return
    first = safetensors.open_file(task._constants).infos
    like = {name: first[name] for name in task.local if name in first}
    tensors = _chosen(task, params, like)
    shapes = safetensors._layout_like(tensors, like)
    layout = {name: (_dtype(name, value), shapes[name][1]) for name, value in tensors.items()}
    safetensors.write(
        task.state_dir / _OFFERED,
        layout,
        lambda name: safetensors._encoded(name, tensors[name], layout[name][0]),
        {_TASK: json.dumps(_key(task.run, task.round, task.attempt, task.seed))},
    )


def keep(task: Task) -> None:
    """The node has the update: what was offered is the site's own."""
    if task.state_dir is not None and task.kind == "train":
        _rename(task.state_dir)


def drop(task: Task) -> None:
    """The node did not want the update."""
    if task.state_dir is not None and task.kind == "train":
        (task.state_dir / _OFFERED).unlink(missing_ok=True)


def _chosen(task: Task, params: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the tensors that like names: those sent, of tied weights by any of their names,
    else the model's. A counter that neither has stays as it was."""
    work = task._work
    adapter = work.adapter if work is not None else "default"
    tensors: dict[str, Any] = {}
    for source in (params, work.initial() if work is not None else {}):
        found = _names.pick(source, like, adapter)[0]
        found |= {name: source[alias] for alias, name in task._aliases.items() if alias in source and name in like and name not in found}
        tensors = found | tensors
    for name in sorted(set(like) - set(tensors)):
        if like[name].dtype in _arrays.FLOATING:
            raise LayoutError(
                f"tensor {name!r}, of which this site has its own, is missing in what is sent",
                "send every tensor of task.params: the package keeps the site's own here, and sends the others",
            )
        tensors[name] = task.params[name]
    return tensors


def _dtype(name: str, value: Any) -> str:
    """The tensor's own, so that small steps count; in no file are float64s."""
    found = _arrays.describe(name, value).dtype
    return "F32" if found is None or found == "F64" else found


def _key(run: str, number: int, attempt: int, seed: int) -> dict[str, Any]:
    """What tells a task from the next: one that comes again has the same seed."""
    return {"run": run, "round": number, "attempt": attempt, "seed": seed}


def _went_on(folder: Path, message: Message) -> bool:
    """Whether something is offered, and the node has taken the update that it goes with."""
    try:
        offered = json.loads(safetensors.open_file(folder / _OFFERED).metadata[_TASK])
        if message["kind"] == "train":
            return bool(offered != _key(message["run"], message["round"], message["attempt"], seed32(message["seed"])))
        return bool(message["round"] >= offered["round"])  # of an evaluation the one that yielded the model
    except (OSError, LayoutError, ValueError, KeyError):
        return False


def _rename(folder: Path) -> None:
    try:
        os.replace(folder / _OFFERED, folder / FILE)
    except FileNotFoundError:
        pass
