"""Hyperparameters as what they are: a node hands them over as text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# What YAML takes for a number and JSON does not: .5, 1., +1e3.
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def typed(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """config with texts that are a number, true, false, null, a list or an object in JSON as that.
    What a node says with its type stays as it is."""
    return {name: _value(v) if isinstance(v, str) else v for name, v in (config or {}).items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        pass
    if _FLOAT.fullmatch(text) and re.search(r"[.eE]", text):
        return float(text)
    return text


def _refuse(word: str) -> Any:
    raise ValueError(word)  # NaN and Infinity are words like others


def seed32(seed: int) -> int:
    """A node's seed of 64 bits as one that NumPy's and others' generators take, below 2**32."""
    return (seed ^ seed >> 32) & 0xFFFFFFFF
