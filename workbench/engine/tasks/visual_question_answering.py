"""Visual question answering: an answer out of those that the model knows, to a question about a picture.

The library has no pipeline for it any more; its three steps are those of the model's documentation.

References:
    transformers, Task guides: Visual question answering; Kim et al. 2021, ViLT
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.errors import NotSupported
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.tasks.vision import pixels
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="visual-question-answering",
    heads=("AutoModelForVisualQuestionAnswering",),
    does="Answers a question about a picture with one of the answers it knows",
    inputs=(("image", "Picture"), ("text", "Question")),
    options=("top_k", "threshold"),
    shows="labels",
    example=TaskInput("What colour is the roof?"),
)


def preprocess(request: Request) -> Inputs:
    """Tokenize the question and prepare the picture.

    Raises:
        InputError: One of them is missing.
        NotSupported: The model writes its answers.
    """
    if request.model.model.can_generate():
        raise NotSupported(
            f"{request.model.checkpoint.name} writes its answers.",
            why="This task is for models that choose among the answers of their config, such as ViLT.",
            remedy="Load it as AutoModelForImageTextToText, and choose image-text-to-text.",
        )
    check_text(request.text, "question")
    made = pixels(request)
    text = request.tokenizer(request.text, truncation=True, return_tensors="pt", verbose=False)
    return Inputs({**text, **made.tensors}, made.aside)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass over words and patches together: ``logits`` of shape ``(1, num_labels)``."""
    return {"logits": request.model.model(**request.on_device(inputs.tensors)).logits.float().cpu()}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """A sigmoid for each answer, since several may be right."""
    scores = outputs["logits"][0].sigmoid()
    items = [Label(request.label(index), score) for index, score in enumerate(scores.tolist())]
    items.sort(key=lambda item: item.score, reverse=True)
    kept = [item for item in items[: request.options.top_k] if item.score >= request.options.threshold]
    return Outcome({"scores": scores}, tuple(kept))
