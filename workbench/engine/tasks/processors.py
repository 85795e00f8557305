"""What turns pictures and sounds into tensors: the checkpoint's own image processor and feature extractor.

Where torchvision is installed beside torch, image processors are those that use it, as the library prefers them; else
those that work with Pillow and numpy alone. What the library has only for a package that is not installed is refused by
its name.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported, first_line
from workbench.engine.processors import (
    UNTRAINED,
    built,
    read_whole,
    stands_in,
    wants_torchvision,
)
from workbench.engine.processors import missing as missing

if TYPE_CHECKING:
    from workbench.engine.models import LoadedModel
    from workbench.engine.values import Checkpoint

SETTINGS, VIDEO_SETTINGS = "preprocessor_config.json", "video_preprocessor_config.json"
"""Files that say how pictures and sounds, and how whole films are prepared."""

WHOLE_SETTINGS = "processor_config.json"
"""The file that says how all of them are, where they were saved together."""

#: Architectures whose processors hand sounds to Mistral's own tokenizer, and do not say that they need it.
_SPELLED = ("voxtral",)
#: By the model they belong to, so that they go when it goes.
_KEPT: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


def image_processor(model: LoadedModel) -> Any:
    """The checkpoint's image processor, or what stands in for one that a part of a larger model lacks; once a model.

    Raises:
        NotSupported: The folder has none, or it needs torchvision.
    """
    from transformers import AutoImageProcessor

    more = UNTRAINED.get(model.facts.model_type, {})

    def read(path: Path, **named: Any) -> Any:
        made = stands_in(path, model.head, "image_processor")
        return built(*made) if made else AutoImageProcessor.from_pretrained(path, **more, **named)

    return _once(model, "pictures", SETTINGS, read)


def video_processor(model: LoadedModel) -> Any:
    """The checkpoint's video processor; read once a model.

    Raises:
        NotSupported: It needs torchvision, or can't be read.
    """

    def read(*arguments: Any, **named: Any) -> Any:
        # Without torchvision the class says so when it is looked at.
        from transformers import AutoVideoProcessor

        return AutoVideoProcessor.from_pretrained(*arguments, **named)

    return _once(model, "videos", VIDEO_SETTINGS, read)


def takes_films(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint says how whole films are prepared for it, and not how their frames are."""
    # The library writes the parts of a whole processor into one file.
    parts, settings = (_named(checkpoint.path / file) for file in (WHOLE_SETTINGS, SETTINGS))
    films = (checkpoint.path / VIDEO_SETTINGS).is_file() or "video_processor" in parts
    # Sounds are prepared by a file of the same name.
    pictures = bool(settings) and not ("feature_extractor_type" in settings and "image_processor_type" not in settings)
    return films and not (pictures or "image_processor" in parts)


def _named(file: Path) -> set[str]:
    """The names in a file of settings; none where it can't be read."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return set()
    return set(found) if isinstance(found, dict) else set()


def feature_extractor(model: LoadedModel) -> Any:
    """The checkpoint's feature extractor for sounds, or what stands in for it; read once a model.

    Raises:
        NotSupported: The folder has none.
    """
    from transformers import AutoFeatureExtractor

    def read(path: Path, **named: Any) -> Any:
        made = stands_in(path, model.head, "feature_extractor")
        return built(*made) if made else AutoFeatureExtractor.from_pretrained(path, **named)

    return _once(model, "sounds", SETTINGS, read)


def processor(model: LoadedModel) -> Any:
    """What prepares text, pictures and sounds together; read once a model.

    Raises:
        NotSupported: The folder has none, or it needs torchvision.
    """
    from transformers.utils import requires_backends

    if model.processor is not None:
        return model.processor

    def whole(_path: Path, **_named: Any) -> Any:
        if model.facts.model_type in _SPELLED:
            requires_backends("VoxtralProcessor", "mistral-common")
        return read_whole(model.checkpoint, model.facts.model_type, model.head)

    return _once(model, "more than text", SETTINGS, whole)


def film_processor(model: LoadedModel) -> Any:
    """The processor that a checkpoint was saved with, where `processor` gives another for pictures with words.

    Raises:
        NotSupported: The folder has none, or it needs torchvision.
    """
    import transformers

    return _once(model, "films with words", SETTINGS, transformers.AutoProcessor.from_pretrained)


def _once(model: LoadedModel, what: str, file: str, read: Callable[..., Any]) -> Any:
    kept = _KEPT.setdefault(model.model, {})
    if what not in kept:
        try:
            kept[what] = read(model.checkpoint.path, trust_remote_code=False, local_files_only=True)
        except Exception as error:
            raise _refusal(model, what, file, error) from error
    return kept[what]


def _refusal(model: LoadedModel, what: str, file: str, error: Exception) -> NotSupported:
    said = first_line(error)
    if isinstance(error, ImportError) or wants_torchvision(error):
        return missing(f"{model.checkpoint.name} can't read {what}.", error)
    if not (model.checkpoint.path / file).is_file() and not (model.checkpoint.path / WHOLE_SETTINGS).is_file():
        why = f"Its folder has no {file}, which says how {what} are prepared for it."
        remedy = "Download the checkpoint again, or load one that was made for this."
    elif isinstance(error, RecursionError) and not (model.checkpoint.path / VIDEO_SETTINGS).is_file():
        # The library looks for what prepares films in the processor that it is about to make of it.
        why = f"Its folder has no {VIDEO_SETTINGS}, which says how films are prepared for it."
        remedy = "Download the checkpoint again with that file, or load one that was made for this."
    else:
        why = f"Its {file} can't be read: {said}"
        remedy = "Download the checkpoint again."
    return NotSupported(f"{model.checkpoint.name} can't read {what}.", why=why, remedy=remedy)
