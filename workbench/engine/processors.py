"""What stands before a model: its tokenizer and its processor, read from the checkpoint without running any of it.

Parts of larger models are often saved as weights and a config alone. What stands in for what their folder lacks is made
of the config: ids are typed as numbers, and pictures and sounds are prepared as the library does it by default.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.facts import FILMS, has_tokenizer, tokenizer_folder
from workbench.engine.values import Checkpoint, Facts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

READERS = {
    "tokenizer": "AutoTokenizer",
    "image_processor": "AutoImageProcessor",
    "feature_extractor": "AutoFeatureExtractor",
}
"""What reads a part of a processor, by the part."""

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

NO_TOKENIZER = "The folder has no tokenizer: text can't be turned into ids for it."
"""What is said of a checkpoint without one, where the model reads text."""

BODIES = ("AutoModel", "AutoBackbone", "AutoModelForTextEncoding")
"""Auto classes of models without a head, which run on what stands in for a tokenizer or a processor."""

PLACED = (*BODIES, "AutoModelForPreTraining")
"""Auto classes whose models are run as they are, on a picture and the text that it stands in."""

UNSEEN = "so it takes no pictures here"
"""How it is told that a model sees, and that what prepares its pictures is missing."""

_UNPLACED = f"The folder has no processor for pictures with text, {UNSEEN}."
_SETTINGS = ("preprocessor_config.json", "processor_config.json")
#: Architectures with the class that their processors use, where the library's tables name none or another.
_PREPARED = {
    "glm_ocr": "Glm46VImageProcessorPil",
    "nemotron3_5_transcribe": "NemotronAsrStreamingFeatureExtractor",
    "xclip": "VideoMAEImageProcessorPil",
}
#: What a model is called with that each of them makes.
_NAMED = {
    "image_processor": {"pixel_values", "pixel_values_videos", "grid_thw"},
    "feature_extractor": {"input_features", "input_values", "audio_mel"},
}
#: What pictures are prepared by where nothing says how: brought to the size that the config names, from 0 to 1.
_PLAINLY = "ViTImageProcessorPil"
#: What such classes are told, by their name for it, with the names that configs have for it.
_TOLD = {
    "patch_size": ("patch_size",),
    "temporal_patch_size": ("temporal_patch_size",),
    "merge_size": ("spatial_merge_size", "merge_size"),
    "pooling_kernel_size": ("pooling_kernel_size",),
}


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
    from transformers import AutoProcessor

    if head not in ("AutoModelForImageTextToText", *PLACED) or not facts.takes_images:
        return None, ()
    if head in PLACED and not any((checkpoint.path / file).is_file() for file in _SETTINGS):
        return None, (_UNPLACED,)
    try:
        try:
            # The words of a page are given; nothing is to be read off its picture.
            more = {"apply_ocr": False} if facts.model_type == "udop" else {}
            processor = AutoProcessor.from_pretrained(
                checkpoint.path, trust_remote_code=False, local_files_only=True, **more
            )
        except ImportError as error:
            processor = without_films(checkpoint, facts.model_type, error)
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
    return adapted(processor, facts.model_type), ()


def adapted(processor: Any, model_type: str) -> Any:
    """A processor made to do what its model needs, where the library's own way there is broken.

    Args:
        processor: Of any architecture; most are left as they are.
        model_type: Of the config.
    """
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


def without_films(checkpoint: Checkpoint, model_type: str, error: ImportError) -> ProcessorMixin:
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


def lacking(model: PreTrainedModel, path: Path, head: str) -> tuple[PreTrainedTokenizerBase | None, tuple[str, ...]]:
    """What stands in for a tokenizer that a folder lacks, or None, and what a person should know of all that does.

    Args:
        model: Loaded from there.
        path: The folder.
        head: Its Auto class.
    """
    takes = set(inspect.signature(model.forward).parameters)
    count = typed(path, head) if any(name.endswith("input_ids") for name in takes) else 0
    notes: tuple[str, ...] = (
        (f"{NO_TOKENIZER[:-1]}; they are typed as numbers instead, such as “0 12 5”.",) if count else ()
    )
    for part, named in _NAMED.items():
        what, mark = ("pictures", "image_token") if part == "image_processor" else ("sounds", "audio_token")
        # Those that stand in a text need the processor that puts them there.
        among = any(hasattr(model.config, f"{mark}_{name}") for name in ("id", "index")) and "input_ids" in takes
        made = stands_in(path, head, part) if takes & named and not among else None
        if made is not None:
            sized = f" ({_written(made[1])})" if made[1] else ""
            notes += (f"The folder does not say how {what} are prepared: {made[0]} does it by default{sized}.",)
    return typed_ids(count) if count else None, notes


def _written(settings: Mapping[str, Any]) -> str:
    """Settings in words: of a size its numbers alone."""
    sides = {name: value.values() if isinstance(value, Mapping) else [value] for name, value in settings.items()}
    return ", ".join(f"{name} {' × '.join(map(str, values))}" for name, values in sides.items())


def typed(path: Path, head: str) -> int:
    """How many ids can be typed as numbers, where a folder has no tokenizer and the model no head; 0 anywhere else.

    Args:
        path: The folder.
        head: Auto class of the model.
    """
    if head not in BODIES or has_tokenizer(tokenizer_folder(path)):
        return 0
    config = _config(path)
    count = getattr(config.get_text_config(), "vocab_size", 0) if config is not None else 0
    return count if isinstance(count, int) else 0


def typed_ids(count: int) -> PreTrainedTokenizerBase:
    """A tokenizer of ids that are written as numbers with spaces between them, such as “0 12 5”.

    Args:
        count: Ids that there are, from 0 on.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    class Typed(PreTrainedTokenizerFast):
        def __call__(self, *arguments: Any, **named: Any) -> Any:
            try:
                return super().__call__(*arguments, **named)
            except Exception as error:
                if "WordLevel" in str(error):
                    why = f"Each word has to be a number from 0 to {count - 1:,}, because the folder has no tokenizer."
                elif "padding token" in str(error):
                    why = "They are of several lengths, and the folder has no tokenizer that says what fills them up."
                else:
                    raise
                remedy = "Write such as “0 12 5”, or put the tokenizer's files beside the weights."
                raise InputError("These ids can't be read.", why=why, remedy=remedy) from error

    Typed.__name__ = PreTrainedTokenizerFast.__name__
    words = Tokenizer(WordLevel({str(number): number for number in range(count)}))
    words.pre_tokenizer = WhitespaceSplit()
    return Typed(tokenizer_object=words)


def stands_in(path: Path, head: str, part: str) -> tuple[str, dict[str, Any]] | None:
    """The class that prepares pictures or sounds where a folder does not say how, and what it is told.

    Args:
        path: The folder.
        head: Auto class of the model.
        part: ``image_processor`` or ``feature_extractor``.

    Returns:
        A name of transformers with its arguments; None where the folder says how, the model has a head, or the library
        prepares no such thing for the architecture.
    """
    if head not in BODIES or any((path / file).is_file() for file in _SETTINGS):
        return None
    config = _config(path)
    if config is None or part == "feature_extractor":
        return _hearing(config) if config is not None else None
    parts = config.model_type.startswith("pe_")
    return _seeing(config if parts else getattr(config, "vision_config", None) or config)


def built(kind: str, settings: Mapping[str, Any]) -> Any:
    """What `stands_in` names."""
    import transformers

    return getattr(transformers, kind)(**settings)


def _config(path: Path) -> Any:
    """The config of a folder; None where the library has no class for it."""
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError):
        return None


def _listed(model_type: str, table: Mapping[str, Any]) -> Any:
    """What a table of the library has for an architecture, or for the one that it is a part of."""
    known = [name for name in table if model_type == name or model_type.startswith(f"{name}_")]
    return table[max(known, key=len)] if known else None


def _seeing(config: Any) -> tuple[str, dict[str, Any]] | None:
    import transformers
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    # What timm prepares, its own settings say.
    wrapped = config.model_type == "timm_wrapper"
    named = {} if wrapped else _listed(config.model_type, IMAGE_PROCESSOR_MAPPING_NAMES) or {}
    own = _listed(config.model_type, _PREPARED)
    name = own or named.get("pil") or named.get("torchvision") or _PLAINLY
    if name == _PLAINLY and not named and (config.model_type in FILMS or config.model_type.startswith("pe_")):
        return None
    if name == named.get("torchvision") and importlib.util.find_spec("torchvision") is None:
        return name, {}
    kind: Any = getattr(transformers, name)
    if hasattr(kind, "do_image_splitting") or hasattr(kind, "fine_route"):
        # The pieces of a picture are put together by the larger model.
        kind = getattr(transformers, _PLAINLY)
    settings: dict[str, Any] = {} if kind.__name__ != _PLAINLY or named else {"do_normalize": False}
    for told, names in _TOLD.items():
        found = next((value for each in names if isinstance(value := getattr(config, each, None), int)), None)
        if found is not None and told in getattr(kind, "valid_kwargs", kind).__annotations__:
            settings[told] = found
    if config.model_type.startswith("glm_image"):
        # Its patches have no depth, and its config does not say so.
        settings["temporal_patch_size"] = 1
    return kind.__name__, settings | _sized(kind, getattr(config, "image_size", None))


def _sized(kind: Any, side: Any) -> dict[str, Any]:
    """The size that a config names, as a class of image processors is told it."""
    if not isinstance(side, (int, list, tuple)):
        return {}
    height, width = (side, side) if isinstance(side, int) else side[:2]
    # SegGPT sees two pictures, one above the other.
    height = height // 2 if kind.__name__.startswith("SegGpt") else height
    usual, whole = set(getattr(kind, "size", ())), {"height": height, "width": width}
    if usual == {"height", "width"}:
        return {"size": whole}
    if usual == {"shortest_edge"}:
        cut = {"crop_size": whole} if set(getattr(kind, "crop_size", None) or ()) == set(whole) else {}
        return {"size": {"shortest_edge": min(height, width)}} | cut
    if usual == {"longest_edge"}:
        filled = {"pad_size": whole} if getattr(kind, "pad_size", None) else {}
        return {"size": {"longest_edge": max(height, width)}} | filled
    return {}


def _hearing(config: Any) -> tuple[str, dict[str, Any]] | None:
    from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING_NAMES

    name = _listed(config.model_type, {**FEATURE_EXTRACTOR_MAPPING_NAMES, **_PREPARED})
    part = getattr(config, "audio_config", None) or config
    bins = getattr(part, "num_mel_bins", None) or getattr(part, "input_feat_size", None)
    settings: dict[str, Any] = {"feature_size": bins} if isinstance(bins, int) else {}
    if getattr(part, "enable_fusion", None) is False:
        # CLAP's is for those that hear a long sound in several pieces at once.
        settings["truncation"] = "rand_trunc"
    return (name, settings) if name else None
