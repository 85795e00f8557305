"""Which ways of generating and which knobs a loaded model offers, and why it does not offer the others."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.generate.compiled import no_compiling
from workbench.engine.values import Sampling, Strategy

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: Ways of generating whose code the library no longer has, under the names of its ``GenerationMode``.
MOVED = {
    "dola_generation": "DoLa",
    "contrastive_search": "Contrastive search",
    "constrained_beam_search": "Constrained beam search (forced words)",
    "group_beam_search": "Diverse (group) beam search",
}
LEFT = "They left the library for Hub repositories with code of their own, and this program runs no such code."
#: What of `conflicts` can't be had, rather than doing nothing.
EXCLUDED = ("sequences", "assisted", "prompt_lookup", "guidance", "compiled")
#: A strategy of one sequence, token by token.
_ALONE: dict[str, Any] = {
    "num_beams": 1,
    "num_return_sequences": 1,
    "prompt_lookup_num_tokens": 0,
    "assisted": False,
    "guidance_scale": 1.0,
}
#: Knobs that act on the draw alone.
_OF_THE_DRAW = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "top_h",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
)


def supports(model: LoadedModel, second: LoadedModel | None = None) -> dict[str, str]:
    """What a model offers: for each name an empty text, or the sentence that says why not.

    Args:
        model: The loaded model.
        second: The second loaded model, for ``assisted``.

    Returns:
        Keys ``beams``, ``sequences``, ``prompt_lookup``, ``assisted``, ``guidance``, ``threads``, ``compiled``,
        ``images``, ``encoder``; and every field of `Sampling`.
    """
    ways = ("beams", "sequences", "prompt_lookup", "assisted", "guidance", "threads", "compiled", "images", "encoder")
    names = (*ways, *(field.name for field in fields(Sampling)))
    if not model.generates:
        why = f"{model.checkpoint.name} was loaded as {model.head}, which writes no text."
        return dict.fromkeys(names, why)
    found = dict.fromkeys(names, "")
    found["beams"] = _no_beams(model)
    found["prompt_lookup"] = _no_guessing(model)
    found["assisted"] = found["prompt_lookup"] or _no_assistant(model, second)
    found["guidance"] = _no_guidance(model)
    if model.model.device.type != "cpu":
        found["threads"] = f"The model is on {model.device}, and threads share out the work of a CPU."
    found["compiled"] = no_compiling(model)
    if not model.takes_images:
        found["images"] = f"{_kind(model)} reads text alone."
    if not model.encoder_decoder:
        found["encoder"] = f"{_kind(model)} has no encoder: it goes on from the prompt itself."
        for name in ("encoder_repetition_penalty", "encoder_no_repeat_ngram_size"):
            found[name] = f"It acts on the tokens of an encoder's input, and {_kind(model)} has no encoder."
        found["forced_bos_token_id"] = (
            f"It forces the first token of a decoder's own sequence, and {_kind(model)} writes behind the prompt."
        )
    if model.model.generation_config.eos_token_id is None:
        for name in ("min_new_tokens", "exponential_decay_length_penalty"):
            found[name] = "It acts on the token that ends a text, and this checkpoint names none."
    return found


def conflicts(sampling: Sampling, strategy: Strategy) -> dict[str, str]:
    """Which settings do nothing, or can't be had, beside the others; each with the sentence that says why.

    Args:
        sampling: The knobs.
        strategy: How the run goes.

    Returns:
        Names as in `supports`. Nothing in it stops a run but ``sequences``, ``prompt_lookup``, ``assisted``,
        ``guidance`` and ``compiled``; see `check`.
    """
    found: dict[str, str] = {}
    beams = strategy.num_beams > 1
    if not sampling.do_sample:
        why = "Without sampling the most probable token is taken, so this changes nothing."
        found.update(dict.fromkeys(_OF_THE_DRAW, why))
    if beams and strategy.num_return_sequences > strategy.num_beams:
        found["sequences"] = (
            f"Beam search gives as many sequences as it has beams at most: {strategy.num_beams}, "
            f"not {strategy.num_return_sequences}."
        )
    elif strategy.num_return_sequences > 1 and not beams and not sampling.do_sample:
        found["sequences"] = "Greedy decoding takes the most probable token each time, so all sequences would be one."
    for name, on in (("prompt_lookup", strategy.prompt_lookup_num_tokens > 0), ("assisted", strategy.assisted)):
        if on and beams:
            found[name] = "Guessing ahead goes with greedy decoding and sampling, not with beam search."
        elif on and strategy.num_return_sequences > 1:
            found[name] = "Guessing ahead writes one sequence at a time."
    if strategy.assisted and strategy.prompt_lookup_num_tokens > 0:
        found["prompt_lookup"] = "Tokens are guessed by the second model already."
    if strategy.guidance_scale != 1.0:
        if beams:
            found["guidance"] = "Guidance needs the model's logits, and beam search adds up log-probabilities."
        elif strategy.assisted or strategy.prompt_lookup_num_tokens > 0:
            found["guidance"] = "Guidance would run the model anew for each guess, which takes longer than no guessing."
        elif strategy.num_return_sequences > 1:
            found["guidance"] = "Guidance keeps a cache for one sequence, and there are several."
    if strategy.compiled and replace(strategy, **_ALONE) != strategy:
        found["compiled"] = "Compiled code goes with one sequence, token by token, without guesses or guidance."
    return found


def check(model: LoadedModel, sampling: Sampling, strategy: Strategy, second: LoadedModel | None = None) -> None:
    """Refuse what a model does not offer and what can't be had together.

    Raises:
        NotSupported: The model does not offer the strategy.
        InputError: Two of the settings exclude each other.
    """
    found = conflicts(sampling, strategy)
    for name in EXCLUDED:
        if name in found:
            raise InputError("These settings don't go together.", why=found[name], remedy="Switch one of the two off.")
    offered = supports(model, second)
    asked = {
        "beams": strategy.num_beams > 1,
        "sequences": strategy.num_return_sequences > 1,
        "prompt_lookup": strategy.prompt_lookup_num_tokens > 0,
        "assisted": strategy.assisted,
        "compiled": strategy.compiled,
    }
    for name, wanted in asked.items():
        if wanted and offered[name]:
            raise NotSupported(
                f"{model.checkpoint.name} can't generate that way.",
                why=offered[name],
                remedy="Choose another strategy.",
            )


def other_tokenizer(model: LoadedModel, second: LoadedModel) -> bool:
    """Whether the library takes the two models' vocabularies for different ones: it goes by their size."""
    size = model.model.config.get_text_config().vocab_size
    return bool(size != second.model.config.get_text_config().vocab_size)


def _kind(model: LoadedModel) -> str:
    return type(model.model).__name__


def _no_beams(model: LoadedModel) -> str:
    if not model.model._supports_default_dynamic_cache():
        return f"{_kind(model)} keeps a state that can't be handed from one beam to another."
    return ""


def _no_guessing(model: LoadedModel) -> str:
    if model.model._is_stateful or not model.model._supports_default_dynamic_cache():
        return (
            f"{_kind(model)} keeps a running state, which can't be taken back when a guess was wrong; "
            "the library refuses it."
        )
    return ""


def _no_assistant(model: LoadedModel, second: LoadedModel | None) -> str:
    if second is None:
        return "A second, smaller model has to guess: load one in the Hub with “Load as second”."
    if not second.generates or second.tokenizer is None:
        return f"{second.checkpoint.name}, the second model, writes no text."
    if model.encoder_decoder != second.encoder_decoder:
        return f"One of {model.checkpoint.name} and {second.checkpoint.name} has an encoder and the other has none."
    if why := _no_guessing(second):
        return why
    assert model.tokenizer is not None
    if other_tokenizer(model, second):
        if model.encoder_decoder:
            return "The two have different tokenizers, and the library translates between them for decoders alone."
        return ""
    if model.tokenizer.get_vocab() != second.tokenizer.get_vocab():
        return (
            "The two tokenizers differ though their vocabularies are of one size, which is how the library tells them "
            "apart."
        )
    return ""


def _no_guidance(model: LoadedModel) -> str:
    if model.encoder_decoder:
        return "The library's guidance runs the model on the written text alone, without an encoder's input."
    if model.model._is_stateful or not model.model._supports_default_dynamic_cache():
        return f"The library's guidance needs an attention cache, and {_kind(model)} keeps a running state."
    return ""
