"""The script that runs a model on whatever it takes, and prints every tensor that comes out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, literal, model_type_of
from workbench.engine.codegen.task import audio, points, series, speech, vision
from workbench.engine.codegen.task.parts import Script
from workbench.engine.facts import HEADS
from workbench.engine.tasks.image_segmentation import TOLD
from workbench.engine.tasks.pooling import POOLER
from workbench.engine.tasks.processors import takes_films
from workbench.engine.tasks.raw_beside import (
    ACTS,
    FOLLOWS,
    MARKED,
    METHODS,
    PAIRS,
    REGIONS,
    SAMPLES,
    reads_file,
    stands_between,
)
from workbench.engine.tasks.raw_inputs import CODEBOOK, FLAVA, FRAMES, HANDED, NAMES, RETRIEVES, hides, part
from workbench.engine.tasks.raw_outputs import BEGINS, STARTED
from workbench.engine.tasks.series import ARCHITECTURES, DECIDES, PATCHED
from workbench.engine.tasks.sounds import CUT, SEEDED
from workbench.engine.tasks.speaking import PHONEMES
from workbench.engine.values import TaskOptions

if TYPE_CHECKING:
    from workbench.engine.values import Checkpoint, TaskInput

_FRAMES = [
    'sees = getattr(model.config, "vision_config", model.config)',
    f'count = getattr(sees, "num_frames", None) or getattr(sees, "frames_per_clip", None) or {FRAMES}',
]


def _given(given: TaskInput) -> list[str]:
    lines: list[str] = []
    if given.image is not None:
        lines += vision.given_picture(given)
    if given.other is not None:
        lines += assign("shown", str(given.other))
        lines.append('shown = ImageOps.exif_transpose(Image.open(shown)).convert("RGB")')
    if given.other is not None and given.beside is not None:
        lines += assign("mask", str(given.beside))
        lines.append('mask = ImageOps.exif_transpose(Image.open(mask)).convert("RGB").convert("L")')
    elif given.beside is not None:
        lines += assign("numbers", str(given.beside))
    if given.video is not None:
        lines += assign("film", str(given.video))
    if given.audio is not None:
        lines += audio.given_sound(given)
    if given.text.strip() or not lines:
        lines += assign("text", given.text)
    return lines


def _parts(given: TaskInput, kind: str, films: bool, head: str, seed: int = 0) -> list[tuple[str, str]]:
    """What prepares each part of the input, and how it is called."""
    found: list[tuple[str, str]] = []
    if stands_between(kind, head):
        return found
    if kind in (*ACTS, *MARKED):
        text = f"processor.{MARKED[kind]} + text" if kind in MARKED and given.image is not None else "text"
        shown = "images=[image], " if given.image is not None else ""
        return [("processor", f"processor({shown}text=[{text}], ")]
    if kind in RETRIEVES:
        pages = [("processor", "processor.process_images([image], ")] if given.image is not None else []
        asks = given.text.strip() or not pages
        return [*pages, *([("processor", "processor.process_queries([text], ")] if asks else [])]
    if given.image is not None:
        more = "".join(f"{name}={value}, " for name, value in CODEBOOK.items()) if (head, kind) == FLAVA else ""
        more += "prompt_images=[shown], prompt_masks=[mask], " if kind in FOLLOWS else ""
        shown = "[[image, shown]]" if kind in PAIRS else "[image]"
        found.append(("image_processor", f"image_processor(images={shown}, {more}"))
    if given.video is not None:
        whole = ("video_processor", "video_processor([numpy.stack(frames)], do_sample_frames=False, ")
        found.append(whole if films else ("image_processor", "image_processor(frames, "))
    if given.audio is not None:
        told = "".join(f"{each}, " for each in audio.extracted(kind, seed))
        found.append(("feature_extractor", f"feature_extractor({told}"))
    if given.text.strip() or not found:
        found.append(("tokenizer", "tokenizer(text, "))
    return found


def _hides_itself(given: TaskInput, kind: str, head: str) -> bool:
    """Whether the image processor draws what is hidden, with Python's own generator."""
    return given.image is not None and (head, kind) == FLAVA


def _blocks(
    given: TaskInput,
    options: TaskOptions,
    *,
    kind: str = "",
    head: str = "",
    films: bool = False,
) -> list[list[str]]:
    cut = f"truncation=True, max_length={options.max_length}, " if options.max_length else ""
    made = [
        line + (cut if name == "tokenizer" else "") for name, line in _parts(given, kind, films, head, options.seed)
    ]
    seed = f"generator = torch.Generator().manual_seed({options.seed})"
    drawn = [seed, *_HIDDEN] if hides(head, kind) else []
    found = _beside(kind, head) if given.beside is not None else []
    found += vision.told(options) if kind == TOLD and given.image is not None else []
    heard = (*audio.filled(kind), *audio.paced(given, kind))
    more = (*found, *heard, *(_STARTS if kind in STARTED else ()), *(_RENAMED if part(kind) else ()))
    read = points.spread(given, "film", _FRAMES) if given.video is not None else []
    prepared = [f'inputs.update({line}return_tensors="pt"))' for line in made]
    read += audio.drawn(kind, options.seed) if given.audio is not None else []
    prepared = [f"random.seed({options.seed})"] * _hides_itself(given, kind, head) + prepared
    method = METHODS.get(kind, "")
    moved = [line.replace("model.forward", f"model.{method}") for line in _MOVED] if method else _MOVED
    steps = series.outputs(options, f"model.{method}" if method else "model")
    if kind in ACTS and head != "AutoModel":
        steps[0] += _MOVES
    return [["# 1. Preprocess", *read, "inputs = {}", *prepared, *more, *drawn, *moved], *steps]


def _beside(kind: str, head: str) -> list[str]:
    if reads_file(kind, head):
        return ["inputs.update({name: torch.from_numpy(each) for name, each in numpy.load(numbers).items()})"]
    if kind not in REGIONS:
        return []
    # A file of one array has no names.
    return [
        "# Regions that a detector found",
        "found = numpy.load(numbers)",
        f'found = {{"{REGIONS[kind][0]}": found}} if isinstance(found, numpy.ndarray) else dict(found)',
        'inputs.update({name: torch.from_numpy(each.astype("float32"))[None] for name, each in found.items()})',
    ]


_MOVED = [
    "takes = inspect.signature(model.forward).parameters",
    "inputs = {name: tensor for name, tensor in inputs.items() if name in takes}",
    "for name, tensor in inputs.items():",
    "    # Some are told in lists how a picture was cut",
    "    if isinstance(tensor, torch.Tensor):",
    "        inputs[name] = tensor.to(model.device, dtype=model.dtype if tensor.is_floating_point() else None)",
]
_MOVES = [
    f"    takes = inspect.signature(model.{SAMPLES}).parameters",
    "    given = {name: tensor for name, tensor in inputs.items() if name in takes}",
    f"    outputs = dict(outputs.items(), actions=model.{SAMPLES}(**given))",
]
_STARTS = [
    "# The decoder is given the token that it begins with",
    f"starts = [getattr(model.config, name, None) for name in {literal(BEGINS)}]",
    "start = next(number for number in starts if number is not None)",
    'inputs["decoder_input_ids"] = torch.tensor([[start]])',
]
_HIDDEN = [
    "# Half of the patches, on average, are hidden",
    "config = model.config",
    "across, patch = [size if isinstance(size, int) else size[0] for size in (config.image_size, config.patch_size)]",
    'deep = getattr(config, "num_frames", 1) // getattr(config, "tubelet_size", 1)',
    "drawn = torch.randint(0, 2, (1, (across // patch) ** 2 * deep), generator=generator)",
    'inputs["bool_masked_pos"] = drawn.bool()',
]
_RENAMED = [
    "# As a part of a larger model it has names of its own for what the processor makes",
    *call("names = [", [f"({literal(own)}, {literal(other)})" for own, other in NAMES], "]"),
    "takes = inspect.signature(model.forward).parameters",
    "inputs.update({own: inputs[name] for own, name in names if name in inputs and name not in takes})",
]


def _imports(given: TaskInput, options: TaskOptions, *, kind: str = "", head: str = "") -> tuple[str, ...]:
    lines = ["import inspect", "import torch", *(["import random"] * _hides_itself(given, kind, head))]
    lines += ["import numpy"] * (given.beside is not None and (kind in REGIONS or reads_file(kind, head)))
    if given.image is not None:
        lines.append("from PIL import Image, ImageOps")
    if given.audio is not None:
        lines += ["import math", "import soundfile", "from scipy.signal import resample_poly"]
        lines += ["import numpy"] * (kind in (*CUT, *SEEDED))
    return (*lines, *(points.video_imports(given, options) if given.video is not None else ()))


def fitted(made: Script, given: TaskInput, checkpoint: Checkpoint, head: str) -> Script:
    """The script for what was given, and for architectures that are run in another way than others."""
    model_type = model_type_of(checkpoint)
    if model_type in ARCHITECTURES:
        return series.DECIDED if model_type in DECIDES else series.RAW
    if model_type in PATCHED and head == "AutoModel":
        return series.PATCHES
    if model_type in PHONEMES:
        return _spelled(made, model_type)
    films = takes_films(checkpoint)
    blocks = partial(_blocks, kind=model_type, head=head, films=films)
    loads = tuple(dict.fromkeys(name for name, _ in _parts(given, model_type, films, head)))
    loads += ("tokenizer",) if model_type == TOLD and given.image is not None else ()
    imports = partial(_imports, kind=model_type, head=head)
    return Script(made.title, _given, blocks, imports, loads=loads, heads=tuple(head for head, _ in HEADS))


def _spelled(made: Script, kind: str) -> Script:
    """The script of a model that reads phonemes, which its own task prepares."""
    spoken = speech.BY_TYPE[kind]

    def blocks(given: TaskInput, options: TaskOptions) -> list[list[str]]:
        return [spoken.blocks(given, options)[0], *series.outputs(options)]

    imports = ("import json", "import os", "import torch")
    heads = tuple(head for head, _ in HEADS)
    return Script(made.title, spoken.given, blocks, lambda _given, _options: imports, loads=(), heads=heads)


def among(spoken: Script, made: Script, kind: str = "") -> Script:
    """The script of a model that reads a text with what goes with it, as another task prepares them together."""
    moved = [] if kind in HANDED else [*(_STARTS if kind in STARTED else ()), *_MOVED]

    def blocks(given: TaskInput, options: TaskOptions) -> list[list[str]]:
        return [[*spoken.blocks(given, options)[0], *moved], *series.outputs(options)]

    def imports(given: TaskInput, _options: TaskOptions) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("import inspect", "import torch", *spoken.imports(given, TaskOptions()))))

    return replace(spoken, title=made.title, blocks=blocks, imports=imports, heads=tuple(head for head, _ in HEADS))


def features(given: TaskInput, options: TaskOptions) -> list[list[str]]:
    """The steps that make a vector of a picture by a part of a larger model, which has names of its own for it."""
    prepare, forward, finish = vision.SCRIPTS["image-feature-extraction"].blocks(given, options)
    kept = "inputs = {name: tensor for name, tensor in inputs.items() if name in takes}"
    whole = ["hidden = hidden if hidden.dim() > 2 else hidden[None]  # patches of all pictures, one behind another"]
    whole = whole if options.pooling != POOLER else []
    return [[*prepare, *_RENAMED, kept], forward, [*finish[:2], *whole, *finish[2:]]]


SCRIPTS = {"raw-outputs": Script("Run the model and print what comes out.", _given, _blocks, _imports)}
"""By the name of the task."""
