"""What stands before a model: its tokenizer and its processor, read from the checkpoint without running any of it."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import NotSupported, first_line
from workbench.engine.facts import has_tokenizer
from workbench.engine.values import Checkpoint, Facts

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase, ProcessorMixin

_EXTRAS = {
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

#: Those that no extra can bring, with why.
_NOWHERE = {
    "detectron2": "the package index does not have it: it is compiled from its source, for one torch",
}
#: Those whose name on the package index is another than the library's.
_ON_THE_INDEX = {"levenshtein": "python-Levenshtein", "bs4": "beautifulsoup4", "g2p_en": "g2p-en"}


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
    if package in _NOWHERE:
        return NotSupported(
            what,
            why=f"The library does it with {package} alone, which is not installed, and {_NOWHERE[package]}.",
            remedy="Load another checkpoint for this task.",
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
    # Some processors name a function of it that was never imported.
    return "torchvision" in str(error).lower() or (isinstance(error, NameError) and "tvF" in str(error))


def _package(error: BaseException) -> str:
    """The package that the library says it wants, as it names it; empty where it names none."""
    if wants_torchvision(error):
        return "torchvision"
    # Its names come after one another where several are missing; one of an extra brings the others.
    named = re.search(r"requires? (?:the |`)([\w-]+)(?: library|`)", str(error))
    return named[1].lower() if named else ""


def tokenizer_of(
    checkpoint: Checkpoint, *, own_code: bool = False
) -> tuple[PreTrainedTokenizerBase | None, tuple[str, ...]]:
    """The tokenizer, or None, and what a person should know about it.

    Args:
        checkpoint: Whose folder is read.
        own_code: Whether a person agreed that its code may run.
    """
    from transformers import AutoTokenizer

    if not has_tokenizer(checkpoint.path):
        return None, ("The folder has no tokenizer: text can't be turned into ids for it.",)
    try:
        return AutoTokenizer.from_pretrained(checkpoint.path, trust_remote_code=own_code, local_files_only=True), ()
    except Exception as error:
        # Whatever is wrong with it, the model itself can still be looked at.
        what = "Its tokenizer could not be read"
        if isinstance(error, ImportError):
            return None, (str(missing(f"{what}.", error)),)
        return None, (f"{what}: {first_line(error)}",)


def processor_of(
    checkpoint: Checkpoint, facts: Facts, head: str, config: PreTrainedConfig
) -> tuple[ProcessorMixin | None, tuple[str, ...]]:
    """What makes inputs of pictures and text, or None, and what a person should know about it.

    Args:
        checkpoint: Whose folder is read.
        facts: What it says.
        head: Auto class of the model.
        config: Of the model.
    """
    from transformers import AutoProcessor

    if head != "AutoModelForImageTextToText" or not facts.takes_images:
        return None, ()
    try:
        try:
            processor = AutoProcessor.from_pretrained(checkpoint.path, trust_remote_code=False, local_files_only=True)
        except ImportError as error:
            if "VideoProcessor" not in str(error):
                raise
            processor = without_films(checkpoint, config)
    except Exception as error:
        said = first_line(error).split(". ")[0].rstrip(".")
        if "torchvision" in str(error).lower():
            said = "the library has it for torchvision alone (transformers-workbench[vision])"
        return None, (f"Its processor could not be read, so it takes no pictures here: {said[:200]}.",)
    whole = hasattr(processor, "image_processor") and hasattr(processor, "tokenizer")
    if not whole and facts.model_type == "vision-encoder-decoder":
        return _paired(checkpoint)
    if not whole:
        return None, ("The folder has no processor for pictures with text, so it takes no pictures here.",)
    return processor, ()


def _paired(checkpoint: Checkpoint) -> tuple[ProcessorMixin | None, tuple[str, ...]]:
    """An image processor and a tokenizer that were saved side by side, as those of captions often were."""
    from transformers import AutoImageProcessor, AutoTokenizer, TrOCRProcessor

    named: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        pictures = AutoImageProcessor.from_pretrained(checkpoint.path, **named)
        return TrOCRProcessor(pictures, AutoTokenizer.from_pretrained(checkpoint.path, **named)), ()
    except Exception as error:
        return None, (f"Its image processor could not be read, so it takes no pictures here: {first_line(error)}",)


def without_films(checkpoint: Checkpoint, config: PreTrainedConfig) -> ProcessorMixin:
    """A processor without its part for films, which needs torchvision; the others need Pillow and numpy alone.

    Args:
        checkpoint: Whose folder is read.
        config: Of the model.
    """
    from transformers import PROCESSOR_MAPPING, AutoFeatureExtractor, AutoImageProcessor, AutoTokenizer

    kind: Any = PROCESSOR_MAPPING[type(config)]
    path = checkpoint.path
    readers: dict[str, Any] = {
        "tokenizer": AutoTokenizer, "image_processor": AutoImageProcessor, "feature_extractor": AutoFeatureExtractor,
    }  # fmt: skip
    parts: dict[str, Any] = {
        name: readers[name].from_pretrained(path, trust_remote_code=False, local_files_only=True)
        for name in kind.get_attributes()
        if name in readers
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
