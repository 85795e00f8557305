"""Visual question answering: an answer to a question about a picture, out of those that the model knows, or written.

The library has no pipeline for it any more; its three steps are those of the model's documentation.

References:
    transformers, Task guides: Visual question answering; BLIP; Kim et al. 2021, ViLT
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.tasks.vision import pixels
from workbench.engine.tasks.writing import watched
from workbench.engine.values import Label, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="visual-question-answering",
    heads=("AutoModelForVisualQuestionAnswering",),
    does="Answers a question about a picture in a word or two",
    inputs=(("image", "Picture"), ("text", "Question")),
    options=("top_k", "threshold"),
    shows="labels",
    example=TaskInput("What colour is the roof?"),
)

ONLY = {SPEC.heads[0]: ("blip", "vilt")}
"""Architectures that read a question by itself; BLIP-2 stands among them, and goes on with a prompt."""


def fitted(model: LoadedModel) -> Spec:
    """The task with the settings of a model that writes its answer, where this one does."""
    return replace(SPEC, options=("max_new_tokens",)) if _writes(model) else SPEC


def preprocess(request: Request) -> Inputs:
    """Tokenize the question and prepare the picture.

    Raises:
        InputError: One of them is missing.
    """
    check_text(request.text, "question")
    made = pixels(request)
    # BLIP's tokenizer is BERT's, and its generate() refuses what BERT alone reads.
    kinds = {"return_token_type_ids": False} if _writes(request.model) else {}
    text = request.tokenizer(request.text, truncation=True, return_tensors="pt", verbose=False, **kinds)
    return Inputs({**text, **made.tensors}, made.aside)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass over words and patches together: ``logits`` of shape ``(1, num_labels)``.

    A model that writes makes a pass a token: ``sequences`` of shape ``(1, 1 + new)``, ``logits`` ``(1, new, vocab)``.
    """
    import torch

    if _writes(request.model):
        tensors = request.on_device(inputs.tensors)
        with watched(request, 1) as (settings, _):
            made = request.model.model.generate(**tensors, **settings, return_dict_in_generate=True, output_logits=True)
        return {"sequences": made.sequences.cpu(), "logits": torch.stack(made.logits, dim=1).float().cpu()}
    return {"logits": request.model.model(**request.on_device(inputs.tensors)).logits.float().cpu()}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """A sigmoid for each answer, since several may be right; a written one scores the product of its tokens' own."""
    if _writes(request.model):
        ids = outputs["sequences"][0, 1:]
        chosen = outputs["logits"][0].softmax(dim=-1)[range(len(ids)), ids]
        said = str(request.tokenizer.decode(ids, skip_special_tokens=True)).strip()
        return Outcome({"probabilities": chosen}, (Label(said or "(nothing)", float(chosen.prod())),))
    scores = outputs["logits"][0].sigmoid()
    items = [Label(request.label(index), score) for index, score in enumerate(scores.tolist())]
    items.sort(key=lambda item: item.score, reverse=True)
    kept = [item for item in items[: request.options.top_k] if item.score >= request.options.threshold]
    return Outcome({"scores": scores}, tuple(kept))


def _writes(model: LoadedModel) -> bool:
    """Whether an encoder reads the question with the picture, and a decoder writes the answer."""
    return model.facts.model_type == "blip"
