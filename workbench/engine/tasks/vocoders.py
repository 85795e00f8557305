"""The vocoder that a model of spectrograms speaks through: beside its checkpoint, or among what was downloaded.

References:
    transformers, SpeechT5HifiGan
"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported
from workbench.engine.models import LOAD_LOCK

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel

#: By architecture: the vocoder's class, and the checkpoint that the models were published with.
KINDS = {
    "speecht5": ("SpeechT5HifiGan", "microsoft/speecht5_hifigan"),
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
    cached = try_to_load_from_cache(KINDS[model_type][1], "config.json") if model_type in KINDS else None
    return Path(cached).parent if isinstance(cached, str) else None


def _read(model: LoadedModel) -> Any:
    import transformers

    kind, published = KINDS.get(model.facts.model_type, ("SpeechT5HifiGan", "a vocoder for it"))
    folder = find(model.facts.model_type, model.checkpoint.path)
    what = f"{model.checkpoint.name} can't be heard."
    if folder is None:
        raise NotSupported(
            what,
            why="It writes a spectrogram, and the vocoder that turns one into a sound is not on this machine.",
            remedy=f"Download {published} in Hub, or put a vocoder into the folder “{BESIDE}” of the checkpoint.",
        )
    try:
        with LOAD_LOCK:
            read = getattr(transformers, kind).from_pretrained(
                folder, trust_remote_code=False, local_files_only=True, use_safetensors=True, dtype=model.model.dtype
            )
    except Exception as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise NotSupported(
            what, why=f"Its vocoder can't be read: {said}", remedy="Download the vocoder again, as safetensors."
        ) from error
    return read.eval().to(model.model.device)
