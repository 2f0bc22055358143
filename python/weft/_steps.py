"""The steps of a task: batches, progress, and going on after a kill."""

from __future__ import annotations

import os
import signal
import threading
import time
import types
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ._loader import Cursor, examples, length
from ._statefile import Unsupported
from ._types import Cancelled, LayoutError
from ._warn import warn

if TYPE_CHECKING:
    from ._client import Client
    from ._task import Task

COST = 0.02  # of the time that saving may take


def steps(task: Task, client: Client, loader: Iterable[Any], n: int | None, checkpoint: str | float) -> Iterator[Any]:
    """See Task.steps."""
    if n is not None and n < 0:
        raise ValueError(f"n is {n}: the number of steps")
    return _Steps(task, client, loader, n, _share(checkpoint)).run()


def _share(checkpoint: str | float) -> float:
    text = checkpoint.strip() if isinstance(checkpoint, str) else ""
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(checkpoint)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f'checkpoint {checkpoint!r}: a share of the steps, such as "5%" or 0.05; 0 for none')
    return share


class _Steps:
    def __init__(self, task: Task, client: Client, loader: Iterable[Any], n: int | None, share: float) -> None:
        self._task = task
        self._client = client
        self._total = n if n is not None else length(loader)
        self._again = n is not None
        work = task._work
        self._work = work if work is not None and share > 0 and work.can_resume(task) else None
        self._cursor = Cursor(loader) if work is None else work.at(loader, on=self._again)
        if work is not None and work.samples is None:
            work.samples = examples(loader)
        self._every = max(1, int(self._total * share)) if self._total else 0
        self._saved_step = 0
        self._saved_at = time.monotonic()
        self._save_took = 0.0

    def run(self) -> Iterator[Any]:
        task, done = self._task, 0
        if self._work is not None:
            done = self._saved_step = self._work.resume(task)
            if done:
                warn(f"round {task.round}: goes on after step {done} of {self._total}, where it was saved")
        task._stepping = True
        try:
            with _Term(self._work is not None) as term:
                time_is_up = self._tell(done, last=True)
                while (not self._total or done < self._total) and not time_is_up:
                    try:
                        batch = self._cursor.next(self._again)
                    except StopIteration:
                        return
                    yield batch
                    done += 1
                    if term.came:
                        self._save(done)
                        term.pass_on()
                    time_is_up = self._tell(done, last=done == self._total)
                    if self._due(done):
                        self._save(done)
        finally:
            task._stepping = False

    def _tell(self, done: int, last: bool) -> bool:
        """Says where the task stands; whether it has to end here."""
        try:
            self._task._at(done, self._total, last=last)
            time_is_up = self._client.time_is_up(self._task, done)
            if time_is_up:  # in a run with a round time the update counts by these steps
                self._task._at(done, self._total, last=True)
            return time_is_up
        except Cancelled as e:
            if e.stopping:
                self._save(done)
            raise

    def _due(self, done: int) -> bool:
        if self._work is None or not self._every or done - self._saved_step < self._every:
            return False
        return time.monotonic() - self._saved_at >= self._save_took / COST

    def _save(self, done: int) -> None:
        if self._work is None:
            return
        began = time.monotonic()
        try:
            self._work.save(self._task, done)
        except (Unsupported, LayoutError, OSError) as e:
            warn(f"this training cannot go on after a kill, as it cannot be saved: {e}")
            self._work = None
            return
        self._saved_step, self._saved_at = done, time.monotonic()
        self._save_took = self._saved_at - began


class _Term:
    """Holds a SIGTERM, which comes when the node or the machine ends, until the step is done and saved."""

    def __init__(self, wanted: bool) -> None:
        self.came = False
        self._wanted = wanted and threading.current_thread() is threading.main_thread()
        self._before: Any = None

    def __enter__(self) -> _Term:
        if self._wanted:
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self.pass_on()

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        self.came = True

    def pass_on(self) -> None:
        """Lets a signal that came do what it would have done."""
        if not self._wanted:
            return
        self._wanted = False
        signal.signal(signal.SIGTERM, signal.SIG_DFL if self._before is None else self._before)
        if self.came:
            os.kill(os.getpid(), signal.SIGTERM)
