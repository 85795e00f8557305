"""What stands in for the tokenizer and the processor of a model that was saved as weights and a config alone.

Parts of larger models often are. Ids are typed as numbers, and pictures and sounds are prepared as the library does it
by default, in the sizes that the config names.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError
from workbench.engine.facts import FILMS, has_tokenizer, tokenizer_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NO_TOKENIZER = "The folder has no tokenizer: text can't be turned into ids for it."
"""What is said of a checkpoint without one, where the model reads text."""

BODIES = ("AutoModel", "AutoBackbone", "AutoModelForTextEncoding")
"""Auto classes of models without a head, which run on what stands in for a tokenizer or a processor."""

SETTINGS = ("preprocessor_config.json", "processor_config.json")
"""Files that say how pictures and sounds are prepared, any of them."""

#: Architectures with the class that their processors use, where the library's tables name none or another.
_PREPARED = {
    "glm_ocr": "Glm46VImageProcessorPil",
    "nemotron3_5_transcribe": "NemotronAsrStreamingFeatureExtractor",
    # Its own wants to be told where in the picture the people are.
    "vitpose_backbone": "ViTImageProcessorPil",
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
    if head not in BODIES or any((path / file).is_file() for file in SETTINGS):
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
    part = getattr(config, "audio_config", None) or getattr(config, "encoder_config", None)
    part = part or getattr(config, "asr_config", config)
    bins = getattr(part, "num_mel_bins", None) or getattr(part, "input_feat_size", None)
    settings: dict[str, Any] = {"feature_size": bins} if isinstance(bins, int) else {}
    if getattr(part, "enable_fusion", None) is False:
        # CLAP's is for those that hear a long sound in several pieces at once.
        settings["truncation"] = "rand_trunc"
    return (name, settings) if name else None
