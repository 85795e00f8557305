"""Raw outputs: the forward step alone, for heads that neither a pipeline nor a task of their own reads.

What the checkpoint's tokenizer, image processor and feature extractor make of the input goes through the model, and
every tensor that comes out is shown. Models of series, such as PatchTST, take numbers, a moment a line; of pictures
that a model is to complete, half is hidden.

References:
    transformers, Model outputs; Auto Classes
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.generate import captions, page
from workbench.engine.processors import UNSEEN
from workbench.engine.tasks import (
    any_to_any,
    captioning,
    documents,
    image_segmentation,
    image_text_to_text,
    raw_beside,
    raw_inputs,
    samples,
    speaking,
    transcribing,
)
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.sounds import features
from workbench.engine.tasks.writing import drawing
from workbench.engine.values import TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


SPEC = Spec(
    name="raw-outputs",
    heads=(
        "AutoModelForAudioXVector",
        "AutoModelForAudioFrameClassification",
        "AutoModelForAudioTokenization",
        "AutoModelForMaskedImageModeling",
        "AutoModelForPreTraining",
        "AutoBackbone",
        "AutoModel",
    ),
    does="Runs the model on whatever it takes, and shows every tensor that comes out",
    inputs=(
        ("text", "Text, if the model reads one"),
        ("image", "Picture, if it sees one"),
        ("audio", "Sound, if it hears one"),
        ("video", "Film, if it is shown one"),
    ),
    options=(),
    shows="tensors",
    example=TaskInput(),
)

SAMPLES: dict[str, Any] = {"other": samples.picture, "beside": samples.trimap}

STARTED = (
    "blenderbot", "blenderbot-small", "canary", "cohere_asr", "longt5", "m2m_100", "marian", "moonshine",
    "moonshine_streaming", "mt5", "nemotron3_5_asr", "nemotron_asr_streaming", "nllb-moe", "parakeet_rnnt",
    "parakeet_tdt", "pegasus", "pegasus_x", "prophetnet", "seamless_m4t", "seamless_m4t_v2", "speech_to_text",
    "switch_transformers", "t5", "t5gemma", "t5gemma2", "udop", "umt5", "whisper",
)  # fmt: skip
"""Architectures whose decoder has to be given something too; others make it of what the encoder reads."""

BEGINS = ("decoder_start_token_id", "blank_token_id", "pad_token_id")
"""Names that configs have for the token that a decoder begins with; a transducer begins with its blank."""


def preprocess(request: Request) -> Inputs:
    """Each part of the input as what the checkpoint has for it prepares it; all go to the model together.

    Raises:
        InputError: Nothing was given, or it can't be read.
        NotSupported: The checkpoint has nothing that prepares it.
    """
    given = request.given
    parts: list[Inputs] = []
    kind = request.model.facts.model_type
    filmed = given.video is not None and kind in captions.FRAMES
    together = filmed or (given.image is not None and kind in captions.TYPES)
    paged = page.wanted(request.model)
    if given.audio is not None and kind in (*any_to_any.AMONG, *speaking.TURNS):
        # The sound stands in the text, where the checkpoint's processor puts it.
        heard = (speaking.conversation if kind in speaking.TURNS else any_to_any.preprocess)(request)
        return replace(heard, tensors=_called(request, heard.tensors))
    if kind in (*raw_beside.ACTS, *raw_beside.MARKED):
        acts = raw_beside.between(request).tensors if kind in raw_beside.ACTS else {}
        return Inputs(_called(request, raw_beside.told(request).tensors | acts))
    if given.image is not None and request.model.takes_images and not (paged or together):
        shown = image_text_to_text.placed(request)
        start = _start(request) if kind in STARTED else {}
        return replace(shown, tensors=_called(request, shown.tensors | start))
    if paged:
        parts.append(documents.encoded(request))
    elif together:
        parts.append(captioning.preprocess(request))
    elif given.image is not None:
        parts.append(raw_inputs.shown(request))
    if given.video is not None and not together:
        parts.append(raw_inputs.film(request))
    if given.audio is not None:
        parts.append(features(request, **raw_inputs.masked(request.model)))
    if given.text.strip() and not (paged or together):
        parts.append(raw_inputs.series(request) if raw_inputs.reads_series(request.model) else raw_inputs.read(request))
    if parts and request.model.facts.model_type in raw_beside.REGIONS:
        parts.append(raw_beside.regions(request))
    if raw_beside.stands_between(kind, request.model.head):
        parts.append(raw_beside.between(request))
    if not parts:
        raise InputError(
            "There is nothing to run the model on yet.",
            why="No text, no picture, no sound and no film was given.",
            remedy="Give it what it was trained on, or take the example.",
        )
    made = {name: tensor for part in parts for name, tensor in part.tensors.items()}
    aside = {name: tensor for part in parts for name, tensor in part.aside.items()}
    if request.model.facts.model_type in STARTED:
        made |= _start(request)
    if given.audio is not None and transcribing.goes_along(request.model):
        made |= transcribing.paced(request.model, made)
    if raw_inputs.hides(request.model.head, request.model.facts.model_type):
        made |= raw_inputs.hidden(request)
    return Inputs(_called(request, made), aside, heard=max(part.heard for part in parts))


def _called(request: Request, made: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the model is called with.

    Raises:
        NotSupported: It takes nothing of what was made.
    """
    tensors = raw_inputs.called(request.model, made)
    if not tensors:
        takes = sorted(raw_beside.takes(request.model))
        why = f"The model reads {', '.join(takes[:6])}, and the input became {', '.join(made)}."
        raise NotSupported(
            f"{request.model.checkpoint.name} takes nothing of the kind.",
            why=why,
            remedy="Give it a text, a picture, a sound or a film, whichever it was trained on.",
        )
    return tensors


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: one of series is given numbers alone, one that reads pages their words."""
    if page.wanted(model):
        return documents.fitted(SPEC, model, SPEC.does)
    if model.facts.model_type in captions.TYPES:
        kind = model.facts.model_type
        usual = "" if kind in captions.ASKING else "a picture of"
        unread = {"audio"} if kind in captions.FRAMES else {"audio", "video"}
        fields = tuple(field for field in SPEC.inputs if field[0] not in unread)
        return replace(SPEC, inputs=fields, example=TaskInput(captions.PROMPTED.get(kind, usual)))
    if raw_inputs.reads_series(model):
        return replace(
            SPEC,
            inputs=(("text", raw_inputs.columns(model)),),
            options=("frequency",) if model.facts.model_type == "timesfm" else (),
            example=TaskInput(raw_inputs.example(model)),
        )
    fields = raw_beside.inputs(SPEC, model.facts.model_type, model.head)
    unread = {"audio"} if any_to_any.deaf(model) else set()
    # What parts are wanted is no matter of a text here.
    unread |= {"text"} if model.facts.model_type == image_segmentation.TOLD else set()
    fields = tuple(field for field in fields if field[0] not in unread)
    if raw_inputs.spells(model):
        fields = (("text", "Phonemes, blanks between"),)
    if raw_inputs.ids(model):
        fields = (("text", "Ids, typed as numbers"), *(field for field in fields if field[0] != "text"))
    text = raw_inputs.example(model) if "text" in dict(fields) else ""
    return replace(SPEC, inputs=fields, example=TaskInput(text))


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass; every tensor of the output by its name, those in tuples with their place after it.

    Some draw, such as what is hidden from a masked autoencoder; the seed is that of the options.

    Raises:
        InputError: The model can't be called with that.
    """
    calls = getattr(request.model.model, raw_beside.METHODS.get(request.model.facts.model_type, "__call__"))
    try:
        with drawing(request, True):
            tensors = request.on_device(inputs.tensors)
            output = calls(**tensors)
            moves = raw_beside.moves(request.model, tensors)
    except (TypeError, ValueError, RuntimeError, AttributeError, LookupError, AssertionError) as error:
        wanted = request.given.image is not None and not request.model.takes_images
        lacks = [note for note in request.model.notes if wanted and UNSEEN in note]
        usual = "Give it what it was trained on; some models want a text beside a picture or a sound."
        raise InputError(
            "The model can't be run on that.", why=f"It says: {first_line(error)}", remedy=" ".join(lacks) or usual
        ) from error
    return dict(_tensors(output)) | dict(_tensors(moves))


def postprocess(_request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """Nothing more is made of them: least, mean and most of each tensor."""
    import torch

    rows = [tensor.float() for tensor in outputs.values() if tensor.numel()]
    summary = [[float(row.min()), float(row.mean()), float(row.max())] for row in rows]
    return Outcome({"least_mean_most": torch.tensor(summary)}, tuple(outputs))


def _start(request: Request) -> dict[str, Tensor]:
    """The token that the decoder begins with, of shape ``(1, 1)``."""
    import torch

    config = request.model.model.config
    named = (getattr(config, name, None) for name in BEGINS)
    start = next((number for number in named if number is not None), None)
    return {"decoder_input_ids": torch.tensor([[start]])} if start is not None else {}


def _tensors(output: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    import torch

    if isinstance(output, torch.Tensor):
        yield name or "output", (output.float() if output.is_floating_point() else output).cpu()
    elif isinstance(output, dict):
        for key, value in output.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))
    elif isinstance(output, (tuple, list)):
        for index, value in enumerate(output):
            yield from _tensors(value, f"{name}.{index}" if name else str(index))
