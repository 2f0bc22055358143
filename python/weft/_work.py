"""What ``tasks()`` was given: the model and all that is trained with it, and what of it outlives a
task, a round, the process."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import _model, _random, _statefile
from ._loader import Cursor
from ._moments import Moments
from ._types import LayoutError
from ._warn import warn

if TYPE_CHECKING:
    from ._task import Task

_T = TypeVar("_T")

State = Literal["keep", "reset", "average"]
STATES = ("keep", "reset", "average")

_KEPT = "weft-kept.safetensors"  # after the last update that the node took
_OFFERED = "weft-offered.safetensors"  # the same, while the node is asked
_TASK = "weft-task.safetensors"  # in the middle of a task


class Work:
    """A model, its optimizers and schedulers (anything with a state_dict), and their files."""

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        scheduler: Any,
        samples: int | None,
        evaluate: Callable[[], Mapping[str, Any]] | None,
        generate: Callable[..., str] | None,
        state: State,
        params: _model.Params,
        strict: bool,
    ) -> None:
        if state not in STATES:
            raise ValueError(f"state {state!r}: not one of {', '.join(STATES)}")
        self.model = model
        self.samples = samples
        self.evaluate = evaluate
        self.generate = generate
        self.cursor: Cursor | None = None  # where steps() is in its loader
        self._place: dict[str, Any] | None = None  # where the process before this one was in it
        self._renews = False  # the script makes a loader for each task, which has no place to go on from
        self._parts = _stateful("optimizer", optimizer) | _stateful("scheduler", scheduler)
        self._has_optimizer = optimizer is not None
        self._moments = Moments(list(_stateful("optimizer", optimizer).values())) if state == "average" else None
        self._policy = state
        self._params: _model.Params = params
        self._strict = strict
        self._initial = {name: copy.deepcopy(part.state_dict()) for name, part in self._parts.items()}
        self._fresh = True  # this process has begun no task of the run yet
        self._run = ""
        self._answered = True  # the last task: what the parts hold is what the node's model came from
        self.adapter: str = _model.adapter_of(model)

    def tensors(self) -> dict[str, Any]:
        """What a site sends, under all names of tied weights."""
        weights = _model.weights(self.model, self._params)
        return weights if self._moments is None else weights | self._moments.tensors(weights)

    def initial(self, *, whole: bool = True) -> dict[str, Any]:
        """What a run begins with, under all names of tied weights; unless whole without what is no weight."""
        weights = _model.weights(self.model, self._params)
        begins = _model.checkpoint(self.model, self._params) if whole else weights
        return begins if self._moments is None else begins | self._moments.initial(weights)

    def said(self) -> dict[str, str]:
        """What the file of initial() says beside its tensors."""
        return _model.said(self.model, self._params)

    def begin(self, task: Task) -> None:
        """Makes everything ready for a training task."""
        task._work = self
        _model.load(self.model, task, strict=self._strict)
        if self._policy == "reset":
            self._load_states(copy.deepcopy(self._initial))
        elif self._fresh or self._run != task.run or not self._answered:
            self._take_back(task)
        if self._moments is not None:
            self._moments.load(_model.weights(self.model, self._params), task._moments)
        elif task._moments:
            raise LayoutError(
                "the run averages the optimizer's state with the model, and this script does not",
                'weft.tasks(model, optimizer, ..., state="average")',
            )
        self._fresh, self._run, self._answered = False, task.run, False

    def measure(self, task: Task) -> dict[str, Any]:
        """The metrics of a task's model."""
        assert self.evaluate is not None
        return dict(self._aside(task, self.evaluate))

    def generated(self, task: Task) -> str:
        """The text with which a task's model goes on from its prompt."""
        assert self.generate is not None
        generate = self.generate
        return self._aside(task, lambda: generate(task.prompt, **task.sampling))

    def _aside(self, task: Task, call: Callable[[], _T]) -> _T:
        """Calls with a task's model. The training does not feel it: random numbers and what is in
        training mode stay as they are."""
        _model.load(self.model, task, strict=self._strict)
        was, modes = _random.state(), []
        if _model.is_module(self.model):
            modes = [(part, part.training) for part in self.model.modules()]
            self.model.eval()
        try:
            with _no_grad(self.model):
                return call()
        finally:
            for part, mode in modes:
                part.training = mode
            _random.restore(was)

    def can_resume(self, task: Task) -> bool:
        """Whether all that a training needs is here, and has a place to be kept."""
        return _folder(task) is not None and self._has_optimizer

    def at(self, loader: Any, on: bool) -> Cursor:
        """Where steps() is in loader: after the last batch of the task before if it goes on, at
        the beginning of a pass if not."""
        if self.cursor is None or self.cursor.loader is not loader or not on:
            place, self._place = self._place, None
            self._renews = self.cursor is not None and on and self.cursor.loader is not loader
            self.cursor = Cursor(loader)
            if place is not None:
                self.cursor.seek(place, on)
        return self.cursor

    # A task in the middle.

    def save(self, task: Task, step: int) -> None:
        """Writes where a training is."""
        folder = _folder(task)
        assert folder is not None
        state = {
            "key": _key(task),
            "step": step,
            "metrics": dict(task._metrics),
            "model": _model.entries(self.model),
            "grads": _grads(self.model),
            "parts": self._states(),
            "cursor": None if self.cursor is None else self.cursor.state(),
            "random": _random.state(),
        }
        _statefile.write(folder / _TASK, state)

    def resume(self, task: Task) -> int:
        """Goes on where a training of the same task was saved; the steps that it had done."""
        folder = _folder(task)
        assert folder is not None
        state = _read(folder / _TASK)
        if state is None or state["key"] != _key(task):
            return 0
        tensors = _model.entries(self.model)
        if set(tensors) != set(state["model"]) or set(self._parts) != set(state["parts"]):
            return 0
        try:
            self._restore(task, state)
        except Exception:
            _remove(folder / _TASK)  # what cannot be gone on with now cannot be the next time either
            raise
        return int(state["step"])

    def _restore(self, task: Task, state: Mapping[str, Any]) -> None:
        tensors = _model.entries(self.model)
        for name, value in state["model"].items():
            _model.copy(name, value, tensors[name])
        _set_grads(self.model, state["grads"])
        self._load_states(state["parts"])
        task._metrics = dict(state["metrics"])
        if self.cursor is not None and state["cursor"] is not None:
            self.cursor.seek(state["cursor"])
        _random.restore(state["random"])

    # From round to round.

    def before_send(self, task: Task) -> None:
        """Writes what the next round goes on with, should the node take the update."""
        folder = _folder(task)
        if folder is None or task.kind != "train" or self._policy == "reset" or not self._parts:
            return
        state = {
            "key": _key(task),
            "parts": self._states(),
            "cursor": None if self.cursor is None else self.cursor.state(),
            "renews": self._renews,
            "random": _random.state(),
        }
        try:
            _statefile.write(folder / _OFFERED, state)
        except (_statefile.Unsupported, LayoutError) as e:
            warn(f"the state of optimizer and scheduler does not outlive this process: {e}")

    def not_sent(self, task: Task) -> None:
        """The node did not want the update: what was to follow it does not."""
        if (folder := _folder(task)) is not None:
            _remove(folder / _OFFERED)

    def after_send(self, task: Task) -> None:
        """The node has the update: its training is never resumed."""
        self._answered = True
        if (folder := _folder(task)) is None or task.kind != "train":
            return
        _rename(folder / _OFFERED, folder / _KEPT)
        _remove(folder / _TASK)

    def after_skip(self, task: Task) -> None:
        """Nothing comes of the training: what it has changed is taken back when the next begins."""
        if (folder := _folder(task)) is not None:
            _remove(folder / _TASK)

    def _take_back(self, task: Task) -> None:
        """Puts the parts where the last update that the node took left them. A training that was
        cancelled leaves nothing behind, where there is a file to know from."""
        folder = _folder(task)
        if folder is None or not self._parts:
            return
        offered = _read(folder / _OFFERED)
        if offered is not None and offered["key"] != _key(task):
            _rename(folder / _OFFERED, folder / _KEPT)  # the node went on: it had the update
        else:
            _remove(folder / _OFFERED)
        kept = _read(folder / _KEPT)
        if kept is None or kept["key"]["run"] != task.run or set(kept["parts"]) != set(self._parts):
            if not self._fresh:
                self._load_states(copy.deepcopy(self._initial))
            return
        self._load_states(kept["parts"])
        if self._fresh:
            self._place = None if kept["renews"] else kept["cursor"]
            _random.restore(kept["random"])

    def _states(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts.items()}

    def _load_states(self, states: Mapping[str, Any]) -> None:
        for name, part in self._parts.items():
            part.load_state_dict(states[name])


def _stateful(what: str, given: Any) -> dict[str, Any]:
    """One object with a state, or several, by name."""
    parts = given if isinstance(given, (list, tuple)) else [] if given is None else [given]
    for part in parts:
        if not hasattr(part, "state_dict") or not hasattr(part, "load_state_dict"):
            raise TypeError(f"{what} is a {type(part).__name__}: want one with state_dict and load_state_dict, or a list of such")
    return {f"{what}{i}": part for i, part in enumerate(parts)}


def _folder(task: Task) -> Path | None:
    """Where files of the task's run are kept, None if nowhere: of several ranks each has an own
    state, and the folder is one.
    """
    return task.state_dir if task._client.single else None


def _key(task: Task) -> dict[str, Any]:
    """What a state is bound to."""
    import hashlib

    if task._digest is None:
        digest = hashlib.sha256()
        with open(task.base, "rb") as f:
            while chunk := f.read(1 << 20):
                digest.update(chunk)
        task._digest = digest.hexdigest()
    return {"run": task.run, "round": task.round, "attempt": task.attempt, "seed": task.seed, "base": task._digest}


def _read(path: Path) -> Any:
    """The state in a file; None if there is none, or none that is whole."""
    try:
        return _statefile.read(path)
    except (OSError, LayoutError, ValueError, KeyError):
        return None


def _rename(path: Path, to: Path) -> None:
    try:
        os.replace(path, to)
    except FileNotFoundError:
        pass


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _grads(model: Any) -> dict[str, Any]:
    """Gradients that have been gathered, by name: between two steps of an optimizer there may be some."""
    if not _model.is_module(model):
        return {}
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def _set_grads(model: Any, grads: Mapping[str, Any]) -> None:
    if _model.is_module(model):
        for name, p in model.named_parameters():
            p.grad = grads[name].clone().to(p.device) if name in grads else None


def _no_grad(model: Any) -> Any:
    """A context in which evaluations run."""
    import contextlib

    if not _model.is_module(model):
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()
