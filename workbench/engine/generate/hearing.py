"""Sounds for a prompt: who hears them, and how they stand in what a checkpoint's processor is given.

References:
    transformers, Models: Qwen2Audio, AudioFlamingo3, GraniteSpeech, Phi4Multimodal, Gemma3n, Qwen2.5 Omni
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported, first_line
from workbench.engine.generate import sounds
from workbench.engine.processors import missing, read_whole
from workbench.engine.task import Silent, Task
from workbench.engine.values import Message

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, ProcessorMixin

    from workbench.engine.models import LoadedModel

TYPES = (
    "audioflamingo3", "dots3_note", "gemma3n", "gemma4", "gemma4_unified", "glmasr", "granite_speech",
    "granite_speech_plus", "inkling_mm_model", "moss_transcribe_diarize", "muse_spark", "musicflamingo",
    "nemo_speechlm", "nemotron_h_omni", "phi4_multimodal", "qwen2_5_omni_thinker", "qwen2_audio", "qwen3_asr",
    "qwen3_omni_moe_thinker",
)  # fmt: skip
"""Architectures that write behind a text with marks for sounds in it, which their processors put there."""

SPOKEN = ("granite_speech", "granite_speech_plus")
"""Those whose chat templates write down what is said as it stands, the marks of the sounds in front."""

ADAPTING = (*SPOKEN, "nemo_speechlm", "seamless_m4t", "seamless_m4t_v2")
"""Those whose own ``generate`` hands everything on: it switches an adapter on where there is a sound, or looks up a
language or the times of words where it is asked for them."""

OTHER_NAME = ("granite_speech", "granite_speech_plus", "phi4_multimodal")
"""Those whose processors call their feature extractor an audio processor."""

#: Published without the part that hears as well.
_DEAF = ("gemma4", "gemma4_unified", "nemotron_h_omni")
#: Architectures that hear, and why they do not here.
_APART = {
    "vibevoice_asr": "It draws noise into what it hears, so that the same sound would not give the same text again.",
    "voxtral": "Its tokenizer, Mistral's own, writes whole conversations and reads the files of their sounds itself, "
    "so that no token can be looked at before.",
    "voxtral_realtime": "Each token that it writes comes with a moment of the sound.",
}
#: Points of the wave that is shown of a sound.
_POINTS = 400

#: By the model they belong to, so that they go when it goes.
_KEPT: weakref.WeakKeyDictionary[PreTrainedModel, ProcessorMixin] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, eq=False, slots=True)
class Look:
    """What is shown of a sound before a model hears it.

    Attributes:
        path: Its file.
        seconds: How long it is.
        wave: The largest absolute sample of each of at most 400 equal parts, of shape ``(parts,)``.
    """

    path: Path
    seconds: float
    wave: np.ndarray


def hears(model: LoadedModel) -> bool:
    """Whether sounds can go in with a prompt; no file is looked at."""
    kind, config = model.facts.model_type, model.model.config
    deaf = kind in _DEAF and getattr(config, "audio_config", None) is None
    return kind in TYPES and model.generates and not deaf


def why_not(model: LoadedModel) -> str:
    """Why a model that hears is given no sounds here, in a sentence; empty of any other."""
    return _APART.get(model.facts.model_type, "") if model.generates else ""


def processor_of(model: LoadedModel) -> ProcessorMixin:
    """What makes inputs of sounds and text, read from the checkpoint's folder once a model.

    Raises:
        NotSupported: The model takes no sounds, or its processor can't be read.
    """
    what, kind = f"{model.checkpoint.name} takes no sounds.", model.facts.model_type
    if not hears(model):
        why = _APART.get(kind, f"{type(model.model).__name__} hears nothing where it goes on behind a prompt.")
        raise NotSupported(what, why=why, remedy="Remove the sound, or let it hear one in Tasks.")
    if model.processor is not None:
        return model.processor
    if model.model not in _KEPT:
        try:
            _KEPT[model.model] = read_whole(model.checkpoint, model.facts.model_type, model.head)
        except ImportError as error:
            raise missing(what, error) from error
        except Exception as error:
            why = f"Its processor can't be read: {first_line(error)}"
            remedy = "Remove the sound, or download the checkpoint again with its preprocessor_config.json."
            raise NotSupported(what, why=why, remedy=remedy) from error
    return _KEPT[model.model]


def is_ready(model: LoadedModel) -> bool:
    """Whether `processor_of` answers at once."""
    return model.processor is not None or model.model in _KEPT


def look(model: LoadedModel, path: Path, *, task: Task | None = None) -> Look:
    """Read a sound and the checkpoint's processor, so that neither fails only when the model is to hear it.

    Args:
        model: A loaded model that generates.
        path: A file that libsndfile reads.
        task: Asked whether to stop.

    Raises:
        InputError: The sound can't be read.
        NotSupported: The model takes no sounds.
    """
    import numpy

    task = task or Silent()
    processor_of(model)
    sound = sounds.read(path, task=task)
    parts = numpy.array_split(numpy.abs(sound.samples), min(_POINTS, len(sound.samples)))
    return Look(path, len(sound.samples) / sound.rate, numpy.array([part.max() for part in parts], numpy.float32))


def mark_of(processor: ProcessorMixin) -> str:
    """What stands for one sound in a text."""
    return str(getattr(processor, "audio_token", None) or "<|audio|>")


def speaks(processor: ProcessorMixin) -> bool:
    """Whether a processor is of those whose chat templates write down what is said as it stands; see `SPOKEN`."""
    return type(processor).__name__ == "GraniteSpeechProcessor"


def spoken(processor: ProcessorMixin, messages: Sequence[Message]) -> tuple[Message, ...]:
    """Turns with the marks of their sounds in what they say, where the template would not put them there."""
    if not speaks(processor):
        return tuple(messages)
    mark = mark_of(processor)
    return tuple(replace(turn, content=mark * len(turn.sounds) + turn.content, sounds=()) for turn in messages)


def given(processor: Any, paths: Sequence[Path], task: Task) -> dict[str, Any]:
    """The arguments of a processor that are sounds: each of shape ``(samples,)``, at the rate that it wants.

    Args:
        processor: Of a model that hears.
        paths: Files of sounds; none gives no arguments.
        task: Asked whether to stop.

    Raises:
        InputError: A sound can't be read.
    """
    if not paths:
        return {}
    listens = getattr(processor, "feature_extractor", None) or processor.audio_processor
    rate = int(listens.sampling_rate)
    heard = [sounds.resampled(sounds.read(path, task=task), rate) for path in paths]
    # Granite's takes no rate, and so can't be told that it is its own.
    return {"audio": heard} | ({} if speaks(processor) else {"sampling_rate": rate})
