"""What tasks on a page share: its words with their boxes as ids, and its picture, for models that read both.

LayoutLMv2, LayoutLMv3, LayoutXLM and UDOP have tokenizers that read words with boxes and no running text; BROS is told
the boxes besides, as parts of the page.

References:
    transformers, LayoutLMv2: usage; LayoutLMv3; BROS; UDOP
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from workbench.engine.generate import page
from workbench.engine.tasks.inputs import Inputs, Request, Spec, check_text, cut_at
from workbench.engine.tasks.processors import image_processor
from workbench.engine.tasks.vision import picture, prepared
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


def fitted(spec: Spec, model: LoadedModel, does: str) -> Spec:
    """A task on a text as it is for a model that reads pages instead.

    Args:
        spec: Of the task.
        model: Any; the task stays as it was for one that reads running text.
        does: What the task does with a page.
    """
    if not page.wanted(model):
        return spec
    inputs = (("text", page.WORDS), *picture_field(model))
    options = tuple(name for name in spec.options if name not in ("stride", "split"))
    return replace(spec, does=does, inputs=inputs, options=options, example=TaskInput(page.EXAMPLE))


def picture_field(model: LoadedModel) -> tuple[tuple[str, str], ...]:
    """The place for a picture of the page: of those that see it, LayoutLMv2 alone can't do without."""
    takes = inspect.signature(model.model.forward).parameters
    if "image" in takes:
        return (("image", "Picture of the page"),)
    return (("image", "Picture of the page, or none"),) if "pixel_values" in takes else ()


def seen(request: Request, windows: int = 1) -> dict[str, Tensor]:
    """The picture of the page as the model takes it, once for each window; nothing where there is none.

    Raises:
        InputError: There is none and the model can't do without, or it can't be read.
    """
    needed = "image" in inspect.signature(request.model.model.forward).parameters
    if request.given.image is None and not needed:
        return {}
    # Its processor would look for words in the picture.
    made = prepared(image_processor(request.model), images=[picture(request)], apply_ocr=False)["pixel_values"]
    return {"image" if needed else "pixel_values": made.repeat(windows, 1, 1, 1)}


def encoded(request: Request) -> Inputs:
    """The words of the page as ids, each with the box of its word, and the picture; cut at the context.

    Returns:
        ``input_ids``, ``attention_mask`` and ``bbox`` of shapes ``(1, seq)`` and ``(1, seq, 4)``, and the picture;
        aside ``word_ids``, -1 where there is none, ``offset_mapping`` into the text, and ``special_tokens_mask``.

    Raises:
        InputError: There are no words, a line is no word with its box, or the picture is missing or can't be read.
    """
    import torch

    check_text(request.text, "page")
    boxed, where = page.words(request.text), page.places(request.text)
    tokenizer = request.tokenizer
    placed = page.placing(tokenizer)
    arguments: dict[str, Any] = {
        "text": [[word for word, _ in boxed]], "return_offsets_mapping": True, "return_special_tokens_mask": True,
        "return_tensors": "pt", "verbose": False,
    }  # fmt: skip
    arguments |= {"boxes": [[list(box) for _, box in boxed]]} if placed else {"is_split_into_words": True}
    made = tokenizer(**arguments)
    length = made["input_ids"].shape[1]
    limit = cut_at(request.model, request.options)
    if limit is not None and length > limit:
        made = tokenizer(**arguments, truncation=True, max_length=limit)
    words = [-1 if word is None else word for word in made.word_ids(0)]
    if not placed:
        # Beyond the words: the upper left corner, and after them the lower right one.
        ends = [[float(id_ == tokenizer.sep_token_id)] * 4 for id_ in made["input_ids"][0].tolist()]
        parts = [[side / 1000 for side in boxed[word][1]] if word >= 0 else ends[at] for at, word in enumerate(words)]
        made["bbox"] = torch.tensor([parts])
    offsets = [
        [where[word][0] + start, where[word][0] + end] if word >= 0 else [0, 0]
        for word, (start, end) in zip(words, made.pop("offset_mapping")[0].tolist(), strict=True)
    ]
    aside = {
        "word_ids": torch.tensor([words]), "offset_mapping": torch.tensor([offsets]),
        "special_tokens_mask": made.pop("special_tokens_mask"),
    }  # fmt: skip
    return Inputs({**seen(request), **made}, aside, max(0, length - made["input_ids"].shape[1]))


def by_word(inputs: Inputs) -> Iterator[list[int]]:
    """The positions of each word."""
    words = inputs.aside["word_ids"][0].tolist()
    for word, positions in groupby(range(len(words)), key=words.__getitem__):
        if word >= 0:
            yield list(positions)


def said(text: str, where: Sequence[tuple[int, int]], start: int, end: int) -> str:
    """What stands between two characters of a text; of a page, whose words stand ``where``, no boxes."""
    inside = [text[first:last] for first, last in where if start <= first and last <= end]
    return " ".join(inside) or text[start:end]
