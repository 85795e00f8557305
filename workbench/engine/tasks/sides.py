"""Whether an architecture reads, writes, or reads and then writes.

References:
    transformers, Glossary: encoder models, decoder models
"""

from __future__ import annotations

from workbench.engine.tasks import any_to_any, series, speaking, table_recognition, time_series_prediction, transcribing
from workbench.engine.values import Facts


def of(facts: Facts, *, asked: bool) -> tuple[str, str]:
    """Whether a checkpoint is an encoder, a decoder or both, and what that means.

    Args:
        facts: Of the checkpoint.
        asked: It answers to pictures and sounds that stand among the tokens of a text.

    Returns:
        ``encoder``, ``decoder`` or ``encoder-decoder``, and a sentence for people.
    """
    if asked or (facts.model_type in transcribing.LANGUAGES and any_to_any.SPEC.heads[0] in facts.heads):
        # Some of them stand among the models of sequences to sequences, for want of a better place.
        return "decoder", (
            "Each token sees only those before it; encoders of their own turn pictures and sounds into some of them."
        )
    if facts.model_type in series.DECIDES:
        return "decoder", "Each step sees only those before it, so that the model can say what to do next."
    if time_series_prediction.SPEC.heads[0] in facts.heads:
        return "decoder", "Each part of the series sees only those before it, so that the model can say how it goes on."
    if facts.model_type in speaking.AT_ONCE:
        return "encoder", "Every position sees the whole text; further parts make the sound of all of it at once."
    if facts.model_type in speaking.DECODERS:
        return "decoder", "Each piece of sound sees only the text and the pieces before it; others make it audible."
    if facts.encoder_decoder or {"AutoModelForSpeechSeq2Seq", *table_recognition.SPEC.heads} & set(facts.heads):
        return "encoder-decoder", (
            "An encoder reads the whole input; a decoder writes a new sequence, token by token, looking back at it."
        )
    if facts.takes_images:
        return "decoder", (
            "Each token sees only those before it; an encoder of its own turns the picture into the first of them."
        )
    if "AutoModelForCausalLM" in facts.heads or "AutoModelForImageTextToText" in facts.heads:
        return "decoder", "Each token sees only those before it, so that the model can go on writing token by token."
    return "encoder", (
        "Every position sees the whole input, in both directions; a head reads the vectors, and nothing is written."
    )
