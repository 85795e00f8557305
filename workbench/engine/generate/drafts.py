"""Guesses of the model itself: by its lower layers alone, or by layers for multi-token prediction beside its own."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from workbench.engine.models import LoadedModel

#: Kinds of layers whose cache can be cut back, whichever of them are left out.
_ATTENTION = frozenset({"full_attention", "sliding_attention", "chunked_attention"})


def no_early_exit(model: LoadedModel) -> str:
    """Why the lower layers of a model can't guess, or an empty text.

    The library sets the number of layers in the config to a smaller one while it guesses. Not every model looks there;
    of one that does not, all layers would run, over a cache for fewer.

    Args:
        model: A loaded model that generates, and whose cache can be cut back.

    References:
        transformers, Generation strategies: self-speculative decoding; EarlyExitCandidateGenerator
    """
    kind = type(model.model).__name__
    if model.encoder_decoder:
        return f"{kind} has an encoder, whose layers the library would leave out too."
    base = getattr(model.model, model.model.base_model_prefix, model.model)
    if "num_hidden_layers" not in inspect.unwrap(type(base).forward).__code__.co_names:
        return f"{kind} always runs all of its layers, and can't leave off early."
    kinds = set(getattr(base.config, "layer_types", None) or ())
    if kinds - _ATTENTION:
        return f"{kind} has layers without attention, which keep a state of their own."
    if getattr(base.config, "hidden_size_per_layer_input", 0):
        return f"{kind} makes one input for all of its layers together, so none can be left out."
    if base.config.num_hidden_layers < 2:
        return f"{kind} has a single layer, so there is none to leave out."
    return ""


@contextmanager
def layers_kept(model: PreTrainedModel) -> Iterator[None]:
    """Leave a model with all its layers, whatever ends a guess: the library puts them back only when it went well."""
    config = getattr(model, model.base_model_prefix).config
    count = config.num_hidden_layers
    try:
        yield
    finally:
        config.num_hidden_layers = count


def no_mtp(model: LoadedModel) -> str:
    """Why no layers for multi-token prediction can guess, or an empty text.

    Args:
        model: A loaded model that generates, and whose cache can be cut back.

    References:
        transformers, MTPCandidateGenerator, MtpModel
    """
    kind = type(model.model).__name__
    if not getattr(model.model.config.get_text_config(), "num_mtp_layers", None):
        return f"The library knows no layers for multi-token prediction of {kind}."
    from transformers.modeling_layers import MtpModel

    try:
        pattern = MtpModel.get_mtp_weights_regex(model.model)
    except (TypeError, ValueError):
        return f"The library can't tell which weights of {kind} are for multi-token prediction."
    if not any(pattern.search(name) for name in _weights(model.checkpoint.path)):
        return f"{model.checkpoint.name} has no weights for multi-token prediction in its folder."
    return ""


def _weights(folder: Path) -> list[str]:
    """Names of the weights in a folder of safetensors files."""
    from safetensors import safe_open

    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return list(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
    names: list[str] = []
    for file in folder.glob("model*.safetensors"):
        with safe_open(file, framework="pt") as opened:
            names += opened.keys()
    return names
