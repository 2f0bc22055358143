"""What every part of the package knows: its errors, and what a script sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Cancelled", "Error", "LayoutError", "Update"]


class Error(Exception):
    """The node refused a call, or cannot be reached. ``hint`` says what to do about it."""

    __module__ = "weft"  # where a script finds it: a traceback prints that

    reason: str
    hint: str

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
    """The task in hand is no longer wanted: the mesh went on without it, or the node stops.

    Raised by ``log``, ``send`` and ``task.steps``. It is not an ``Exception``, so that a script's
    ``except Exception`` does not swallow it, and a script that does not catch it ends quietly:
    the node starts it again for its next task. A script that is slow to start catches it by
    ``with task:`` around its work, or by itself::

        while weft.is_running():
            task = weft.receive()
            try:
                train(task)
            except weft.Cancelled:
                continue
    """

    __module__ = "weft"

    reason: str
    stopping: bool
    """Whether the node itself stops: it gives out the same task again when it is back."""

    def __init__(self, reason: str = "", stopping: bool = False) -> None:
        super().__init__(0)
        self.reason = reason
        self.stopping = stopping

    def __str__(self) -> str:
        return self.reason


class Update:
    """What a script made of a task."""

    __module__ = "weft"

    params: Mapping[str, Any] | None
    """The trained tensors, names and shapes of the base; None for an evaluation or a text."""
    samples: int
    """Examples in this site's training set: the update's weight in the average."""
    metrics: Mapping[str, Any]
    """Finite numbers by name; anything ``float()`` takes. What does not fit is left out."""

    text: str | None
    """What the model generated, for a task that asks for text, in the place of all that."""

    def __init__(
        self,
        params: Mapping[str, Any] | None = None,
        samples: int = 0,
        metrics: Mapping[str, Any] | None = None,
        text: str | None = None,
    ) -> None:
        self.params = params
        self.samples = samples
        self.metrics = {} if metrics is None else metrics
        self.text = text

    def __repr__(self) -> str:
        if self.text is not None:
            return f"Update(text={self.text!r})"
        return f"Update(samples={self.samples!r}, metrics={self.metrics!r})"
