"""Whether an update changes anything: nobody trains for nothing in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _arrays
from .safetensors import Opened

CHUNK = 1 << 20  # bytes, or elements, compared at once
MOST = 8  # chunks of a tensor whose changes are counted: of a large one every few
UNCHANGED = "unchanged"  # the metric of an update that equals its base: the others see it in the run's history
_LOST = 0.5  # share of the changes


class Change:
    """Looks at an update's tensors while they are written."""

    def __init__(self, base: Opened, tensors: Mapping[str, Any]) -> None:
        self._base = base
        self._tensors = tensors
        self._differs = False
        self._changed = 0  # elements of float16 and bfloat16 that were trained in a wider dtype
        self._lost = 0  # of them, those that the rounding gave their old value

    def see(self, name: str, data: Any) -> None:
        """Compares a tensor, and its bytes as they are sent, with the base."""
        info, old = self._base.infos[name], self._base.bytes_of(name)
        if not self._differs:
            new = memoryview(data).cast("B")
            self._differs = any(new[i : i + CHUNK].tobytes() != old[i : i + CHUNK].tobytes() for i in range(0, len(old), CHUNK))
        if info.dtype in ("F16", "BF16") and _arrays.describe(name, self._tensors[name]).dtype in ("F32", "F64"):
            changed, lost = _count(self._tensors[name], memoryview(data).cast("B"), old, info.dtype)
            self._changed += changed
            self._lost += lost

    def problem(self, round: int) -> str:
        """What the site should know, if anything."""
        kinds = sorted({i.dtype for i in self._base.infos.values() if i.dtype in ("F16", "BF16")})
        share = self._lost / self._changed if self._changed else 0.0
        if share > _LOST:
            return (
                f"round {round}: {share:.0%} of the changes were lost to rounding: {self._lost} of {self._changed} values that changed "
                f"are what they were in the base, which is {' and '.join(kinds)}; "
                "hint: open the run with dtype: f32, as it is by default, or from the model in float32, weft.save(model.float(), FILE)"
            )
        if not self._differs:
            return (
                f"round {round}: the update equals its base: nothing was trained, and its samples hold the common model back; "
                "hint: does the framework think that it has trained enough (max_steps, max_epochs), or is the learning rate 0"
                + (f", or too small for {' and '.join(kinds)}" if kinds else "")
                + "?"
            )
        return ""

    @property
    def unchanged(self) -> bool:
        """Whether the update equals its base."""
        return not self._differs


def _count(value: Any, new: memoryview, old: memoryview, dtype: str) -> tuple[int, int]:
    """How many elements differ from the base before rounding, and how many of them do not after."""
    flat = _arrays.flat(value)
    kind, size = _arrays.kind_of(flat), _arrays.DTYPES[dtype].size
    changed = lost = 0
    double = _arrays.describe("", flat).dtype == "F64"
    step = CHUNK * max(1, len(flat) // (MOST * CHUNK))
    for i in range(0, len(flat), step):
        wide = _arrays.floats(flat[i : i + CHUNK], double)
        before, after = (
            _arrays.floats(_arrays.decode(kind, data[i * size : (i + CHUNK) * size], dtype, (len(wide),)), double) for data in (old, new)
        )
        if kind == "plain":
            moved = [k for k, v in enumerate(wide) if v != before[k]]
            changed, lost = changed + len(moved), lost + sum(after[k] == before[k] for k in moved)
        else:
            moved = wide != before
            changed, lost = changed + int(moved.sum()), lost + int((moved & (after == before)).sum())
    return changed, lost
