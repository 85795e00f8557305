"""The scripts of tasks on a series of numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.engine.codegen.script import assign, call
from workbench.engine.codegen.task.parts import Script
from workbench.engine.errors import InputError
from workbench.engine.tasks.series import column, table
from workbench.engine.tasks.time_series_prediction import FREQUENCIES

if TYPE_CHECKING:
    from workbench.engine.values import TaskInput, TaskOptions


def _read(parse: Callable[[str], list[Any]], text: str) -> list[Any]:
    # A script is written while the numbers still are.
    try:
        return parse(text)
    except InputError:
        return []


def _given_numbers(given: TaskInput) -> list[str]:
    found = _read(column, given.text)
    if found or not given.text:
        return assign("numbers", found)
    # A column of a file stands for the text.
    return [*assign("text", given.text), 'numbers = [float(each) for each in text.replace(",", " ").split()]']


def _prediction(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return [
        [
            "# 1. Preprocess; the first TimesFM is told how far the moments are apart",
            'inputs = {"past_values": torch.tensor([numbers], device=model.device, dtype=model.dtype)}',
            'if model.config.model_type == "timesfm":',
            f'    inputs["freq"] = [{FREQUENCIES.index(options.frequency)}]',
        ],
        ["# 2. Forward", "with torch.inference_mode():", "    outputs = model(**inputs)"],
        [
            "# 3. Postprocess",
            "result = outputs.mean_predictions[0].tolist()",
            "quantiles = outputs.full_predictions[0, :, 1:].tolist()",
            "for step, (value, row) in enumerate(zip(result, quantiles), 1):",
            '    print(f"{step:4d} {value:12.6g} {min(row):12.6g} to {max(row):.6g}")',
        ],
    ]


def _given_rows(given: TaskInput) -> list[str]:
    return assign("rows", _read(table, given.text))


def _raw(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    parts = ['"past_values": values', '"past_observed_mask": torch.ones_like(values)', '"past_time_features": features']
    return [
        [
            "# 1. Preprocess: the last moments, as many as the model looks back on, all of them observed",
            "config = model.config",
            'wanted = config.context_length + max(getattr(config, "lags_sequence", None) or [0])',
            'channels = getattr(config, "num_input_channels", getattr(config, "input_size", 1))',
            "rows = torch.tensor(rows, device=model.device, dtype=model.dtype)[-wanted:][None]",
            "values, features = rows[..., :channels], rows[..., channels:]",
            'if channels == 1 and hasattr(config, "input_size"):',
            "    values = values[..., 0]",
            *call("inputs = {", parts, "}"),
            "takes = inspect.signature(model.forward).parameters",
            "inputs = {name: tensor for name, tensor in inputs.items() if name in takes}",
        ],
        *outputs(options),
    ]


def _decided(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    columns = "[config.state_dim, config.act_dim, 1]"
    parts = ['"states": states', '"actions": actions', '"returns_to_go": returns', '"timesteps": steps']
    return [
        [
            "# 1. Preprocess: every step, with its state, the action taken, and the return that is still to come",
            "config = model.config",
            "rows = torch.tensor(rows, device=model.device, dtype=model.dtype)[None]",
            f"states, actions, returns = rows.split({columns}, dim=-1)",
            "steps = torch.arange(rows.shape[1], device=model.device)[None]",
            *call("inputs = {", parts, "}"),
        ],
        *outputs(options),
    ]


def _patched(_given: TaskInput, options: TaskOptions) -> list[list[str]]:
    return [
        [
            "# 1. Preprocess: filled up in front to whole patches, and marked there; some are told of the steps",
            "config = model.config",
            "numbers = numbers[-config.context_length :]",
            "filled = -len(numbers) % config.patch_length",
            "values = [0.0] * filled + numbers",
            "marks = [1.0] * filled + [0.0] * len(numbers)",
            "inputs = {",
            '    "past_values": torch.tensor([values], device=model.device, dtype=model.dtype),',
            '    "past_values_padding": torch.tensor([marks], device=model.device, dtype=model.dtype),',
            "}",
            'if config.model_type == "timesfm":',
            f'    inputs["freq"] = torch.tensor([[{FREQUENCIES.index(options.frequency)}]], device=model.device)',
        ],
        *outputs(options),
    ]


def outputs(options: TaskOptions, calls: str = "model") -> list[list[str]]:
    """Steps 2 and 3 where all that comes out is printed; some models draw, and of some a method is called."""
    return [
        [
            "# 2. Forward",
            f"torch.manual_seed({options.seed})",
            "with torch.inference_mode():",
            f"    outputs = {calls}(**inputs)",
        ],
        [
            "# 3. Postprocess: nothing more is made of them; those in tuples get their place after their name",
            'result, left = {}, list(outputs.items() if isinstance(outputs, dict) else [("output", outputs)])',
            "while left:",
            "    name, each = left.pop(0)",
            "    if isinstance(each, torch.Tensor):",
            "        result[name] = each",
            "    elif isinstance(each, dict):",
            '        left = [(f"{name}.{key}", value) for key, value in each.items()] + left',
            "    elif isinstance(each, (tuple, list)):",
            '        left = [(f"{name}.{index}", value) for index, value in enumerate(each)] + left',
            "for name, tensor in result.items():",
            '    print(name, tuple(tensor.shape), f"{tensor.float().mean().item():.6g}")',
        ],
    ]


RAW = Script(
    "Run the model on a series and print what comes out.",
    _given_rows,
    _raw,
    lambda _given, _options: ("import inspect", "import torch"),
    loads=(),
)
"""For models of series that have no head."""

DECIDED = replace(RAW, blocks=_decided, imports=lambda _given, _options: ("import torch",))
"""For models of somebody who acts."""

PATCHES = replace(RAW, given=_given_numbers, blocks=_patched, imports=lambda _given, _options: ("import torch",))
"""For TimesFM without its head."""

SCRIPTS: dict[str, Script] = {
    "time-series-prediction": Script("Say how a series goes on.", _given_numbers, _prediction, loads=()),
}
"""By the name of the task."""
