"""What a PEFT adapter is one of: its configuration, which goes with a run's weights."""

from __future__ import annotations

import json
from typing import Any

from . import _names
from ._types import LayoutError

KEY = "adapter_config.json"  # in the metadata of a model's file, as PEFT's own file is called
MAX = 32 << 10  # bytes

# What the same tensors mean differs with these: two adapters that differ in one are not of a run.
_MEANING = (
    "peft_type",
    "lora_alpha",
    "alpha",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "fan_in_fan_out",
    "scaling",
    "topk",
    "random_loc_seed",
    "random_seed",
    "mask_type",
    "projection_prng_key",
)


def config(model: Any, adapter: str) -> str:
    """An adapter's configuration in JSON, as PEFT's save_pretrained writes it; "" if there is none, or it is too large."""
    made = getattr(model, "peft_config", None)
    if not isinstance(made, dict) or adapter not in made or not hasattr(made[adapter], "to_dict"):
        return ""
    fields = {**made[adapter].to_dict(), "inference_mode": True}
    fields.pop("runtime_config", None)
    text = json.dumps(fields, default=_plain, sort_keys=True)
    return text if len(text) <= MAX else ""


def known(model: Any, adapter: str) -> None:
    """Refuses a model of which more is trained than is known to be its adapter's: that would stay here, unsaid."""
    configs = getattr(model, "peft_config", None)
    made = configs.get(adapter) if isinstance(configs, dict) else None
    kind = str(getattr(getattr(made, "peft_type", None), "value", ""))
    if kind == "SHIRA" and (getattr(made, "mask_type", "random") != "random" or getattr(made, "random_seed", None) is None):
        hint = "ShiraConfig(..., random_seed=1), the same at all sites"
        raise LayoutError("which weights the SHIRA adapter changes is not in its file, and each site draws others", hint)
    trained = [_names.plain(name) for name, p in model.named_parameters() if p.requires_grad]
    left = [name for name in trained if not _names.of_adapter(name, adapter)]
    if left and (kind or len(left) < len(trained)):
        whose = f"{adapter} ({kind})" if kind else adapter
        raise LayoutError(
            f"{left[0]!r} is trained and is not known to be of adapter {whose}, which is what would be sent",
            'one adapter is trained at a time (model.set_adapter), its bias is "none", and further layers are its modules_to_save; '
            'or send the whole model: params="all"',
        )


def check(model: Any, adapter: str, run: str) -> None:
    """Refuses to load a run's adapter into one of another meaning."""
    own = config(model, adapter)
    if not run or not own:
        return
    want, have = json.loads(run), json.loads(own)
    for key in _MEANING:
        if key in want and key in have and want[key] != have[key]:
            raise LayoutError(
                f"this site's adapter has {key} {json.dumps(have[key])}, the run's {json.dumps(want[key])}",
                "the same weights would be another model: make the adapter with the run's configuration",
            )


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset)) else getattr(value, "value", str(value))
