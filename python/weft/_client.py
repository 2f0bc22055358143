"""The conversation of one script: the task in hand, its layout, its answer."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from typing import Any

from . import _arrays, _frozen, _model, _moments, _names, _own, safetensors
from ._change import UNCHANGED, Change
from ._desk import Desk, Message, NodeDesk
from ._metrics import MAX_METRICS, Metrics
from ._task import Task
from ._types import Cancelled, Error, LayoutError, Update
from ._unrounded import unrounded
from ._warn import warn

MAX_REASON = 256  # bytes of a skip's reason
MAX_TEXT = 64 << 10  # bytes of a text


class Client:
    """One script's conversation with its node. ``weft.init`` makes one; a script that wants no
    module-level state may make its own. ``log`` may be called from any thread, the rest from one."""

    __module__ = "weft"

    def __init__(self, path: str, framework: str = "auto") -> None:
        if framework not in _arrays.FRAMEWORKS:
            raise ValueError(f"framework {framework!r}: not one of {', '.join(_arrays.FRAMEWORKS)}")
        self._desk: Desk = NodeDesk(path)
        self._framework = framework
        self._next: Message | None = None  # given out, not yet received
        self._task: Task | None = None  # received, not yet sent
        self._step = 0
        self.metrics: Metrics = Metrics()

    def sit_at(self, desk: Desk) -> None:
        """Lets the conversation go on at another desk."""
        self._desk = desk

    @property
    def desk(self) -> Desk:
        """Where the tasks come from."""
        return self._desk

    @property
    def alone(self) -> bool:
        """Whether no node is there."""
        return self._desk.alone

    @property
    def single(self) -> bool:
        """Whether this is the only process of the training."""
        return self._desk.single

    def time_is_up(self, task: Task, step: int) -> bool:
        """Whether an update that is trained any longer comes too late: on all ranks at the same
        step, as is Cancelled."""
        left = task.time_left
        try:
            return self._desk.agree(step, left is not None and left <= 0)
        except Cancelled:
            self._task = None
            raise

    def is_running(self) -> bool:
        """See ``weft.is_running``."""
        if self._task is not None:
            try:
                self._desk.wanted(self._task.id)
            except Cancelled:
                self._task = None
                return False
            return True
        if self._next is None:
            self._next = self._desk.next()
        return self._next is not None

    def receive(self, *, makes: bool = False) -> Task | None:
        """See ``weft.receive``. makes: who receives has a model, and can make the one that a run begins with."""
        self._task = None
        message = self._next if self._next is not None else self._desk.next()
        self._next = None
        if message is None:
            return None
        if message.get("kind") == "init" and not makes:
            raise Error(
                "the run is to begin with a model that this script makes, and the single calls cannot",
                "loop over weft.tasks(model, ...), or write the model with weft.save(model, FILE) and name it: "
                "model: {file: FILE}, or --base FILE",
            )
        try:
            _frozen.check(message)
            if self._desk.speaks:
                _own.settle(message)
            params, constants = ({}, set()) if message["kind"] == "init" else _params(message, self._framework)
            task = Task(message, params, self, constants)
        except (KeyError, TypeError) as e:
            raise Error(f"the node's task is not one this package knows: {e!r}", "use a package of the node's version") from e
        self._task, self._step = task, 0
        return task

    def send(self, update: Update) -> None:
        """See ``weft.send``."""
        self.answer(self._in_hand("send"), update)

    def log(
        self,
        metrics: Mapping[str, Any] | None = None,
        *,
        step: int | None = None,
        steps: int | None = None,
        **more: Any,
    ) -> None:
        """See ``weft.log``."""
        task = self._in_hand("log")
        self.report(task, self.metrics.fit("weft.log", {**(metrics or {}), **more}), step, steps)

    def has(self, task: Task) -> bool:
        """Whether task is in hand."""
        return self._task is task

    def report(self, task: Task, metrics: Mapping[str, float], step: int | None, steps: int | None) -> None:
        """Says where task stands."""
        if self._task is not task:
            raise Error("the task is over: it was sent, skipped or cancelled", "go on with the next one")
        self._step = self._step + 1 if step is None else operator.index(step)
        body = {
            "task": task.id,
            "step": self._step,
            "steps": 0 if steps is None else operator.index(steps),
            "metrics": dict(metrics),
        }
        try:
            self._desk.progress(body)
        except Cancelled:
            self._task = None
            raise

    def answer(self, task: Task, update: Update) -> None:
        """Answers task, which is in hand."""
        if task.kind == "generate" or update.text is not None:
            self._answer_text(task, update)
            return
        body: Message = {
            "task": task.id,
            "samples": _whole(update.samples),
            "metrics": self.metrics.fit("weft.send", update.metrics),
        }
        if body["samples"] < 0 or (task.kind == "train" and body["samples"] == 0):
            raise ValueError(
                f"samples is {body['samples']}: the number of examples in this site's training set, the update's weight in the average"
            )
        if task.kind != "evaluate":
            if update.params is None:
                raise ValueError("an update needs params: Update(model.state_dict(), samples=..., metrics=...)")
            body["update"] = os.path.join(task.dir, "update.safetensors")
            try:
                if self._desk.speaks:
                    self._write(task, update.params, body)
            except Error as e:
                self._desk.fail(e)
                raise
            except OSError:
                self._ask(task)  # its folder goes with a task that is no longer wanted
                raise
        elif update.params is not None:
            raise ValueError(f"task kind {task.kind!r} wants metrics only: Update(samples=..., metrics=...)")
        work = task._work
        if work is not None:
            work.before_send(task)
        try:
            self._desk.update(body)
        except Cancelled as e:
            self._task = None
            if not e.stopping:  # else what became of it shows in the next task
                if self._desk.speaks:
                    _own.drop(task)
                if work is not None:
                    work.not_sent(task)
            raise
        self._task = None
        if self._desk.speaks:
            _own.keep(task)
        if work is not None:
            work.after_send(task)

    def _answer_text(self, task: Task, update: Update) -> None:
        """Answers a task that asks for text."""
        if task.kind != "generate":
            raise ValueError(f"task kind {task.kind!r} wants no text")
        if update.params is not None or not isinstance(update.text, str):
            raise ValueError(f"task kind 'generate' wants a text only: Update(text=...), not text={update.text!r:.80}")
        raw = update.text.encode("utf-8", "replace")  # half of a surrogate pair is no text
        if len(raw) > MAX_TEXT:
            raise Error(f"the text has {len(raw)} bytes, at most {MAX_TEXT}", "generate fewer tokens, or send its beginning")
        try:
            self._desk.text({"task": task.id, "text": raw.decode()})
        except Cancelled:
            self._task = None
            raise
        self._task = None

    def skip(self, task: Task, reason: str) -> None:
        """Answers task, which is in hand, with a reason why there is no update. What its training
        has changed is dropped, as of a cancelled one."""
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"reason is {reason!r}: say in a few words why this site skips the round, the others see it")
        short = reason.strip().encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore")
        try:
            self._desk.skip({"task": task.id, "reason": short})
        except Cancelled:
            self._task = None
            raise
        self._task = None
        if task._work is not None:
            task._work.after_skip(task)

    def _write(self, task: Task, params: Mapping[str, Any], body: Message) -> None:
        """Writes the update's file, and warns of one that changes nothing."""
        if task.kind == "init":
            tensors, aliases = _model.once(params)
            said = task._work.said() if task._work is not None else {}
            safetensors._write_fresh(tensors, body["update"], {**aliases, **said})
            return
        base = safetensors.open_file(task.base)  # anew: the script may have changed its views of it
        layout = {name: info for name, info in base.infos.items() if info.dtype in _arrays.WEIGHTS}
        if task._moments and not _moments.split(params)[1]:
            raise LayoutError(
                "the run averages the optimizer's state with the model, and the update has none",
                'loop over weft.tasks(model, optimizer, ..., state="average"), which sends it',
            )
        tensors = _fit(params, layout, task)
        change = Change(base, tensors)
        safetensors.write_like(tensors, body["update"], layout, change.see, lambda name, value: unrounded(base, name, value))
        if problem := change.problem(task.round):
            warn(problem)
        _own.offer(task, params)
        if change.unchanged and len(body["metrics"]) < MAX_METRICS:
            body["metrics"].setdefault(UNCHANGED, 1.0)

    def _ask(self, task: Task) -> None:
        """Raises Cancelled if task is no longer wanted."""
        try:
            self._desk.wanted(task.id)
        except Cancelled:
            self._task = None
            raise

    def _in_hand(self, what: str) -> Task:
        if self._task is None:
            raise Error(f"{what} without a task in hand", "call receive first; a task ends with its send, or when it is cancelled")
        return self._task


def _params(message: Message, framework: str) -> tuple[dict[str, Any], set[str]]:
    """A task's base, with the constants of its run, the site's own
    tensors for those that have become its own, under all names of tied weights; the names of the constants."""
    params = safetensors.load_file(message["base"], framework)
    constants = safetensors.load_file(message["constants"], framework) if message.get("constants") else {}
    params |= constants | _own.load(message, framework)
    return params | {alias: params[name] for alias, name in (message.get("aliases") or {}).items() if name in params}, set(constants)


def _whole(samples: Any) -> int:
    try:
        return operator.index(samples)
    except TypeError:
        raise TypeError(f"samples is {samples!r}: want a whole number of training examples, such as len(data)") from None


def _fit(params: Mapping[str, Any], layout: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """params under the base's names, without what is no weight: counters and masks that
    state_dict() also returns. Of tied weights it has the names that the base has."""
    work = task._work
    tensors, left = _names.pick(params, layout, work.adapter if work is not None else "default")
    for alias, name in task._aliases.items():
        if alias in params and name in layout:
            tensors.setdefault(name, params[alias])
    places = {_model.place(name, t) for name, t in tensors.items()} - {None}
    for name in left:
        value = params[name]
        if _names.plain(name) in task._beside:
            continue
        if _arrays.describe(name, value).floating and _model.place(name, value) not in places:
            tensors[name] = value  # which is refused, by its name
    if work is not None and set(layout) - set(tensors):
        twins = _names.pick(work.tensors(), layout, work.adapter)[0]
        tensors |= {name: t for name, t in twins.items() if name not in tensors and _model.place(name, t) in places}
    return tensors
