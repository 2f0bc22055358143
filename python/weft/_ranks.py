"""Which of a job's processes this one is: only the first speaks to the node.

Launchers say it in variables. RANK is torchrun's and accelerate's; without it, any of the others
that is not 0 makes a process another than the first: Lightning's launcher sets LOCAL_RANK and
NODE_RANK only, mpirun, srun and MPICH's mpiexec have their own.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from ._desk import Desk, Message, NodeDesk
from ._types import Cancelled, Error

# Those of one machine, or of an own launcher, differ even where RANK was handed down to all.
LAUNCHERS = ("LOCAL_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
OUTER = ("SLURM_PROCID", "NODE_RANK")  # torchrun may give rank 0 to any of them

SLICE = 5  # seconds of waiting for a task, after which the other ranks hear that the first one lives
AGREE_SECONDS = 0.5  # between two steps at which the ranks agree to go on


def other_rank(env: Mapping[str, str] = os.environ) -> str:
    """The variable that says that this process is not the job's first, as NAME=value; else ""."""
    names = ("RANK", *LAUNCHERS) if env.get("RANK", "").isdecimal() else (*LAUNCHERS, *OUTER)
    for name in names:
        value = env.get(name, "")
        if value.isdecimal() and int(value) > 0:
            return f"{name}={value}"
    return ""


def distributed() -> Any:
    """torch.distributed if the script has brought it up for several processes; else None."""
    torch = sys.modules.get("torch")
    dist = getattr(torch, "distributed", None)
    if dist is None or not dist.is_available() or not dist.is_initialized() or dist.get_world_size() < 2:
        return None
    return dist


class SharedDesk(Desk):
    """The node's desk for all ranks of torch.distributed: the first one speaks, the others hear.

    next, update, skip, text and fail are one call of all ranks, and so is agree at the steps that it chooses.
    """

    single = False

    def __init__(self, desk: NodeDesk | None) -> None:
        self._desk = desk  # at rank 0
        self.speaks = desk is not None
        self._cancelled: Cancelled | None = None
        self._agree_at = 0
        self._step, self._at = 0, 0.0  # of the last agreement

    def next(self) -> Message | None:
        self._cancelled, self._agree_at = None, 0
        while True:
            said: Any = None
            if self._desk is not None:
                said = self._heard(lambda desk: desk.poll(SLICE))
                if said[0] == "ok":
                    said = ("task", said[1]) if said[1] is not None else ("stop" if self._desk.stopped else "wait",)
            said = _share(said)
            if said[0] == "task":
                return dict(said[1])
            if said[0] == "stop":
                return None
            _raise(said)

    def wanted(self, task: int) -> None:
        """Asks nobody: one rank alone must not learn that the task is over."""

    def progress(self, body: Message) -> None:
        if self._desk is None:
            return
        try:
            self._desk.progress(body)
        except Cancelled as e:
            self._cancelled = e  # raised on all ranks by agree or update

    def agree(self, step: int, time_is_up: bool) -> bool:
        """Whether the first rank says that time is up; Cancelled if it has heard so."""
        if step < self._agree_at:
            return False
        said: Any = None
        if self._desk is not None:
            now = time.monotonic()
            pace = max(1, int((step - self._step) * AGREE_SECONDS / max(now - self._at, 1e-6))) if self._agree_at else 1
            self._step, self._at = step, now
            said = _cancelled(self._cancelled) if self._cancelled else ("go", step + pace, time_is_up)
        said = _share(said)
        _raise(said)
        self._agree_at = said[1]
        return bool(said[2])

    def update(self, body: Message) -> None:
        self._answer(lambda desk: desk.update(body))

    def skip(self, body: Message) -> None:
        self._answer(lambda desk: desk.skip(body))

    def text(self, body: Message) -> None:
        self._answer(lambda desk: desk.text(body))

    def fail(self, e: Error) -> None:
        """Says in the place of update that there is none, at the rank that speaks."""
        _share(("error", e.reason, e.hint))

    def _answer(self, call: Any) -> None:
        """Makes a call at the rank that speaks; all hear what the node says to it."""
        said: Any = None
        if self._desk is not None:
            said = self._heard(call)
        _raise(_share(said))

    def _heard(self, call: Any) -> tuple[Any, ...]:
        """What the node says to a call, in words that can be shared."""
        try:
            return ("ok", call(self._desk))
        except Cancelled as e:
            return _cancelled(e)
        except Error as e:
            return ("error", e.reason, e.hint)


def _cancelled(e: Cancelled) -> tuple[Any, ...]:
    return ("cancelled", e.reason, e.stopping)


def _share(said: Any) -> Any:
    """What the first rank says, on all."""
    box = [said]
    distributed().broadcast_object_list(box, src=0)
    return box[0]


def _raise(said: tuple[Any, ...]) -> None:
    if said[0] == "cancelled":
        raise Cancelled(said[1], said[2])
    if said[0] == "error":
        raise Error(said[1], said[2])
