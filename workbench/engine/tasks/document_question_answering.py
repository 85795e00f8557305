"""Document question answering: the words of a page that answer a question, by what they say and where they stand.

The words and their boxes are given, as whatever read the page found them; nothing is read off a picture here.
LayoutLMv3 may look at the picture of the page besides.

References:
    transformers, Pipelines: DocumentQuestionAnsweringPipeline; Xu et al. 2019, LayoutLM; Huang et al. 2022, LayoutLMv3
"""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text, cut_at
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import picture, prepared
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="document-question-answering",
    heads=("AutoModelForDocumentQuestionAnswering",),
    does="Finds the words of a page that answer a question",
    inputs=(
        ("text", "Question"),
        ("second", "Words, one a line: word,left,top,right,bottom in thousandths of the page"),
    ),
    options=("top_k", "max_answer_tokens", "no_answer"),
    shows="labels",
    example=TaskInput(
        "What is the total?",
        "Invoice,80,60,240,90\n2024-117,250,60,390,90\nTotal,80,700,160,730\n418.00,620,700,740,730\nEUR,750,700,810,730",
    ),
    defaults=(("top_k", 3),),
)

WINDOW = 512
"""Tokens of a window over a long page, as LayoutLM was trained."""

_SIDES = 4
_SEES = "layoutlmv3"


def fitted(model: LoadedModel) -> Spec:
    """The task with a place for the page's picture, where the model may look at it."""
    inputs = (*SPEC.inputs, ("image", "Picture of the page, or none"))
    return replace(SPEC, inputs=inputs) if model.facts.model_type == _SEES else SPEC


def words(text: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The words of a page that is written as CSV, each with its box.

    Raises:
        InputError: A line is no word with four numbers from 0 to 1000.
    """
    found = []
    for number, row in enumerate(csv.reader(text.splitlines(), skipinitialspace=True), 1):
        if not row:
            continue
        word, box = ",".join(row[:-_SIDES]).strip(), row[-_SIDES:]
        if not word or not all(side.strip().isdecimal() and int(side) <= 1000 for side in box):
            raise InputError(
                f"Line {number} is no word with its box.",
                why="It needs a word and four whole numbers from 0 to 1000: left, top, right and bottom.",
                remedy="Write it like “Total,80,700,160,730”; 1000 is the far edge of the page.",
            )
        found.append((word, tuple(map(int, box))))
    return tuple(found)


def preprocess(request: Request) -> Inputs:
    """Question and words as ids, each with the box of its word; a long page becomes several windows that overlap.

    Returns:
        Tensors of shape ``(windows, seq)`` and ``bbox`` of shape ``(windows, seq, 4)``; aside ``word_ids``, -1 where
        there is none of the page.

    Raises:
        InputError: Question or words are empty, or a line is no word with its box.
        NotSupported: The architecture can't be asked that way, or its tokenizer can't tell words apart.
    """
    import torch

    kind = request.model.model.config.model_type
    if kind not in ("layoutlm", _SEES) or not request.tokenizer.is_fast:
        raise NotSupported(
            f"{request.model.checkpoint.name} can't be asked about words and boxes.",
            why=f"The architecture {kind} can't do without the picture of the page, or its tokenizer is a slow one.",
            remedy="Load a LayoutLM or LayoutLMv3 checkpoint, such as impira/layoutlm-document-qa.",
        )
    check_text(request.text, "question")
    check_text(request.given.second, "page")
    page = words(request.given.second)
    tokenizer = request.tokenizer
    asked = request.text.split()
    width = min(cut_at(request.model, request.options) or WINDOW, WINDOW)
    sees = kind == _SEES
    if sees:
        alone = tokenizer([request.text], [["."]], boxes=[[[0] * _SIDES]], add_special_tokens=False, verbose=False)
        taken = alone.sequence_ids(0).count(0)
    else:
        taken = len(tokenizer(asked, is_split_into_words=True, add_special_tokens=False)["input_ids"])
    room = width - tokenizer.num_special_tokens_to_add(pair=True) - taken
    if room < 2:
        raise InputError(
            "The question is too long.",
            why=f"It has {taken:,} tokens, and question and words together may have {width:,}.",
            remedy="Shorten it.",
        )
    settings: dict[str, Any] = {
        "truncation": "only_second", "max_length": width, "stride": min(width // 2, 256, room - 1),
        "padding": "longest", "padding_side": "right", "return_overflowing_tokens": True, "return_tensors": "pt",
        "verbose": False,
    }  # fmt: skip
    if sees:
        beside = [[list(box) for _, box in page]]
        made = tokenizer([request.text], [[word for word, _ in page]], boxes=beside, **settings)
    else:
        words_alone = [word for word, _ in page]
        made = tokenizer(asked, words_alone, is_split_into_words=True, return_token_type_ids=True, **settings)
    made.pop("overflow_to_sample_mapping", None)
    places, boxes = [], []
    for window, ids in enumerate(made["input_ids"].tolist()):
        of = list(zip(made.sequence_ids(window), made.word_ids(window), ids, strict=True))
        places.append([word if sequence == 1 else -1 for sequence, word, _ in of])
        boxes.append(
            [
                page[word][1] if sequence == 1 else (1000 if id_ == tokenizer.sep_token_id else 0,) * _SIDES
                for sequence, word, id_ in of
            ]
        )
    aside = {"word_ids": torch.tensor(places)}
    if not sees:
        return Inputs({**made, "bbox": torch.tensor(boxes)}, aside)
    if request.given.image is None:
        return Inputs(dict(made), aside)
    # Its processor would look for words in the picture.
    seen = prepared(image_processor(request.model), images=[picture(request)], apply_ocr=False)["pixel_values"]
    return Inputs({**made, "pixel_values": seen.repeat(len(places), 1, 1, 1)}, aside)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass over all windows: ``start_logits`` and ``end_logits``, each of shape ``(windows, seq)``."""
    output = request.model.model(**request.on_device(inputs.tensors))
    # The patches of a picture stand behind the tokens.
    width = inputs.tensors["input_ids"].shape[1]
    logits = {"start_logits": output.start_logits, "end_logits": output.end_logits}
    return {name: tensor[:, :width].float().cpu() for name, tensor in logits.items()}


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax over the positions of each window, and the spans of words whose two probabilities multiply to the most.

    Returns:
        ``start_probabilities`` and ``end_probabilities`` of shape ``(windows, seq)``; a `Label` for each answer.
    """
    page = words(request.given.second)
    places = inputs.aside["word_ids"]
    # The first position is where a model says that there is no answer; it takes its share of the probability.
    allowed = places >= 0
    allowed[:, 0] = True
    starts, ends = (
        outputs[name].masked_fill(~allowed, float("-inf")).softmax(dim=-1) for name in ("start_logits", "end_logits")
    )
    best: dict[tuple[int, int], float] = {}
    for window in range(len(places)):
        request.task.check()
        inside = (places[window] >= 0).nonzero().flatten()
        if not len(inside):
            continue
        spans = starts[window, inside].unsqueeze(1) * ends[window, inside].unsqueeze(0)
        spans = spans.triu().tril(request.options.max_answer_tokens - 1)
        scores, flat = spans.flatten().topk(min(request.options.top_k or 100, spans.numel()))
        for score, place in zip(scores.tolist(), flat.tolist(), strict=True):
            first, last = (int(places[window, inside[each]]) for each in divmod(place, len(inside)))
            # Windows overlap, and a word has several tokens: the same words can be found twice.
            best[first, last] = max(score, best.get((first, last), 0.0))
    items = [
        Label(" ".join(word for word, _ in page[first : last + 1]), score) for (first, last), score in best.items()
    ]
    if request.options.no_answer:
        items.append(Label("(no answer)", float((starts[:, 0] * ends[:, 0]).min())))
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"start_probabilities": starts, "end_probabilities": ends}, tuple(items[: request.options.top_k]))
