"""What a script receives and sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional

__all__ = ["Cancelled", "Error", "LayoutError", "Model", "Update"]


class Error(Exception):
    """The node refused a call, or cannot be reached. ``hint`` says what to do about it."""

    __module__ = "weft"  # where a script finds it: a traceback prints that

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.reason}; hint: {self.hint}" if self.hint else self.reason


class LayoutError(Error, ValueError):
    """Tensors that do not fit the base, or a file that is not safetensors."""

    __module__ = "weft"


class Cancelled(SystemExit):
    """The task in hand is no longer wanted: the mesh went on without it.

    Raised by ``log`` and ``send``. It is not an ``Exception``, so that a script's
    ``except Exception`` does not swallow it, and a script that does not catch it ends quietly:
    the node starts it again for its next task. A script that is slow to start catches it::

        while weft.is_running():
            task = weft.receive()
            try:
                train(task)
            except weft.Cancelled:
                continue
    """

    __module__ = "weft"

    def __init__(self, reason: str = "") -> None:
        super().__init__(0)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, eq=False)
class Model:
    """One task: a base model, and what to do with it."""

    params: Dict[str, Any] = field(repr=False)
    """Tensors by name: torch tensors, numpy arrays or memoryviews of floats (see ``init``).
    They may be changed in place: the file they are mapped from does not change."""
    kind: str
    """``"train"``: train from params and send an update; ``"evaluate"``: measure params and
    send metrics."""
    round: int
    """The round, counted from 1 within the run."""
    total_rounds: int
    """The run's length in rounds."""
    attempt: int
    """Counted from 1 within the round."""
    seed: int
    """Differs by site, round and attempt; 64 bits."""
    config: Dict[str, str]
    """The run's hyperparameters, overlaid by the site's own."""
    run: str
    """The run's CID."""
    name: str
    """The run's name, for people."""
    base: str
    """Path of the safetensors file with params; read-only."""
    dir: str
    """The task's own folder, for the update and anything else."""
    id: int
    """The task's number at this node."""


@dataclass(frozen=True, eq=False)
class Update:
    """What a script made of a task."""

    params: Optional[Mapping[str, Any]] = field(default=None, repr=False)
    """The trained tensors, names and shapes of the base; None for an evaluation."""
    samples: int = 0
    """Training examples seen: the update's weight in the average."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Finite numbers by name; anything ``float()`` takes. NaN and infinities are left out."""
