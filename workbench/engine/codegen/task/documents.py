"""The scripts of tasks on the words of a page with their boxes, and on its picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from workbench.engine.codegen.script import assign, call, model_type_of
from workbench.engine.codegen.task import rarer, series, text, vision
from workbench.engine.codegen.task.parts import LABELS, ROWS, forward, named, scored
from workbench.engine.generate.page import BOXED
from workbench.engine.tasks.raw_outputs import STARTED

if TYPE_CHECKING:
    from workbench.engine.codegen.task.parts import Script
    from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

#: What such a model can be loaded as, whose raw outputs are looked at.
_HEADS = (
    "AutoModelForTokenClassification",
    "AutoModelForSequenceClassification",
    "AutoModelForQuestionAnswering",
    "AutoModelForDocumentQuestionAnswering",
)
#: Tokenizers that read words with boxes.
_PLACING = ("LayoutLMv2Tokenizer", "LayoutLMv3Tokenizer", "LayoutXLMTokenizer", "UdopTokenizer")


#: The boxes where the tokenizer knows of none, as parts of the page.
_PARTS = [
    'separators = (inputs["input_ids"][0] == tokenizer.sep_token_id).tolist()',
    "bbox = [",
    "    [1000 * separator] * 4 if place is None else boxes[place]",
    "    for place, separator in zip(inputs.word_ids(0), separators)",
    "]",
    'inputs["bbox"] = (torch.tensor([bbox]) / 1000).to(model.dtype)',
]


def reads_pages(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint reads words with boxes and no running text."""
    if model_type_of(checkpoint) in BOXED:
        return True
    try:
        named = json.loads((checkpoint.path / "tokenizer_config.json").read_bytes()).get("tokenizer_class")
    except (OSError, ValueError, AttributeError):
        return False
    return str(named).removesuffix("Fast") in _PLACING


def fitted(name: str, made: Script, given: TaskInput, checkpoint: Checkpoint) -> Script:
    """The script of a task for a checkpoint that reads pages; as it was for any other task."""
    pictured = given.image is not None
    loads = rarer.BOTH if pictured else ("tokenizer",)
    kind = model_type_of(checkpoint)
    if name == "document-question-answering":
        return replace(
            made, given=rarer.given_seen_page, blocks=partial(rarer.seen_page, looks=looks(kind)),
            imports=rarer.seen_page_imports, loads=loads,
        )  # fmt: skip
    if name not in _BLOCKS:
        return made
    return replace(
        made, given=_given, blocks=partial(_BLOCKS[name], kind=kind), imports=partial(_imports, more=made.imports),
        loads=loads, classes=lambda _: (), heads=_HEADS if name == "raw-outputs" else (),
    )  # fmt: skip


def looks(kind: str) -> list[str]:
    """How the picture of a page joins the ``inputs``: LayoutLMv2 has another name for it than those after it."""
    name = "image" if kind == "layoutlmv2" else "pixel_values"
    seen = 'image_processor(images=[image], apply_ocr=False, return_tensors="pt")["pixel_values"]'
    return [f'inputs["{name}"] = {seen}', f'inputs["{name}"] = inputs["{name}"].to(model.dtype)']


def _given(given: TaskInput) -> list[str]:
    return [
        *assign("page", given.text),
        *ROWS,
        *(vision.given_picture(given) if given.image is not None else []),
    ]


def _imports(
    given: TaskInput, options: TaskOptions, more: Callable[[TaskInput, TaskOptions], tuple[str, ...]]
) -> tuple[str, ...]:
    return (
        "import csv",
        *more(replace(given, text=""), options),
        *(["from PIL import Image, ImageOps"] if given.image is not None else []),
    )


def _encode(given: TaskInput, options: TaskOptions, kind: str) -> list[str]:
    placed = kind not in BOXED
    arguments = ["[words]", "boxes=[boxes]" if placed else "is_split_into_words=True", 'return_tensors="pt"']
    if options.max_length:
        arguments += ["truncation=True", f"max_length={options.max_length}"]
    return [
        "# 1. Preprocess: each id with the box of its word",
        *call("inputs = tokenizer(", arguments),
        *([] if placed else _PARTS),
        *(looks(kind) if given.image is not None else []),
        "inputs = inputs.to(model.device)",
    ]


def _classified(given: TaskInput, options: TaskOptions, kind: str) -> list[list[str]]:
    return [_encode(given, options, kind), forward(), scored(options)]


def _labelled(given: TaskInput, options: TaskOptions, kind: str) -> list[list[str]]:
    chosen = {
        "average": ["    scores = probabilities[own].mean(dim=0)"],
        "max": ["    scores = probabilities[own]", "    scores = scores[scores.max(dim=1).values.argmax()]"],
    }.get(options.aggregation, ["    scores = probabilities[own[0]]"])
    same = 'if groups and not label.startswith("B-") and label.removeprefix("I-") == groups[-1][0]:'
    joined = [
        f"    {same}",
        "        groups[-1][1].append(score.item())",
        "        groups[-1][2].append(word)",
        "    else:",
        '        tag = label[2:] if label[:2] in ("B-", "I-") else label',
        "        groups.append((tag, [score.item()], [word]))",
    ]
    alone = ["    groups.append((label, [score.item()], [word]))"]
    least = f" and score >= {options.threshold!r}" if options.threshold else ""
    return [
        _encode(given, options, kind),
        forward(),
        [
            f"# 3. Postprocess: a label for each word{'' if options.aggregation == 'none' else ', then those joined'}",
            "probabilities = logits[0].float().cpu().softmax(dim=-1)",
            "places = inputs.word_ids(0)",
            *assign("ignored", list(options.ignore_labels)),
            LABELS,
            "groups = []",
            "for number, word in enumerate(words):",
            "    own = [position for position, place in enumerate(places) if place == number]",
            "    if not own:",
            "        continue  # cut off",
            *chosen,
            "    score, index = scores.max(dim=-1)",
            f"    label = {named('index.item()')}",
            *(alone if options.aggregation == "none" else joined),
            'result = [(label, sum(scores) / len(scores), " ".join(said)) for label, scores, said in groups]',
            f"result = [(label, score, said) for label, score, said in result if label not in ignored{least}]",
            "for label, score, said in result:",
            '    print(f"{score:10.6f} {label:10} {said}")',
        ],
    ]


def _vector(given: TaskInput, options: TaskOptions, kind: str) -> list[list[str]]:
    # A map is drawn of several lines; a page is one.
    _, run, finish = text.features(replace(given, text=""), options)
    # The pieces of the picture stand behind the tokens.
    only = '    hidden = hidden[:, : inputs["input_ids"].shape[1]]'
    return [_encode(given, options, kind), [*run, only], [line for line in finish if "similarity" not in line]]


def _raw(given: TaskInput, options: TaskOptions, kind: str) -> list[list[str]]:
    begins = [
        "# The decoder is given the token that it begins with",
        "start = [[model.config.decoder_start_token_id or model.config.pad_token_id]]",
        'inputs["decoder_input_ids"] = torch.tensor(start, device=model.device)',
    ]
    return [[*_encode(given, options, kind), *(begins if kind in STARTED else [])], *series.outputs(options)]


_BLOCKS = {
    "raw-outputs": _raw,
    "text-classification": _classified,
    "token-classification": _labelled,
    "feature-extraction": _vector,
}
