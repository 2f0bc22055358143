"""Safetensors files, read and written with nothing but the standard library.

A file is eight bytes (the length of the header, little-endian), a header in JSON that gives
every tensor's dtype, shape and place, and the tensors' elements, without holes
(https://github.com/huggingface/safetensors). The weights of a run's model are F32, F16 and BF16; what
it has beside them, whole numbers and truth values, stays the same in every round.

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
import os
import sys
from array import array
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

from . import _arrays
from ._arrays import DTYPES
from ._types import LayoutError
from ._warn import warn

__all__ = ["TensorInfo", "load_file", "read_header", "save_file"]

# The node's own limits.
MAX_HEADER = 16 << 20  # bytes
MAX_TENSORS = 1 << 16
MAX_DIMS = 32
MAX_NAME = 1024  # bytes

_METADATA = "__metadata__"
_FORMAT = {"format": "pt"}


class TensorInfo(NamedTuple):
    """One tensor of a file: bytes start to end, counted from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class Opened(NamedTuple):
    """A file whose header is understood, and whose elements are mapped, not read."""

    data: memoryview  # of all tensors; private: changes stay in memory
    infos: dict[str, TensorInfo]
    metadata: dict[str, str]

    def bytes_of(self, name: str) -> memoryview:
        """The elements of a tensor."""
        info = self.infos[name]
        return self.data[info.start : info.end]

    def tensors(self, framework: str) -> dict[str, Any]:
        """The tensors in a framework, which is not "auto"."""
        return {name: _arrays.decode(framework, self.bytes_of(name), i.dtype, i.shape) for name, i in self.infos.items()}


def _bad(reason: str, hint: str = "") -> LayoutError:
    return LayoutError(f"not a safetensors file that weft reads: {reason}", hint)


def _eight_bits(dtype: Any) -> str:
    if isinstance(dtype, str) and dtype.upper().startswith(("F8", "FLOAT8", "F4", "F6")):
        return "floats of 8 bits and fewer cannot be averaged: convert the weights to bfloat16 first"
    return ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    d = dict(pairs)
    if len(d) != len(pairs):
        raise _bad("a name occurs twice in the header")
    return d


def _no_constant(word: str) -> Any:
    raise _bad(f"{word} in the header")


def parse_header(header: bytes, data_size: int) -> dict[str, TensorInfo]:
    """The tensors of a header, in the order of their names, if they fill data_size bytes."""
    return _parse(header, data_size)[0]


def _parse(header: bytes, data_size: int) -> tuple[dict[str, TensorInfo], dict[str, str]]:
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
    return infos, metadata


def _parse_entry(name: str, entry: Any) -> TensorInfo:
    where = f"tensor {name[:80]!r}"
    _check_name(name)
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _bad(f"{where} has not exactly dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _bad(f"{where} has dtype {dtype!r}, not one of {', '.join(DTYPES)}", _eight_bits(dtype))
    if not _is_sizes(shape) or len(shape) > MAX_DIMS:
        raise _bad(f"{where}: shape is not a list of at most {MAX_DIMS} sizes")
    if not _is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _bad(f"{where}: data_offsets is not [start, end]")
    size = prod(shape) * DTYPES[dtype].size
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


def open_file(path: str | os.PathLike[str]) -> Opened:
    """Maps a file and reads its header."""
    import mmap

    if sys.byteorder != "little":
        raise LayoutError("safetensors files are little-endian, this machine is not")
    with open(path, "rb") as f:
        size = os.fstat(f.fileno()).st_size
        first = f.read(8)
        length = int.from_bytes(first, "little")
        if first[:2] == b"PK":
            raise _bad(f"{os.fspath(path)} is a zip archive, as torch.save writes", _CONVERT)
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise _bad(f"{os.fspath(path)}: a header of {length} bytes in a file of {size}, at most {MAX_HEADER}")
        infos, metadata = _parse(f.read(length), size - 8 - length)
        # A private mapping: tensors can be changed in place, the file cannot.
        data = memoryview(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY))
    return Opened(data[8 + length :], infos, metadata)


_CONVERT = 'convert it: weft.safetensors.save_file(torch.load(FILE, weights_only=True), "initial.safetensors")'


def read_header(path: str | os.PathLike[str]) -> dict[str, TensorInfo]:
    """The tensors of a file, by name, without their elements."""
    return open_file(path).infos


def load_file(path: str | os.PathLike[str], framework: str = "auto") -> dict[str, Any]:
    """The tensors of a file, by name.

    framework is "torch", "numpy", "plain" (memoryviews of numbers), or "auto": torch if it has
    been imported, else numpy if it is installed, else plain. The tensors are views of the file
    where that is possible: they cost no memory until they are looked at, and changing them
    does not change the file.
    """
    return open_file(path).tensors(_arrays.choose(framework))


def save_file(tensors: Mapping[str, Any], path: str | os.PathLike[str], like: Mapping[str, TensorInfo] | None = None) -> None:
    """Writes tensors in canonical form; a file at path is replaced once the new one is whole.

    With like, the tensors of another file, names and shapes must be the same, and values are
    rounded to its dtypes; whole numbers beyond those are left out, as they are in no update.
    Without, each tensor keeps its dtype, but float64 becomes float32 with a warning that says what
    it costs.

    Raises LayoutError, with the tensor's name, for what does not fit, has a dtype that no run has,
    or is not finite.
    """
    if like is None:
        _write_fresh(tensors, path, {})
    else:
        write_like(tensors, path, like)


def _write_fresh(tensors: Mapping[str, Any], path: str | os.PathLike[str], metadata: Mapping[str, str]) -> None:
    """save_file without like, its warnings in the name of a caller further up."""
    layout, states, doubles = _layout_of(tensors)
    write(path, layout, lambda name: _encoded(name, tensors[name], layout[name][0]), metadata)
    if states:
        warn(f"left out, as it is a process' own: {_list(states)}")
    if doubles:
        name, error = max(((n, _error(tensors[n])) for n in doubles), key=lambda item: item[1])
        warn(
            f"float64 becomes float32: {_list(doubles)}; the largest error is {error:.3g}, in {name!r}",
        )


def _write_quietly(tensors: Mapping[str, Any], path: str) -> None:
    layout = _layout_of(tensors)[0]
    write(path, layout, lambda name: _encoded(name, tensors[name], layout[name][0]), {})


def _encoded(name: str, value: Any, dtype: str) -> Any:
    return _arrays.encode(name, value, dtype) if dtype in _arrays.FLOATING else _arrays.as_is(value)


def write_like(
    tensors: Mapping[str, Any],
    path: str | os.PathLike[str],
    like: Mapping[str, TensorInfo],
    seen: Callable[[str, Any], None] | None = None,
    becomes: Callable[[str, Any], Any] | None = None,
) -> None:
    """Writes tensors, or what becomes of them, with the layout of another file; seen gets the bytes of each."""
    layout = _layout_like(tensors, like)

    def encoded(name: str) -> Any:
        value = tensors[name] if becomes is None else becomes(name, tensors[name])
        data = _encoded(name, value, layout[name][0])
        if seen is not None:
            seen(name, data)
        return data

    write(path, layout, encoded, {})


_Layout = dict[str, tuple[str, tuple[int, ...]]]  # dtype and shape, by name


def write(path: str | os.PathLike[str], layout: _Layout, encoded: Callable[[str], Any], metadata: Mapping[str, str]) -> None:
    """Writes a file of tensors whose bytes encoded gives, one after the other."""
    if sys.byteorder != "little":
        raise LayoutError("safetensors files are little-endian, this machine is not")
    header: dict[str, Any] = {_METADATA: {**_FORMAT, **metadata}}
    at = 0
    for name, (dtype, shape) in sorted(layout.items()):
        size = prod(shape) * DTYPES[dtype].size
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
                f.write(encoded(name))
        os.replace(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.remove(partial)
        raise


def _layout_of(tensors: Mapping[str, Any]) -> tuple[_Layout, list[str], list[str]]:
    """The layout of tensors; the names of what torch's modules keep beside tensors, which is left out, and of float64."""
    layout: _Layout = {}
    states: list[str] = []
    doubles: list[str] = []
    for name, value in tensors.items():
        _check_name(name)
        found = _arrays.describe(name, value)
        if name.endswith("_extra_state"):
            states.append(name)
            continue
        if found.dtype is None:
            raise LayoutError(
                f"tensor {name!r} is {found.word}",
                _eight_bits(found.word) or "weights are float32, float16 or bfloat16: convert it, or leave it out",
            )
        if len(found.shape) > MAX_DIMS:
            raise LayoutError(f"tensor {name!r} has {len(found.shape)} dimensions, at most {MAX_DIMS}")
        if found.dtype == "F64":
            doubles.append(name)
        layout[name] = ("F32" if found.dtype == "F64" else found.dtype, found.shape)
    return layout, states, doubles


def _error(value: Any) -> float:
    """The largest error that float32 makes of a tensor of float64."""
    wide = _arrays.floats(value)
    if hasattr(wide, "abs"):  # torch
        return float((wide - wide.float().double()).abs().max()) if wide.numel() else 0.0
    if hasattr(wide, "dtype"):
        return float(abs(wide - wide.astype("f4").astype("f8")).max()) if wide.size else 0.0
    return max((abs(a - b) for a, b in zip(wide, array("f", wide))), default=0.0)


def _layout_like(tensors: Mapping[str, Any], like: Mapping[str, TensorInfo]) -> _Layout:
    missing = sorted(set(like) - set(tensors))
    if missing and not tensors:
        raise LayoutError(
            "the update is empty: it has no tensors at all",
            "its names are not the base's: send the model's whole state dict, the package finds the base's names in it",
        )
    if missing:
        raise LayoutError(f"{_some(missing)} missing in the update", "send every tensor of the base")
    more = sorted(name for name in set(tensors) - set(like) if not _arrays.describe(name, tensors[name]).whole)
    if more:
        raise LayoutError(
            f"{_some(more)} not in the base",
            "send the base's tensors only: {name: t for name, t in state.items() if name in task.params}",
        )
    for name, info in like.items():
        found = _arrays.describe(name, tensors[name])
        if found.dtype != info.dtype if info.dtype not in _arrays.FLOATING else not found.floating:
            raise LayoutError(f"tensor {name!r} is {found.word}, the base has {info.dtype}", "send values of that dtype")
        if found.shape != info.shape and not _is_flat(tensors[name], found.shape, info.shape):
            raise LayoutError(
                f"tensor {name!r} has shape {found.shape}, the base has {info.shape}",
                "the script's model is not the run's: compare its sizes with the run's configuration",
            )
    return {name: (info.dtype, info.shape) for name, info in like.items()}


def _is_flat(value: Any, shape: tuple[int, ...], want: tuple[int, ...]) -> bool:
    """Buffers of the standard library have no shape of their own: their length must do."""
    return shape == (prod(want),) and isinstance(value, (memoryview, array))


def _some(names: list[str]) -> str:
    if len(names) == 1:
        return f"tensor {names[0]!r} is"
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"tensors {names[0]!r}, {names[1]!r}{more} are"


def _list(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
