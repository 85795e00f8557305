"""Models that are asked for a transcript: in a conversation that their processor writes, or by a language's prompt.

References:
    transformers, Models: Canary, CohereAsr, FunAsrNano, GlmAsr, GraniteSpeech, MossTranscribeDiarize,
    Nemotron3_5Transcribe, Qwen3ASR, VibeVoiceAsr, Voxtral, VoxtralRealtime, SeamlessM4T
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, WorkbenchError, first_line
from workbench.engine.processors import PLACED
from workbench.engine.tasks import sounds
from workbench.engine.tasks.inputs import Inputs, Request
from workbench.engine.tasks.processors import missing, processor

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel

LANGUAGES: dict[str, dict[str, str]] = {
    "canary": {"source_language": "source_language", "target_language": "target_language"},
    "cohere_asr": {"source_language": "language"},
    "fun_asr_nano": {"source_language": "language"},
    "glmasr": {},
    "kyutai_speech_to_text": {},
    "granite_speech": {},
    "granite_speech_plus": {},
    "moss_transcribe_diarize": {},
    "nemo_speechlm": {},
    "qwen3_asr": {"source_language": "language"},
    "vibevoice_asr": {},
    "voxtral": {"source_language": "language"},
    "voxtral_realtime": {},
}
"""Architectures that are asked, and what their processors call the settings that name a language."""

ENGLISH = {"cohere_asr": {"language": "en"}}
"""What is asked for where the processor wants a language and none was chosen."""

PACED = ("kyutai_speech_to_text", "voxtral_realtime")
"""Architectures that write a token for each moment of the sound, so that it says how many there are."""

GRANITE = ("granite_speech", "granite_speech_plus")
"""Architectures whose chat templates write down what is said as it stands, the mark of a sound in front."""

QUESTION = "can you transcribe the speech into a written format?"
"""What Granite Speech is asked for a transcript with."""


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
        elif kind in PACED:
            made = reader(audio=samples, return_tensors="pt")
        elif kind == "moss_transcribe_diarize":
            made = reader.apply_transcription_request(audio=samples, return_tensors="pt")
        elif kind in GRANITE:
            made = said(reader, QUESTION, samples)
        else:
            made = reader.apply_transcription_request(audio=samples, **told)
    except WorkbenchError:
        raise
    except ImportError as error:
        raise missing(f"{request.model.checkpoint.name} can't write down what it hears.", error) from error
    except Exception as error:
        raise InputError(
            "The sound could not be prepared.",
            why=f"The checkpoint's processor says: {first_line(error)}",
            remedy="Choose another language, as its code or its name, or take another sound.",
        ) from error
    aside = {"samples": torch.from_numpy(samples)[None], "sampling_rate": torch.tensor([extractor.sampling_rate])}
    return Inputs({name: tensor for name, tensor in made.items() if isinstance(tensor, torch.Tensor)}, aside)


def goes_along(model: LoadedModel) -> bool:
    """Whether a pass is given a token for each moment of a sound: of those that write so, where nothing writes them."""
    return model.facts.model_type == "voxtral_realtime" and model.head in PLACED


def paced(model: LoadedModel, made: dict[str, Tensor]) -> dict[str, Tensor]:
    """A sound with a token to each moment of it, which a pass over both wants: what is left over of either is cut off.

    Args:
        model: One that `goes_along`.
        made: ``input_features`` of shape ``(1, bins, frames)``, and ``input_ids`` of shape ``(1, seq)`` where a text
            was given. Moments without a token of it have that of padding.

    Returns:
        ``input_features`` of whole moments, ``input_ids`` of shape ``(1, moments)`` and their ``attention_mask``.

    Raises:
        InputError: The sound is shorter than a moment.
    """
    import torch

    config: Any = model.model.config
    each, features = config.audio_length_per_tok, made["input_features"]
    count = features.shape[-1] // each
    if not count:
        raise InputError(
            "The sound is too short.",
            why=f"A token goes with each {each} frames of its spectrogram, and there are {features.shape[-1]}.",
            remedy="Take one of at least a second.",
        )
    pad = getattr(config.get_text_config(), "pad_token_id", None) or 0
    ids = torch.full((1, count), pad)
    said = made["input_ids"][:, :count] if "input_ids" in made else ids[:, :0]
    ids[:, : said.shape[1]] = said
    return {"input_features": features[..., : count * each], "input_ids": ids, "attention_mask": torch.ones_like(ids)}


def said(reader: Any, text: str, samples: Any = None) -> Any:
    """A text to Granite Speech, with a sound in front of it where there is one.

    Args:
        reader: The checkpoint's processor.
        text: What is said.
        samples: Of shape ``(samples,)``, at the rate that the processor wants.
    """
    content = text if samples is None else reader.audio_token + text
    turns = [{"role": "user", "content": content}]
    written = reader.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    return reader(text=written, audio=samples, return_tensors="pt")


def prompt(request: Request, inputs: Inputs) -> int:
    """Tokens that what is written begins with."""
    asks = inputs.tensors.get("decoder_input_ids" if request.model.encoder_decoder else "input_ids")
    return 1 if asks is None else int(asks.shape[1])


def text(request: Request, sequences: Tensor) -> str:
    """What was written, without its prompt; the parts of a long sound joined."""
    if len(sequences) == 1:
        return str(request.tokenizer.decode(sequences[0], skip_special_tokens=True))
    parts = [(0, number) for number in range(len(sequences))]
    # Of those that are asked, this one alone cuts a long sound.
    language = request.options.source_language or ENGLISH["cohere_asr"]["language"]
    (whole,) = processor(request.model).decode(
        sequences, skip_special_tokens=True, audio_chunk_index=parts, language=language
    )
    return str(whole)
