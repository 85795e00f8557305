"""What makes the inputs of an architecture: its tokenizer, and what prepares pictures, films and sounds for it."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import tiny
from tests.census import odd

_STANDARD = {"bos", "eos", "pad", "unk", "cls", "sep", "mask", "convert", "init_kwarg"}
#: Inputs besides texts, by the names that models have for them.
_READ = {"pixel_values", "pixel_values_videos", "image_pixel_values", "input_features", "input_values",
         "audio_input_features"}  # fmt: skip
#: Settings of processors that count what a picture becomes.
_COUNTS = {"patch_size": 14, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"}


@dataclass
class Reader:
    """What is saved beside the weights.

    Attributes:
        kind: The ``model_type``.
        tokenizer: The tiny one, with the marks of this architecture's processor.
        parts: What is saved: the processor, or what prepares pictures, films and sounds, each by itself.
        marks: The ids of what stands for pictures and the rest in a text, such as that of ``image``.
        notes: What of it could not be had.
    """

    kind: str
    tokenizer: Any
    parts: list[Any] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ids(self) -> dict[str, int]:
        """The tokens of the tokenizer."""
        return dict(self.tokenizer.get_vocab())

    def save(self, folder: Path, *, reads: bool) -> None:
        """Write all of it; the tokenizer where the model reads a text."""
        for part in self.parts:
            part.save_pretrained(folder)
        if reads:
            self.tokenizer.save_pretrained(folder)
        file = folder / "tokenizer_config.json"
        if file.is_file():
            # The class of the architecture is not the one that this tokenizer was trained as.
            said = json.loads(file.read_text("utf-8"))
            if said.get("tokenizer_class") != "TokenizersBackend":
                file.write_text(json.dumps(said | {"tokenizer_class": "PreTrainedTokenizerFast"}))


def of(kind: str, takes: set[str]) -> Reader:
    """What an architecture is given its inputs by.

    Args:
        kind: The ``model_type``.
        takes: The names of the model's inputs.
    """
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

    seen = _READ & takes
    name = odd.PROCESSORS.get(kind) or PROCESSOR_MAPPING_NAMES.get(kind)
    plain = Reader(kind, tokenizer("[MASK]"))
    if kind in odd.ALONE:
        return plain
    if kind in odd.ENDED:
        _end(plain.tokenizer, twice=kind in odd.PAIRED)
    if name and seen and "input_ids" in takes:
        for named in (False, True):
            try:
                return _whole(kind, getattr(transformers, name), CONFIG_MAPPING[kind], named=named)
            except Exception as error:
                plain.notes.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
    if "pixel_values_videos" in takes or kind in odd.FILMS:
        _add(plain, _films, kind)
    elif "pixel_values" in takes or kind in odd.SEEN:
        _add(plain, _pictures, kind)
    if {"input_features", "input_values"} & takes:
        _add(plain, _sounds, kind, takes)
    return plain


def tokenizer(*marks: str, **named: str) -> Any:
    """The tiny byte-level tokenizer with marks of its own."""
    made: Any = tiny.byte_level_tokenizer(*dict.fromkeys([*marks, *named.values()]))
    if "[MASK]" in marks:
        made.mask_token = "[MASK]"
    made.unk_token = "<|endoftext|>"
    made.model_max_length = 8192
    if named:
        made.init_kwargs["extra_special_tokens"] = named
        kept = ("bos_token", "eos_token", "pad_token", "unk_token", "mask_token")
        made = type(made)(tokenizer_object=made.backend_tokenizer, **{
            **{name: value for name, value in made.init_kwargs.items() if name != "tokenizer_object"},
            **{name: getattr(made, name) for name in kept},
            "extra_special_tokens": named, "model_max_length": 8192,
        })  # fmt: skip
    return made


def letters(folder: Path) -> None:
    """Write a tokenizer of letters, one of which a model of sounds gives each moment."""
    from transformers import Wav2Vec2CTCTokenizer

    known = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'"]
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(known)}))
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)


def _end(text: Any, *, twice: bool) -> None:
    """Let a tokenizer put the end token (2) behind each text, and between two of them once or twice."""
    from tokenizers import processors

    end = text.eos_token
    text.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A {end} {f'{end} ' * twice}$B {end}", special_tokens=[(end, 2)]
    )


def _add(reader: Reader, make: Any, *arguments: Any) -> None:
    try:
        reader.parts.append(make(*arguments))
    except Exception as error:
        reader.notes.append(f"{type(error).__name__}: {str(error)[:200]}")


def _pictures(kind: str, also: str = "") -> Any:
    """The image processor of an architecture, that of Pillow where torchvision is missing."""
    import transformers
    from transformers.models.auto import image_processing_auto as auto
    from transformers.utils import is_torchvision_available

    named = auto.IMAGE_PROCESSOR_MAPPING_NAMES
    found = odd.PICTURES.get(kind) or named.get(kind) or named.get(also) or "ViTImageProcessor"
    if isinstance(found, str):
        found = {"torchvision": found, "pil": f"{found}Pil"}
    order = ("torchvision", "pil") if is_torchvision_available() else ("pil", "torchvision")
    name = next(found[each] for each in order if found.get(each))
    made = auto.get_image_processor_class_from_name(name) or getattr(transformers, name)
    return _small(made(**odd.SEEN.get(kind, {})))


def _small(processor: Any) -> Any:
    """Let an image processor make small pictures, where its model takes pictures of any size."""
    size = dict(processor.size) if getattr(processor, "size", None) and not isinstance(processor.size, int) else {}
    name = type(processor).__name__
    if 1000 <= (size.get("longest_edge") or 0) < 3000 and "Sam" not in name and not hasattr(processor, "patch_size"):
        size = {"shortest_edge": 160, "longest_edge": 200}
    elif size.get("height") == 640 and "RTDetr" in name:
        size = {"height": 160, "width": 160}
    else:
        return processor
    kept = {key: value for key, value in processor.to_dict().items() if key in _SHAPED}
    return type(processor)(**kept, size=size)


#: What else an image processor is told of how it cuts pictures.
_SHAPED = ("do_pad", "format", "do_normalize")


def _films(kind: str, also: str = "") -> Any:
    import transformers
    from transformers.models.auto import video_processing_auto as auto

    named = auto.VIDEO_PROCESSOR_MAPPING_NAMES
    found = odd.MOVING.get(kind) or named.get(kind) or named.get(also) or (also and "Qwen2VLVideoProcessor")
    if not found:
        return _pictures(kind)
    name = found if isinstance(found, str) else found.get("torchvision")
    made = auto.video_processor_class_from_name(name) or getattr(transformers, name)
    return made(**odd.FILMED.get(kind, {}))


def _sounds(kind: str, takes: set[str], also: str = "") -> Any:
    from transformers.models.auto import feature_extraction_auto as auto

    named = auto.FEATURE_EXTRACTOR_MAPPING_NAMES
    fallback = "Wav2Vec2FeatureExtractor" if "input_values" in takes else "WhisperFeatureExtractor"
    name = odd.SOUNDS.get(kind) or named.get(kind) or named.get(also) or fallback
    return auto.feature_extractor_class_from_name(name)(**odd.HEARD.get(kind, {}))


def _whole(kind: str, cls: Any, config_class: Any, *, named: bool) -> Reader:
    """A processor with all its parts, and a tokenizer that has the marks its source names."""
    source = Path(str(inspect.getsourcefile(cls))).read_text("utf-8")
    extra = dict(odd.MARKS.get(kind, {}))
    if named:
        extra = {name: f"<|{name}|>" for name in _named(source)} | extra
    text = tokenizer("[MASK]", *_literals(source), *odd.TOKENS.get(kind, []), **extra)
    also = getattr(config_class, "model_type", "")
    parts: dict[str, Any] = {}
    for part in cls.get_attributes():
        if part == "tokenizer":
            parts[part] = text
        elif part in ("qformer_tokenizer", "alignment_tokenizer"):
            parts[part] = tokenizer()
        elif part == "image_processor":
            parts[part] = _pictures(kind, also)
        elif part == "video_processor":
            from transformers.utils import is_torchvision_available

            parts[part] = _films(kind, also) if is_torchvision_available() else None
        elif part in ("feature_extractor", "audio_processor"):
            parts[part] = _sounds(kind, {"input_features"}, also)
    takes = inspect.signature(cls.__init__).parameters
    settings = {name: value for name, value in _COUNTS.items() if name in takes} | odd.COUNTED.get(kind, {})
    if kind in odd.TEMPLATES:
        settings["chat_template"] = odd.TEMPLATES[kind]
    made = cls(**parts, **settings)
    return Reader(kind, made.tokenizer, [made], _marks(made, extra))


def _literals(source: str) -> list[str]:
    source = re.sub(r'r?"""(?:.|\n)*?"""', "", source)
    form = r'f?["\'](<[^"\'\s<>{}]{1,40}>|\[[A-Z_]{2,20}\]|\|[A-Z]+\||<｜[^"\'\s]+｜>)["\']'
    ours = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
    return [each for each in dict.fromkeys(re.findall(form, source)) if each not in ours]


def _named(source: str) -> list[str]:
    found = set(re.findall(r"tokenizer\.(\w+_token)(?:_id)?\b", source))
    return sorted(each for each in found if each.removesuffix("_token") not in _STANDARD and each[0] != "_")


def _marks(processor: Any, named: dict[str, str]) -> dict[str, int]:
    ids = processor.tokenizer.get_vocab()
    found: dict[str, int] = {}
    for end in ("_token_id", "_token"):
        for owner in (processor, processor.tokenizer):
            # Those that a tokenizer names itself are not in its dir().
            more = [f"{name.removesuffix('_token')}{end}" for name in named] if owner is not processor else []
            for name in (each for each in (*dir(owner), *more) if each.endswith(end)):
                value = getattr(owner, name, None)
                value = ids.get(str(value)) if end == "_token" else value
                if isinstance(value, int) and name.removesuffix(end) not in _STANDARD:
                    found.setdefault(name.removesuffix(end), value)
    return found
