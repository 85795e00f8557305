"""What a loaded model still needs to be told, and what a person should know about it."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from workbench.engine.facts import CACHELESS

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def about(model: PreTrainedModel, missing: Collection[str]) -> tuple[str, ...]:
    """Settle what a checkpoint leaves open and the library would stumble over, and tell it.

    Args:
        model: As `from_pretrained` made it; its language and its cache may be set here.
        missing: Names of the weights that its files lack.

    Returns:
        A sentence for each thing that is not as one would think.
    """
    return (*_language(model), *_cache(model), *_chance(model), *_missing(model, missing))


def reads_ids(model: PreTrainedModel) -> bool:
    """Whether a model reads or writes text: one that sees or hears alone lacks nothing without a tokenizer."""
    named = inspect.signature(model.forward).parameters
    return any(name.endswith("input_ids") for name in named) or type(model).__name__.endswith("CTC")


def _language(model: PreTrainedModel) -> tuple[str, ...]:
    """Tell XMOD which language it reads: its checkpoints leave that open, and the library refuses to run them then."""
    config: Any = model.config
    if config.model_type != "xmod" or config.default_language is not None:
        return ()
    language = config.languages[0]
    model.set_default_language(language)
    return (f"It reads texts as {language}, the first of its {len(config.languages)} languages.",)


def _cache(model: PreTrainedModel) -> tuple[str, ...]:
    """Let BLT read everything again for each token: the library can't make its cache, and would look at one patch."""
    if model.config.model_type not in CACHELESS:
        return ()
    model.config.use_cache = False
    if model.can_generate():
        model.generation_config.use_cache = False
    return ("It reads the whole text again for each new token: the library's cache does not work for it.",)


def _chance(model: PreTrainedModel) -> tuple[str, ...]:
    config: Any = model.config
    if config.model_type != "reformer" or "lsh" not in config.attn_layers or config.hash_seed is not None:
        return ()
    return (
        "It draws the directions by which it sorts its tokens anew at each pass: the same text gives other numbers.",
    )


def _missing(model: PreTrainedModel, missing: Collection[str]) -> tuple[str, ...]:
    prefix = f"{model.base_model_prefix}."
    whole = model.base_model is model
    body = [name for name in missing if (whole or name.startswith(prefix)) and ".pooler." not in f".{name}"]
    if body and (share := _share(model, missing)) > 0.5:
        saved = next(iter(model.config.architectures or ()), "")
        told = f" They were saved as {saved}; load it with that head."
        return (
            f"The files are not those of {type(model).__name__}: {share:.0%} of its weights are in none of them. They "
            f"were drawn at random, and all that it says is chance.{told * (saved not in ('', type(model).__name__))}",
        )
    if body:
        return (
            f"{len(body)} weights of the model's body are in none of its files, such as {min(body)}: they were drawn "
            "at random, and so is what it says.",
        )
    names = ", ".join(sorted(missing)[:3]) + (" and others" if len(missing) > 3 else "")
    return (f"This head is untrained: the files lack {names}, drawn at random until you fine-tune it.",) * bool(names)


def _share(model: PreTrainedModel, missing: Collection[str]) -> float:
    """How much of all numbers of a model the missing weights are, in ``[0, 1]``."""
    sizes = {name: each.numel() for name, each in model.state_dict().items()}
    return sum(sizes.get(name, 0) for name in missing) / max(1, sum(sizes.values()))
