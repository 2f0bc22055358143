"""Where a script gets its tasks: at its node's socket, or alone, at a desk of its own.

A desk has the calls of the protocol in docs/trainers.md. Each may raise Cancelled, but
for ``next``, which puts down the task in hand.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from ._http import Socket, Unreachable
from ._types import Cancelled, Error

POLL_SECONDS = 30  # one long poll; the next follows at once
RETRIES = 2  # of an answer to a task, should the node's be lost: it takes a second one for the first
_TASK_OVER = 409

Message = dict[str, Any]


class Desk(ABC):
    """See the module. Where several ranks share a desk there is more to it."""

    alone = False
    """Whether no node is there."""
    single = True
    """Whether this is the only process of the training."""
    speaks = True
    """Whether what this process says is heard."""

    @abstractmethod
    def next(self) -> Message | None:
        """Waits for the next task's message; None once there will be none."""

    def wanted(self, task: int) -> None:  # noqa: B027
        """Asks whether the task in hand is still wanted."""

    def progress(self, body: Message) -> None:  # noqa: B027
        """Says where the task in hand stands."""

    @abstractmethod
    def update(self, body: Message) -> None:
        """Answers the task in hand."""

    @abstractmethod
    def skip(self, body: Message) -> None:
        """Answers the task in hand with a reason why there is no update."""

    def text(self, body: Message) -> None:  # noqa: B027
        """Answers the task in hand with a text; a script that runs alone has no such task."""

    def fail(self, e: Error) -> None:  # noqa: B027
        """Says in the place of update that there is none; the task stays in hand."""

    def agree(self, step: int, time_is_up: bool) -> bool:
        """Whether all ranks end at this step, as time is up."""
        return time_is_up


class NodeDesk(Desk):
    """The desk of the node that started the script."""

    def __init__(self, path: str) -> None:
        self._socket = Socket(path, "it has ended, and so may this script")
        self._stopped = False

    def next(self, wait: int = POLL_SECONDS) -> Message | None:
        while not self._stopped:
            message = self.poll(wait)
            if message is not None:
                return message
        return None

    def poll(self, wait: int) -> Message | None:
        """As next, but None too when none came within so many seconds."""
        status, reply = self._call("GET", f"/v1/task?wait={wait}{'&worker=1' if _imports() else ''}")
        if status == 204:
            return None
        if reply.get("kind") != "stop":
            return reply
        self._stopped = True
        return None

    @property
    def stopped(self) -> bool:
        """Whether the node has said that there will be no further task."""
        return self._stopped

    def wanted(self, task: int) -> None:
        self._call("GET", f"/v1/task/{task}")

    def progress(self, body: Message) -> None:
        self._call("POST", "/v1/progress", body)

    def update(self, body: Message) -> None:
        self._answer("/v1/update", body)

    def skip(self, body: Message) -> None:
        self._answer("/v1/skip", body)

    def text(self, body: Message) -> None:
        self._answer("/v1/text", body)

    def _answer(self, path: str, body: Message) -> None:
        for left in range(RETRIES, -1, -1):
            try:
                self._call("POST", path, body)
                return
            except Unreachable:
                if left == 0:
                    raise

    def _call(self, method: str, path: str, body: Message | None = None) -> tuple[int, Message]:
        status, reply = self._socket.call(method, path, body)
        if not isinstance(reply, dict):
            raise self._socket.unexpected("not an object")
        if status == _TASK_OVER:
            raise Cancelled(str(reply.get("error")), stopping=bool(reply.get("stopping")))
        if status >= 300:
            raise Error(str(reply.get("error", f"status {status}")), str(reply.get("hint", "")))
        return status, reply


def _imports() -> bool:
    """Whether this is a worker process that multiprocessing has started, and which imports the script for that."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and getattr(process.current_process(), "_inheriting", False)


class AloneDesk(Desk):
    """The desk of a script that no node started: one round on the script's own weights."""

    alone = True

    def __init__(self, weights: Mapping[str, Any], evaluates: bool, says: bool) -> None:
        import tempfile

        from . import safetensors

        self._says = says
        self._dir = tempfile.TemporaryDirectory(prefix="weft-alone-")
        base = self._dir.name + "/base.safetensors"
        safetensors._write_quietly(weights, base)
        kinds = ["train", "evaluate"] if evaluates else ["train"]
        self._messages: list[Message] = [
            {
                "id": i, "kind": kind, "run": "alone", "name": "alone", "round": 1, "rounds": 1, "attempt": 1,
                "seed": 1, "config": {}, "base": base, "dir": self._dir.name,
            }
            for i, kind in enumerate(kinds, 1)
        ]  # fmt: skip

    def next(self) -> Message | None:
        if self._messages:
            return self._messages.pop(0)
        self._dir.cleanup()
        return None

    def update(self, body: Message) -> None:
        import os

        said = "".join(f"  {name} {value:.4g}" for name, value in body["metrics"].items())
        if self._says:
            print(f"weft: alone: {'update of' if 'update' in body else 'measured with'} {body['samples']} samples{said}", file=sys.stderr)
        if "update" in body and self._messages:
            os.replace(body["update"], self._messages[0]["base"])  # the evaluation is of what was trained

    def skip(self, body: Message) -> None:
        if self._says:
            print(f"weft: alone: skipped: {body['reason']}", file=sys.stderr)
