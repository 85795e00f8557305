"""Zero-shot image classification: which of some labels fits a picture, by comparing it with a sentence for each.

References:
    transformers, Pipelines: ZeroShotImageClassificationPipeline; Radford et al. 2021, CLIP; Zhai et al. 2023, SigLIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_labels, cut_at
from workbench.engine.tasks.vision import pixels
from workbench.engine.tasks.zero_shot_classification import filled
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="zero-shot-image-classification",
    heads=("AutoModelForZeroShotImageClassification",),
    does="Says which of your labels fit a picture, without having been trained on them",
    inputs=(("image", "Picture"), ("labels", "Candidate labels, one a line")),
    options=("template",),
    shows="labels",
    example=TaskInput(labels=("a house", "a fox", "a book")),
)

TEMPLATE = "This is a photo of {}."
"""The sentence of each label unless ``options.template`` says otherwise."""

#: Tokens of a sentence as SigLIP was trained, always filled up.
_SIGLIP_WIDTH = 64


def preprocess(request: Request) -> Inputs:
    """Prepare the picture, and tokenize one sentence a label.

    Raises:
        InputError: There is no picture or no label, or the template has no place for the label.
    """
    check_labels(request.given.labels)
    made = pixels(request)
    sentences = filled(request.options.template or TEMPLATE, request.given.labels)
    arguments: dict[str, Any] = {
        "padding": True,
        "truncation": True,
        "max_length": cut_at(request.model, request.options),
    }
    if _sigmoid(request):
        arguments |= {"padding": "max_length", "max_length": _SIGLIP_WIDTH}
    elif arguments["max_length"] is None:
        arguments = {"padding": True}
    text = request.tokenizer(sentences, return_tensors="pt", verbose=False, **arguments)
    return Inputs({**text, **made.tensors}, made.aside)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass of both encoders: ``logits_per_image`` of shape ``(1, labels)``, and the vectors they come from."""
    output = request.model.model(**request.on_device(inputs.tensors))
    names = ("logits_per_image", "image_embeds", "text_embeds")
    return {name: output[name].float().cpu() for name in names if output.get(name) is not None}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax over the labels; for SigLIP a sigmoid each."""
    logits = outputs["logits_per_image"][0]
    scores = logits.sigmoid() if _sigmoid(request) else logits.softmax(dim=-1)
    items = [Label(label, score) for label, score in zip(request.given.labels, scores.tolist(), strict=True)]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"scores": scores}, tuple(items))


def _sigmoid(request: Request) -> bool:
    return "siglip" in str(request.model.model.config.model_type)
