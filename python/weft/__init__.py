"""Let a training script take part in a weft mesh.

The node of a site starts the script (``trainer: {exec: [python3, train.py]}`` in its
configuration), gives it the mesh's present model, and takes its update::

    import weft

    for task in weft.tasks(model, optimizer, samples=len(train), evaluate=lambda: {"accuracy": test(model)}):
        for x, y in task.steps(loader):
            loss = train_step(model, x, y)
            task.log(loss=loss)

Each turn of the outer loop is a round: ``model`` has the mesh's parameters when it begins, and is
sent when it ends. Without a node the script runs alone, one round on its own weights.

For frameworks that want the loop themselves there is the same in single calls::

    weft.init()
    while weft.is_running():
        task = weft.receive()
        model.load_state_dict(task.params)
        if task.kind == "evaluate":
            weft.send(weft.Update(samples=len(val_set), metrics={"loss": evaluate(model)}))
            continue
        for step, batch in enumerate(loader):
            loss = train_step(model, batch)
            weft.log(step=step, steps=len(loader), loss=loss)
        weft.send(weft.Update(model.state_dict(), samples=len(train_set), metrics={"loss": loss}))

Of several processes (torchrun, accelerate, srun, mpirun) only the first speaks to the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from typing import Any

from . import _session, safetensors
from ._binary import binary
from ._client import Client
from ._frozen import frozen
from ._local import local
from ._mesh import Mesh, Run, mesh
from ._model import Params, load, save, state_dict
from ._random import seed
from ._session import check_neighbours as _check_neighbours
from ._task import Task
from ._types import Cancelled, Error, LayoutError, Update
from ._work import State

__all__ = [
    "Cancelled",
    "Client",
    "Error",
    "LayoutError",
    "Mesh",
    "Model",
    "Run",
    "Task",
    "Update",
    "binary",
    "frozen",
    "init",
    "is_running",
    "load",
    "local",
    "log",
    "mesh",
    "receive",
    "safetensors",
    "save",
    "seed",
    "send",
    "state_dict",
    "tasks",
]

__version__ = "0.1.0.dev0"

Model = Task  # its name until 0.1

_check_neighbours(__file__)


def init(framework: str = "auto", *, node: str | PathLike[str] | None = None) -> None:
    """Finds the node that started this script (WEFT_SOCKET), or comes to one that did not: node is
    the directory of a site whose config.yaml says ``trainer: {attach: true}``. Call it once, before
    anything else here, on every rank if there are several; ``tasks`` calls it if the script did not.

    A script that comes to a node is its trainer for as long as the process lives. What it dies of
    does not matter: the next that comes gets the task that it had in hand.

    framework says what tasks have as params: ``"torch"`` tensors, ``"numpy"`` arrays,
    ``"plain"`` memoryviews of floats, or ``"auto"``: torch tensors if the script has imported
    torch by the time it receives, else numpy arrays if numpy is installed, else plain.
    """
    _session.start(framework, node)


def tasks(
    model: Any,
    optimizer: Any = None,
    scheduler: Any = None,
    *,
    samples: int | None = None,
    evaluate: Callable[[], Mapping[str, Any]] | None = None,
    generate: Callable[..., str] | None = None,
    state: State = "keep",
    params: Params = "auto",
    strict: bool = True,
) -> Iterator[Task]:
    """Yields the run's training tasks, each with its parameters loaded into model, in place.

    model is a torch.nn.Module, whatever wraps it, or a dict of arrays. At the end of the loop's
    body it is sent, with samples and the metrics that ``task.log`` had last, unless the body called
    ``task.send``. samples is how many examples this site's training set has, whatever the number
    of steps; by default that of the data set of ``task.steps``' loader.

    evaluate measures model for evaluation tasks, which are not yielded: it returns metrics by
    name, perhaps with ``samples``, how many examples they are of. Modules are in eval() then,
    gradients off, and the training's random numbers stay as they were.

    generate is called in the same way when the operator asks for text (``weft generate``):
    ``generate(prompt, max_tokens=64, temperature=0.8, seed=1)`` returns the text with which model
    goes on from prompt, a string of at most 64 KiB.

    optimizer and scheduler are anything with a state_dict, or lists of such (a scaler, an average
    of weights). state "keep" lets theirs go on from round to round, at a node that gives a
    ``state_dir`` also in another process; "reset" begins every task with what they are now.
    "average" keeps them, and has the sites average the optimizer's moments like weights: the run
    begins with a model that the script makes, three times the bytes with Adam, and exports have
    the weights alone.

    params "adapter" sends a PEFT adapter alone, "auto" does so if the model has one. strict is
    that of ``load``.

    With neither node nor WEFT_SOCKET the script runs alone, one round on model's own weights.
    """
    return _session.tasks(model, optimizer, scheduler, samples, evaluate, generate, state, params, strict)


def is_running() -> bool:
    """Whether there is something to do.

    With no task in hand it waits for the next, and is False once there will be none: the loop
    around ``receive`` ends. With a task in hand (received, not sent) it asks the node whether
    the task is still wanted, and is False, once, when it was cancelled.
    """
    return _session.client().is_running()


def receive() -> Task | None:
    """Waits for the next task and returns it; None once there will be none.

    A task in hand that was not sent counts as failed.
    """
    return _session.client().receive()


def send(update: Update) -> None:
    """Answers the task in hand: a training by an Update with params, an evaluation by one with
    metrics alone, a task of kind "generate" by ``Update(text=...)``.

    The tensors may lie on any device. They have the names and shapes of the base, or LayoutError
    says which does not; what DDP, torch.compile, FSDP and PEFT put into the names is taken off.
    Values are rounded to the base's dtype. Tensors beyond the base that are not floating point
    (BatchNorm's counters) are left out: they are not weights.

    Metrics that do not fit (NaN, infinite, no number, odd names, more than 16) are left out, with
    one warning each. An update that equals its base, or most of whose changes are lost to rounding,
    is warned of.

    Raises Cancelled when the task is no longer wanted; ValueError for samples below 1 in
    training; Error when the node refuses the update, which leaves the task in hand.
    """
    _session.client().send(update)


def log(
    metrics: Mapping[str, Any] | None = None,
    *,
    step: int | None = None,
    steps: int | None = None,
    **more: Any,
) -> None:
    """Says where the task in hand stands, for people who watch; cheap enough for every step.

    ``weft.log(step=10, steps=200, loss=0.7)``, or with names that are no identifiers
    ``weft.log({"eval/loss": 0.7}, step=10)``. Without step, calls are counted. Metrics that do
    not fit are left out, with one warning each. steps is the task's length, if known.

    Raises Cancelled when the task is no longer wanted. A script that logs at least every few
    seconds is stopped here; one that does not is ended by a signal.
    """
    _session.client().log(metrics, step=step, steps=steps, **more)
