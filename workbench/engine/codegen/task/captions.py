"""The scripts of models that write about a picture which no mark in their text stands for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from workbench.engine.codegen.beside import CUTS, shown
from workbench.engine.codegen.script import assign, call
from workbench.engine.codegen.task import points, series, vision
from workbench.engine.codegen.task.parts import ROWS, Script, torch_when_sampling, without_prompt, writes
from workbench.engine.generate.captions import ALONE, ASKING, FRAMES, PAGED, trimmed
from workbench.engine.tasks.captioning import florence_task

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.engine.values import TaskInput, TaskOptions

_READS = "processor.image_processor.apply_ocr"
_FORWARD = "# 2. Forward, once for each new token"
#: What some kinds import besides.
_MORE = {"fuyu": ("import torch",), **dict.fromkeys(FRAMES, ("import numpy",))}


def script(kind: str, folder: Path) -> Script:
    """The script for an architecture.

    Args:
        kind: One of `workbench.engine.generate.captions.TYPES`.
        folder: Of the checkpoint, whose files name its processor.
    """
    if kind in ALONE:
        made = _processor_class(folder)
        loads = ("processor",) if made in _FINISHED else ("tokenizer", "image_processor")
        blocks = partial(_read, finish=_FINISHED.get(made, _PLAIN), whole=made in _FINISHED)
        imports = partial(_imports, more=("import json", "import re") if made == "DonutProcessor" else ())
        return Script("Read a picture.", _given, blocks, imports, loads=loads)
    if kind == PAGED:
        imports = partial(_imports, more=("import csv", "import inspect"))
        blocks = partial(_written, kind=kind)
        return Script("Answer from a page.", _given_page, blocks, imports, loads=("processor",))
    imports = partial(_imports, more=("import inspect", *_MORE.get(kind, ())))
    given, blocks = partial(_given, kind=kind), partial(_written, kind=kind)
    title = "Write about a film." if kind in FRAMES else "Write about a picture."
    return Script(title, given, blocks, imports, loads=("processor",))


def filmed(given: TaskInput, kind: str) -> bool:
    """Whether an architecture is shown a film, and not a picture that stands still.

    Args:
        given: What it is given.
        kind: Its ``model_type``.
    """
    return given.video is not None and kind in FRAMES


def raw(kind: str) -> Script:
    """The script that prints all that comes out of an architecture, given a picture with a text."""
    imports = partial(_imports, more=("import inspect", "import torch", *_MORE.get(kind, ())))
    return Script(
        "Run the model and print what comes out.", partial(_given, kind=kind), partial(_raw, kind=kind), imports,
        loads=("processor",),
    )  # fmt: skip


def _given(given: TaskInput, kind: str = "") -> list[str]:
    text = trimmed(kind, given.text)
    shows = points.given_video(given) if filmed(given, kind) else vision.given_picture(given)
    return [*shows, *(assign("text", text) if text else [])]


def _given_page(given: TaskInput) -> list[str]:
    return [*_given(given), *assign("page", given.second), *ROWS]


def _processor_class(folder: Path) -> str:
    names = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
    found = [(folder / name).read_text(encoding="utf-8") for name in names if (folder / name).is_file()]
    return next((made for made in _FINISHED if any(f'"{made}"' in text for text in found)), "")


_PLAIN = ["result = tokenizer.decode(sequences[0], skip_special_tokens=True)", "print(result)"]
_FINISHED = {
    "DonutProcessor": [
        "told = tokenizer.decode(sequences[0])",
        "for token in (tokenizer.eos_token, tokenizer.pad_token):",
        '    told = told.replace(token, "")',
        'told = re.sub(r"<.*?>", "", told, count=1).strip()  # the first mark says what the task was',
        "result = json.dumps(processor.token2json(told), ensure_ascii=False, indent=2)",
        "print(result)",
    ],
    "NougatProcessor": _PLAIN,
    "PPFormulaNetProcessor": ["(result,) = processor.post_process(sequences)", "print(result)"],
}


def _read(given: TaskInput, options: TaskOptions, finish: list[str], whole: bool) -> list[list[str]]:
    if options.cleaned and whole and finish is _PLAIN:
        finish = [finish[0], "result = processor.post_process_generation(result, fix_markdown=False)", *finish[1:]]
    begins = ["text", "add_special_tokens=False", 'return_tensors="pt"']
    started = bool(given.text.strip())
    parts = ["tokenizer, image_processor = processor.tokenizer, processor.image_processor"] if whole else []
    return [
        [
            "# 1. Preprocess",
            *parts,
            'made = image_processor(images=[image], return_tensors="pt")["pixel_values"]',
            'inputs = {"pixel_values": made.to(model.device, dtype=model.dtype)}',
            *(call("begins = tokenizer(", begins) if started else []),
            *(['inputs["decoder_input_ids"] = begins["input_ids"].to(model.device)'] if started else []),
        ],
        [_FORWARD, *writes(options, ["**inputs"])],
        ["# 3. Postprocess", *finish],
    ]


def _written(given: TaskInput, options: TaskOptions, kind: str) -> list[list[str]]:
    text = ["text=[text]"] if given.text.strip() else []
    if kind == PAGED:
        text += ["text_pair=[words]", "boxes=[boxes]"]
    # Pix2Struct's text is what its decoder begins with, or is written over the picture.
    prompted = kind in ASKING or (bool(text) and kind != "pix2struct")
    return [
        [*_together(given, kind, text), *(['prompt = inputs["input_ids"].clone()'] if prompted else [])],
        [_FORWARD, *writes(options, ["**inputs"], tokenizer="processor.tokenizer")],
        ["# 3. Postprocess", *_finished(given, kind, prompted), "print(result)"],
    ]


def _together(given: TaskInput, kind: str, text: list[str]) -> list[str]:
    moves = filmed(given, kind)
    seen = "images=numpy.stack(frames)" if moves else shown(kind, "image")
    return [
        "# 1. Preprocess",
        *([f"{_READS} = False  # the words of the page are given"] if kind == PAGED else []),
        *(CUTS if kind == "fuyu" else []),
        *(points.spread(given, "path", [f"count = {FRAMES[kind]}"]) if moves else []),
        *call("inputs = processor(", [seen, *text, 'return_tensors="pt"']),
        "inputs = inputs.to(model.device, dtype=model.dtype)",
        "takes = inspect.signature(model.forward).parameters",
        "inputs = {name: tensor for name, tensor in inputs.items() if name in takes}",
    ]


def _raw(given: TaskInput, options: TaskOptions, kind: str) -> list[list[str]]:
    return [_together(given, kind, ["text=[text]"] if given.text.strip() else []), *series.outputs(options)]


def _finished(given: TaskInput, kind: str, prompted: bool) -> list[str]:
    if kind == "kosmos-2":
        return [
            "(told,) = processor.batch_decode(sequences, skip_special_tokens=True)",
            "result, entities = processor.post_process_generation(told)",
            "for name, _, boxes in entities:",
            '    print(f"{name}: {boxes}")',
        ]
    task = florence_task(given.text) if kind == "florence2" else ""
    if task:
        return [
            "(told,) = processor.batch_decode(sequences, skip_special_tokens=False)",
            f'task = "{task}"',
            *call(
                "parsed = processor.post_process_generation(",
                ["told", "task=task", "image_size=(image.width, image.height)"],
            ),
            "result = parsed[task]",
        ]
    if not prompted:
        return ["(result,) = processor.post_process_image_text_to_text(sequences, skip_special_tokens=True)"]
    return without_prompt("prompt")


def _imports(given: TaskInput, options: TaskOptions, more: tuple[str, ...]) -> tuple[str, ...]:
    pictures = ("from PIL import Image, ImageOps",)
    shows = points.video_imports(given, options) if given.video is not None and "import numpy" in more else pictures
    return tuple(dict.fromkeys((*more, *torch_when_sampling(given, options), *shows)))
