"""The scripts of models that write about a picture which no mark in their text stands for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call
from workbench.engine.codegen.task import vision
from workbench.engine.codegen.task.parts import Script, torch_when_sampling, writes
from workbench.engine.generate.captions import ALONE
from workbench.engine.tasks.captioning import florence_task

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.engine.values import TaskInput, TaskOptions

_FORWARD = "# 2. Forward, once for each new token"


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
    imports = partial(_imports, more=("import inspect",))
    return Script("Write about a picture.", _given, partial(_written, kind=kind), imports, loads=("processor",))


def _given(given: TaskInput) -> list[str]:
    return [*vision.given_picture(given), *(assign("text", given.text.strip()) if given.text.strip() else [])]


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
    "PPFormulaNetProcessor": ["(result,) = processor.post_process(sequences)", "print(result)"],
}


def _read(given: TaskInput, options: TaskOptions, finish: list[str], whole: bool) -> list[list[str]]:
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
    # Pix2Struct's text is what its decoder begins with, or is written over the picture.
    prompted = bool(text) and kind != "pix2struct"
    return [
        [
            "# 1. Preprocess",
            *call("inputs = processor(", ["images=[image]", *text, 'return_tensors="pt"']),
            "inputs = inputs.to(model.device, dtype=model.dtype)",
            "takes = inspect.signature(model.forward).parameters",
            "inputs = {name: tensor for name, tensor in inputs.items() if name in takes}",
            *(['prompt = inputs["input_ids"].clone()'] if prompted else []),
        ],
        [_FORWARD, *writes(options, ["**inputs"])],
        ["# 3. Postprocess", *_finished(given, kind, prompted), "print(result)"],
    ]


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
    return [
        "(result,) = processor.post_process_image_text_to_text(sequences, skip_special_tokens=True)",
        "(prompt,) = processor.post_process_image_text_to_text(prompt, skip_special_tokens=True)",
        "start = result.find(prompt)",
        "if 0 <= start <= 2:",
        "    result = result[start + len(prompt) :]",
    ]


def _imports(given: TaskInput, options: TaskOptions, more: tuple[str, ...]) -> tuple[str, ...]:
    return (*more, *torch_when_sampling(given, options), "from PIL import Image, ImageOps")
