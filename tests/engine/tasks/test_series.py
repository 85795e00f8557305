"""A series goes on as the model's documentation has it; models of series without a head show what comes out."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from tests import tiny_series
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import batch, series
from workbench.engine.values import TaskInput, TaskOptions

NAME = "time-series-prediction"
FORECASTS = ("timesfm", "timesfm2_5")
HEADLESS = ("patchtst", "patchtsmixer", "time_series_transformer", "informer", "autoformer")
ROWS = "value, other\n" + "\n".join(f"{math.sin(step):.3f}, {step % 5}" for step in range(24))


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, LoadedModel]:
    """A model for each kind."""
    folder = tmp_path_factory.mktemp("series")
    return {kind: load(tiny_series.build(folder, kind), device="cpu") for kind in (*FORECASTS, *HEADLESS)}


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions) -> dict:
    names: dict = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names


@pytest.mark.parametrize("frequency", ["high", "low"])
@pytest.mark.parametrize("kind", FORECASTS)
def test_a_forecast_is_what_the_documentation_asks_for(models, kind, frequency, capsys) -> None:
    model = models[kind]
    given, options = tasks.example(NAME, model), TaskOptions(frequency=frequency)
    result = tasks.run(model, NAME, given, options)
    numbers = [float(each) for each in given.text.split(",")]
    told = {"freq": [0 if frequency == "high" else 2]} if kind == "timesfm" else {}
    with torch.inference_mode():
        output = model.model(past_values=[torch.tensor(numbers)], **told)
    assert [item.value for item in result.items] == pytest.approx(output.mean_predictions[0].tolist())
    assert [item.step for item in result.items] == [1, 2, 3, 4, 5, 6]
    assert [share for share, _ in result.items[0].quantiles] == pytest.approx([each / 10 for each in range(1, 10)])
    whole = output.full_predictions[0, :, 1:].tolist()
    assert [[value for _, value in item.quantiles] for item in result.items] == [pytest.approx(row) for row in whole]
    assert script(model, NAME, given, options)["result"] == pytest.approx([item.value for item in result.items])
    assert capsys.readouterr().out


def test_what_each_model_is_is_said(models) -> None:
    assert {tasks.architecture(models[kind].facts)[0] for kind in FORECASTS} == {"decoder"}


def test_only_the_first_timesfm_is_told_of_the_steps(models) -> None:
    assert tasks.applies(NAME, models["timesfm"]) == ("frequency",)
    assert tasks.applies(NAME, models["timesfm2_5"]) == ()
    high, low = (
        tasks.run(models["timesfm"], NAME, "1 2 3 4", TaskOptions(frequency=each)).items for each in ("high", "low")
    )
    assert high != low


@pytest.mark.parametrize(("text", "rows"), [
    ("1, 2,3", [[1.0], [2.0], [3.0]]), ("1 2\t3;4", [[1.0], [2.0], [3.0], [4.0]]), ("1\n2\n", [[1.0], [2.0]]),
    ("a,b\n1,2\n3,4", [[1.0, 2.0], [3.0, 4.0]]), ("month,people\n1949-01,112\n1949-02,118", [[112.0], [118.0]]),
    ("-1e3\n.5", [[-1000.0], [0.5]]),
])  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, rows) -> None:
    assert series.table(text) == rows
    assert series.column(text) == [row[-1] for row in rows]


@pytest.mark.parametrize(("text", "says"), [
    ("", "empty"), ("1, two, 3", "“two” is no number"), ("1\nnan\n3", "“nan”"), ("1,2\n3", "same number of columns"),
    ("value", "“value”"), ("value\nother", "“other”"), ("5", "two are the least"), ("1\ninf", "“inf”"),
])  # fmt: skip
def test_what_is_no_series_is_refused(models, text, says) -> None:
    with pytest.raises(InputError) as caught:
        tasks.run(models["timesfm"], NAME, text)
    assert says in caught.value.why and caught.value.remedy


def test_a_series_longer_than_the_context_is_told_by_its_end(models) -> None:
    long = [math.sin(each) for each in range(200)]
    whole, end = (
        tasks.run(models["timesfm"], NAME, " ".join(map(str, part))).items[0].value for part in (long, long[-32:])
    )
    assert whole == pytest.approx(end)


def test_rows_of_series_run_as_a_batch_and_by_a_script(models, tmp_path, capsys) -> None:
    model = models["timesfm2_5"]
    texts = ["1 2 3 4 5", "two", "9 8 7 6"]
    rows = batch.run(model, NAME, [TaskInput(text) for text in texts])
    assert [len(row.lines) for row in rows] == [6, 0, 6]
    assert "no number" in rows[1].error
    assert set(rows[0].lines[0]) == {"step", "forecast", *(f"quantile {each / 10}" for each in range(1, 10))}
    path = tmp_path / "series.csv"
    path.write_text("numbers\n" + "\n".join(texts))
    names: dict = {}
    about = (model.checkpoint, NAME, path, {"text": "numbers"}, TaskInput(), TaskOptions(), "auto", "cpu")
    exec(codegen.task_rows(*about), names)
    assert names["results"][0] == pytest.approx([line["forecast"] for line in rows[0].lines])
    assert names["results"][1] is None and "row 2 failed" in capsys.readouterr().out


@pytest.mark.parametrize("kind", HEADLESS)
def test_a_model_of_series_without_a_head_shows_what_comes_out(models, kind, capsys) -> None:
    model = models[kind]
    assert tasks.infer(model.facts) == "raw-outputs" and tasks.supports(model, "raw-outputs")
    assert tasks.spec("raw-outputs", model).takes == ("text",)
    result = tasks.run(model, "raw-outputs", ROWS)
    rows = torch.tensor(series.table(ROWS))
    if kind.startswith("patch"):
        told = {"past_values": rows[None, -16:]}
    else:
        told = {"past_values": rows[None, -10:, 0], "past_observed_mask": torch.ones(1, 10)}
        told["past_time_features"] = rows[None, -10:, 1:]
    with torch.inference_mode():
        output = model.model(**told)
    shown = {view.name: view.values for view in result.stages[1].tensors}
    assert shown
    for name, values in shown.items():
        torch.testing.assert_close(torch.from_numpy(values), output[name].float(), equal_nan=True)
    made = script(model, "raw-outputs", TaskInput(ROWS), TaskOptions())["result"]
    for name, tensor in made.items():
        torch.testing.assert_close(tensor.float(), output[name].float(), equal_nan=True)
    assert capsys.readouterr().out


@pytest.mark.parametrize(("text", "says"), [("1 2 3", "3 moments with 1 numbers"), ("1,2\n3,4", "2 moments with 2")])
def test_a_series_that_does_not_fit_says_what_would(models, text, says) -> None:
    with pytest.raises(InputError) as caught:
        tasks.run(models["informer"], "raw-outputs", text)
    assert says in caught.value.why and "10 with 2, 1 of them features of time" in caught.value.why


def test_a_script_is_written_while_the_numbers_still_are(models) -> None:
    model = dataclasses.replace(models["timesfm"], head="AutoModelForTimeSeriesPrediction")
    for name in (NAME, "raw-outputs"):
        for text in ("", "1, tw"):
            compile(codegen.task(model.checkpoint, name, TaskInput(text), TaskOptions(), "auto", "cpu"), "a", "exec")
