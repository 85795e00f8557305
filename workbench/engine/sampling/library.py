"""The library's own processors: which knob is which of them, in its order, and built by itself."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from workbench.engine.sampling import watermark
from workbench.engine.sampling.knobs import NEUTRAL
from workbench.engine.values import Sampling

if TYPE_CHECKING:
    import torch
    from transformers import LogitsProcessorList

    from workbench.engine.models import LoadedModel

#: What changes scores whichever way the next token is chosen, in the library's order: field of `Sampling`, class.
PROCESSORS = {
    "sequence_bias": "SequenceBiasLogitsProcessor",
    "encoder_repetition_penalty": "EncoderRepetitionPenaltyLogitsProcessor",
    "repetition_penalty": "RepetitionPenaltyLogitsProcessor",
    "no_repeat_ngram_size": "NoRepeatNGramLogitsProcessor",
    "encoder_no_repeat_ngram_size": "EncoderNoRepeatNGramLogitsProcessor",
    "bad_words_ids": "NoBadWordsLogitsProcessor",
    "min_new_tokens": "MinNewTokensLengthLogitsProcessor",
    "forced_bos_token_id": "ForcedBOSTokenLogitsProcessor",
    "forced_eos_token_id": "ForcedEOSTokenLogitsProcessor",
    "remove_invalid_values": "InfNanRemoveLogitsProcessor",
    "exponential_decay_length_penalty": "ExponentialDecayLengthPenalty",
    "suppress_tokens": "SuppressTokensLogitsProcessor",
    "begin_suppress_tokens": "SuppressTokensAtBeginLogitsProcessor",
}
#: What acts when tokens are drawn only, in the library's order.
WARPERS = {
    "temperature": "TemperatureLogitsWarper",
    "top_h": "TopHLogitsWarper",
    "top_k": "TopKLogitsWarper",
    "top_p": "TopPLogitsWarper",
    "min_p": "MinPLogitsWarper",
    "typical_p": "TypicalLogitsWarper",
    "epsilon_cutoff": "EpsilonLogitsWarper",
    "eta_cutoff": "EtaLogitsWarper",
}
#: What acts at the very end, whichever way the next token is chosen.
LAST = {"watermarking_config": "WatermarkLogitsProcessor", "renormalize_logits": "LogitNormalization"}
#: Names of everything that can act on scores, in order; guidance comes in front of the knobs, and greedy choice last.
ACTS = ("guidance_scale", *PROCESSORS, *WARPERS, *LAST, "greedy")

_NAMES = {made: name for name, made in (PROCESSORS | WARPERS | LAST).items()}
_NAMES |= dict.fromkeys(("Standing", "Selfhash"), "watermarking_config")
# The library has defaults of its own for these, and a checkpoint's config may have others: they are always stated.
_STATED = ("temperature", "top_k", "top_p")


def acting(sampling: Sampling) -> tuple[str, ...]:
    """The knobs that are not off, in the order in which the library applies them.

    Some of them may still find nothing to do: those that look at the encoder's input or at the end tokens need one.
    """
    names = (*PROCESSORS, *(WARPERS if sampling.do_sample else ()), *LAST)
    return tuple(name for name in names if getattr(sampling, name) != getattr(NEUTRAL, name))


def fields(sampling: Sampling) -> dict[str, Any]:
    """The knobs as ``GenerationConfig`` and ``generate()`` take them; what is off is left out.

    ``do_sample`` and ``repetition_penalty`` are always there, and when drawing temperature, top_k and top_p, since
    generate() has defaults of its own for them. ``max_new_tokens`` and the seed are the caller's.

    Args:
        sampling: Knobs that have been checked.

    References:
        transformers, Generation: GenerationConfig
    """
    acts = acting(sampling)
    stated = ("repetition_penalty", *(_STATED if sampling.do_sample else ()))
    given: dict[str, Any] = {"do_sample": sampling.do_sample}
    for name in (*PROCESSORS, *WARPERS, *LAST):
        if name in acts or name in stated:
            given[name] = getattr(sampling, name)
    if "bad_words_ids" in given:
        given["bad_words_ids"] = [list(words) for words in sampling.bad_words_ids]
    if "sequence_bias" in given:
        given["sequence_bias"] = [[list(words), bias] for words, bias in sampling.sequence_bias]
    for name in ("suppress_tokens", "begin_suppress_tokens"):
        if name in given:
            given[name] = list(given[name])
    if sampling.watermarking_config is not None:
        given["watermarking_config"] = watermark.config_of(sampling.watermarking_config)
    return given


def processors(
    model: LoadedModel | None,
    sampling: Sampling,
    prompt_length: int,
    eos: Sequence[int] = (),
    device: Any = "cpu",
    encoder_ids: Sequence[int] | torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    *,
    num_beams: int = 1,
    vocabulary: int = 0,
) -> LogitsProcessorList:
    """Let the library build its processors for these knobs, from a config on which nothing else is set.

    Args:
        model: Whose list it is; without one, that of a model that adds none of its own.
        sampling: Knobs that have been checked.
        prompt_length: Ids in front of the first new one, in the sequence that is written.
        eos: Ids that end a text; without them the knobs that act on end tokens are left out.
        device: Where the scores will be.
        encoder_ids: The encoder's input, ``(seq,)`` or ``(batch, seq)``; without it the knobs on it are left out.
        mask: Attention mask ``(batch, seq)`` of the sequence that is written; the repetition penalty skips padding.
        num_beams: Hypotheses side by side; drawing beams keep one token more than there are end tokens.
        vocabulary: Entries of the scores, which a watermark without a model has to be told.

    References:
        transformers, Generation: GenerationMixin._get_logits_processor, LogitsProcessorList
    """
    import torch
    from transformers import GenerationConfig, GenerationMixin, LogitsProcessorList

    given = fields(sampling)
    encoder = None
    if encoder_ids is not None and len(encoder_ids):
        encoder = torch.as_tensor(encoder_ids, dtype=torch.long, device=device)
        encoder = encoder[None] if encoder.dim() == 1 else encoder
    if encoder is None:
        given.pop("encoder_repetition_penalty", None)
        given.pop("encoder_no_repeat_ngram_size", None)
    if not eos:
        given.pop("min_new_tokens", None)
        given.pop("exponential_decay_length_penalty", None)
    # The library spares the end tokens, and stumbles when no word is left after that.
    if "bad_words_ids" in given and all(words in [[end] for end in eos] for words in given["bad_words_ids"]):
        del given["bad_words_ids"]
    config = GenerationConfig(num_beams=num_beams, **given)
    config.max_length = prompt_length + sampling.max_new_tokens
    config._eos_token_tensor = torch.tensor(list(eos), device=device) if eos else None
    if model is None:
        owner = type("AnyModel", (GenerationMixin,), {})()
        # Only asked for the name of the mask, whether a missing prompt deserves a warning, and the size.
        sized = SimpleNamespace(vocab_size=vocabulary)
        owner.config = SimpleNamespace(is_encoder_decoder=True, get_text_config=lambda: sized)
    else:
        owner = model.model
    made = owner._get_logits_processor(
        config,
        input_ids_seq_length=prompt_length,
        encoder_input_ids=encoder,
        device=device,
        model_kwargs={"attention_mask": mask, "decoder_attention_mask": mask},
    )
    return LogitsProcessorList(watermark.standing(each, prompt_length) for each in made)


def name_of(processor: object) -> str:
    """The field of `Sampling` that a processor of the library comes from, or its class's name when there is none."""
    kind = type(processor).__name__
    return _NAMES.get(kind, kind)
