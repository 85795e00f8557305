"""Multiple choice: which of several continuations goes with a text.

References:
    transformers, Task guides: Multiple choice; Auto Classes: AutoModelForMultipleChoice
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_labels, check_text, cut_at
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="multiple-choice",
    heads=("AutoModelForMultipleChoice",),
    does="Says which of several endings goes with a text",
    inputs=(("text", "Text"), ("labels", "Choices, one a line")),
    options=(),
    shows="labels",
    example=TaskInput(
        "What a wonderful film,", labels=("the best I have seen in years!", "the worst I have seen in years.")
    ),
)


def preprocess(request: Request) -> Inputs:
    """Tokenize the text with each choice, and put the rows into one input of shape ``(1, choices, seq)``.

    Raises:
        InputError: There is no text, or fewer than two choices.
    """
    check_text(request.text)
    check_labels(request.given.labels, 2, "choices")
    tokenizer = request.tokenizer
    choices = list(request.given.labels)
    limit = cut_at(request.model, request.options)
    whole = tokenizer([request.text] * len(choices), choices, verbose=False)["input_ids"]
    longest = max(len(row) for row in whole)
    cut = {"truncation": True, "max_length": limit} if limit is not None and longest > limit else {}
    made = tokenizer(
        [request.text] * len(choices), choices, padding=True, return_tensors="pt", verbose=False, **cut
    )  # fmt: skip
    return Inputs(
        {name: tensor.unsqueeze(0) for name, tensor in made.items()}, truncated=max(0, longest - (limit or longest))
    )


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``logits`` of shape ``(1, choices)``."""
    return {"logits": request.model.model(**request.on_device(inputs.tensors)).logits.cpu()}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax over the choices."""
    scores = outputs["logits"][0].float().softmax(dim=-1)
    items = [Label(choice, score) for choice, score in zip(request.given.labels, scores.tolist(), strict=True)]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"scores": scores}, tuple(items))
