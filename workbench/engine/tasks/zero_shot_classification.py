"""Zero-shot classification: how well each of some labels fits a text, asked as whether the text entails a sentence.

References:
    transformers, Pipelines: ZeroShotClassificationPipeline; Yin et al. 2019, Benchmarking Zero-shot Text Classification
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError
from workbench.engine.task import Progress
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_labels, check_text, cut_at, pads
from workbench.engine.tasks.sentence_pair_classification import refusal
from workbench.engine.tokens import encode, padding_token
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from workbench.engine.models import LoadedModel


__all__ = ["SPEC", "TEMPLATE", "entailment", "filled", "fitted", "forward", "postprocess", "preprocess", "refusal"]

SPEC = Spec(
    name="zero-shot-classification",
    heads=("AutoModelForSequenceClassification",),
    does="Says which of your labels fit a text, without having been trained on them",
    inputs=(("text", "Text"), ("labels", "Candidate labels, one a line")),
    options=("template", "multi_label"),
    shows="labels",
    example=TaskInput("What a wonderful film, the best I have seen in years!", labels=("cinema", "politics", "travel")),
)

TEMPLATE = "This example is {}."
"""What is asked of each label unless ``options.template`` says otherwise."""

_AT_ONCE = 16


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: with a head whose labels don't tell, it says which of them is taken."""
    names: Mapping[int, str] = model.model.config.id2label
    if not names or entailment(names) is not None:
        return SPEC
    last = names[max(names)]
    return replace(
        SPEC,
        does=f"{SPEC.does}, if it was trained to say what follows from a text: none of its labels is called "
        f"entailment, so that the last, “{last}”, is taken for it, as pipeline() does",
    )


def entailment(labels: Mapping[int, str]) -> int | None:
    """The index of the label that says that one sentence follows from the other, or None without one."""
    return next((index for index, label in labels.items() if str(label).lower().startswith("entail")), None)


def preprocess(request: Request) -> Inputs:
    """Tokenize the text with one sentence a label, as a batch of pairs; only the text is cut.

    Raises:
        InputError: There is no text or no label, a label leaves no room for the text, or the template has no place for
            the label.
    """
    check_text(request.text)
    check_labels(request.given.labels)
    tokenizer = request.tokenizer
    sentences = filled(request.options.template or TEMPLATE, request.given.labels)
    limit = cut_at(request.model, request.options)
    longest = max(len(encode(tokenizer, sentence, task=request.task).tokens) for sentence in sentences)
    special = tokenizer.num_special_tokens_to_add(pair=True) - 2 * tokenizer.num_special_tokens_to_add()
    if limit is not None and longest + special + tokenizer.num_special_tokens_to_add() >= limit:
        raise InputError(
            "A label is too long.",
            why=f"With its template it has {longest:,} tokens, and text and label together may have {limit:,}.",
            remedy="Shorten it.",
        )
    length = len(encode(tokenizer, request.text, task=request.task).tokens) + longest
    length += special
    cut = {"truncation": "only_first", "max_length": limit} if limit is not None and length > limit else {}
    import torch

    rows = [tokenizer(request.text, sentence, verbose=False, **cut) for sentence in sentences]
    width = max(len(row["input_ids"]) for row in rows)
    filler = {"input_ids": tokenizer.convert_tokens_to_ids(padding_token(tokenizer)[0]) if len(rows) > 1 else 0}
    tensors = {
        name: torch.tensor([row[name] + [filler.get(name, 0)] * (width - len(row[name])) for row in rows])
        for name in rows[0]
    }
    return Inputs(tensors, truncated=max(0, length - width))


def filled(template: str, labels: tuple[str, ...]) -> list[str]:
    """One sentence a label.

    Raises:
        InputError: The template has no ``{}``.
    """
    try:
        sentences = [template.format(label) for label in labels]
    except (ValueError, LookupError) as error:
        raise _no_place(template) from error
    if sentences[0] == template:
        raise _no_place(template)
    return sentences


def _no_place(template: str) -> InputError:
    return InputError(
        "The template can't be filled in.",
        why=f"“{template}” has no single {{}} for the label to go to.",
        remedy=f"Write one, such as “{TEMPLATE}”.",
    )


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass over the pairs: ``logits`` of shape ``(labels, num_labels)``."""
    import torch

    model = request.model.model
    cache = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}
    count = len(inputs.tensors["input_ids"])
    together = _AT_ONCE if pads(request.model) else 1
    logits = []
    for first in range(0, count, together):
        request.task.check()
        request.task.report(Progress(first, count, "labels", "forward"))
        part = {name: tensor[first : first + together] for name, tensor in inputs.tensors.items()}
        if together == 1:
            kept = part["attention_mask"][0].bool()
            part = {name: tensor[:, kept] for name, tensor in part.items()}
        logits.append(model(**request.on_device(part), **cache).logits.cpu())
    return {"logits": torch.cat(logits)}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax of the entailment logits over the labels; with ``multi_label`` against contradiction, label by label.

    The last label of a head stands for entailment where none is called so.
    """
    logits = outputs["logits"].float()
    named = entailment(request.model.model.config.id2label)
    entails = -1 if named is None else named
    if request.options.multi_label or len(logits) == 1:
        contradicts = -1 if entails == 0 else 0
        scores = logits[:, [contradicts, entails]].softmax(dim=-1)[:, 1]
    else:
        scores = logits[:, entails].softmax(dim=-1)
    items = [Label(label, score) for label, score in zip(request.given.labels, scores.tolist(), strict=True)]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"scores": scores}, tuple(items))
