"""The conversation of the script that this process runs: the package's functions have one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import _loop, _model, _ranks
from ._attach import Attachment
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
_attached: Attachment | None = None


def start(framework: str, node: str | os.PathLike[str] | None = None) -> None:
    """Begins the conversation, see weft.init."""
    global _client, _attached
    if _client is not None:
        ended = isinstance(_client.desk, NodeDesk) and _client.desk.stopped
        if _attached is not None and node is not None and _attached.lasts(node) and not ended:
            return  # a notebook's cell that runs once more
        if _attached is None or node is None:
            raise Error("init was called before", "call it once, at the start of the script")
        _attached.close()
    path = os.environ.get(_SOCKET, "")
    if node is not None:
        _attached = Attachment(node, comes=not _ranks.other_rank())
        path = _attached.socket
    _client = Client(path, framework)


def _has_node() -> bool:
    """Whether a node has started this script, or the script has come to one."""
    return _attached is not None or bool(os.environ.get(_SOCKET))


def client() -> Client:
    """The conversation of the single calls: with the node, by the first rank alone."""
    if _client is None:
        raise Error("init was not called", "call weft.init() at the start of the script")
    if not _client.alone and _client.single:
        _check_socket()
        _check_rank()
    return _client


def tasks(
    model: Any,
    optimizer: Any,
    scheduler: Any,
    samples: int | None,
    evaluate: Callable[[], Mapping[str, Any]] | None,
    generate: Callable[..., str] | None,
    state: State,
    params: _model.Params,
    strict: bool,
) -> Iterator[Task]:
    """See weft.tasks."""
    work = Work(model, optimizer, scheduler, samples, evaluate, generate, state, params, strict)
    _model.weights(model, params)  # what cannot be sent is told before a task comes
    if _client is None:
        start("auto")
    assert _client is not None
    if _has_node():
        if not _share(_client):
            _check_rank()
        return _loop.run(_client, work)
    first = not _ranks.other_rank()
    if first:
        print(f"weft: no node started this script ({_SOCKET} is not set): it runs alone, one round on its own weights", file=sys.stderr)
    _client.sit_at(AloneDesk(work.initial(whole=False), evaluate is not None, first))
    return _loop.run(_client, work)


def _share(client: Client) -> bool:
    """Makes the desk one of all ranks, if torch.distributed is up; whether it is."""
    dist = _ranks.distributed()
    if client.single and dist is not None:
        desk = client.desk
        client.sit_at(_ranks.SharedDesk(desk if dist.get_rank() == 0 and isinstance(desk, NodeDesk) else None))
    return not client.single


def _check_socket() -> None:
    if not _has_node():
        raise Error(f"no node: {_SOCKET} is not set", _TRY)


def _check_rank() -> None:
    """Only the first process may speak: two that ask for tasks would take them out of each other's hands."""
    if other := _ranks.other_rank():
        raise Error(
            f"this is the process of rank {other.split('=')[1]} ({other}): only rank 0 speaks to the node",
            "loop over weft.tasks on every rank, with torch.distributed up before; the single calls are for rank 0 alone",
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
