"""A place in a loader of batches, which can be found again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from . import _random


class Cursor:
    """Goes through a loader, round and round, and knows where it is.

    A loader that shuffles draws its order at the beginning of a pass: a place is the state of the
    generators there, and how many batches have come since.
    """

    def __init__(self, loader: Iterable[Any]) -> None:
        self.loader = loader
        self._batches: Iterator[Any] | None = None
        self._began: dict[str, Any] = {}
        self._done = 0  # batches of this pass

    def next(self, again: bool) -> Any:
        """The next batch; at the end of a pass the first of another if again, else StopIteration."""
        batches = self._begin() if self._batches is None else self._batches
        try:
            batch = next(batches)
        except StopIteration:
            # An iterator has but one pass, and a second one through nothing would never end.
            once = batches is self.loader or self._done == 0
            self._batches = None
            if once or not again:
                raise
            batch = next(self._begin())
        self._done += 1
        return batch

    def state(self) -> dict[str, Any]:
        """The place."""
        return {"began": self._began, "done": self._done, "loader": _random.loader_state(self.loader)}

    def seek(self, place: dict[str, Any], into: bool = True) -> None:
        """Goes to a place, of this or an earlier process, into its pass or only to where the
        loader's own generators were. The generators that all share stay as they are."""
        if into and place["began"]:
            now = _random.state()
            _random.restore(place["began"]["all"])
            _random.restore_loader(place["began"]["loader"], self.loader)
            batches = self._begin()
            for _ in range(place["done"]):
                next(batches, None)
            self._done = place["done"]
            _random.restore(now)
        _random.restore_loader(place["loader"], self.loader)

    def _begin(self) -> Iterator[Any]:
        self._began = {"all": _random.state(), "loader": _random.loader_state(self.loader)}
        self._batches, self._done = iter(self.loader), 0
        return self._batches


def length(loader: Any) -> int:
    """How many batches a pass has, 0 if it does not say."""
    try:
        return len(loader)
    except TypeError:
        return 0


def examples(loader: Any) -> int | None:
    """How many examples the loader's data set has, None if it does not say."""
    try:
        return len(loader.dataset)
    except (AttributeError, TypeError):
        return None
