"""An optimizer's state as tensors of the run: averaged over the sites like the weights.

They lie in the base and in updates beside the weights, in float32, under names such as
``optimizer/0/exp_avg/layer.weight``: which optimizer, which part of its state, of which weight.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from . import _model
from ._types import LayoutError

PREFIX = "optimizer/"  # checkpoint.Optimizer of the node, which leaves them out of exports
_STEP = "step"  # a number for each weight; averages may have fractions

_BEGIN = (
    "begin the run with a model that such a script makes, model: {init: trainer} in the run file; "
    "a file or an exported model has the weights alone"
)
_OTHER = "the run began with another optimizer or model: all sites' scripts have the same"


def split(params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The weights of a base, and what it has of optimizers."""
    moments = {name: value for name, value in params.items() if name.startswith(PREFIX)}
    return {name: value for name, value in params.items() if name not in moments}, moments


class Moments:
    """The state of optimizers of torch."""

    def __init__(self, optimizers: list[Any]) -> None:
        if not optimizers:
            raise ValueError('state "average" means an optimizer\'s state: tasks(model, optimizer, state="average")')
        for optimizer in optimizers:
            if not hasattr(optimizer, "param_groups") or not hasattr(optimizer, "state"):
                raise TypeError(f'state "average" wants optimizers of torch, not a {type(optimizer).__name__}')
        self._optimizers = optimizers

    def initial(self, weights: Mapping[str, Any]) -> dict[str, Any]:
        """What a run begins with: the state as it is, zeros where there is none yet."""
        found: dict[str, Any] = {}
        for i, optimizer in enumerate(self._optimizers):
            fresh = _fresh(optimizer)
            for index, name, _ in _weights(optimizer, weights):
                found |= {_name(i, key, name): value.float() for key, value in fresh[index].items()}
        if not found:
            raise ValueError('state "average": the optimizer has no state, such as momentum, that could be averaged')
        return found

    def tensors(self, weights: Mapping[str, Any]) -> dict[str, Any]:
        """The state as it is."""
        found: dict[str, Any] = {}
        for i, optimizer in enumerate(self._optimizers):
            for _, name, weight in _weights(optimizer, weights):
                found |= {_name(i, key, name): value for key, value in _parts(optimizer, weight).items()}
        return found

    def load(self, weights: Mapping[str, Any], moments: Mapping[str, Any]) -> None:
        """Gives the optimizers the state that the sites have in common."""
        if not moments:
            raise LayoutError("the run's model has no optimizer state to average", _BEGIN)
        common: dict[tuple[str, str], dict[str, Any]] = {}
        for name, value in moments.items():
            _, number, key, weight = name.split("/", 3)
            common.setdefault((number, weight), {})[key] = value
        for i, optimizer in enumerate(self._optimizers):
            own = optimizer.state_dict()
            for index, name, weight in _weights(optimizer, weights):
                if found := common.pop((str(i), name), None):
                    own["state"][index] = {**own["state"].get(index, {}), **_as(found, weight)}
            try:
                optimizer.load_state_dict(own)
            except (KeyError, ValueError) as e:
                raise LayoutError(f"the base's optimizer state is not one of {type(optimizer).__name__}: {e!r}", _OTHER) from e
        if common:
            number, name = min(common)
            raise LayoutError(
                f"the base has the state of optimizer {number} for {name!r}, which is no weight that this script's optimizer trains",
                _OTHER,
            )


def _name(optimizer: int, key: str, weight: str) -> str:
    return f"{PREFIX}{optimizer}/{key}/{weight}"


def _weights(optimizer: Any, weights: Mapping[str, Any]) -> Iterator[tuple[int, str, Any]]:
    """The weights of an optimizer that sites exchange: their numbers in its state_dict, names, and themselves."""
    names = {_model.place(name, tensor): name for name, tensor in _model.once(weights)[0].items()}
    numbers = [index for group in optimizer.state_dict()["param_groups"] for index in group["params"]]
    own = [weight for group in optimizer.param_groups for weight in group["params"]]
    for index, weight in zip(numbers, own):
        name = names.get(_model.place("", weight))
        if name is not None and weight.requires_grad:
            yield index, name, weight


def _parts(optimizer: Any, weight: Any) -> dict[str, Any]:
    """The parts of a weight's state: tensors of its shape, and the number of its steps."""
    import torch

    parts: dict[str, Any] = {}
    for key, value in optimizer.state.get(weight, {}).items():
        if key == _STEP:
            parts[key] = torch.as_tensor(value, dtype=torch.float32).detach().cpu().reshape(())
        elif isinstance(value, torch.Tensor) and value.is_floating_point() and value.shape == weight.shape:
            parts[key] = value.detach()
        elif value is not None:
            raise LayoutError(
                f"the state of {type(optimizer).__name__} has {key!r}, which is no tensor like its weight: it cannot be averaged",
                'keep it at each site, state="keep", or use an optimizer such as Adam, AdamW, SGD or RMSprop',
            )
    return parts


def _as(common: Mapping[str, Any], weight: Any) -> dict[str, Any]:
    """A weight's common state, as its optimizer has it; the base's memory stays the base's."""
    import torch

    values = {key: torch.as_tensor(value).clone() for key, value in common.items()}
    return {key: v if key == _STEP else v.reshape(weight.shape).to(weight.device, weight.dtype) for key, v in values.items()}


def _fresh(optimizer: Any) -> dict[int, dict[str, Any]]:
    """The state of each weight by its number: its own if it has one, else what a step without
    gradients makes, on copies: optimizers of torch make theirs in the first step."""
    import torch

    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    numbers = [index for group in optimizer.state_dict()["param_groups"] for index in group["params"]]
    dry = optimizer
    if any(weight.requires_grad and not optimizer.state.get(weight) for weight in weights):
        dry = copy.deepcopy(optimizer)
        for group in dry.param_groups:
            if "weight_decay" in group:
                group["weight_decay"] = 0  # which would be a gradient
            for weight in group["params"]:
                weight.grad = torch.zeros_like(weight) if weight.requires_grad else None
        type(dry).step(dry)  # a scheduler has put a method of the original in the place of the copy's
    copies = [weight for group in dry.param_groups for weight in group["params"]]
    fresh: dict[int, dict[str, Any]] = {}
    for index, weight, twin in zip(numbers, weights, copies):
        has = bool(optimizer.state.get(weight))
        parts = _parts(optimizer, weight) if has else _parts(dry, twin)
        fresh[index] = parts if has else {key: torch.zeros_like(v) if key == _STEP else v for key, v in parts.items()}
    return fresh
