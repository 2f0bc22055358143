"""Nested state in a file: what optimizers, schedulers and generators give as ``state_dict``.

The file is safetensors, with the tensors of the state under numbers and the rest of it, in JSON,
in the metadata: nothing in it is code, as a pickle's content is.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from array import array
from collections import Counter
from pathlib import Path
from typing import Any

from . import _arrays, safetensors
from ._types import LayoutError

_STATE = "weft_state"


class Unsupported(TypeError):
    """State with a part that no file can hold."""


def write(path: Path, state: Any) -> None:
    """Writes state; a file at path is replaced once the new one is whole."""
    tensors: dict[str, Any] = {}
    text = json.dumps(_pack(state, tensors, "state"), separators=(",", ":"))
    layout = {}
    for name, value in tensors.items():
        found = _arrays.describe(name, value)
        if found.dtype is None:
            raise Unsupported(f"a tensor of {found.word}")
        layout[name] = (found.dtype, found.shape)
    safetensors.write(path, layout, lambda name: _arrays.as_is(tensors[name]), {_STATE: text})


def read(path: Path) -> Any:
    """The state in a file, whose tensors are views of it; LayoutError for what is no such file,
    OSError for what is none."""
    opened = safetensors.open_file(path)
    text = opened.metadata.get(_STATE)
    if text is None:
        raise LayoutError(f"{os.fspath(path)} holds no state")
    return _unpack(json.loads(text), opened)


def _pack(value: Any, tensors: dict[str, Any], where: str) -> Any:
    """value in JSON: what is no text, number, truth value or None is a list of its kind and content."""
    if value is None or isinstance(value, (bool, int, str)) and type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return ["float", value.hex()]  # NaN and infinities too, exactly
    if isinstance(value, bytes):
        return ["bytes", base64.b64encode(value).decode()]
    if isinstance(value, (array, memoryview)) or type(value).__module__.split(".")[0] in ("torch", "numpy"):
        return _pack_array(value, tensors, where)
    if isinstance(value, dict):
        kind = "counter" if isinstance(value, Counter) else "dict"  # MultiStepLR's milestones
        # Functions are the script's own, and stay: a scheduler's load_state_dict takes what is there.
        items = [(k, v) for k, v in value.items() if not callable(v)]
        return [kind, [[_pack(k, tensors, where), _pack(v, tensors, f"{where}[{k!r}]")] for k, v in items]]
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return [kind, [_pack(v, tensors, f"{where}[{i}]") for i, v in enumerate(value)]]
    raise Unsupported(f"{where} is a {type(value).__name__}")


def _pack_array(value: Any, tensors: dict[str, Any], where: str) -> Any:
    kind = "array" if isinstance(value, array) else _arrays.kind_of(value)
    if kind != "array" and not hasattr(value, "shape"):
        raise Unsupported(f"{where} is a {type(value).__name__}")
    name = str(len(tensors))
    tensors[name] = value
    return [kind, name]


def _unpack(value: Any, opened: safetensors.Opened) -> Any:
    if not isinstance(value, list):
        return value
    kind, content = value
    if kind == "float":
        return float.fromhex(content)
    if kind == "bytes":
        return base64.b64decode(content)
    if kind in ("dict", "counter"):
        items = {_unpack(k, opened): _unpack(v, opened) for k, v in content}
        return Counter(items) if kind == "counter" else items
    if kind in ("list", "tuple"):
        values = [_unpack(v, opened) for v in content]
        return tuple(values) if kind == "tuple" else values
    info = opened.infos[content]
    if kind == "array":
        return array(_arrays.DTYPES[info.dtype].code, opened.bytes_of(content).tobytes())
    if kind == "torch" and "torch" not in sys.modules:
        kind = "numpy"
    return _arrays.decode(kind, opened.bytes_of(content), info.dtype, info.shape)
