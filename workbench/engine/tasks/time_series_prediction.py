"""Time series prediction: how a series of numbers goes on, and how sure that is.

References:
    transformers, Models: TimesFM, TimesFM 2.5; Auto Classes: AutoModelForTimeSeriesPrediction
    Das et al. 2024, A decoder-only foundation model for time-series forecasting
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.engine.errors import InputError
from workbench.engine.tasks.inputs import Inputs, Outcome, Request, Spec
from workbench.engine.tasks.series import column
from workbench.engine.values import Forecast, TaskInput

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.engine.models import LoadedModel


#: What TimesFM is told of the steps of a series.
FREQUENCIES = ("high", "medium", "low")

SPEC = Spec(
    name="time-series-prediction",
    heads=("AutoModelForTimeSeriesPrediction",),
    does="Says how a series of numbers goes on",
    inputs=(("text", "Numbers, the oldest first, between commas or a line each"),),
    options=("frequency",),
    shows="series",
    # Passengers of airlines in thousands, month by month from 1949 on (Box and Jenkins 1976).
    example=TaskInput(
        "112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, 115, 126, 141, 135, 125, 149, 170, 170, 158, 133, "
        "114, 140, 145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166"
    ),
)


def fitted(model: LoadedModel) -> Spec:
    """The task as it is for a model: only the first TimesFM is told of the steps."""
    return SPEC if model.facts.model_type == "timesfm" else replace(SPEC, options=())


def preprocess(request: Request) -> Inputs:
    """The numbers as ``past_values`` of shape ``(1, moments)``; aside ``freq`` of shape ``(1,)`` where it is told.

    Raises:
        InputError: There are fewer than two numbers, or something else stands among them.
    """
    import torch

    numbers = column(request.text)
    if len(numbers) < 2:
        raise InputError(
            "The series is too short.", why="It has one number, and two are the least.", remedy="Write more of them."
        )
    told = request.model.model.config.model_type == "timesfm"
    aside = {"freq": torch.tensor([FREQUENCIES.index(request.options.frequency)])} if told else {}
    return Inputs({"past_values": torch.tensor([numbers])}, aside)


def forward(request: Request, inputs: Inputs) -> dict[str, Tensor]:
    """One pass: ``mean_predictions`` of shape ``(1, horizon)``, ``full_predictions`` with the quantiles after it."""
    told = {name: tensor.tolist() for name, tensor in inputs.aside.items()}
    output = request.model.model(**request.on_device(inputs.tensors), **told)
    return {name: output[name].float().cpu() for name in ("mean_predictions", "full_predictions")}


def postprocess(request: Request, _inputs: Inputs, outputs: dict[str, Tensor]) -> Outcome:
    """A `Forecast` for each moment to come, with the quantiles that the config names."""
    quantiles = tuple(request.model.model.config.quantiles)
    mean, full = outputs["mean_predictions"][0], outputs["full_predictions"][0]
    items = [
        Forecast(step, value, tuple(zip(quantiles, row[1:], strict=True)))
        for step, (value, row) in enumerate(zip(mean.tolist(), full.tolist(), strict=True), 1)
    ]
    return Outcome({"forecast": mean, "quantiles": full[:, 1:]}, tuple(items))
