"""Image-text-to-text: an answer to a question about a picture, or its description.

References:
    transformers, Pipelines: ImageTextToTextPipeline; Auto Classes: AutoModelForImageTextToText
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import workbench.engine.generate.pictures as shown
from workbench.engine.generate.captions import (
    ALONE,
    ASKING,
    FRAMES,
    PAGED,
    PROMPTED,
    TYPES,
    WORDLESS,
    cleans,
    writes_nothing,
)
from workbench.engine.generate.page import EXAMPLE, WORDS
from workbench.engine.tasks import captioning
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, check_text
from workbench.engine.tasks.processors import processor
from workbench.engine.tasks.vision import picture
from workbench.engine.tasks.writing import WRITES, behind, generated, listed, prepared
from workbench.engine.values import Message, Start, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="image-text-to-text",
    heads=("AutoModelForImageTextToText",),
    does="Answers a question about a picture",
    inputs=(("image", "Picture"), ("text", "Question or prompt")),
    options=(*WRITES, "stops"),
    shows="text",
    example=TaskInput("What does the picture show?"),
)

ONLY = {
    "AutoModelForMultimodalLM": ("blip", "fuyu", "got_ocr2", "instructblipvideo", PAGED),
    "AutoModelForVisualQuestionAnswering": ("blip-2",),
}
"""Architectures whose class other heads load too, and that do this with them: they go on with a prompt."""

#: How a question is asked of what goes on with a prompt, where it was loaded to answer questions.
_ASKED = {"AutoModelForVisualQuestionAnswering": "Question: What colour is the roof? Answer:"}


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model that needs no text, or tells by marks what is to be done."""
    kind = model.facts.model_type
    if kind in WORDLESS:
        inputs: tuple[tuple[str, str], ...] = (("image", "Chart"), ("text", "Nothing; its template says what to do"))
        return replace(SPEC, does="Writes the table that a chart was drawn from", inputs=inputs, example=TaskInput())
    if kind not in TYPES:
        return SPEC
    prompt = "What to do" if kind in PROMPTED else "How the text begins, or nothing"
    prompt = "A whole prompt with <imgpad> for the picture, or nothing" if kind in ASKING else prompt
    inputs, does = (("image", "Picture"), ("text", prompt)), SPEC.does
    if kind in FRAMES:
        does = "Answers a question about a film"
        inputs = (("video", "Film"), ("image", "Picture instead, as a film that stands still"), ("text", prompt))
    if kind == PAGED:
        does = "Does what it is told with the words and the picture of a page"
        return replace(SPEC, does=does, inputs=(*inputs, ("second", WORDS)), example=TaskInput(PROMPTED[kind], EXAMPLE))
    options = (*SPEC.options, "cleaned") if kind in ALONE and cleans(model.processor) else SPEC.options
    return replace(
        SPEC,
        does=does,
        inputs=inputs,
        options=options,
        example=TaskInput(_ASKED.get(model.head) or PROMPTED.get(kind, "")),
    )


def preprocess(request: Request) -> Inputs:
    """Show picture and question as the checkpoint's chat template writes them, or one after the other without one.

    Some models have no mark for the picture in their texts; see `captioning`.

    Raises:
        InputError: There is no picture, it can't be read, or there is no question.
        NotSupported: The checkpoint has no processor that works here.
    """
    if not hasattr(request.model.model, "generate"):
        raise writes_nothing(request.model)
    if _captions(request):
        return captioning.preprocess(request)
    return placed(request)


def placed(request: Request) -> Inputs:
    """Picture and question in one text, where a mark stands for the picture.

    Raises:
        InputError: There is no picture, it can't be read, or there is no question.
        NotSupported: The checkpoint has no processor that works here.
    """
    picture(request)
    if request.model.facts.model_type not in WORDLESS:
        check_text(request.text, "question")
    assert request.given.image is not None
    images = (request.given.image,)
    messages = (Message("user", request.text, images),) if request.model.facts.has_chat_template else ()
    encoding = shown.encode_shown(request.model, request.text, messages, images, task=request.task)
    made = shown.tensors(request.model, Start(encoding, images=images))
    return prepared(made)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """Many passes, one a new token; a stop takes effect within a token."""
    if _captions(request):
        return captioning.forward(request, inputs)
    length = 1 if request.model.encoder_decoder else int(inputs.tensors["input_ids"].shape[1])
    return generated(request, request.on_device(inputs.tensors), length, **listed(inputs))


def postprocess(request: Request, inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Cut the prompt off and decode the rest without special tokens."""
    if _captions(request):
        return captioning.postprocess(request, inputs, outputs)
    length = 1 if request.model.encoder_decoder else int(inputs.tensors["input_ids"].shape[1])
    text = captioning.written(processor(request.model), inputs, outputs["sequences"])
    return Outcome(behind(outputs, length), (text,))


def _captions(request: Request) -> bool:
    return request.model.facts.model_type in TYPES
