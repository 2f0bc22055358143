"""Tensors of any framework as bytes, and back.

Three kinds of tensors come out, by framework:

- ``"torch"``: ``torch.Tensor`` of the file's own dtype;
- ``"numpy"``: ``numpy.ndarray``; BF16, which numpy lacks, becomes float32 (exactly);
- ``"plain"``: ``memoryview`` of C numbers with the tensor's shape; F16 and BF16 become
  float32 (exactly). One whose shape has a zero is a flat, empty view.

In go torch tensors on any device, numpy arrays, whatever numpy makes an array of (JAX), and
objects with a buffer of C floats or doubles, such as ``array.array("f")``. Floating values
are rounded to the dtype asked for, to the nearest, ties to even.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from typing import Any, NamedTuple

from ._types import LayoutError

FRAMEWORKS = ("auto", "torch", "numpy", "plain")


class DType(NamedTuple):
    """A dtype of safetensors, in the words of others."""

    size: int  # bytes of an element
    word: str  # of torch and numpy
    code: str  # of a buffer; of what plain makes of it


DTYPES = {
    "F64": DType(8, "float64", "d"),
    "F32": DType(4, "float32", "f"),
    "F16": DType(2, "float16", "f"),
    "BF16": DType(2, "bfloat16", "f"),
    "I64": DType(8, "int64", "q"),
    "I32": DType(4, "int32", "i"),
    "I16": DType(2, "int16", "h"),
    "I8": DType(1, "int8", "b"),
    "U64": DType(8, "uint64", "Q"),
    "U32": DType(4, "uint32", "I"),
    "U16": DType(2, "uint16", "H"),
    "U8": DType(1, "uint8", "B"),
    "BOOL": DType(1, "bool", "?"),
}
# What a run's model can have: a node averages these.
WEIGHTS = ("F32", "F16", "BF16")
FLOATING = ("F64", *WEIGHTS)

_BY_WORD = {d.word: name for name, d in DTYPES.items()}
_BY_CODE = {d.code: d.word for d in reversed(DTYPES.values())} | {"l": "int64", "L": "uint64", "c": "uint8"}
_WEIGHTS_HINT = "weights are float32, float16 or bfloat16"
_GATHER_HINT = (
    "gather it first, on every rank: torch.distributed.checkpoint.state_dict.get_model_state_dict(model, "
    "options=StateDictOptions(full_state_dict=True, cpu_offload=True)), and send what rank 0 gets; "
    "set_model_state_dict loads a task's params"
)


class Described(NamedTuple):
    """What is known of a tensor without looking at its elements."""

    dtype: str | None  # of safetensors, None if it has none
    word: str  # the tensor's own for it
    shape: tuple[int, ...]

    @property
    def floating(self) -> bool:
        """Whether it can hold weights."""
        return self.dtype in FLOATING

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers or truth values: counters and masks, no weights."""
        return self.dtype is not None and self.dtype not in FLOATING


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


def decode(framework: str, data: memoryview, dtype: str, shape: tuple[int, ...]) -> Any:
    """The tensor whose elements are data, without a copy where the framework allows.

    data is writable, little-endian, and of the right length.
    """
    if framework == "torch":
        return _decode_torch(data, dtype, shape)
    if framework == "numpy":
        return _decode_numpy(data, dtype, shape)
    return _decode_plain(data, dtype, shape)


def _decode_torch(data: memoryview, dtype: str, shape: tuple[int, ...]) -> Any:
    import torch

    kind = getattr(torch, DTYPES[dtype].word, None)
    if kind is None:
        raise LayoutError(f"this torch has no {DTYPES[dtype].word}", 'read the file with framework="numpy"')
    if len(data) == 0:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(_aligned(data, DTYPES[dtype].size), dtype=kind).reshape(shape)


def _decode_numpy(data: memoryview, dtype: str, shape: tuple[int, ...]) -> Any:
    import numpy

    kind = numpy.dtype("float32" if dtype == "BF16" else DTYPES[dtype].word).newbyteorder("<")
    if len(data) == 0:
        return numpy.empty(shape, dtype=kind)
    if dtype == "BF16":
        bits = numpy.frombuffer(data, dtype="<u2").astype("<u4")
        return (bits << 16).view(kind).reshape(shape)
    return numpy.frombuffer(_aligned(data, DTYPES[dtype].size), dtype=kind).reshape(shape)


def _decode_plain(data: memoryview, dtype: str, shape: tuple[int, ...]) -> memoryview:
    if dtype == "F16":
        data = memoryview(array("f", struct.unpack(f"<{len(data) // 2}e", data))).cast("B")
    elif dtype == "BF16":
        wide = bytearray(2 * len(data))
        wide[2::4], wide[3::4] = data[0::2], data[1::2]
        data = memoryview(wide)
    code: Any = DTYPES[dtype].code
    return data.cast(code, shape) if len(data) else data.cast(code)


def _aligned(data: memoryview, size: int) -> Any:
    """data, or a copy of it that starts at a multiple of size, as kernels expect."""
    import ctypes

    here = ctypes.addressof(ctypes.c_char.from_buffer(data)) if len(data) else 0
    return data if here % size == 0 else bytearray(data)


def describe(name: str, value: Any) -> Described:
    """What is known of a tensor; LayoutError names one that cannot be looked at."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        own_memory(name, value)
        word = str(value.dtype).replace("torch.", "")
        return Described(_BY_WORD.get(word), word, tuple(value.shape))
    numeric = _as_numpy(value)
    if numeric is not None:
        return Described(_BY_WORD.get(numeric.dtype.name), numeric.dtype.name, tuple(numeric.shape))
    try:
        view = memoryview(value)
    except TypeError:
        return Described(None, type(value).__name__, ())
    word = _BY_CODE.get(view.format.lstrip("@=<"), f"buffer of {view.format!r}")
    return Described(_BY_WORD.get(word), word, tuple(view.shape or ()))


def own_memory(name: str, tensor: Any) -> None:
    """Refuses a torch tensor whose elements do not lie in memory of its own. To look at those of
    some would wait for other ranks for ever, or read at address 0."""
    import torch

    kind, hint = type(tensor).__name__, ""
    if getattr(tensor, "is_nested", False):
        hint = "pad it: torch.nested.to_padded_tensor(tensor, 0.0)"
        kind = "nested tensor"
    elif tensor.device.type == "meta":
        hint = "give the model its values first: a meta tensor has only a shape"
        kind = "meta tensor"
    elif tensor.layout != torch.strided:
        hint = "make it dense: tensor.to_dense()"
        kind = f"tensor of layout {str(tensor.layout).replace('torch.', '')}"
    elif hasattr(tensor, "device_mesh") and hasattr(tensor, "placements"):
        hint = _GATHER_HINT
    elif "Uninitialized" in kind:
        hint = "run a batch through the model first: a lazy module has no shape yet"
    elif type(tensor) not in (torch.Tensor, torch.nn.Parameter) and _without_data(tensor):
        hint = "convert it first, such as by tensor.dequantize()"
    if hint:
        raise LayoutError(f"tensor {name!r} is a {kind}: it has no plain memory of its own", hint)


def _without_data(tensor: Any) -> bool:
    try:
        return bool(tensor.numel() > 0 and tensor.data_ptr() == 0)
    except (RuntimeError, NotImplementedError, TypeError, AttributeError):
        return True


def encode(name: str, value: Any, dtype: str) -> Any:
    """The elements of value, weights, as little-endian bytes of dtype; LayoutError names the tensor."""
    try:
        data, finite = _encode(value, dtype)
    except (TypeError, NotImplementedError, RuntimeError) as e:
        raise LayoutError(f"tensor {name!r}: {e}", _WEIGHTS_HINT) from e
    if not finite:
        raise LayoutError(
            f"tensor {name!r} has values that are NaN, infinite or too large for {dtype}",
            "training has diverged: a smaller learning rate, or clipped gradients, may help",
        )
    return data


def _encode(value: Any, dtype: str) -> tuple[Any, bool]:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _encode_torch(value, dtype)
    numeric = _as_numpy(value)
    return _encode_plain(value, dtype) if numeric is None else _encode_numpy(numeric, dtype)


def as_is(value: Any) -> Any:
    """The elements of a tensor as bytes of its own dtype."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        value = value.detach().to("cpu").contiguous()
        return _memory(value) if value.numel() else b""
    numeric = _as_numpy(value)
    if numeric is not None:
        return numeric.astype(numeric.dtype.newbyteorder("<"), copy=False).tobytes()
    return memoryview(value).tobytes()


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
    import ctypes

    size = tensor.numel() * tensor.element_size()
    block: Any = (ctypes.c_char * size).from_address(tensor.data_ptr())
    block.owner = tensor  # alive as long as its memory is looked at
    return memoryview(block)


def _encode_torch(value: Any, dtype: str) -> tuple[Any, bool]:
    import torch

    kind = getattr(torch, DTYPES[dtype].word)
    value = value.detach()
    if value.is_complex() or not value.is_floating_point():
        raise TypeError(f"dtype {value.dtype} is not floating point")
    value = value.to(device="cpu", dtype=kind).contiguous()
    if value.numel() == 0:
        return b"", True
    return _memory(value), bool(torch.isfinite(value).all())


def _encode_numpy(value: Any, dtype: str) -> tuple[Any, bool]:
    import numpy

    word = value.dtype.name
    if _BY_WORD.get(word) not in FLOATING:
        raise TypeError(f"dtype {word} is not floating point")
    value = numpy.ascontiguousarray(value).reshape(-1)
    with numpy.errstate(over="ignore"):
        if dtype != "BF16":
            value = value.astype({"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype], copy=False)
            return value.view("u1"), bool(numpy.isfinite(value).all())
        if word == "bfloat16":  # ml_dtypes
            half = value.view("<u2")
        else:
            bits = value.astype("<f4").view("<u4")
            nan = numpy.isnan(value)
            half = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
            half[nan] = 0x7FC0
    return half.view("u1"), bool(((half & 0x7F80) != 0x7F80).all())


def _encode_plain(value: Any, dtype: str) -> tuple[Any, bool]:
    view: Any = memoryview(value)
    if view.format not in ("f", "d"):
        raise TypeError(f"a buffer of {view.format!r} is not one of C floats or doubles")
    flat: Any = view.cast("B").cast(view.format)
    if not all(map(math.isfinite, flat)):
        return b"", False
    try:
        if dtype in ("F32", "F64"):
            code = DTYPES[dtype].code
            return (flat.cast("B") if view.format == code else struct.pack(f"<{len(flat)}{code}", *flat)), True
        if dtype == "F16":
            return struct.pack(f"<{len(flat)}e", *flat), True
        return _round_bf16(flat)
    except OverflowError:
        return b"", False


def _round_bf16(flat: Any) -> tuple[bytes, bool]:
    out: list[int] = []
    for bits in struct.unpack(f"<{len(flat)}I", struct.pack(f"<{len(flat)}f", *flat)):
        out.append((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
    return struct.pack(f"<{len(out)}H", *out), all(half & 0x7F80 != 0x7F80 for half in out)


def kind_of(value: Any) -> str:
    """The framework that a tensor is of."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return "torch"
    return "plain" if _as_numpy(value) is None else "numpy"


def flat(value: Any) -> Any:
    """The elements of weights in one row, in memory that can be read here."""
    kind = kind_of(value)
    if kind == "torch":
        return value.detach().to(device="cpu").reshape(-1)
    if kind == "numpy":
        return _as_numpy(value).reshape(-1)
    view: Any = memoryview(value)
    return view.cast("B").cast(view.format)


def floats(value: Any, double: bool = True) -> Any:
    """The elements of weights in one row as float64s of their framework, or float32s; array("d") of none."""
    kind, row = kind_of(value), flat(value)
    if kind == "torch":
        return row.double() if double else row.float()
    return row.astype("f8" if double else "f4", copy=False) if kind == "numpy" else array("d", row)
