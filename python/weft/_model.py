"""A script's model as tensors by name, and a task's parameters back into it.

A model is a torch.nn.Module, whatever wraps it, or a dict of arrays for scripts without torch.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import _adapter, _arrays, _frozen, _names, safetensors
from ._types import LayoutError

if TYPE_CHECKING:
    from ._task import Task

Params = Literal["auto", "adapter", "all"]
PARAMS = ("auto", "adapter", "all")

# Classes that hold the model in an attribute, by the class's name: they need not be imported.
_WRAPPERS = {
    "DistributedDataParallel": "module",
    "DataParallel": "module",
    "OptimizedModule": "_orig_mod",
    "GradSampleModule": "_module",
}


def load(model: Any, task: Task | Mapping[str, Any], *, strict: bool = True) -> None:
    """Copies a task's params into model, in place: dtype and device stay. What is no weight
    (BatchNorm's counters) is what the run began with, or the model's own if it began without.

    Names are matched without what wraps the model, tied weights are one tensor. With strict,
    every weight among the params has its tensor and every weight of the model its param (of a PEFT
    model: every weight of its adapter); LayoutError names the first that has not.
    """
    params: Mapping[str, Any] = task if isinstance(task, Mapping) else task.params
    beside: set[str] = set() if isinstance(task, Mapping) else task._beside - task.local
    if not isinstance(task, Mapping):
        _adapter.check(unwrap(model), adapter_of(model), task._adapter)
    tensors = entries(model)
    found, _ = _names.match(tensors, params, adapter_of(model))
    for name in params:
        if name not in found and name not in beside and not _arrays.describe(name, params[name]).whole:
            raise LayoutError(
                f"tensor {name!r} of the base is not in the model",
                "the script's model is not the run's: compare its sizes with the run's configuration",
            )
    if strict:
        _check_all_loaded(model, tensors, set(found.values()))
    for name, at in found.items():
        copy(name, params[name], tensors[at])


def state_dict(model: Any, params: Params = "auto") -> dict[str, Any]:
    """The tensors of model that a site sends: its weights without what wraps it in their names,
    tied ones once. With "adapter" those of a PEFT adapter, under the names that PEFT's files have;
    "auto" does that if model has an adapter.

    The tensors are model's own, not copies.
    """
    return once(weights(model, params))[0]


def save(model: Any, path: str | os.PathLike[str], params: Params = "auto") -> None:
    """Writes the model that a run starts from as a safetensors file: ``state_dict(model, params)``
    and, of a whole model, what is no weight (BatchNorm's counters), which stays the same in every
    round. The file has the other names of tied weights as safetensors' own tools write them."""
    tensors, aliases = once(checkpoint(model, params))
    safetensors._write_fresh(tensors, path, {**aliases, **said(model, params)})


def said(model: Any, params: Params) -> dict[str, str]:
    """What the metadata of a file of what is sent says of it."""
    whole = unwrap(model)
    config = _adapter.config(whole, adapter_of(whole)) if choose(whole, params) else ""
    return _frozen.said() | ({_adapter.KEY: config} if config else {})


def checkpoint(model: Any, params: Params = "auto") -> dict[str, Any]:
    """What a run begins with: the weights, and of a whole model all its tensors."""
    return weights(model, params) if choose(unwrap(model), params) else entries(model)


def choose(model: Any, params: Params) -> bool:
    """Whether params means the adapter alone."""
    if params not in PARAMS:
        raise ValueError(f"params {params!r}: not one of {', '.join(PARAMS)}")
    return params == "adapter" or params == "auto" and hasattr(model, "peft_config")


def unwrap(model: Any) -> Any:
    """The model without what wraps it whole."""
    while (inner := _WRAPPERS.get(type(model).__name__)) and hasattr(model, inner):
        model = getattr(model, inner)
    return model


def adapter_of(model: Any) -> str:
    """The name of a PEFT model's adapter."""
    active = getattr(unwrap(model), "active_adapter", "default")
    return active if isinstance(active, str) else "default"


def frozen_of(model: Any, params: Params) -> str:
    """Where the model was read from that a PEFT model's adapter is made for; "" if nothing is known, or the whole model is sent."""
    whole = unwrap(model)
    made = getattr(whole, "peft_config", None)
    if not choose(whole, params) or not isinstance(made, dict):
        return ""
    return str(getattr(made.get(adapter_of(whole)), "base_model_name_or_path", None) or "")


def entries(model: Any) -> dict[str, Any]:
    """The model's tensors by name, all names of tied ones; they share memory with the model."""
    if isinstance(model, Mapping):
        return dict(model)
    if not is_module(model):
        raise TypeError(f"the model is a {type(model).__name__}: want a torch.nn.Module, or a dict of arrays")
    tensors = dict(_walk(unwrap(model)))
    plain = {_names.plain(name): tensor for name, tensor in tensors.items()}
    return plain if len(plain) == len(tensors) else tensors  # a child may be called module, and mean it


def weights(model: Any, params: Params = "auto") -> dict[str, Any]:
    """The entries that are weights, or the adapter's under its files' names."""
    whole = unwrap(model)
    only, adapter = choose(whole, params), adapter_of(whole)
    if only and is_module(whole):
        _adapter.known(whole, adapter)
    tensors = {}
    for name, tensor in entries(whole).items():
        if only and not _names.of_adapter(name, adapter):
            continue
        if only or not is_module(whole) or tensor.is_floating_point():
            tensors[_names.in_file(name, adapter) if only else name] = tensor
    if only and not tensors:
        raise LayoutError("the model has no adapter of a kind that is known", 'make a LoRA with peft.get_peft_model, or say params="all"')
    return _names.prompt(tensors) if only else tensors


def is_module(model: Any) -> bool:
    """Whether model is torch's; torch need not be there."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _walk(module: Any) -> Iterator[tuple[str, Any]]:
    """Parameters and persistent buffers under all their names, as state_dict has them."""
    for path, part in module.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        for name, tensor in part._parameters.items():
            if tensor is not None:
                yield prefix + name, tensor.detach()
        for name, tensor in part._buffers.items():
            if tensor is not None and name not in part._non_persistent_buffers_set:
                yield prefix + name, tensor.detach()


class _Place(NamedTuple):
    """Where a torch tensor's elements lie: equal for tied weights alone."""

    device: str
    address: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def place(name: str, tensor: Any) -> _Place | None:
    """Where a tensor lies, None for what is not torch's or has no elements; LayoutError if it lies nowhere."""
    if not torch_tensor(tensor):
        return None
    _arrays.own_memory(name, tensor)
    if tensor.numel() == 0:
        return None
    return _Place(str(tensor.device), tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()))


def once(tensors: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """tensors with tied ones once, under the first of their names, and the others' names -> it.

    The outermost is the first: what layers share lies above them in PEFT's files (VeRA's projections).
    """
    kept: dict[str, Any] = {}
    places: dict[_Place, str] = {}
    aliases: dict[str, str] = {}
    for name in sorted(tensors, key=lambda name: (name.count("."), name)):
        tensor, at = tensors[name], place(name, tensors[name])
        if at is not None and places.setdefault(at, name) != name:
            aliases[name] = places[at]
        else:
            kept[name] = tensor
    return dict(sorted(kept.items())), aliases


def torch_tensor(value: Any) -> bool:
    """Whether value is torch's; torch need not be there."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _check_all_loaded(model: Any, tensors: Mapping[str, Any], loaded: Iterable[str]) -> None:
    """Every weight of the model gets a value, by one of its names."""
    whole = unwrap(model)
    only, adapter = choose(whole, "auto"), adapter_of(whole)
    places = {place(name, tensors[name]) for name in sorted(loaded)} - {None}
    for name, tensor in tensors.items():
        if name in set(loaded) or only and not _names.of_adapter(name, adapter) or place(name, tensor) in places:
            continue
        if _arrays.describe(name, tensor).floating:
            raise LayoutError(
                f"tensor {name!r} of the model is not in the base",
                "the run's model is another, or a part of it: then say strict=False",
            )


def copy(name: str, value: Any, to: Any) -> None:
    """Copies a param into the model's tensor."""
    want, have = _arrays.describe(name, value).shape, _arrays.describe(name, to).shape
    if want != have and not _flat(to, want, have):
        raise LayoutError(
            f"tensor {name!r} has shape {have}, the base has {want}",
            "the script's model is not the run's: compare its sizes with the run's configuration",
        )
    if torch_tensor(to):
        import torch

        if not torch_tensor(value):
            value = torch.as_tensor(value)
        with torch.no_grad():
            to.copy_(value)
        return
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(to, numpy.ndarray):
        to[...] = value
        return
    view: Any = memoryview(to)
    if _arrays.describe(name, to).whole:
        view.cast("B")[:] = memoryview(_arrays.as_is(value)).cast("B")
        return
    view.cast("B").cast(view.format)[:] = array(view.format, _arrays.flat(value).tolist())


def _flat(to: Any, want: tuple[int, ...], have: tuple[int, ...]) -> bool:
    size = 1
    for n in want:
        size *= n
    return have == (size,) and not torch_tensor(to)
