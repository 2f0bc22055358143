"""The conversation with the node: HTTP and JSON on a Unix socket (docs/trainers.md)."""

from __future__ import annotations

import http.client
import json
import math
import operator
import os
import re
import socket
import warnings
from typing import Any, Dict, Mapping, Optional, Set, Tuple

from . import _arrays, safetensors
from ._types import Cancelled, Error, Model, Update

POLL_SECONDS = 30  # one long poll; the next follows at once
MAX_REPLY = 1 << 20  # bytes; a task is a few hundred, its config included
MAX_METRICS = 16
METRIC_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@:+-]{0,63}", re.ASCII)

_TASK_OVER = 409


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("weft")
        self._path = path

    def connect(self) -> None:
        # No timeouts: the node is on this machine, and its death closes the socket.
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


class Client:
    """One script's conversation with its node. ``weft.init`` makes one; a script that wants no
    module-level state may make its own. ``log`` may be called from any thread, the rest from one."""

    def __init__(self, path: str, framework: str = "auto") -> None:
        if framework not in _arrays.FRAMEWORKS:
            raise ValueError(f"framework {framework!r}: not one of {', '.join(_arrays.FRAMEWORKS)}")
        self._path = path
        self._framework = framework
        self._stopped = False
        self._next: Optional[Dict[str, Any]] = None  # given out, not yet received
        self._task: Optional[Model] = None  # received, not yet sent
        self._layout: Mapping[str, safetensors.TensorInfo] = {}
        self._step = 0
        self._warned: Set[str] = set()  # calls that have said what they leave out

    def is_running(self) -> bool:
        """See ``weft.is_running``."""
        if self._task is not None:
            try:
                self._call("GET", f"/v1/task/{self._task.id}")
            except Cancelled:
                self._task = None
                return False
            return True
        if self._next is None:
            self._next = self._poll()
        return self._next is not None

    def receive(self) -> Optional[Model]:
        """See ``weft.receive``."""
        task = self._next if self._next is not None else self._poll()
        self._next = self._task = None
        if task is None:
            return None
        try:
            params, layout = safetensors._load(task["base"], self._framework)
            model = Model(
                params=params,
                kind=task["kind"],
                round=task["round"],
                total_rounds=task["rounds"],
                attempt=task["attempt"],
                seed=task["seed"],
                config=dict(task.get("config") or {}),
                run=task["run"],
                name=task["name"],
                base=task["base"],
                dir=task["dir"],
                id=task["id"],
            )
        except (KeyError, TypeError) as e:
            raise Error(f"the node's task is not one this package knows: {e!r}", "use a package of the node's version") from e
        self._task, self._layout, self._step = model, layout, 0
        return model

    def send(self, update: Update) -> None:
        """See ``weft.send``."""
        task = self._in_hand("send")
        body: Dict[str, Any] = {
            "task": task.id,
            "samples": _whole(update.samples),
            "metrics": self._finite("send", update.metrics),
        }
        if body["samples"] < 0 or (task.kind == "train" and body["samples"] == 0):
            raise ValueError(f"samples is {body['samples']}: the number of training examples seen, the update's weight in the average")
        if task.kind == "train":
            if update.params is None:
                raise ValueError("an update needs params: Update(model.state_dict(), samples=..., metrics=...)")
            body["update"] = os.path.join(task.dir, "update.safetensors")
            safetensors.save_file(_weights(update.params, self._layout), body["update"], like=self._layout)
        elif update.params is not None:
            raise ValueError(f"task kind {task.kind!r} wants metrics only: Update(samples=..., metrics=...)")
        try:
            self._call("POST", "/v1/update", body)
        except Cancelled:
            self._task = None
            raise
        self._task = None

    def log(
        self,
        metrics: Optional[Mapping[str, Any]] = None,
        *,
        step: Optional[int] = None,
        steps: Optional[int] = None,
        **more: Any,
    ) -> None:
        """See ``weft.log``."""
        task = self._in_hand("log")
        numbers = self._finite("log", {**(metrics or {}), **more})
        self._step = self._step + 1 if step is None else operator.index(step)
        body = {
            "task": task.id,
            "step": self._step,
            "steps": 0 if steps is None else operator.index(steps),
            "metrics": numbers,
        }
        try:
            self._call("POST", "/v1/progress", body)
        except Cancelled:
            self._task = None
            raise

    def _finite(self, call: str, metrics: Mapping[str, Any]) -> Dict[str, float]:
        """The metrics that are finite numbers: nobody's training is thrown away over the others."""
        numbers = _numbers(metrics)
        odd = [name for name, v in numbers.items() if not math.isfinite(v)]
        if odd and call not in self._warned:
            self._warned.add(call)
            warnings.warn(f"weft.{call} leaves out {odd[0]}: {numbers[odd[0]]} (said once)", stacklevel=4)
        return {name: v for name, v in numbers.items() if name not in odd}

    def _in_hand(self, what: str) -> Model:
        if self._task is None:
            raise Error(f"{what} without a task in hand", "call receive first; a task ends with its send, or when it is cancelled")
        return self._task

    def _poll(self) -> Optional[Dict[str, Any]]:
        """The next task's message, or None at the end. Asking puts down the task in hand."""
        self._task = None
        while not self._stopped:
            status, reply = self._call("GET", f"/v1/task?wait={POLL_SECONDS}")
            if status == 204:
                continue
            if reply.get("kind") != "stop":
                return reply
            self._stopped = True
        return None

    def _call(self, method: str, path: str, body: Optional[Dict[str, Any]] = None) -> Tuple[int, Dict[str, Any]]:
        data = None if body is None else json.dumps(body, allow_nan=False)
        conn = _Connection(self._path)
        try:
            conn.request(method, path, data, {"Content-Type": "application/json"})
            response = conn.getresponse()
            status, raw = response.status, response.read(MAX_REPLY + 1)
        except (OSError, http.client.HTTPException) as e:
            raise Error(f"the node at {self._path} does not answer: {e or type(e).__name__}", "it has ended, and so may this script") from e
        finally:
            conn.close()
        reply = _object(raw) if raw else {}
        if status == _TASK_OVER:
            raise Cancelled(str(reply.get("error")))
        if status >= 300:
            raise Error(str(reply.get("error", f"status {status}")), str(reply.get("hint", "")))
        return status, reply


def _object(raw: bytes) -> Dict[str, Any]:
    try:
        if len(raw) > MAX_REPLY:
            raise ValueError(f"more than {MAX_REPLY} bytes")
        reply = json.loads(raw)
        if not isinstance(reply, dict):
            raise ValueError("not an object")
    except ValueError as e:
        raise Error(f"the node's reply is not what this package expects: {e}", "is WEFT_SOCKET a weft node's socket?") from e
    return reply


def _whole(samples: Any) -> int:
    try:
        return operator.index(samples)
    except TypeError:
        raise TypeError(f"samples is {samples!r}: want a whole number of training examples, such as len(data)") from None


def _numbers(metrics: Mapping[str, Any]) -> Dict[str, float]:
    """metrics as Python floats; tensors and arrays of one element are numbers too."""
    if len(metrics) > MAX_METRICS:
        raise ValueError(f"{len(metrics)} metrics, at most {MAX_METRICS}")
    numbers = {}
    for name, value in metrics.items():
        if not isinstance(name, str) or not METRIC_NAME.fullmatch(name):
            raise ValueError(f"metric name {name!r}: 1 to 64 letters, digits and _./@:+-, a letter, digit or _ first")
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError, RuntimeError) as e:
            raise ValueError(f"metric {name!r} is not a number: {e}") from e
    return numbers


def _weights(params: Mapping[str, Any], layout: Mapping[str, Any]) -> Dict[str, Any]:
    """params without what is not weights: counters and masks that state_dict() also returns."""
    return {
        name: value
        for name, value in params.items()
        if name in layout or _arrays.is_floating(_arrays.describe(value)[1])
    }
