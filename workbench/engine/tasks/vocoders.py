"""The vocoder that a model of spectrograms or codes speaks through: beside its checkpoint, or among the downloads.

References:
    transformers, SpeechT5HifiGan, FastSpeech2ConformerHifiGan, DacModel
"""

from __future__ import annotations

import json
import re
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported, first_line
from workbench.engine.models import LOAD_LOCK
from workbench.engine.tasks.processors import missing

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: By architecture: the vocoder's class, and the checkpoint that the models were published with, where they name none.
KINDS = {
    "speecht5": ("SpeechT5HifiGan", "microsoft/speecht5_hifigan"),
    "fastspeech2_conformer": ("FastSpeech2ConformerHifiGan", "espnet/fastspeech2_conformer_hifigan"),
    "dia": ("DacModel", "descript/dac_44khz"),
    "higgs_audio_v2": ("HiggsAudioV2TokenizerModel", "bosonai/higgs-audio-v2-tokenizer"),
    "pocket_tts": ("PocketTTSAudioTokenizerModel", ""),
    "gradium_phonon_tts": ("PocketTTSAudioTokenizerModel", ""),
}

#: Folder inside a checkpoint's own that is looked at first.
BESIDE = "vocoder"

_KEPT: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def vocoder(model: LoadedModel) -> Any:
    """The vocoder, on the model's device; read once a model.

    Raises:
        NotSupported: There is none on this machine, or it can't be read.
    """
    if model.model not in _KEPT:
        _KEPT[model.model] = _read(model)
    return _KEPT[model.model]


def find(model_type: str, folder: Path) -> Path | None:
    """The folder of the vocoder for an architecture: in the checkpoint's own, else in the Hub's cache.

    Args:
        model_type: As the config has it.
        folder: The checkpoint's.
    """
    from huggingface_hub import try_to_load_from_cache

    if (folder / BESIDE / "config.json").is_file():
        return folder / BESIDE
    name = published(model_type, folder)
    cached = try_to_load_from_cache(name, "config.json") if name else None
    return Path(cached).parent if isinstance(cached, str) else None


def published(model_type: str, folder: Path) -> str:
    """The vocoder's name on the Hub: the one that a checkpoint's processor names, else that of its architecture.

    Args:
        model_type: As the config has it.
        folder: The checkpoint's.
    """
    for file in (folder / "audio_tokenizer_config.json", folder / "processor_config.json"):
        try:
            told = json.loads(file.read_bytes())
            name = told.get("audio_tokenizer", told).get("audio_tokenizer_name_or_path")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(name, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            return name
    return KINDS.get(model_type, ("", ""))[1]


def _read(model: LoadedModel) -> Any:
    import transformers

    kind, _ = KINDS.get(model.facts.model_type, ("SpeechT5HifiGan", ""))
    name = published(model.facts.model_type, model.checkpoint.path) or "a vocoder for it"
    folder = find(model.facts.model_type, model.checkpoint.path)
    what = f"{model.checkpoint.name} can't be heard."
    if folder is None:
        raise NotSupported(
            what,
            why="What it writes becomes a sound through a second model, the vocoder, which is not on this machine.",
            remedy=f"Download {name} in Hub, or put a vocoder into the folder “{BESIDE}” of the checkpoint.",
        )
    try:
        with LOAD_LOCK:
            read = getattr(transformers, kind).from_pretrained(
                folder, trust_remote_code=False, local_files_only=True, use_safetensors=True, dtype=model.model.dtype
            )
    except Exception as error:
        if isinstance(error, ImportError):
            raise missing(what, error) from error
        raise NotSupported(
            what,
            why=f"Its vocoder can't be read: {first_line(error)}",
            remedy="Download the vocoder again, as safetensors.",
        ) from error
    return read.eval().to(model.model.device)
