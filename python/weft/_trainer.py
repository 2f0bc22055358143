"""The bridge between Hugging Face's Trainer, whose loop runs for a whole run, and its tasks.

The loop is Trainer's own, undivided: at the end of a round weights are swapped below it. A run of
one site is therefore the training that it would be without weft, to the bit.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import _frozen, _model, _session
from ._model import Params
from ._task import Task
from ._types import Cancelled, Error
from ._work import State

# The parts of Trainer's loop that are hooked, as transformers 5 has them.
_SEAMS = ("train", "set_initial_training_values", "_init_training_state", "create_scheduler", "_maybe_log_save_evaluate")

# Passes over the data beyond those that a run needs: a round that is trained again takes some.
_SPARE_PASSES = 1 << 20

# What Trainer logs beside what was learnt.
_NOT_METRICS = ("epoch", "total_flos", "num_input_tokens_seen")
_NOT_METRICS_END = ("runtime", "_per_second", "_time")


class Bridge:
    """A Trainer, and the tasks of the run that it takes part in."""

    def __init__(self, trainer: Any, params: Params, state: State, evaluate: bool) -> None:
        _refuse(trainer)
        self._trainer = trainer
        self._params: Params = params
        self._state: State = state
        self._evaluates = evaluate and getattr(trainer, "eval_dataset", None) is not None
        self._tasks: Iterator[Task] | None = None
        self._task: Task | None = None
        self._round_steps = 0  # optimizer steps of a round
        self._ended = False  # the task has its last step, or is no longer wanted
        self._epoch_ended = False

    def hook(self) -> None:
        """Puts the bridge under the trainer's loop."""
        t = self._trainer
        train, values, begin, scheduler, settle = (getattr(t, name) for name in _SEAMS)
        t.train = lambda resume_from_checkpoint=None, trial=None, **more: self._train(train, resume_from_checkpoint, trial, more)
        t.set_initial_training_values = lambda args, loader: self._values(values(args, loader))
        t._init_training_state = lambda max_steps, per_epoch, *more: self._begin(begin(max_steps, per_epoch, *more), per_epoch)
        t.create_scheduler = lambda *args, **named: self._schedule(scheduler(*args, **named))
        t._maybe_log_save_evaluate = lambda *args, **named: self._settle(settle, args, named)

    def _train(self, train: Callable[..., Any], resume: Any, trial: Any, more: Mapping[str, Any]) -> Any:
        if resume:
            raise Error("resume_from_checkpoint is set", "a checkpoint would take the place of the model that the mesh gives: leave it out")
        if trial is not None:
            raise Error("a search for hyperparameters is no run", "search at one site without weft, then name the values in the run file")
        if self._tasks is not None:
            raise Error("train was called before", "one call does all rounds of the run")
        t = self._trainer
        t.add_callback(_callback(self))  # after all others
        _frozen.found(_model.frozen_of(t.model, self._params))
        self._tasks = _session.tasks(
            t.model,
            t.create_optimizer(),
            None,  # where the schedule is follows from the round
            _samples(t.train_dataset),
            self._measure if self._evaluates else None,
            None,
            self._state,
            self._params,
            True,
        )
        if not self._next():
            return None
        done = train(**more)
        if self._task is not None:
            raise Error(
                f"the Trainer ended in the middle of round {self._task.round}",
                "its data came to an end: give train_dataset a length, or max_steps that it has the batches for",
            )
        return done

    def _next(self) -> bool:
        """Sends the task in hand, if it is wanted, and takes up the next; False if there is none."""
        assert self._tasks is not None
        self._task = next(self._tasks, None)
        self._ended = False
        if self._task is None:
            return False
        self._task._stepping = True  # what is logged is told with the steps
        return True

    # Where the run is in the training.

    def _position(self) -> int:
        """Steps of the whole training that lie before the task in hand."""
        assert self._task is not None
        return (self._task.round - 1) * self._round_steps

    def _values(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """What set_initial_training_values returns: of the whole run, where the arguments are of a round."""
        assert self._task is not None
        epochs, per_epoch, examples, samples, batch, in_epoch, steps = values
        rounds = self._task.total_rounds
        self._round_steps = steps
        epochs = max(epochs, math.ceil(steps * rounds / per_epoch) + _SPARE_PASSES)
        return epochs, per_epoch, examples, samples * rounds, batch, in_epoch, steps * rounds

    def _begin(self, trained: tuple[int, int], per_epoch: int) -> tuple[int, int]:
        """Where a process begins that comes late, or is not the run's first at this site."""
        self._trainer.state.global_step = self._position()
        return self._position() // per_epoch, trained[1]

    def _schedule(self, scheduler: Any) -> Any:
        """Moves a schedule that is a function of the step to where the run is."""
        if self._task is None or not hasattr(scheduler, "lr_lambdas") or scheduler.last_epoch == self._position():
            return scheduler
        scheduler.last_epoch = self._position()
        scheduler._last_lr = [base * scale(scheduler.last_epoch) for scale, base in zip(scheduler.lr_lambdas, scheduler.base_lrs)]
        for group, rate in zip(scheduler.optimizer.param_groups, scheduler._last_lr):
            group["lr"] = rate
        return scheduler

    # In the loop.

    def step(self, state: Any, control: Any) -> None:
        """After an optimizer step."""
        task, done = self._task, state.global_step - self._position()
        if task is None:
            return
        last = done >= self._round_steps
        try:
            task._at(done, self._round_steps, last=last)
            self._ended = task._client.time_is_up(task, done) or last
        except Cancelled as e:
            if e.stopping:
                raise
            self._ended = True
        if self._ended:
            control.should_log = True  # the update has the loss of its last steps

    def epoch_end(self) -> None:
        """After a pass over the data."""
        self._epoch_ended = True

    def _settle(self, settle: Callable[..., None], args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """After a step, and after a pass, when Trainer logs, evaluates and saves: then the round may end."""
        settle(*args, **named)
        control, state = self._trainer.control, self._trainer.state
        after_pass, self._epoch_ended = self._epoch_ended, False
        if self._task is None or not (self._ended or control.should_training_stop):
            return
        if not after_pass and float(state.epoch).is_integer():
            return  # what comes after the pass is of this round too
        control.should_training_stop = not self._next()
        if control.should_training_stop:
            return
        state.global_step = self._position()
        self._trainer._globalstep_last_logged = state.global_step
        self._schedule(self._trainer.lr_scheduler)

    def log(self, logs: Mapping[str, Any]) -> None:
        """What the Trainer logs of its training, for the update."""
        if self._task is None or self._task.over:
            return
        if fitting := _metrics(logs, "eval_", "local_"):
            self._task.log(fitting)

    def _measure(self) -> dict[str, Any]:
        """The metrics of the model that the mesh has given."""
        task, self._task = self._task, None  # what is logged now is of no training
        try:
            found = self._trainer.evaluate()
        finally:
            self._task = task
        return {**_metrics(found, "eval_", ""), **_sized(self._trainer.eval_dataset)}


def _callback(bridge: Bridge) -> Any:
    base: Any = importlib.import_module("transformers").TrainerCallback

    class Steps(base):  # type: ignore[misc]
        """Tells the bridge how far the loop is."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            bridge.step(state, control)

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            bridge.epoch_end()

        def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
            bridge.log(logs or {})

    return Steps()


def _refuse(trainer: Any) -> None:
    """Names what a run cannot be done with."""
    if missing := [name for name in _SEAMS if not hasattr(trainer, name)]:
        raise Error(f"{type(trainer).__name__} has no {missing[0]}", "weft.transformers knows Trainer of transformers 5.17 and newer")
    args = trainer.args
    for there, what, hint in (
        (getattr(args, "deepspeed", None), "deepspeed", "it holds weights and optimizer itself: train with DDP"),
        (getattr(trainer, "is_fsdp_enabled", False), "fsdp", "a rank has a part of the weights only: loop over weft.tasks"),
        (args.load_best_model_at_end, "load_best_model_at_end", "the mesh chooses the best model: best: METRIC:max in the run file"),
        (trainer.model_init is not None, "model_init", "the run's model is the mesh's: give Trainer a model"),
        (args.auto_find_batch_size, "auto_find_batch_size", "it begins the training anew: set per_device_train_batch_size"),
    ):
        if there:
            raise Error(f"the Trainer has {what}", hint)


def _metrics(logs: Mapping[str, Any], prefix: str, instead: str) -> dict[str, Any]:
    """The metrics among what Trainer logs, with another prefix where they have that one."""
    found = {}
    for name, value in logs.items():
        if name in _NOT_METRICS or name.endswith(_NOT_METRICS_END) or name.startswith("train_") or not isinstance(value, (int, float)):
            continue
        found[instead + name.removeprefix(prefix) if name.startswith(prefix) else name] = value
    return found


def _samples(dataset: Any) -> int:
    try:
        return len(dataset)
    except TypeError:
        raise Error("train_dataset has no length", "it is the update's weight in the average: give the data set a __len__") from None


def _sized(dataset: Any) -> dict[str, int]:
    try:
        return {"samples": len(dataset)}
    except TypeError:
        return {}
