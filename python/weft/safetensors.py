"""Safetensors files, read and written with nothing but the standard library.

A file is eight bytes (the length of the header, little-endian), a header in JSON that gives
every tensor's dtype, shape and place, and the tensors' elements, without holes
(https://github.com/huggingface/safetensors). Weft knows the dtypes of weights: F32, F16, BF16.

Files written here are in weft's canonical form, so that a node takes them over as they are:
tensors in the order of their names, each directly after the other; the header compact, the
metadata {"format":"pt"} first (loaders of Hugging Face want it), then the tensors with dtype,
shape, data_offsets, padded with spaces to a multiple of eight bytes. Any other order is read too.

Example::

    from weft import safetensors

    safetensors.save_file(model.state_dict(), "initial.safetensors")
    model.load_state_dict(safetensors.load_file("initial.safetensors", framework="torch"))
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import warnings
from array import array
from dataclasses import dataclass
from math import prod
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from . import _arrays
from ._types import LayoutError

__all__ = ["TensorInfo", "load_file", "read_header", "save_file"]

# The node's own limits.
MAX_HEADER = 16 << 20  # bytes
MAX_TENSORS = 1 << 16
MAX_DIMS = 32
MAX_NAME = 1024  # bytes

_METADATA = "__metadata__"
_Path = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a file: bytes start to end, counted from the end of the header."""

    dtype: str
    shape: Tuple[int, ...]
    start: int
    end: int


def _bad(reason: str) -> LayoutError:
    return LayoutError(f"not a safetensors file that weft reads: {reason}")


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    d = dict(pairs)
    if len(d) != len(pairs):
        raise _bad("a name occurs twice in the header")
    return d


def _no_constant(word: str) -> Any:
    raise _bad(f"{word} in the header")


def parse_header(header: bytes, data_size: int) -> Dict[str, TensorInfo]:
    """The tensors of a header, in the order of their names, if they fill data_size bytes."""
    if not header.startswith(b"{"):
        raise _bad("the header is not a JSON object")
    try:
        entries = json.loads(header.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except LayoutError:
        raise
    except (ValueError, RecursionError) as e:
        raise _bad(f"header: {e}") from e
    metadata = entries.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _bad(f"{_METADATA} is not an object of strings")
    if len(entries) > MAX_TENSORS:
        raise _bad(f"{len(entries)} tensors, at most {MAX_TENSORS}")
    infos = {name: _parse_entry(name, entry) for name, entry in sorted(entries.items())}
    at = 0
    for name, info in sorted(infos.items(), key=lambda item: (item[1].start, item[1].end)):
        if info.start != at:
            raise _bad(f"tensor {name!r} starts at byte {info.start} of the data, not at {at} where the one before ends")
        at = info.end
    if at != data_size:
        raise _bad(f"the tensors take {at} bytes, the file has {data_size} for them")
    return infos


def _parse_entry(name: str, entry: Any) -> TensorInfo:
    where = f"tensor {name[:80]!r}"
    _check_name(name)
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _bad(f"{where} has not exactly dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _arrays.ITEM_SIZE:
        raise _bad(f"{where} has dtype {dtype!r}, not one of {', '.join(_arrays.ITEM_SIZE)}")
    if not _is_sizes(shape) or len(shape) > MAX_DIMS:
        raise _bad(f"{where}: shape is not a list of at most {MAX_DIMS} sizes")
    if not _is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _bad(f"{where}: data_offsets is not [start, end]")
    size = prod(shape) * _arrays.ITEM_SIZE[dtype]
    if offsets[1] - offsets[0] != size:
        raise _bad(f"{where} of shape {shape} takes {size} bytes, its place has {offsets[1] - offsets[0]}")
    return TensorInfo(dtype, tuple(shape), offsets[0], offsets[1])


def _check_name(name: str) -> None:
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise _bad(f"tensor name {name[:80]!r} is not Unicode text") from None
    if not 0 < size <= MAX_NAME or name == _METADATA:
        raise _bad(f"tensor name {name[:80]!r}: 1 to {MAX_NAME} bytes, and not {_METADATA}")


def _is_sizes(v: Any) -> bool:
    return isinstance(v, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in v)


def _open(path: _Path) -> Tuple[Any, int, Dict[str, TensorInfo]]:
    """The file's bytes, where its data starts, its tensors."""
    if sys.byteorder != "little":
        raise LayoutError("safetensors files are little-endian, this machine is not")
    with open(path, "rb") as f:
        size = os.fstat(f.fileno()).st_size
        length = int.from_bytes(f.read(8), "little")
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise _bad(f"{os.fspath(path)}: a header of {length} bytes in a file of {size}, at most {MAX_HEADER}")
        infos = parse_header(f.read(length), size - 8 - length)
        # A private mapping: tensors can be changed in place, the file cannot.
        return mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY), 8 + length, infos


def read_header(path: _Path) -> Dict[str, TensorInfo]:
    """The tensors of a file, by name, without their elements."""
    return _open(path)[2]


def load_file(path: _Path, framework: str = "auto") -> Dict[str, Any]:
    """The tensors of a file, by name.

    framework is "torch", "numpy", "plain" (memoryviews of floats), or "auto": torch if it has
    been imported, else numpy if it is installed, else plain. The tensors are views of the file
    where that is possible: they cost no memory until they are looked at, and changing them
    does not change the file.
    """
    return _load(path, framework)[0]


def _load(path: _Path, framework: str) -> Tuple[Dict[str, Any], Dict[str, TensorInfo]]:
    framework = _arrays.choose(framework)
    mapped, at, infos = _open(path)
    data = memoryview(mapped)
    tensors = {
        name: _arrays.decode(framework, data[at + info.start : at + info.end], info.dtype, info.shape)
        for name, info in infos.items()
    }
    return tensors, infos


def save_file(tensors: Mapping[str, Any], path: _Path, like: Optional[Mapping[str, TensorInfo]] = None) -> None:
    """Writes tensors in canonical form; a file at path is replaced once the new one is whole.

    With like, the tensors of another file, names and shapes must be the same, and values are
    rounded to its dtypes. Without, each tensor keeps its dtype, and tensors of whole numbers or
    masks (BatchNorm's counters) are left out, with a warning: they are not weights.

    Raises LayoutError, with the tensor's name, for what does not fit, is not floating point,
    or is not finite.
    """
    if sys.byteorder != "little":
        raise LayoutError("safetensors files are little-endian, this machine is not")
    layout = _layout_of(tensors) if like is None else _layout_like(tensors, like)
    header: Dict[str, Any] = {_METADATA: {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in sorted(layout.items()):
        size = prod(shape) * _arrays.ITEM_SIZE[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER or len(layout) > MAX_TENSORS:
        raise LayoutError(f"{len(layout)} tensors need a header of {len(text)} bytes: more than a file may have")
    partial = os.fspath(path) + ".partial"
    try:
        with open(partial, "wb") as f:
            f.write(len(text).to_bytes(8, "little"))
            f.write(text)
            for name in sorted(layout):
                f.write(_arrays.encode(name, tensors[name], layout[name][0]))
        os.replace(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.remove(partial)
        raise


_Layout = Dict[str, Tuple[str, Tuple[int, ...]]]


def _layout_of(tensors: Mapping[str, Any]) -> _Layout:
    layout: _Layout = {}
    whole: List[str] = []
    for name, value in tensors.items():
        _check_name(name)
        dtype, word, shape = _arrays.describe(value)
        if _arrays.is_whole(word):
            whole.append(name)
            continue
        if dtype is None:
            raise LayoutError(f"tensor {name!r} is {word}", "weights are float32, float16 or bfloat16: convert it, or leave it out")
        if len(shape) > MAX_DIMS:
            raise LayoutError(f"tensor {name!r} has {len(shape)} dimensions, at most {MAX_DIMS}")
        layout[name] = (dtype, shape)
    if whole and not layout:
        raise LayoutError(f"{_some(whole)} not floating point", "weights are float32, float16 or bfloat16")
    if whole:
        warnings.warn(f"save_file leaves out what is not floating point: {', '.join(whole)}; load with strict=False", stacklevel=3)
    return layout


def _layout_like(tensors: Mapping[str, Any], like: Mapping[str, TensorInfo]) -> _Layout:
    missing = sorted(set(like) - set(tensors))
    if missing:
        raise LayoutError(f"{_some(missing)} missing in the update", "send every tensor of the base")
    more = sorted(set(tensors) - set(like))
    if more:
        raise LayoutError(
            f"{_some(more)} not in the base",
            "send the base's tensors only: {name: t for name, t in state.items() if name in task.params}",
        )
    for name, info in like.items():
        _, word, shape = _arrays.describe(tensors[name])
        if not _arrays.is_floating(word):
            raise LayoutError(f"tensor {name!r} is {word}, the base has {info.dtype}", "send floating-point values")
        if shape != info.shape and not _is_flat(tensors[name], shape, info.shape):
            raise LayoutError(
                f"tensor {name!r} has shape {shape}, the base has {info.shape}",
                "the script's model is not the run's: compare its sizes with the run's configuration",
            )
    return {name: (info.dtype, info.shape) for name, info in like.items()}


def _is_flat(value: Any, shape: Tuple[int, ...], want: Tuple[int, ...]) -> bool:
    """Buffers of the standard library have no shape of their own: their length must do."""
    return shape == (prod(want),) and isinstance(value, (memoryview, array))


def _some(names: List[str]) -> str:
    if len(names) == 1:
        return f"tensor {names[0]!r} is"
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"tensors {names[0]!r}, {names[1]!r}{more} are"
