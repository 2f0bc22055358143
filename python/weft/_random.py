"""The generators of random numbers that a training script uses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._task import Task


def seed(task: Task) -> None:
    """Seeds Python's random, and NumPy and torch if the script has imported them, with a task's seed."""
    import random

    random.seed(task.seed)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(task.seed)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(task.seed)


def state() -> dict[str, Any]:
    """The state of the generators that all share."""
    import random

    now: dict[str, Any] = {"python": random.getstate()}
    if (numpy := sys.modules.get("numpy")) is not None:
        now["numpy"] = numpy.random.get_state()
    if (torch := sys.modules.get("torch")) is not None:
        now["torch"] = torch.get_rng_state()
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            now["cuda"] = torch.cuda.get_rng_state_all()
    return now


def restore(was: dict[str, Any]) -> None:
    """Puts the generators back to a state."""
    import random

    random.setstate(was["python"])
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and "numpy" in was:
        numpy.random.set_state(was["numpy"])
    if torch is not None and "torch" in was:
        torch.set_rng_state(was["torch"].clone())
        if "cuda" in was and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([s.clone() for s in was["cuda"]])


def loader_state(loader: Any) -> list[Any]:
    """The state of a DataLoader's own generators."""
    return [generator.get_state() for generator in _of_loader(loader)]


def restore_loader(was: list[Any], loader: Any) -> None:
    """Puts a DataLoader's own generators back to a state."""
    for generator, then in zip(_of_loader(loader), was):
        generator.set_state(then.clone())


def _of_loader(loader: Any) -> list[Any]:
    """The generators that a DataLoader, its sampler and its batch sampler have of their own."""
    torch = sys.modules.get("torch")
    if torch is None:
        return []
    found: list[Any] = []
    batches = getattr(loader, "batch_sampler", None)
    for part in (loader, getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None)):
        generator = getattr(part, "generator", None)
        if isinstance(generator, torch.Generator) and not any(generator is g for g in found):
            found.append(generator)
    return found
