"""One piece of work, as a script sees it."""

from __future__ import annotations

import operator
import time
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _moments
from ._config import seed32, typed
from ._metrics import MAX_METRICS
from ._steps import steps
from ._types import Cancelled, Update

if TYPE_CHECKING:
    from ._client import Client
    from ._desk import Message
    from ._work import Work

LOG_SECONDS = 0.25  # between two words about the steps of a task


class Task:
    """One task: a base model, and what to do with it. ``receive`` and ``tasks`` make them.

    As ``with task:`` it swallows Cancelled, so that a script that is slow to start goes on with
    its next task.
    """

    __module__ = "weft"

    params: Mapping[str, Any]
    """Tensors by name: torch tensors, numpy arrays or memoryviews of floats (see ``init``). Views
    of the base's file: they take no memory until they are looked at, and changing one changes
    neither the file nor what the update is compared with. With them what the run's model has beside
    its weights, and all names of tied ones: a strict ``load_state_dict`` takes them."""
    kind: str
    """``"train"``: train from params and send an update; ``"evaluate"``: measure params and
    send metrics; ``"generate"``: send the text with which params go on from prompt.
    (``"init"``, to make the model that a run begins with, ``tasks`` answers.)"""
    round: int
    """The round, counted from 1 within the run."""
    total_rounds: int
    """The run's length in rounds."""
    attempt: int
    """Counted from 1 within the round."""
    seed: int
    """Differs by site, round and attempt; below 2**32, as NumPy and others want it."""
    config: dict[str, Any]
    """The run's hyperparameters, overlaid by the site's own: numbers, booleans, lists and objects
    as what they are."""
    prompt: str | None
    """The text to go on from, of a task of kind ``"generate"``; else None."""
    sampling: dict[str, Any]
    """How to go on from it: ``max_tokens``, ``temperature`` (0 is always the likeliest token) and
    ``seed``; empty for other kinds."""
    run: str
    """The run's CID."""
    name: str
    """The run's name, for people."""
    site: str | None
    """The site's name, None if the node does not say it."""
    sealed: bool | None
    """Whether this site's last update counted, None if the node does not say."""
    state_dir: Path | None
    """A folder of the site and the run that outlives the process, None if the node gives none."""
    local: frozenset[str]
    """Names in params of the tensors that this site has its own of: ``send`` keeps them here, for the
    site's next task, and sends the others."""
    base: str
    """Path of the safetensors file with params; read-only."""
    dir: str
    """The task's own folder, for the update and anything else."""
    id: int
    """The task's number at this node."""

    def __init__(self, message: Message, params: Mapping[str, Any], client: Client, constants: Iterable[str] = ()) -> None:
        self.params, self._moments = _moments.split(params)
        self.kind = message["kind"]
        self.round = message["round"]
        self.total_rounds = message["rounds"]
        self.attempt = message["attempt"]
        self.seed = seed32(message["seed"])
        self.config = typed(message.get("config"))
        asked = message.get("generate")
        self.prompt = asked["prompt"] if asked else None
        self.sampling = {"max_tokens": asked["max_tokens"], "temperature": asked["temperature"], "seed": self.seed} if asked else {}
        self.run = message["run"]
        self.name = message["name"]
        self.base = message["base"]
        self.dir = message["dir"]
        self.id = message["id"]
        self.site = message.get("site")
        self.sealed = message.get("sealed")
        place = message.get("state_dir")
        self.state_dir = Path(place) if place else None
        left = message.get("time_left")
        self._deadline: float | None = None if left is None else time.monotonic() + left
        self._client = client
        self._work: Work | None = None
        self._metrics: dict[str, float] = {}  # logged last, by name
        self._step, self._steps = 0, 0
        self._stepping = False  # within steps()
        self._said = 0.0  # when the node heard of it last
        self._digest: str | None = None  # of base
        self._aliases: dict[str, str] = dict(message.get("aliases") or {})  # further names of tied weights
        self._adapter: str = message.get("adapter") or ""  # the configuration of the adapter that the run trains
        self.local = frozenset(message.get("local") or ())
        self._constants: str | None = message.get("constants")
        self._beside: set[str] = {*constants, *self._aliases}  # names in params that no update has

    def __repr__(self) -> str:
        return f"Task({self.kind}, run {self.name!r}, round {self.round} of {self.total_rounds}, attempt {self.attempt})"

    def __enter__(self) -> Task:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: types.TracebackType | None) -> bool:
        return isinstance(value, Cancelled)

    @property
    def time_left(self) -> float | None:
        """Seconds until the update comes too late, None if the node does not say."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    @property
    def over(self) -> bool:
        """Whether it was sent, skipped or cancelled."""
        return not self._client.has(self)

    def steps(self, loader: Iterable[Any], n: int | None = None, *, checkpoint: str | float = "5%") -> Iterator[Any]:
        """Yields this task's batches: n of them, going round and on where the last task ended;
        without n one pass.

        A step is done when the next batch is asked for. The node hears where the task stands, and
        Cancelled is raised here when it is no longer wanted. If the node says when an update comes
        too late, the steps end then.

        A killed training goes on where it was: with ``tasks(model, optimizer)``, at a node that
        gives a ``state_dir``, model, optimizer, scheduler, random numbers and the place in loader
        are saved every 5 % of the steps (checkpoint, as "5%" or 0.05; 0 saves nothing), less often
        where that took more than 2 % of the time, and on SIGTERM. They are of this run, round,
        attempt and base, and are removed once the update is sent.
        """
        return steps(self, self._client, loader, n, checkpoint)

    def log(self, metrics: Mapping[str, Any] | None = None, /, **values: Any) -> None:
        """Says where the task stands, for people who watch; the metrics logged last go with the
        update, if ``send`` has no others. Within ``steps`` it costs next to nothing: the node
        hears of it a few times a second. ``step`` and ``steps`` are as in ``weft.log``.

        Metrics that do not fit (NaN, a name with blanks) are left out, with one warning.
        Raises Cancelled when the task is no longer wanted.
        """
        step, of = values.pop("step", None), values.pop("steps", None)
        fitting = self._client.metrics.fit("log", {**(metrics or {}), **values})
        self._metrics = _newest(self._metrics, fitting)
        if not self._stepping:
            self._client.report(self, fitting, step, of)

    def send(
        self,
        params: Mapping[str, Any] | None = None,
        *,
        samples: int | None = None,
        metrics: Mapping[str, Any] | None = None,
        steps: int | None = None,
    ) -> None:
        """Answers the task: with params and samples, or those of ``tasks()``, and the metrics, or
        those logged last. steps, how many the training took, is one more metric. A second call does nothing.

        Raises Cancelled when the task is no longer wanted; see ``weft.send`` for the rest.
        """
        if self.over:
            return
        if self.kind != "evaluate" and params is None and self._work is not None:
            params = self._work.initial() if self.kind == "init" else self._work.tensors()
        if samples is None:
            samples = self._samples()
        chosen = self._metrics if metrics is None else metrics
        if steps is not None:
            chosen = {**chosen, "steps": operator.index(steps)}
        self._client.answer(self, Update(params, samples, chosen))

    def skip(self, reason: str) -> None:
        """Answers the task without an update: this site has nothing to give in this round, nobody
        waits for it, and it gets the next round's task. The other sites see the reason, of which
        256 bytes count. A second call does nothing.

        Raises Cancelled when the task is no longer wanted.
        """
        if not self.over:
            self._client.skip(self, reason)

    def _samples(self) -> int:
        found = self._work.samples if self._work is not None else None
        if found is None:
            raise ValueError("samples is missing: how many examples this site's training set has, such as tasks(model, samples=len(data))")
        return found

    def _at(self, step: int, steps: int, *, last: bool) -> None:
        """Notes how far steps() is, and says it now and then."""
        self._step, self._steps = step, steps
        now = time.monotonic()
        if last or now - self._said >= LOG_SECONDS:
            self._said = now
            self._client.report(self, self._metrics, step, steps)


def _newest(old: Mapping[str, float], new: Mapping[str, float]) -> dict[str, float]:
    """The metrics logged last, of which an update has 16."""
    merged = {**{k: v for k, v in old.items() if k not in new}, **new}
    return dict(list(merged.items())[-MAX_METRICS:])
