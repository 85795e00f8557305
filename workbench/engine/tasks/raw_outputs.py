"""Raw outputs: the forward step alone, for heads that neither a pipeline nor a task of their own reads.

What the checkpoint's tokenizer, image processor and feature extractor make of the input goes through the model, and
every tensor that comes out is shown. Models of series, such as PatchTST, take numbers, a moment a line.

References:
    transformers, Model outputs; Auto Classes
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.errors import InputError, NotSupported, first_line
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec, encoded
from workbench.engine.tasks.series import ARCHITECTURES, table
from workbench.engine.tasks.sounds import features
from workbench.engine.tasks.vision import pixels
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
        "AutoModel",
    ),
    does="Runs the model on whatever it takes, and shows every tensor that comes out",
    inputs=(
        ("text", "Text, if the model reads one"),
        ("image", "Picture, if it sees one"),
        ("audio", "Sound, if it hears one"),
    ),
    options=(),
    shows="tensors",
    example=TaskInput(),
)

STARTED = (
    "blenderbot", "blenderbot-small", "longt5", "m2m_100", "marian", "moonshine", "moonshine_streaming", "mt5",
    "nllb-moe", "pegasus", "pegasus_x", "prophetnet", "speech_to_text", "switch_transformers", "t5", "t5gemma",
    "t5gemma2", "umt5", "whisper",
)  # fmt: skip
"""Architectures whose decoder has to be given something too; others make it of what the encoder reads."""


def preprocess(request: Request) -> Inputs:
    """Each part of the input as what the checkpoint has for it prepares it; all go to the model together.

    Raises:
        InputError: Nothing was given, or it can't be read.
        NotSupported: The checkpoint has nothing that prepares it.
    """
    given = request.given
    parts: list[Inputs] = []
    if given.image is not None:
        parts.append(pixels(request))
    if given.audio is not None:
        parts.append(features(request))
    if given.text.strip():
        parts.append(_series(request) if _reads_series(request.model) else encoded(request))
    if not parts:
        raise InputError(
            "There is nothing to run the model on yet.",
            why="No text, no picture and no sound was given.",
            remedy="Give it what it was trained on, or take the example.",
        )
    tensors = {name: tensor for part in parts for name, tensor in part.tensors.items()}
    aside = {name: tensor for part in parts for name, tensor in part.aside.items()}
    takes = set(inspect.signature(request.model.model.forward).parameters)
    if request.model.facts.model_type in STARTED:
        tensors |= _start(request)
    if not takes & set(tensors):
        raise NotSupported(
            f"{request.model.checkpoint.name} takes nothing of the kind.",
            why=f"The model reads {', '.join(sorted(takes - {'kwargs'})[:6])}, and the input became "
            f"{', '.join(tensors)}.",
            remedy="Give it a text, a picture or a sound, whichever it was trained on.",
        )
    return Inputs({name: tensor for name, tensor in tensors.items() if name in takes}, aside)


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: one of series is given numbers alone."""
    numbers = (("text", "Numbers, a moment a line, channels between commas"),)
    return replace(SPEC, inputs=numbers) if _reads_series(model) else SPEC


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass; every tensor of the output by its name, those in tuples with their place after it.

    Some draw, such as what is hidden from a masked autoencoder; the seed is that of the options.

    Raises:
        InputError: The model can't be called with that.
    """
    try:
        with drawing(request, True):
            output = request.model.model(**request.on_device(inputs.tensors))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            "The model can't be run on that.",
            why=f"It says: {first_line(error)}",
            remedy="Give it what it was trained on; some models want a text beside a picture or a sound.",
        ) from error
    return dict(_tensors(output))


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
    start = getattr(config, "decoder_start_token_id", None)
    start = config.pad_token_id if start is None else start
    return {"decoder_input_ids": torch.tensor([[start]])} if start is not None else {}


def _reads_series(model: LoadedModel) -> bool:
    return model.facts.model_type in ARCHITECTURES


def _series(request: Request) -> Inputs:
    """The last moments of the series, as many as the model looks back on, with all of them marked as observed."""
    import torch

    config = request.model.model.config
    takes = inspect.signature(request.model.model.forward).parameters
    rows = torch.tensor(table(request.text))
    wanted = config.context_length + max(getattr(config, "lags_sequence", None) or [0])
    channels = getattr(config, "num_input_channels", getattr(config, "input_size", 1))
    features = getattr(config, "num_time_features", 0) if "past_time_features" in takes else 0
    if rows.shape[0] < wanted or rows.shape[1] != channels + features:
        raise InputError(
            "The series does not fit the model.",
            why=f"It has {rows.shape[0]} moments with {rows.shape[1]} numbers each, and the model looks back on "
            f"{wanted} with {channels + features}" + (f", {features} of them features of time." if features else "."),
            remedy="Write as many lines at least, with as many numbers on each.",
        )
    rows = rows[-wanted:][None]
    values = rows[..., :channels]
    values = values[..., 0] if hasattr(config, "input_size") and channels == 1 else values
    made = {"past_values": values, "past_observed_mask": torch.ones_like(values)}
    if "past_time_features" in takes:
        made["past_time_features"] = rows[..., channels:]
    return Inputs(made)


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
