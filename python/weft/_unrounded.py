"""A site's model in float16 or bfloat16, where the run's is float32.

To load the common model into it rounds the common model. What the rounding took away is no change
that the site has made, and goes back with its update: so the small steps of many sites and rounds
add up, although no site's own model can show them.
"""

from __future__ import annotations

import sys
from typing import Any

from . import _arrays
from .safetensors import Opened


def unrounded(base: Opened, name: str, value: Any) -> Any:
    """A trained tensor as base's and what the training changed: value itself, unless loading base rounded it."""
    info = base.infos[name]
    if info.dtype != "F32" or _arrays.describe(name, value).dtype not in ("F16", "BF16"):
        return value
    kind = _arrays.kind_of(value)
    old = _arrays.decode(kind, base.bytes_of(name), info.dtype, info.shape)
    if kind == "torch":
        value = value.detach().to("cpu")
        loaded, trained = old.to(value.dtype).float(), value.float()
        return sys.modules["torch"].where(loaded == old, trained, old + (trained - loaded))
    numpy = sys.modules["numpy"]
    value = numpy.asarray(value)
    with numpy.errstate(all="ignore"):  # what comes of it is looked at when it is written
        loaded, trained = old.astype(value.dtype).astype("f4"), value.astype("f4")
        return numpy.where(loaded == old, trained, old + (trained - loaded))
