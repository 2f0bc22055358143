"""Let a training script take part in a weft mesh.

The node of a site starts the script (``trainer: {exec: [python3, train.py]}`` in its
configuration), gives it the mesh's present model, and takes its update::

    import weft

    weft.init()
    while weft.is_running():
        task = weft.receive()
        model.load_state_dict(task.params)
        if task.kind == "evaluate":
            weft.send(weft.Update(samples=len(val_set), metrics={"loss": evaluate(model)}))
            continue
        for step, batch in enumerate(loader):
            loss = train_step(model, batch)
            weft.log(step=step, steps=len(loader), loss=loss)
        weft.send(weft.Update(model.state_dict(), samples=len(train_set), metrics={"loss": loss}))

Only one process speaks to the node: with several (torchrun), the one of rank 0.
"""

from __future__ import annotations

import os
from typing import Any, Mapping, Optional

from . import safetensors
from ._client import Client
from ._types import Cancelled, Error, LayoutError, Model, Update

__all__ = [
    "Cancelled",
    "Client",
    "Error",
    "LayoutError",
    "Model",
    "Update",
    "init",
    "is_running",
    "log",
    "receive",
    "safetensors",
    "send",
]

__version__ = "0.1.0.dev0"

_client: Optional[Client] = None


def init(framework: str = "auto") -> None:
    """Finds the node that started this script. Call it once, before anything else here.

    framework says what ``receive`` returns: ``"torch"`` tensors, ``"numpy"`` arrays,
    ``"plain"`` memoryviews of floats, or ``"auto"``: torch tensors if the script has imported
    torch by the time it receives, else numpy arrays if numpy is installed, else plain.

    Raises Error when no node started the script, or when its RANK (torchrun) is not 0.
    """
    global _client
    path = os.environ.get("WEFT_SOCKET", "")
    if not path:
        raise Error(
            "no node: WEFT_SOCKET is not set",
            "try the script with `weft trainer test --base model.safetensors -- python3 train.py`; "
            "in a mesh the site's node starts it, by `trainer: {exec: [python3, train.py]}` in its configuration",
        )
    rank = os.environ.get("RANK", "0")
    if rank != "0":
        raise Error(
            f"this is the process of rank {rank}: only rank 0 speaks to the node",
            "call weft on rank 0, and pass on what it receives with torch.distributed.broadcast",
        )
    if _client is not None:
        raise Error("init was called before", "call it once, at the start of the script")
    _client = Client(path, framework)


def _ready() -> Client:
    if _client is None:
        raise Error("init was not called", "call weft.init() at the start of the script")
    return _client


def is_running() -> bool:
    """Whether there is something to do.

    With no task in hand it waits for the next, and is False once there will be none: the loop
    around ``receive`` ends. With a task in hand (received, not sent) it asks the node whether
    the task is still wanted, and is False, once, when it was cancelled.
    """
    return _ready().is_running()


def receive() -> Optional[Model]:
    """Waits for the next task and returns it; None once there will be none.

    A task in hand that was not sent counts as failed.
    """
    return _ready().receive()


def send(update: Update) -> None:
    """Answers the task in hand.

    The tensors may lie on any device. They have the names and shapes of the base, or LayoutError
    says which does not; values are rounded to the base's dtype. Tensors beyond the base that are
    not floating point (BatchNorm's counters) are left out: they are not weights.

    Metrics that are NaN or infinite are left out, with one warning.

    Raises Cancelled when the task is no longer wanted; ValueError for samples below 1 in
    training or a metric that is no number; Error when the node refuses the update, which
    leaves the task in hand.
    """
    _ready().send(update)


def log(
    metrics: Optional[Mapping[str, Any]] = None,
    *,
    step: Optional[int] = None,
    steps: Optional[int] = None,
    **more: Any,
) -> None:
    """Says where the task in hand stands, for people who watch; cheap enough for every step.

    ``weft.log(step=10, steps=200, loss=0.7)``, or with names that are no identifiers
    ``weft.log({"eval/loss": 0.7}, step=10)``. Without step, calls are counted. NaN and
    infinities are left out, with one warning. steps is the task's length, if known.

    Raises Cancelled when the task is no longer wanted. A script that logs at least every few
    seconds is stopped here; one that does not is ended by a signal.
    """
    _ready().log(metrics, step=step, steps=steps, **more)
