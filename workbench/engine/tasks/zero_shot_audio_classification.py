"""Zero-shot audio classification: which of some labels fits a sound, by comparing it with a sentence for each.

References:
    transformers, Pipelines: ZeroShotAudioClassificationPipeline; Wu et al. 2023, CLAP;
    PeAudioModel
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_labels
from workbench.engine.tasks.sounds import features
from workbench.engine.tasks.zero_shot_classification import filled
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor


SPEC = Spec(
    name="zero-shot-audio-classification",
    heads=("AutoModel",),
    does="Says which of your labels fit a sound, without having been trained on them",
    inputs=(("audio", "Sound"), ("labels", "Candidate labels, one a line")),
    options=("template",),
    shows="labels",
    example=TaskInput(labels=("a tone", "a dog", "speech")),
)

COMPARED = {"clap": "logits_per_audio", "pe_audio": "logits_audio_text"}
"""Architectures that compare a sound with texts; by each, the name of the logits of a sound in a row."""

ALONE = ("pe_audio",)
"""Of these, the ones trained to score each text by itself (SigLIP's loss); the others share 100 % among the texts."""

TEMPLATE = "This is a sound of {}."
"""The sentence of each label unless ``options.template`` says otherwise."""


def preprocess(request: Request) -> Inputs:
    """Prepare the sound, and tokenize one sentence a label.

    Raises:
        InputError: There is no sound or no label, or the template has no place for the label.
    """
    check_labels(request.given.labels)
    made = features(request)
    sentences = filled(request.options.template or TEMPLATE, request.given.labels)
    text = request.tokenizer(sentences, padding=True, truncation=True, return_tensors="pt", verbose=False)
    return Inputs({**text, **made.tensors}, made.aside, heard=made.heard)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass of both encoders: the logits of shape ``(1, labels)``, and the vectors they come from."""
    output = request.model.model(**request.on_device(inputs.tensors))
    names = (_logits(request), "audio_embeds", "text_embeds", "text_audio_embeds")
    return {name: output[name].float().cpu() for name in names if output.get(name) is not None}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Softmax over the labels, or a sigmoid of each where the model was trained so."""
    logits = outputs[_logits(request)][0]
    scores = logits.sigmoid() if request.model.facts.model_type in ALONE else logits.softmax(dim=0)
    items = [Label(label, score) for label, score in zip(request.given.labels, scores.tolist(), strict=True)]
    items.sort(key=lambda item: item.score, reverse=True)
    return Outcome({"scores": scores}, tuple(items))


def _logits(request: Request) -> str:
    return COMPARED[request.model.facts.model_type]
