"""Names of tensors, whatever wraps the model.

DataParallel, torch.compile, FSDP, activation checkpointing, Opacus and PEFT put words of their own
into the names of a model's tensors. A run's base has plain names, or whatever the script that made
it wrote: two names are of one tensor if they are equal once those words are off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ._types import LayoutError

# Words of wrappers, which stand wherever the wrapped module does; "module" is also what people call a child.
_ANYWHERE = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_IN_FRONT = re.compile(r"^(?:_?module\.)+")
# PEFT's spelling inside a model, against that of its files: the adapter's own name, here {adapter}.
_KINDS = r"(?:lora|randlora|shira|vera|hada|lokr|oft|boft|hra|fourierft|c3a|miss|vblora|trainable_tokens)_\w+|ia3_l|ln_tuning_layers"
_MAGNITUDE = r"(?P<head>.*\.lora_magnitude_vector)\.{adapter}(?P<tail>)\.weight"  # DoRA's, a parameter in the files
_ADAPTER = rf"(?P<head>.*\.(?:{_KINDS}))\.{{adapter}}(?P<tail>\..*)?"
_SAVED = r"(?P<head>.*)\.modules_to_save\.{adapter}(?P<tail>\..*)"
_ENCODER = r"(?P<head>prompt_encoder)\.{adapter}(?P<tail>\..*)"
# A prompt, in PEFT's files and, where the prompt is computed of what is trained, among what it is computed of.
_PROMPT = "prompt_embeddings"
_SEED = "prompt_encoder.embedding.weight"


def plain(name: str) -> str:
    """name without the words of wrappers."""
    bare = _ANYWHERE.sub("", name)
    while bare != (shorter := _ANYWHERE.sub("", _IN_FRONT.sub("", bare))):
        bare = shorter
    return bare


def in_file(name: str, adapter: str = "default") -> str:
    """A plain name as PEFT writes it into files; the same name if it is no adapter's."""
    for pattern in (_MAGNITUDE, _ADAPTER, _SAVED, _ENCODER):
        if found := re.fullmatch(pattern.replace("{adapter}", re.escape(adapter)), name):
            return found["head"] + (found["tail"] or "")
    return name


def prompt(tensors: dict[str, Any]) -> dict[str, Any]:
    """An adapter's tensors: a prompt that is trained itself is named as in PEFT's files. One that is
    computed is in those files alone, and its name never stands for what it is computed of."""
    if [name for name in tensors if name.startswith("prompt_encoder.")] != [_SEED]:
        return tensors
    return {_PROMPT if name == _SEED else name: tensor for name, tensor in tensors.items()}


def of_adapter(name: str, adapter: str = "default") -> bool:
    """Whether a plain name is of an adapter in PEFT's model: what its file has."""
    return in_file(name, adapter) != name


def match(given: Iterable[str], wanted: Iterable[str], adapter: str = "default") -> tuple[dict[str, str], list[str]]:
    """The given name of each wanted one that has one, and the given names that are left.

    An equal name comes before one that is equal without its wrappers' words. The frozen rest of
    an adapter's model is not among those left: nobody wants to send it.
    """
    given, wanted = list(given), set(wanted)
    found = {name: name for name in given if name in wanted}
    bare: dict[str, str] = {}
    for name in wanted:
        for key in (plain(name), in_file(plain(name), adapter)):
            bare.setdefault(_SEED if key == _PROMPT else key, name)
    left: list[str] = []
    adapted = False
    for name in given:
        if name in found:
            continue
        key = plain(name)
        target = bare.get(key) or bare.get(in_file(key, adapter))
        if target is None:
            left.append(name)
        elif target not in found:
            found[target] = name
        elif found[target] != target:
            raise LayoutError(
                f"tensors {found[target]!r} and {name!r} are both {target!r} once wrappers' prefixes are off",
                "send one of the two",
            )
        adapted |= target is not None and of_adapter(key, adapter)
    return found, [] if adapted else left


def pick(tensors: Mapping[str, Any], wanted: Iterable[str], adapter: str = "default") -> tuple[dict[str, Any], list[str]]:
    """tensors under the names wanted, and the names of those that are not."""
    found, left = match(tensors, wanted, adapter)
    return {name: tensors[at] for name, at in found.items()}, left
