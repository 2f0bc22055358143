"""Tensors of any framework as bytes, and back.

Three kinds of tensors come out, by framework:

- ``"torch"``: ``torch.Tensor`` of the file's own dtype;
- ``"numpy"``: ``numpy.ndarray``; BF16, which numpy lacks, becomes float32 (exactly);
- ``"plain"``: ``memoryview`` of C floats with the tensor's shape; F16 and BF16 become
  float32 (exactly). One whose shape has a zero is a flat, empty view.

In go torch tensors on any device, numpy arrays, whatever numpy makes an array of (JAX), and
objects with a buffer of C floats or doubles, such as ``array.array("f")``. Floating values
are rounded to the dtype asked for, to the nearest, ties to even.
"""

from __future__ import annotations

import ctypes
import math
import re
import struct
import sys
from array import array
from typing import Any, List, Optional, Tuple

from ._types import LayoutError

FRAMEWORKS = ("auto", "torch", "numpy", "plain")

# Bytes of an element, by safetensors' name of its dtype.
ITEM_SIZE = {"F32": 4, "F16": 2, "BF16": 2}

_BY_NAME = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
_WHOLE = re.compile(r"u?int\d+|bool|buffer of '[?bBhHiIlLqQ]'")
_DTYPE_HINT = "weights are float32, float16 or bfloat16"


def choose(framework: str) -> str:
    """The framework that "auto" means now: torch if the script has imported it, else numpy if
    it is installed, else none."""
    if framework not in FRAMEWORKS:
        raise ValueError(f"framework {framework!r}: not one of {', '.join(FRAMEWORKS)}")
    if framework != "auto":
        return framework
    if "torch" in sys.modules:
        return "torch"
    try:
        import numpy  # noqa: F401
    except ImportError:
        return "plain"
    return "numpy"


def decode(framework: str, data: memoryview, dtype: str, shape: Tuple[int, ...]) -> Any:
    """The tensor whose elements are data, without a copy where the framework allows.

    data is writable, little-endian, and of the right length.
    """
    if framework == "torch":
        return _decode_torch(data, dtype, shape)
    if framework == "numpy":
        return _decode_numpy(data, dtype, shape)
    return _decode_plain(data, dtype, shape)


def _decode_torch(data: memoryview, dtype: str, shape: Tuple[int, ...]) -> Any:
    import torch

    kind = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[dtype]
    if len(data) == 0:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(_aligned(data, ITEM_SIZE[dtype]), dtype=kind).reshape(shape)


def _decode_numpy(data: memoryview, dtype: str, shape: Tuple[int, ...]) -> Any:
    import numpy

    kind = {"F32": "<f4", "F16": "<f2", "BF16": "<f4"}[dtype]
    if len(data) == 0:
        return numpy.empty(shape, dtype=kind)
    if dtype == "BF16":
        bits = numpy.frombuffer(data, dtype="<u2").astype("<u4")
        return (bits << 16).view(kind).reshape(shape)
    return numpy.frombuffer(_aligned(data, ITEM_SIZE[dtype]), dtype=kind).reshape(shape)


def _decode_plain(data: memoryview, dtype: str, shape: Tuple[int, ...]) -> memoryview:
    if dtype == "F16":
        data = memoryview(array("f", struct.unpack(f"<{len(data) // 2}e", data))).cast("B")
    elif dtype == "BF16":
        wide = bytearray(2 * len(data))
        wide[2::4], wide[3::4] = data[0::2], data[1::2]
        data = memoryview(wide)
    return data.cast("f", shape) if len(data) else data.cast("f")


def _aligned(data: memoryview, size: int) -> Any:
    """data, or a copy of it that starts at a multiple of size, as kernels expect."""
    here = ctypes.addressof(ctypes.c_char.from_buffer(data)) if len(data) else 0
    return data if here % size == 0 else bytearray(data)


def describe(value: Any) -> Tuple[Optional[str], str, Tuple[int, ...]]:
    """(safetensors' dtype or None, the value's own word for its dtype, shape)."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        word = str(value.dtype).replace("torch.", "")
        return _BY_NAME.get(word), word, tuple(value.shape)
    numeric = _as_numpy(value)
    if numeric is not None:
        return _BY_NAME.get(numeric.dtype.name), numeric.dtype.name, tuple(numeric.shape)
    try:
        view = memoryview(value)
    except TypeError:
        return None, type(value).__name__, ()
    word = {"f": "float32", "d": "float64"}.get(view.format, f"buffer of {view.format!r}")
    return _BY_NAME.get(word), word, tuple(view.shape or ())


def is_floating(word: str) -> bool:
    """Whether a dtype, in describe's words, holds weights."""
    return word in ("float16", "bfloat16", "float32", "float64")


def is_whole(word: str) -> bool:
    """Whether a dtype, in describe's words, holds whole numbers or masks: counters, not weights."""
    return _WHOLE.fullmatch(word) is not None


def encode(name: str, value: Any, dtype: str) -> Any:
    """The elements of value as little-endian bytes of dtype; LayoutError names the tensor."""
    torch = sys.modules.get("torch")
    try:
        if torch is not None and isinstance(value, torch.Tensor):
            data, finite = _encode_torch(value, dtype)
        else:
            numeric = _as_numpy(value)
            if numeric is not None:
                data, finite = _encode_numpy(numeric, dtype)
            else:
                data, finite = _encode_plain(value, dtype)
    except (TypeError, NotImplementedError, RuntimeError) as e:
        raise LayoutError(f"tensor {name!r}: {e}", _DTYPE_HINT) from e
    if not finite:
        raise LayoutError(
            f"tensor {name!r} has values that are NaN, infinite or too large for {dtype}",
            "training has diverged: a smaller learning rate, or clipped gradients, may help",
        )
    return data


def _as_numpy(value: Any) -> Any:
    """value as a numpy array if it is, or turns into, one; else None."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(value, (numpy.ndarray, numpy.generic)) or hasattr(value, "__array__"):
        return numpy.asarray(value)
    return None


def _memory(tensor: Any) -> memoryview:
    """The memory of a torch tensor; no numpy needed, and bfloat16 is no problem."""
    size = tensor.numel() * tensor.element_size()
    block = (ctypes.c_char * size).from_address(tensor.data_ptr())
    block.owner = tensor  # alive as long as its memory is looked at
    return memoryview(block)


def _encode_torch(value: Any, dtype: str) -> Tuple[Any, bool]:
    import torch

    kind = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[dtype]
    value = value.detach()
    if value.is_complex() or not value.is_floating_point():
        raise TypeError(f"dtype {value.dtype} is not floating point")
    if value.layout != torch.strided:
        raise TypeError(f"layout {value.layout} is not dense")
    value = value.to(device="cpu", dtype=kind).contiguous()
    if value.numel() == 0:
        return b"", True
    return _memory(value), bool(torch.isfinite(value).all())


def _encode_numpy(value: Any, dtype: str) -> Tuple[Any, bool]:
    import numpy

    word = value.dtype.name
    if not is_floating(word):
        raise TypeError(f"dtype {word} is not floating point")
    value = numpy.ascontiguousarray(value).reshape(-1)
    with numpy.errstate(over="ignore"):
        if dtype != "BF16":
            value = value.astype({"F32": "<f4", "F16": "<f2"}[dtype], copy=False)
            return value.view("u1"), bool(numpy.isfinite(value).all())
        if word == "bfloat16":  # ml_dtypes
            half = value.view("<u2")
        else:
            bits = value.astype("<f4").view("<u4")
            nan = numpy.isnan(value)
            half = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
            half[nan] = 0x7FC0
    return half.view("u1"), bool(((half & 0x7F80) != 0x7F80).all())


def _encode_plain(value: Any, dtype: str) -> Tuple[Any, bool]:
    view = memoryview(value)
    if view.format not in ("f", "d"):
        raise TypeError(f"a buffer of {view.format!r} is not one of C floats or doubles")
    flat = view.cast("B").cast(view.format)
    if not all(map(math.isfinite, flat)):
        return b"", False
    try:
        if dtype == "F32":
            return (flat.cast("B") if view.format == "f" else struct.pack(f"<{len(flat)}f", *flat)), True
        if dtype == "F16":
            return struct.pack(f"<{len(flat)}e", *flat), True
        return _round_bf16(flat)
    except OverflowError:
        return b"", False


def _round_bf16(flat: memoryview) -> Tuple[bytes, bool]:
    out: List[int] = []
    for bits in struct.unpack(f"<{len(flat)}I", struct.pack(f"<{len(flat)}f", *flat)):
        out.append((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
    return struct.pack(f"<{len(out)}H", *out), all(half & 0x7F80 != 0x7F80 for half in out)
