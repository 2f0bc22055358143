"""The conversation of the script that this process runs: the package's functions have one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import _loop, _model, _ranks
from ._client import Client
from ._desk import AloneDesk, NodeDesk
from ._task import Task
from ._types import Error
from ._warn import warn
from ._work import State, Work

_SOCKET = "WEFT_SOCKET"
_TRY = (
    "try the script with `weft trainer test --base model.safetensors -- python3 train.py`; "
    "in a mesh the site's node starts it, by `trainer: {exec: [python3, train.py]}` in its configuration"
)

_client: Client | None = None
_shared = False  # the desk is one for all ranks, if there are several


def start(framework: str) -> None:
    """Begins the conversation, see weft.init."""
    global _client
    if _client is not None:
        raise Error("init was called before", "call it once, at the start of the script")
    _client = Client(os.environ.get(_SOCKET, ""), framework)


def client() -> Client:
    """The conversation with the node, there being one."""
    if _client is None:
        raise Error("init was not called", "call weft.init() at the start of the script")
    if _client.alone:
        return _client
    if not os.environ.get(_SOCKET):
        raise Error(f"no node: {_SOCKET} is not set", _TRY)
    _share(_client)
    return _client


def tasks(
    model: Any,
    optimizer: Any,
    scheduler: Any,
    samples: int | None,
    evaluate: Callable[[], Mapping[str, Any]] | None,
    state: State,
    params: _model.Params,
    strict: bool,
) -> Iterator[Task]:
    """See weft.tasks."""
    work = Work(model, optimizer, scheduler, samples, evaluate, state, params, strict)
    weights = _model.weights(model, params)
    if _client is None:
        start("auto")
    assert _client is not None
    if os.environ.get(_SOCKET):
        return _loop.run(client(), work)
    first = not _ranks.other_rank()
    if first:
        print(f"weft: no node started this script ({_SOCKET} is not set): it runs alone, one round on its own weights", file=sys.stderr)
    _client.sit_at(AloneDesk(weights, evaluate is not None, first))
    return _loop.run(_client, work)


def _share(client: Client) -> None:
    """Makes the desk one of all ranks, once torch.distributed is up. Without it only the first
    process may speak: two that ask for tasks would take them out of each other's hands."""
    global _shared
    if _shared:
        return
    other = _ranks.other_rank()
    if dist := _ranks.distributed():
        desk = client.desk
        client.sit_at(_ranks.SharedDesk(desk if dist.get_rank() == 0 and isinstance(desk, NodeDesk) else None))
        _shared = True
    elif other:
        rank = other.split("=")[1]
        raise Error(
            f"this is the process of rank {rank} ({other}): only rank 0 speaks to the node",
            "bring torch.distributed up first, and weft hands the tasks to all ranks; without it, call weft on rank 0 alone",
        )


def check_neighbours(file: str) -> None:
    """Names a foreign `weft` that was installed over this package, or beside it."""
    site = os.path.dirname(os.path.dirname(os.path.abspath(file)))
    try:
        found = [name for name in os.listdir(site) if name.startswith("weft-") and name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return  # a zip archive has no neighbours
    if found:
        warn(
            f"{found[0]} in {site} is another project's package of the same name, and has written over this one's files; "
            "hint: pip uninstall weft weft-mesh, then install weft-mesh again",
        )
