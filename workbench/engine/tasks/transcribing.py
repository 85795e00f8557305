"""Models that are asked for a transcript: in a conversation that their processor writes, or by a language's prompt.

References:
    transformers, Models: Canary, CohereAsr, FunAsrNano, Qwen3ASR, VibeVoiceAsr, Voxtral, SeamlessM4T
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, WorkbenchError, first_line
from workbench.engine.tasks import sounds
from workbench.engine.tasks.inputs import Inputs, Request
from workbench.engine.tasks.processors import processor

if TYPE_CHECKING:
    from torch import Tensor

LANGUAGES: dict[str, dict[str, str]] = {
    "canary": {"source_language": "source_language", "target_language": "target_language"},
    "cohere_asr": {"source_language": "language"},
    "fun_asr_nano": {"source_language": "language"},
    "qwen3_asr": {"source_language": "language"},
    "vibevoice_asr": {},
    "voxtral": {"source_language": "language"},
}
"""Architectures that are asked, and what their processors call the settings that name a language."""

ENGLISH = {"cohere_asr": {"language": "en"}}
"""What is asked for where the processor wants a language and none was chosen."""


def asked(request: Request) -> bool:
    """Whether the architecture is asked, rather than only given the sound."""
    return request.model.model.config.model_type in LANGUAGES


def preprocess(request: Request) -> Inputs:
    """The sound with what asks for its transcript, as the checkpoint's processor puts them together.

    Raises:
        InputError: There is no sound, it can't be read, or the language is none that the model knows.
        NotSupported: The checkpoint has no processor that works here.
    """
    import torch

    reader = processor(request.model)
    extractor, samples = sounds.heard(request)
    kind = request.model.model.config.model_type
    told: dict[str, Any] = dict(ENGLISH.get(kind, {}))
    told |= {
        name: getattr(request.options, option)
        for option, name in LANGUAGES[kind].items()
        if getattr(request.options, option)
    }
    try:
        if kind == "voxtral":
            told |= {"model_id": request.model.checkpoint.name, "sampling_rate": extractor.sampling_rate}
            made = reader.apply_transcription_request(audio=[samples], format=["wav"], **told)
        elif kind == "cohere_asr":
            made = reader(samples, sampling_rate=extractor.sampling_rate, **told)
        else:
            made = reader.apply_transcription_request(audio=samples, **told)
    except WorkbenchError:
        raise
    except Exception as error:
        raise InputError(
            "The sound could not be prepared.",
            why=f"The checkpoint's processor says: {first_line(error)}",
            remedy="Choose another language, as its code or its name, or take another sound.",
        ) from error
    aside = {"samples": torch.from_numpy(samples)[None], "sampling_rate": torch.tensor([extractor.sampling_rate])}
    return Inputs({name: tensor for name, tensor in made.items() if isinstance(tensor, torch.Tensor)}, aside)


def prompt(request: Request, inputs: Inputs) -> int:
    """Tokens that what is written begins with."""
    asks = inputs.tensors.get("decoder_input_ids" if request.model.encoder_decoder else "input_ids")
    return 1 if asks is None else int(asks.shape[1])


def text(request: Request, sequences: Tensor) -> str:
    """What was written, without its prompt; the parts of a long sound joined."""
    if len(sequences) == 1:
        return str(request.tokenizer.decode(sequences[0], skip_special_tokens=True))
    parts = [(0, number) for number in range(len(sequences))]
    language = request.options.source_language or "en"
    (whole,) = processor(request.model).decode(
        sequences, skip_special_tokens=True, audio_chunk_index=parts, language=language
    )
    return str(whole)
