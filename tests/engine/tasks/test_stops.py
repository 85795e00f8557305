"""Writing about a picture or a sound stops at a text too, as the pipeline's ``stop_sequence`` has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import tiny, tiny_captions, tiny_kinds, tiny_seq2seq
from workbench.engine import codegen, tasks
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors
from workbench.engine.values import TaskInput, TaskOptions

LONG = TaskOptions(max_new_tokens=10)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], LoadedModel]:
    return tiny.kept(tmp_path_factory.mktemp("captions"), tiny_captions.build)


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions) -> Any:
    names: dict[str, Any] = {}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names["result"]


def stopped(model: LoadedModel, name: str, given: TaskInput) -> tuple[str, str, TaskOptions]:
    """What is written without a stop and with one at a letter of it, and the settings of the latter."""
    whole = str(tasks.run(model, name, given, LONG).items[0])
    letters = [letter for letter in whole if letter.isascii() and letter.isprintable()]
    options = replace(LONG, stops=(letters[len(letters) // 3], "never"))
    return whole, str(tasks.run(model, name, given, options).items[0]), options


def test_an_answer_about_a_picture_stops_as_the_pipelines_does(tmp_path: Path, capsys) -> None:
    from transformers import pipeline

    name = "image-text-to-text"
    model = load(tiny_seq2seq.build_tiny_llava(tmp_path / "llava"), device="cpu")
    given = TaskInput("What is it?", image=tiny_seq2seq.picture(tmp_path))
    assert "stops" in tasks.applies(name, model)
    whole, text, options = stopped(model, name, given)
    assert whole.startswith(text) and len(text) < len(whole)
    made = pipeline(name, model=model.model, processor=model.processor, device="cpu")
    turn = {
        "role": "user",
        "content": [{"type": "image", "path": str(given.image)}, {"type": "text", "text": given.text}],
    }
    (expected,) = made(
        text=[turn], stop_sequence=list(options.stops), max_new_tokens=10, return_full_text=False,
        generate_kwargs={"do_sample": False},
    )  # fmt: skip
    assert text == expected["generated_text"]
    assert script(model, name, given, options) == text
    assert capsys.readouterr().out


@pytest.mark.parametrize("kind", ["trocr", "blip-2"])
def test_what_is_written_without_a_mark_for_the_picture_stops_too(made, tmp_path, kind, capsys) -> None:
    model = made(kind)
    given = tasks.example("image-text-to-text", model)
    whole, text, options = stopped(model, "image-text-to-text", replace(given, image=tiny_seq2seq.picture(tmp_path)))
    assert whole.startswith(text) and len(text) < len(whole)
    given = replace(given, image=tiny_seq2seq.picture(tmp_path))
    assert script(model, "image-text-to-text", given, options) == text
    assert capsys.readouterr().out


def test_an_answer_of_any_kind_stops_as_the_pipelines_does(tmp_path: Path, capsys) -> None:
    from transformers import pipeline

    name = "any-to-any"
    model = load(tiny_kinds.build(tmp_path / "any", name), device="cpu")
    given = TaskInput("The quick brown fox")
    whole, text, options = stopped(model, name, given)
    assert whole.startswith(text) and len(text) < len(whole)
    made = pipeline(name, model=model.model, processor=processors.processor(model), device="cpu")
    turn = {"role": "user", "content": [{"type": "text", "text": given.text}]}
    (expected,) = made(
        text=[turn], stop_sequence=list(options.stops), max_new_tokens=10, return_full_text=False,
        generate_kwargs={"do_sample": False},
    )  # fmt: skip
    assert text == expected["generated_text"]
    assert script(model, name, given, options) == text
    assert capsys.readouterr().out
