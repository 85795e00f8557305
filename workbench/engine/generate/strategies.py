"""Which ways of generating and which knobs a loaded model offers, and why it does not offer the others."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.facts import CACHELESS
from workbench.engine.generate import captions
from workbench.engine.generate.compiled import no_compiling
from workbench.engine.generate.drafts import no_early_exit, no_mtp
from workbench.engine.generate.healing import no_healing
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
EXCLUDED = (
    "sequences",
    "assisted",
    "early_exit",
    "mtp",
    "prompt_lookup",
    "guidance",
    "compiled",
    "watermarking_config",
)
#: What `supports` speaks of besides the knobs.
WAYS = (
    "beams",
    "sequences",
    "prompt_lookup",
    "assisted",
    "early_exit",
    "mtp",
    "healing",
    "guidance",
    "threads",
    "compiled",
    "images",
    "encoder",
)
#: A strategy of one sequence, token by token.
_ALONE: dict[str, Any] = {
    "num_beams": 1,
    "num_return_sequences": 1,
    "prompt_lookup_num_tokens": 0,
    "assisted": False,
    "assistant_early_exit": 0,
    "use_mtp": False,
    "guidance_scale": 1.0,
}
#: Who guesses.
_BY = {
    "assisted": "by the second model",
    "early_exit": "by the model's own lower layers",
    "mtp": "by its layers for multi-token prediction",
}
#: Architectures whose cache takes one token at a time, and those that write behind a prompt of their own alone.
_ONE_BY_ONE, _PROMPTED = ("prophetnet",), ("cpmant",)
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
        The keys of `WAYS`, and every field of `Sampling`.
    """
    names = (*WAYS, *(field.name for field in fields(Sampling)))
    if not model.generates:
        why = f"{model.checkpoint.name} was loaded as {model.head}, which writes no text."
        return dict.fromkeys(names, why)
    found = dict.fromkeys(names, "")
    found["beams"] = _no_beams(model)
    found["prompt_lookup"] = _no_guessing(model)
    found["assisted"] = found["prompt_lookup"] or _no_assistant(model, second)
    found["early_exit"] = found["prompt_lookup"] or no_early_exit(model)
    found["mtp"] = found["prompt_lookup"] or no_mtp(model)
    found["healing"] = no_healing(model)
    found["guidance"] = _no_guidance(model)
    found["watermarking_config"] = _no_watermark(model)
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
    if not captions.ends(model):
        for name in ("min_new_tokens", "exponential_decay_length_penalty"):
            found[name] = "It acts on the token that ends a text, and this checkpoint names none."
    return found | captions.refused(model)


def conflicts(sampling: Sampling, strategy: Strategy) -> dict[str, str]:
    """Which settings do nothing, or can't be had, beside the others; each with the sentence that says why.

    Args:
        sampling: The knobs.
        strategy: How the run goes.

    Returns:
        Names as in `supports`. Nothing in it stops a run but those of `EXCLUDED`; see `check`.
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
    guesses = [name for name, on in _guesses(strategy).items() if on]
    for place, name in enumerate(guesses):
        if beams:
            found[name] = "Guessing ahead goes with greedy decoding and sampling, not with beam search."
        elif strategy.num_return_sequences > 1:
            found[name] = "Guessing ahead writes one sequence at a time."
        elif place:
            found[name] = f"Tokens are guessed {_BY[guesses[0]]} already."
    mark = sampling.watermarking_config
    if mark is not None and mark.kind == "synthid" and (beams or guesses):
        found["watermarking_config"] = (
            "The library's SynthID remembers what it was asked token by token, which "
            + ("beams that change places" if beams else "guesses that are taken back")
            + " would confuse."
        )
    if strategy.guidance_scale != 1.0:
        if beams:
            found["guidance"] = "Guidance needs the model's logits, and beam search adds up log-probabilities."
        elif strategy.guesses:
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
        **_guesses(strategy),
        "healing": strategy.token_healing,
        "compiled": strategy.compiled,
        "watermarking_config": sampling.watermarking_config is not None,
    }
    for name, wanted in asked.items():
        if wanted and offered[name]:
            raise NotSupported(
                f"{model.checkpoint.name} can't generate that way.",
                why=offered[name],
                remedy="Choose another strategy.",
            )
    layers = getattr(model.model.config.get_text_config(decoder=True), "num_hidden_layers", 0)
    if 0 < layers <= strategy.assistant_early_exit:
        raise InputError(
            f"assistant_early_exit can't be {strategy.assistant_early_exit}.",
            why=f"{model.checkpoint.name} has {layers} layers, and some have to be left out.",
            remedy=f"Set assistant_early_exit below {layers}.",
        )


def other_tokenizer(model: LoadedModel, second: LoadedModel) -> bool:
    """Whether the library takes the two models' vocabularies for different ones: it goes by their size."""
    size = model.model.config.get_text_config().vocab_size
    return bool(size != second.model.config.get_text_config().vocab_size)


def _guesses(strategy: Strategy) -> dict[str, bool]:
    """Which ways of guessing ahead are asked for."""
    return {
        "assisted": strategy.assisted,
        "early_exit": strategy.assistant_early_exit > 0,
        "mtp": strategy.use_mtp,
        "prompt_lookup": strategy.prompt_lookup_num_tokens > 0,
    }


def _kind(model: LoadedModel) -> str:
    return type(model.model).__name__


def _no_cache(model: LoadedModel) -> bool:
    """Whether a model computes everything again for each token: some always do, and so do encoders that write."""
    if model.head != "AutoModelForCausalLM" or model.facts.model_type in CACHELESS:
        return model.facts.model_type in CACHELESS
    encoder = "AutoModelForMaskedLM" in model.facts.heads or model.facts.model_type == "bert-generation"
    unmade = encoder and not getattr(model.model.config, "is_decoder", True)
    return unmade or "past_key_values" not in inspect.signature(model.model.forward).parameters


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
    if _no_cache(model):
        return f"{_kind(model)} keeps nothing of what it has read here, and guesses are checked against that."
    if model.facts.model_type in _ONE_BY_ONE:
        return f"{_kind(model)} reads one new token at a time, and guesses are checked several at once."
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
    if _no_cache(model):
        return f"The library's guidance needs an attention cache, and {_kind(model)} runs without one."
    if model.facts.model_type in _PROMPTED:
        return f"The library's guidance runs on the new tokens alone, and {_kind(model)} needs the prompt before them."
    return ""


def _no_watermark(model: LoadedModel) -> str:
    if model.model.device.type != "cpu":
        return (
            f"The model is on {model.device}, where other tokens would be green than on the CPU: what is shown of a "
            "step, and the detector, go by the CPU's."
        )
    head = model.model.get_output_embeddings()
    size = model.model.config.get_text_config().vocab_size
    if head is None or getattr(head, "weight", None) is None or head.weight.shape[0] != size:
        return f"The library goes by the {size:,} entries that the config names, and the model scores another number."
    return ""
