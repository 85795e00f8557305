"""What stands before a model: its tokenizer and its processor, read from the checkpoint without running any of it."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported, first_line
from workbench.engine.facts import has_tokenizer, tokenizer_folder
from workbench.engine.processors.bare import (
    BODIES,
    NO_TOKENIZER,
    SETTINGS,
    built,
    lacking,
    stands_in,
    typed,
    typed_ids,
)
from workbench.engine.values import Checkpoint, Facts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ProcessorMixin

__all__ = [
    "BODIES", "COUNTED", "NO_TOKENIZER", "PICTURED", "PLACED", "READERS", "UNSEEN", "UNTRAINED", "WORDED",
    "built", "class_of", "lacking", "missing", "plain", "processor_of", "read_whole", "stands_in", "stills",
    "tokenizer_of", "typed", "typed_ids", "wants_torchvision",
]  # fmt: skip


READERS = {
    "tokenizer": "AutoTokenizer",
    "image_processor": "AutoImageProcessor",
    "feature_extractor": "AutoFeatureExtractor",
}
"""What reads a part of a processor, by the part."""

UNTRAINED = {"oneformer": {"class_info_file": ""}}
"""What image processors are told, by architecture, so that they ask the Hub for no table that only training reads."""

#: What whole processors are told, by architecture: the words of a page are given, and none read off its picture.
_UNREAD = {"udop": {"apply_ocr": False}}

WORDED = {
    ("sam3_video", "AutoModel"): "Sam3Processor",
    ("shieldgemma2", "AutoModelForImageTextToText"): "Gemma3Processor",
    ("shieldgemma2", "AutoModelForMultimodalLM"): "Gemma3Processor",
}
"""What prepares a picture with words, by architecture and head, where the checkpoint's own processor takes no words:
that of SAM 3 prepares films, and that of ShieldGemma 2 writes what it asks of every picture itself."""

COUNTED = "cosmos3_edge"
"""The architecture that wants to be told which tokens are of a picture, whose processor tells it only when asked."""

_EXTRAS = {
    "num2words": "vision",
    "torchvision": "vision",
    "timm": "vision",
    "opencv": "vision",
    "torchaudio": "audio",
    "mistral-common": "speech",
    "diffusers": "speech",
    "essentia": "music",
    "librosa": "music",
    "pretty_midi": "music",
    "resampy": "music",
}
"""Packages that the library has some architectures for alone, with the extra of this program that brings them."""

#: Those whose name on the package index is another than the library's.
_ON_THE_INDEX = {"levenshtein": "python-Levenshtein", "bs4": "beautifulsoup4", "g2p_en": "g2p-en"}

PICTURED = ("AutoModelForImageTextToText", "AutoModelForMultimodalLM")
"""Auto classes whose models write about pictures in a text; most architectures have one class for both."""

PLACED = (*BODIES, "AutoModelForPreTraining")
"""Auto classes whose models are run as they are, on a picture and the text that it stands in."""

UNSEEN = "so it takes no pictures here"
"""How it is told that a model sees, and that what prepares its pictures is missing."""

_UNPLACED = f"The folder has no processor for pictures with text, {UNSEEN}."


def missing(what: str, error: BaseException) -> NotSupported:
    """The refusal of what the library does with a package that is not installed, or that does not work.

    Args:
        what: What can't be done, in a sentence.
        error: What the library said.
    """
    said = first_line(error).split(". ")[0].rstrip(".")
    package = _package(error)
    if package == "torchvision" and importlib.util.find_spec(package) is not None:
        return NotSupported(
            what,
            why=f"torchvision is installed, but does not work with the torch beside it: {said}.",
            remedy="Install the torchvision that was built for this torch, from where it came, or remove torchvision.",
        )
    if not package:
        return NotSupported(
            what,
            why=f"The library does it only with a package that is not installed: {said}.",
            remedy="Install the package it names, or load another checkpoint.",
        )
    # Both are compiled for one torch, and on Linux the index has that with CUDA alone.
    where = " from where your torch came" if package.startswith("torch") else ""
    line = f'pip install "transformers-workbench[{_EXTRAS[package]}]"' if package in _EXTRAS else ""
    line = line or f"pip install {_ON_THE_INDEX.get(package, package)}"
    return NotSupported(
        what,
        why=f"The library does it with {package} alone, which is not installed.",
        remedy=f"Install {package}{where} ({line}), or load another checkpoint.",
    )


def wants_torchvision(error: BaseException) -> bool:
    """Whether the library failed for want of torchvision."""
    # Some processors name a function of it that was never imported, and of some nothing else is there to be loaded.
    unread = "Could not load any image processor class" in str(error) and not importlib.util.find_spec("torchvision")
    return "torchvision" in str(error).lower() or unread or (isinstance(error, NameError) and "tvF" in str(error))


def _package(error: BaseException) -> str:
    """The package that the library says it wants, as it names it; empty where it names none."""
    if wants_torchvision(error):
        return "torchvision"
    # Its names come after one another where several are missing; one of an extra brings the others.
    named = re.search(r"requires? (?:the |`)([\w-]+)(?: library|`)|Package `([\w-]+)` is required", str(error))
    return (named[1] or named[2]).lower() if named else ""


def tokenizer_of(
    checkpoint: Checkpoint, *, own_code: bool = False
) -> tuple[PreTrainedTokenizerBase | None, tuple[str, ...]]:
    """The tokenizer, or None, and what a person should know about it.

    Args:
        checkpoint: Whose folder is read.
        own_code: Whether a person agreed that its code may run.
    """
    from transformers import AutoTokenizer

    folder = tokenizer_folder(checkpoint.path)
    if not has_tokenizer(folder):
        return None, (NO_TOKENIZER,)
    try:
        return plain(AutoTokenizer.from_pretrained(folder, trust_remote_code=own_code, local_files_only=True)), ()
    except Exception as error:
        # Whatever is wrong with it, the model itself can still be looked at.
        what = "Its tokenizer could not be read"
        if isinstance(error, ImportError):
            return None, (str(missing(f"{what}.", error)),)
        return None, (f"{what}: {first_line(error)}",)


def plain(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A tokenizer that says whether it is a fast one, as Mistral's own does not."""
    if not hasattr(tokenizer, "is_fast"):
        tokenizer.is_fast = False
    return tokenizer


def processor_of(checkpoint: Checkpoint, facts: Facts, head: str) -> tuple[ProcessorMixin | None, tuple[str, ...]]:
    """What makes inputs of pictures and text, or None, and what a person should know about it.

    Args:
        checkpoint: Whose folder is read.
        facts: What it says.
        head: Auto class of the model.
    """
    if head not in (*PICTURED, *PLACED) or not facts.takes_images:
        return None, ()
    if head in PLACED and not any((checkpoint.path / file).is_file() for file in SETTINGS):
        return None, (_UNPLACED,)
    try:
        processor = read_whole(checkpoint, facts.model_type, head)
    except Exception as error:
        if isinstance(error, ImportError) or wants_torchvision(error):
            return None, (str(missing(f"Its processor could not be read, {UNSEEN}.", error)),)
        said = first_line(error).split(". ")[0].rstrip(".")
        return None, (f"Its processor could not be read, {UNSEEN}: {said[:200]}.",)
    sees = hasattr(processor, "image_processor") or hasattr(processor, "qformer_tokenizer")
    whole = sees and hasattr(processor, "tokenizer")
    if not whole and facts.model_type == "vision-encoder-decoder":
        return _paired(checkpoint)
    if not whole:
        return None, (_UNPLACED,)
    return processor, ()


def read_whole(checkpoint: Checkpoint, model_type: str, head: str) -> Any:
    """What a checkpoint was saved with that prepares more than text, made to do what its model needs.

    Args:
        checkpoint: Whose folder is read.
        model_type: Of its config.
        head: Auto class of the model.

    Raises:
        Exception: Whatever the library raises, which can't read it.
    """
    import transformers

    kind, told = getattr(transformers, WORDED.get((model_type, head), "AutoProcessor")), _UNREAD.get(model_type, {})
    try:
        processor = kind.from_pretrained(checkpoint.path, trust_remote_code=False, local_files_only=True, **told)
    except ImportError as error:
        processor = _film_free(checkpoint, model_type, error)
    return _adapted(processor, model_type)


def _adapted(processor: Any, model_type: str) -> Any:
    # Where the library's own way is broken.
    if model_type == "fuyu" and hasattr(processor, "image_processor"):
        _cut_tensors(processor.image_processor)
    if model_type == COUNTED:
        processor.return_mm_token_type_ids = True
    return processor


def _cut_tensors(pixels: Any) -> None:
    """Let Fuyu's image processor of Pillow cut patches: it is written for arrays, and its processor hands it tensors.

    Args:
        pixels: The image processor; the one of torchvision is left as it is.
    """
    import torch

    if not type(pixels).__name__.endswith("Pil"):
        return
    kind: Any = type(pixels)

    class Cuts(kind):
        def patchify_image(self, image: Any, patch_size: Any = None) -> Any:
            return torch.from_numpy(super().patchify_image(image.numpy(), patch_size))

    Cuts.__name__ = kind.__name__
    pixels.__class__ = Cuts


def _paired(checkpoint: Checkpoint) -> tuple[ProcessorMixin | None, tuple[str, ...]]:
    """An image processor and a tokenizer that were saved side by side, as those of captions often were."""
    from transformers import AutoImageProcessor, AutoTokenizer, TrOCRProcessor

    named: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        pictures = AutoImageProcessor.from_pretrained(checkpoint.path, **named)
        return TrOCRProcessor(pictures, AutoTokenizer.from_pretrained(checkpoint.path, **named)), ()
    except Exception as error:
        return None, (f"Its image processor could not be read, {UNSEEN}: {first_line(error)}",)


def class_of(path: Path, model_type: str) -> Any:
    """The class of a checkpoint's processor: the one its files name, else its architecture's; None without one.

    Args:
        path: The folder.
        model_type: Of its config.
    """
    import transformers
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    files = ("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json")
    said: dict[str, Any] = {}
    for file in (*files, "tokenizer_config.json"):
        try:
            read = json.loads((path / file).read_bytes())
        except (OSError, ValueError):
            continue
        said = read if isinstance(read, dict) else {}
        if isinstance(said.get("processor_class"), str):
            break
    name = said.get("processor_class") or PROCESSOR_MAPPING_NAMES.get(model_type)
    found = getattr(transformers, name, None) if isinstance(name, str) else None
    return found if isinstance(found, type) and issubclass(found, transformers.ProcessorMixin) else None


def stills(path: Path, model_type: str) -> Any:
    """The class of a processor whose part for films can't be had here, for want of torchvision; None of any other.

    Args:
        path: The folder of the checkpoint.
        model_type: Of its config.
    """
    if importlib.util.find_spec("torchvision") is not None:
        return None
    kind = class_of(path, model_type)
    parts = set(kind.get_attributes()) if kind is not None else set()
    return kind if "video_processor" in parts and parts <= {*READERS, "video_processor"} else None


def _film_free(checkpoint: Checkpoint, model_type: str, error: ImportError) -> ProcessorMixin:
    """A processor without its part for films, which needs torchvision; the others need Pillow and numpy alone.

    Args:
        checkpoint: Whose folder is read.
        model_type: Of its config.
        error: What the library said of the whole one.

    Raises:
        ImportError: What it said, where that part is not what was missing, or the others can't do without it.
    """
    if "VideoProcessor" not in str(error) or stills(checkpoint.path, model_type) is None:
        raise error
    try:
        return _without_films(checkpoint.path, model_type)
    except Exception as second:
        raise error from second


def _without_films(path: Path, model_type: str) -> ProcessorMixin:
    import transformers

    kind: Any = class_of(path, model_type)
    parts: dict[str, Any] = {
        name: getattr(transformers, READERS[name]).from_pretrained(path, trust_remote_code=False, local_files_only=True)
        for name in kind.get_attributes()
        if name in READERS
    } | {"video_processor": None}

    class Stills(kind):
        @classmethod
        def _get_arguments_from_pretrained(cls, *_: Any, **__: Any) -> list[Any]:
            return [parts[name] for name in kind.get_attributes()]

        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument_name != "video_processor":
                return super().check_argument_for_proper_class(argument_name, argument)
            return None

    # The library looks at the names of such classes here and there.
    Stills.__name__ = kind.__name__
    processor: ProcessorMixin = Stills.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    return processor
