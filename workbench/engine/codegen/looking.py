"""The part of a script that gives a model a picture or a sound to look into it, alone or beside a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.codegen import beside
from workbench.engine.codegen.script import assign, call, literal, numbers
from workbench.engine.codegen.task import task
from workbench.engine.codegen.task.audio import given_sound
from workbench.engine.codegen.task.audio import imports as sound_imports
from workbench.engine.generate import captions, pictures
from workbench.engine.inside.senses import told
from workbench.engine.tasks import defaults
from workbench.engine.tasks.raw_inputs import MASKED
from workbench.engine.values import TaskInput, TaskOptions

if TYPE_CHECKING:
    from workbench.engine.inside import Given
    from workbench.engine.models import LoadedModel

#: What reads the checkpoint's files, by the name it has in a script.
LOADS = {
    "tokenizer": "AutoTokenizer",
    "image_processor": "AutoImageProcessor",
    "feature_extractor": "AutoFeatureExtractor",
    "processor": "AutoProcessor",
}
_PICTURE = ("import torch", "from PIL import Image, ImageOps")
_OPEN = 'picture = ImageOps.exif_transpose(Image.open(file)).convert("RGB")'
_MOVE = "inputs = inputs.to(model.device, dtype=model.dtype)"


@dataclass(frozen=True, slots=True)
class Lines:
    """What a script needs for it.

    Attributes:
        imports: Lines before those of transformers.
        loads: Keys of `LOADS`.
        lines: They make ``inputs``.
    """

    imports: tuple[str, ...]
    loads: tuple[str, ...]
    lines: list[str]


def by_task(model: LoadedModel, given: Given, title: str, imports: Sequence[str], *, speaks: bool) -> str:
    """The beginning of a script whose inputs a task's own preprocessing makes, up to where the model is called.

    Args:
        model: Loaded by its folder.
        given: Made by a task.
        title: What the script does.
        imports: Lines that it needs besides.
        speaks: Whether it needs a tokenizer.
    """
    files = {name: getattr(given, name) for name in ("image", "audio", "video", "other", "voice")}
    asked = told(given.task, TaskInput(given.text or "", **files))
    options = defaults(given.task)
    whole = task(model.checkpoint, given.task, asked, options, model.dtype, model.device, model.head)
    _, _, begun = whole.partition("# 2. Forward")[0].partition("\n")
    if "import torch\n" not in begun:
        begun = begun.replace("\nfrom ", "\nimport torch\nfrom ", 1)
    if imports:
        begun = begun.replace("\nfrom transformers ", "\n" + "\n".join(imports) + "\nfrom transformers ", 1)
    if speaks and "tokenizer = " not in begun:
        begun = begun.rstrip() + "\ntokenizer = processor.tokenizer"
    return f'"""{title}"""\n{begun.rstrip()}\n'


def lines(model: LoadedModel, given: Given) -> Lines | None:
    """The lines for what a model was given; None where that was text alone."""
    if given.audio is not None:
        return _sound(given, model.facts.model_type in MASKED)
    if given.image is None:
        return None
    if not model.takes_images:
        return _picture(given)
    return _beside(model, given) if captions.beside(model) else _among(model, given)


def _picture(given: Given) -> Lines:
    """A picture, alone or with a text that is compared with it."""
    made = [
        *assign("file", str(given.image)),
        _OPEN,
        *call("inputs = image_processor(", ["images=[picture]", 'return_tensors="pt"']),
        _MOVE,
        *_text(given),
        _named(given),
    ]
    return Lines(_PICTURE, ("tokenizer", "image_processor") if given.tokens else ("image_processor",), made)


def _sound(given: Given, masked: bool) -> Lines:
    arguments = ["samples", "sampling_rate=wanted", *(["return_attention_mask=True"] * masked), 'return_tensors="pt"']
    ends = 'inputs["input_features_mask"] = inputs.get("input_features_mask", inputs.get("attention_mask"))'
    made = [
        *given_sound(TaskInput(audio=given.audio)),
        *call("inputs = feature_extractor(", arguments),
        _MOVE,
        *([ends] * masked),
        *_text(given),
        *_decoder(given),
        _named(given),
    ]
    loads = ("tokenizer", "feature_extractor") if given.tokens else ("feature_extractor",)
    return Lines(sound_imports(TaskInput(), TaskOptions()), loads, made)


def _text(given: Given) -> list[str]:
    """The text beside it."""
    if not given.tokens:
        return []
    arguments = ["text", f"truncation=True, max_length={given.most}", 'return_tensors="pt"']
    words = call("inputs |= tokenizer(", arguments, ").to(model.device)")
    return [*assign("text", given.text or ""), "inputs = dict(inputs)", *words]


def _named(given: Given) -> str:
    return f"inputs = {{name: inputs[name] for name in {literal(list(given.made))}}}"


def _decoder(given: Given) -> list[str]:
    if not given.decoder_start:
        return []
    return [
        *numbers("decoder_ids", given.decoder_input_ids),
        'inputs["decoder_input_ids"] = torch.tensor([decoder_ids], device=model.device)',
    ]


def _among(model: LoadedModel, given: Given) -> Lines:
    """A picture that marks in the text place."""
    prompt = given.text or ""
    arguments = ["text=[prompt]", "images=[[picture]]", "add_special_tokens=special", 'return_tensors="pt"']
    encode = [
        "bos = processor.tokenizer.bos_token",
        "special = bos is None or not prompt.startswith(bos)",
        *call("inputs = processor(", arguments),
    ]
    if pictures.interleaved(model.processor):
        encode = [
            *beside.interleaved("prompt", "[picture]"),
            'inputs = processor(text=[pieces], return_tensors="pt")',
        ]
    made = [
        *assign("file", str(given.image)),
        _OPEN,
        *assign("prompt", prompt),
        *encode,
        _MOVE,
        *_decoder(given),
    ]
    if given.written and not given.decoder_start:
        made += [
            *numbers("written", given.written),
            "tail = torch.tensor([written], device=model.device)",
            'along = inputs["input_ids"].shape',
            "for name, tensor in inputs.items():",
            "    if tensor.shape == along:",
            '        more = tail if name == "input_ids" else torch.full_like(tail, name == "attention_mask")',
            "        inputs[name] = torch.cat([tensor, more], dim=1)",
        ]
    return Lines(_PICTURE, ("processor",), made)


def _beside(model: LoadedModel, given: Given) -> Lines:
    """A picture that no mark in the text places."""
    assert given.image is not None
    text = given.text or ""
    writer = beside.Beside(model.checkpoint, text, [given.image], ())
    made = [*(assign("prompt", text) if text.strip() else []), *writer.lines()]
    if given.decoder_start:
        made += _decoder(given)
    else:
        made += [
            *numbers("ids", given.input_ids),
            'inputs["input_ids"] = torch.tensor([ids], device=model.device)',
            'inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])',
        ]
    found = ("tokenizer", "image_processor") if "AutoImageProcessor" in writer.readers else ("processor",)
    imports = ("import inspect", "", *_PICTURE) if writer.imports else _PICTURE
    return Lines(imports, found, [*made, 'inputs.pop("decoder_attention_mask", None)'])
