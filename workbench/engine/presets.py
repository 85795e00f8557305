"""Where a checkpoint's own generation config puts the knobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.sampling import NEUTRAL, check
from workbench.engine.values import Sampling, Strategy, Watermark

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: Where the library puts what a generation config leaves open.
UNSET = replace(NEUTRAL, do_sample=False, top_k=50)

Read = Callable[[Any], Any]


def of_checkpoint(model: LoadedModel) -> tuple[Sampling, Strategy]:
    """The knobs with which plain ``model.generate(inputs)`` runs.

    That is what the checkpoint's generation config sets, and the library's defaults (greedy, all off) for what it
    leaves open or has out of range. Its end tokens hold in any case and are no knob here. ``max_length`` and
    ``min_length`` count the token that a decoder of its own starts with, and are taken without it; where they count a
    prompt, ``max_new_tokens`` stays at the default of `Sampling`. Assisted decoding is never on, since it takes a
    second checkpoint.

    Args:
        model: A loaded model.

    References:
        transformers, Generation: GenerationConfig
    """
    config = vars(model.model.generation_config) if model.model.generation_config is not None else {}
    if model.encoder_decoder:
        config = {**_own_lengths(config), **{name: value for name, value in config.items() if value is not None}}
    sampling, strategy = UNSET, Strategy()
    for name, value in _read(config, _SAMPLING):
        try:
            sampling = check(replace(sampling, **{name: value}))
        except (InputError, TypeError, ValueError):
            continue
    for name, value in _read(config, _STRATEGY):
        strategy = replace(strategy, **{name: value})
    return sampling, strategy


def _own_lengths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Lengths of what a decoder writes, without the token it starts with."""
    lengths = {"max_new_tokens": config.get("max_length"), "min_new_tokens": config.get("min_length")}
    return {name: length - 1 for name, length in lengths.items() if isinstance(length, int) and length > 1}


def _read(config: Mapping[str, Any], kinds: Mapping[str, Read]) -> list[tuple[str, Any]]:
    """What the config sets, as the knobs have it; what can't be one is left out."""
    found = []
    for name, read in kinds.items():
        if config.get(name) is None:
            continue
        try:
            found.append((name, read(config[name])))
        except (TypeError, ValueError):
            continue
    return found


def _ids(value: Any) -> tuple[int, ...]:
    return tuple(int(each) for each in value) if isinstance(value, (list, tuple)) else (int(value),)


def _one(value: Any) -> int:
    (token_id,) = _ids(value)
    return token_id


def _words(value: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(_ids(each) for each in value)


def _bias(value: Any) -> tuple[tuple[tuple[int, ...], float], ...]:
    return tuple((_ids(ids), float(added)) for ids, added in (value.items() if isinstance(value, Mapping) else value))


def _decay(value: Any) -> tuple[int, float]:
    start, factor = value
    return int(start), float(factor)


def _mark(value: Any) -> Watermark:
    given = value if isinstance(value, Mapping) else value.to_dict()
    known = {name: each for name, each in given.items() if name in Watermark.__dataclass_fields__}
    if "keys" in known:
        return Watermark(**known | {"kind": "synthid", "keys": _ids(known["keys"])})
    return Watermark(**known)


def _early(value: Any) -> bool | str:
    return "never" if value == "never" else bool(value)


def _strings(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(each) for each in value)


_SAMPLING: dict[str, Read] = {
    "do_sample": bool, "temperature": float, "top_k": int, "top_p": float, "min_p": float, "repetition_penalty": float,
    "max_new_tokens": int, "top_h": float, "typical_p": float, "epsilon_cutoff": float, "eta_cutoff": float,
    "no_repeat_ngram_size": int, "min_new_tokens": int, "bad_words_ids": _words, "sequence_bias": _bias,
    "suppress_tokens": _ids, "begin_suppress_tokens": _ids, "forced_bos_token_id": _one, "forced_eos_token_id": _one,
    "exponential_decay_length_penalty": _decay, "encoder_repetition_penalty": float,
    "encoder_no_repeat_ngram_size": int, "remove_invalid_values": bool, "watermarking_config": _mark,
    "renormalize_logits": bool,
}  # fmt: skip
_STRATEGY: dict[str, Read] = {
    "num_beams": int, "length_penalty": float, "early_stopping": _early, "num_return_sequences": int,
    "prompt_lookup_num_tokens": int, "assistant_early_exit": int, "num_assistant_tokens": int, "use_mtp": bool,
    "token_healing": bool, "guidance_scale": float, "stop_strings": _strings,
}  # fmt: skip
