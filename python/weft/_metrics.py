"""Metrics as an update can carry them: training is never thrown away over the others."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ._warn import warn

MAX_METRICS = 16
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@:+-]{0,63}", re.ASCII)
_NAME_RULE = "names have 1 to 64 letters, digits and _./@:+-, a letter, digit or _ first"


class Metrics:
    """Makes metrics fit, and says what it leaves out, once for each call and metric."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def fit(self, call: str, metrics: Mapping[Any, Any]) -> dict[str, float]:
        """The finite numbers among metrics, 16 at most; tensors and arrays of one element are
        numbers too."""
        fitting: dict[str, float] = {}
        for name, value in metrics.items():
            number, why = _number(name, value)
            if number is not None and len(fitting) == MAX_METRICS:
                why = f"{MAX_METRICS} metrics are the most"
            if not why and number is not None:
                fitting[name] = number
            elif (call, str(name)) not in self._said:
                self._said.add((call, str(name)))
                warn(f"{call} leaves out {str(name)[:80]!r}: {why} (said once)")
        return fitting


def _number(name: Any, value: Any) -> tuple[float | None, str]:
    """The number, or why there is none."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return None, _NAME_RULE
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as e:
        return None, f"it is not a number: {e}"
    return (number, "") if math.isfinite(number) else (None, f"it is {number}")
