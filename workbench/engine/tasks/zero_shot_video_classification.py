"""Zero-shot video classification: which of some labels fits a video, by comparing it with a text for each.

References:
    transformers, XCLIPModel; VideoPrismClipModel
    Ni et al. 2022, Expanding Language-Image Pretrained Models for General Video Recognition
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.engine.tasks import raw_inputs
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_labels, cut_at
from workbench.engine.tasks.videos import VIDEO
from workbench.engine.tasks.zero_shot_classification import filled
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

SPEC = Spec(
    name="zero-shot-video-classification",
    heads=("AutoModelForZeroShotImageClassification", "AutoModel"),
    does="Says which of your labels fit a video, without having been trained on them",
    inputs=(*VIDEO, ("labels", "Candidate labels, one a line")),
    options=("template",),
    shows="labels",
    example=TaskInput(labels=("a ball that moves", "a person who cooks", "an empty road")),
)

SHARES = "videoprism"
"""The architecture that gives shares for logits: of the videos for each text, and of the texts for each video."""

ONLY = {"AutoModelForZeroShotImageClassification": (SHARES,), "AutoModel": (SHARES, "xclip")}
"""Of each Auto class, the architectures that do it."""

TEMPLATE = "{}"
"""The text of each label unless ``options.template`` says otherwise."""

WIDTH = 64
"""Tokens that texts are filled up to where an architecture was trained so."""


def preprocess(request: Request) -> Inputs:
    """Frames from all over the video, and a text a label.

    Raises:
        InputError: There is no label, the template has no place for it, or the video is missing or can't be read.
        NotSupported: The checkpoint has no processor or tokenizer that works here, or PyAV is not installed.
    """
    check_labels(request.given.labels)
    made = raw_inputs.film(request)
    texts = filled(request.options.template or TEMPLATE, request.given.labels)
    limit = cut_at(request.model, request.options)
    arguments: dict[str, Any] = {"padding": True}
    if request.model.facts.model_type == SHARES:
        arguments = {"padding": "max_length", "truncation": True, "max_length": WIDTH}
    elif limit is not None:
        arguments |= {"truncation": True, "max_length": limit}
    return Inputs({**request.tokenizer(texts, return_tensors="pt", verbose=False, **arguments), **made.tensors})


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass of both encoders: ``logits_per_video`` of shape ``(1, labels)``, and the vectors they come from."""
    output = request.model.model(**request.on_device(raw_inputs.called(request.model, inputs.tensors)))
    names = ("logits_per_video", "logits_per_text", "video_embeds", "text_embeds")
    return {name: output[name].float().cpu() for name in names}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax over the labels, where the model has not done so."""
    shares = request.model.facts.model_type == SHARES
    scores = outputs["logits_per_text"][:, 0] if shares else outputs["logits_per_video"][0].softmax(dim=-1)
    items = [Label(label, score) for label, score in zip(request.given.labels, scores.tolist(), strict=True)]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"scores": scores}, tuple(items))
