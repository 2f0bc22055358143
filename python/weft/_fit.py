"""The bridge between Lightning's fit, whose loop runs for a whole run, and its tasks."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import _session
from ._model import Params
from ._task import Task
from ._types import Cancelled, Error
from ._work import State

_NOT_METRICS = ("epoch", "step")
_RESULTS = ("_callback_metrics", "_logged_metrics", "_progress_bar_metrics")  # where Lightning's connector keeps what was logged


class Bridge:
    """A Trainer, and the tasks of the run that it takes part in."""

    def __init__(self, trainer: Any, params: Params, state: State) -> None:
        if not hasattr(trainer, "fit_loop"):
            raise Error(f"{type(trainer).__name__} has no fit_loop", "weft.lightning knows lightning.Trainer, of 2.6 and newer")
        if state == "average":
            hint = 'state="keep", or the loop over weft.tasks'
            raise Error("Lightning makes its optimizers after the run has begun, and a run that averages their state begins with it", hint)
        if trainer.world_size > 1:
            raise Error(f"the Trainer has {trainer.world_size} devices", "loop over weft.tasks on every rank, or train on one device")
        self._trainer = trainer
        self._params: Params = params
        self._state: State = state
        self._tasks: Iterator[Task] | None = None
        self._task: Task | None = None
        self._parts = _Parts()
        self._validate: Callable[[], Any] = lambda: None
        self._steps: int = trainer.max_steps  # of a round; -1: epochs count
        self._epochs: int | None = trainer.max_epochs
        self._from = 0  # where the round begins, in steps or epochs
        self._begun = 0  # the same, in steps
        self._ended = False  # the task is no longer wanted, or time is up
        self._fits = False  # the loop is set up

    def hook(self) -> None:
        """Puts the bridge under the trainer's loops."""
        t = self._trainer
        fit, passes = t.fit, t.fit_loop.on_advance_end
        steps = t.fit_loop.epoch_loop.on_advance_end
        t.fit = lambda model, *args, **named: self._fit(fit, model, args, named)
        t.fit_loop.on_advance_end = lambda: self._after_pass(passes)
        t.fit_loop.epoch_loop.on_advance_end = lambda fetcher: self._after_step(steps, fetcher)

    def _fit(self, fit: Callable[..., Any], model: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        given = dict(zip(("train_dataloaders", "val_dataloaders", "datamodule", "ckpt_path"), args)) | named
        if given.get("ckpt_path") is not None:
            raise Error("ckpt_path is set", "a checkpoint would take the place of the model that the mesh gives: leave it out")
        if self._tasks is not None:
            raise Error("fit was called before", "one call does all rounds of the run")
        t = self._trainer
        val = {"dataloaders": given.get("val_dataloaders"), "datamodule": given.get("datamodule")}
        self._validate = lambda: t.validate(model, verbose=False, **val)
        measures = any(v is not None for v in val.values())
        self._tasks = _session.tasks(
            model, self._parts, None, None, self._measure if measures else None, None, self._state, self._params, True
        )
        t.callbacks.insert(0, _callback(self))
        if not self._next():
            return
        task = self._task
        assert task is not None
        if self._steps > 0:
            t.fit_loop.epoch_loop.max_steps = self._steps * task.total_rounds
        else:
            done = (task.round - 1) * (self._epochs or 0)
            for mark in ("ready", "started", "processed", "completed"):
                setattr(t.fit_loop.epoch_progress.current, mark, done)
            t.fit_loop.max_epochs = (self._epochs or 0) * task.total_rounds
            self._from = done
        fit(model, **given)

    def _next(self) -> bool:
        """Sends the task in hand, if it is wanted, and takes up the next; False if there is none."""
        assert self._tasks is not None
        self._task = next(self._tasks, None)
        self._ended = False
        if self._task is None:
            return False
        self._task._stepping = True  # what is logged is told with the steps
        return True

    def setup(self) -> None:
        """Once there are optimizers."""
        self._fits = True
        self._parts.bind(self._trainer)

    def _length(self) -> int:
        """Steps of a round."""
        if self._steps > 0:
            return self._steps
        batches = self._trainer.num_training_batches
        return 0 if batches == float("inf") else -(-batches // self._trainer.accumulate_grad_batches) * (self._epochs or 0)

    def batch_end(self) -> None:
        """After a batch: the node hears how far the round is."""
        task, done = self._task, self._trainer.global_step - self._begun
        if task is None or self._ended:
            return
        length = self._length()
        try:
            task._at(done, length, last=done == length)
            self._ended = task._client.time_is_up(task, done)
            if self._ended:  # in a run with a round time the update counts by these steps
                task._at(done, length, last=True)
        except Cancelled as e:
            if e.stopping:
                raise
            self._ended = True

    def _after_step(self, advance: Callable[[Any], None], fetcher: Any) -> None:
        advance(fetcher)
        t = self._trainer
        if self._task is None:
            return
        if self._steps > 0:
            if self._ended or t.should_stop or t.global_step - self._begun >= self._steps and not t.fit_loop._should_accumulate():
                self._round_ends()
        elif self._ended:
            t.fit_loop.epoch_loop.batch_progress.is_last_batch = True  # the pass ends here

    def _after_pass(self, advance: Callable[[], None]) -> None:
        advance()
        t = self._trainer
        if self._task is None or self._steps > 0:
            return
        if self._ended or t.should_stop or t.current_epoch - self._from >= (self._epochs or 0):
            self._round_ends()

    def _round_ends(self) -> None:
        """Sends what was trained, and lets the loop go on for the next round, or end."""
        t, task = self._trainer, self._task
        assert task is not None
        if not task.over:
            task.log(_metrics(t.callback_metrics, ""))
            task.send(samples=_samples(t.train_dataloader, "the train loader"))
        found = t._logger_connector
        trained = {name: getattr(found, name) for name in _RESULTS}
        t.should_stop = not self._next()
        self._begun = t.global_step
        if self._task is None:
            vars(found).update(trained)  # the script may read them, and the last model has been measured since
            return
        left = self._task.total_rounds - self._task.round + 1
        if self._steps > 0:
            t.fit_loop.epoch_loop.max_steps = self._begun + self._steps * left
        else:
            self._from = t.current_epoch
            t.fit_loop.max_epochs = self._from + (self._epochs or 0) * left

    def _measure(self) -> dict[str, Any]:
        """The metrics of the model that the mesh has given."""
        t = self._trainer
        found = self._measure_in_fit() if self._fits else self._validate()
        if not found:
            return {}
        loaders = t.val_dataloaders
        several = loaders if isinstance(loaders, (list, tuple)) else [loaders]
        samples = sum(_samples(loader, "a validation loader") for loader in several)
        merged = {name: value for one in found for name, value in one.items()}
        return {**_metrics(merged, "val_"), "samples": samples}

    def _measure_in_fit(self) -> Any:
        """A pass over the validation loaders of which callbacks and loggers take no notice, as of
        the sanity check before a training."""
        t, loop = self._trainer, self._trainer.fit_loop.epoch_loop.val_loop
        stage, batches, found = t.state.stage, t.num_sanity_val_steps, t._logger_connector
        t.num_sanity_val_steps, t.sanity_checking = float("inf"), True
        found.reset_results()
        found.reset_metrics()
        try:
            loop.run()
            return [dict(t.callback_metrics)]
        finally:
            found.reset_results()
            found.reset_metrics()
            loop.batch_progress.reset()
            t.state.stage, t.num_sanity_val_steps = stage, batches


class _Parts:
    """Optimizers and schedulers of a fit, which makes them after the first task has come."""

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._first: list[Any] = []
        self._waits: list[Any] | None = None

    def bind(self, trainer: Any) -> None:
        self._parts = [*trainer.optimizers, *(config.scheduler for config in trainer.lr_scheduler_configs)]
        self._first = copy.deepcopy(self.state_dict()["parts"])
        if self._waits is not None:
            self.load_state_dict({"parts": self._waits})

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if not self._parts:
            self._waits = state["parts"] or None
            return
        for part, one in zip(self._parts, state["parts"] or copy.deepcopy(self._first)):
            part.load_state_dict(one)


def _callback(bridge: Bridge) -> Any:
    base: Any = importlib.import_module("lightning.pytorch").Callback

    class Steps(base):  # type: ignore[misc]
        """Tells the bridge how far the loop is."""

        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            bridge.setup()

        def on_train_batch_end(self, *args: Any) -> None:
            bridge.batch_end()

    return Steps()


def _metrics(found: Mapping[str, Any], prefix: str) -> dict[str, float]:
    """Numbers among what was logged, without prefix."""
    return {name.removeprefix(prefix): float(value) for name, value in found.items() if name not in _NOT_METRICS}


def _samples(loader: Any, what: str) -> int:
    try:
        return len(loader.dataset)
    except (AttributeError, TypeError):
        hint = "it is the update's weight in the average: use a DataLoader of a sized data set"
        raise Error(f"{what} has no data set with a length", hint) from None
