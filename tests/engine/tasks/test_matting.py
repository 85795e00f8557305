"""A thing is cut out of a picture as the model's documentation has it: there is no pipeline for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests import tiny_films, tiny_seq2seq
from workbench.engine import codegen, inside, tasks
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import batch, processors
from workbench.engine.values import TaskInput

NAME = "image-matting"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> LoadedModel:
    return load(tiny_films.vitmatte(tmp_path_factory.mktemp("matting") / "vitmatte"), device="cpu")


@pytest.fixture
def given(tmp_path: Path) -> TaskInput:
    trimap = np.full((61, 97), 128, np.uint8)
    trimap[:, :20], trimap[20:40, 40:60] = 0, 255
    Image.fromarray(trimap).save(tmp_path / "trimap.png")
    return TaskInput(image=tiny_seq2seq.picture(tmp_path, size=(97, 61)), other=tmp_path / "trimap.png")


def test_the_task_is_inferred_and_has_an_example(model, workbench_data) -> None:
    assert tasks.infer(model.facts) == NAME
    assert tasks.supports(model, NAME)
    example = tasks.example(NAME, model)
    with Image.open(example.other) as trimap:
        assert set(trimap.get_flattened_data()) == {0, 128, 255}
    assert tasks.run(model, NAME, example).items[0].shape == (480, 640)


def test_the_alpha_is_that_of_the_documentation(model, given, capsys) -> None:
    result = tasks.run(model, NAME, given)
    processor = processors.image_processor(model)
    with Image.open(given.image) as image, Image.open(given.other) as trimap, torch.inference_mode():
        inputs = processor(images=image, trimaps=trimap, return_tensors="pt")
        expected = model.model(**inputs).alphas[0, 0, :61, :97].numpy()
    np.testing.assert_allclose(result.items[0], expected, atol=1e-6)
    assert inputs["pixel_values"].shape == (1, 4, 64, 128)
    assert result.items[0].shape == (61, 97)
    assert 0 <= result.items[0].min() < result.items[0].max() <= 1
    names = {"__name__": "__main__"}
    options = tasks.defaults(NAME)
    exec(codegen.task(model.checkpoint, NAME, given, options, model.dtype, model.device, model.head), names)
    np.testing.assert_allclose(names["result"].numpy(), result.items[0], atol=1e-6)
    assert capsys.readouterr().out


def test_the_trimap_is_read(model, given, tmp_path) -> None:
    Image.new("L", (97, 61), 255).save(tmp_path / "white.png")
    white = tasks.run(model, NAME, TaskInput(image=given.image, other=tmp_path / "white.png"))
    assert not np.allclose(white.items[0], tasks.run(model, NAME, given).items[0])


def test_a_trimap_that_is_missing_or_of_another_size_is_refused(model, given, tmp_path) -> None:
    with pytest.raises(InputError, match="no picture yet"):
        tasks.run(model, NAME, TaskInput(other=given.other))
    with pytest.raises(InputError, match="no trimap yet"):
        tasks.run(model, NAME, TaskInput(image=given.image))
    Image.new("L", (9, 7)).save(tmp_path / "small.png")
    with pytest.raises(InputError, match="9 × 7 pixels, and the picture 97 × 61"):
        tasks.run(model, NAME, TaskInput(image=given.image, other=tmp_path / "small.png"))


def test_many_pictures_fit_a_table(model, given) -> None:
    rows = batch.run(model, NAME, [given, TaskInput(image=given.image)])
    assert set(rows[0].lines[0]) == {"least", "mean", "most"}
    assert "no trimap" in rows[1].error


def test_its_layers_are_looked_into_with_the_trimap(model, given) -> None:
    assert inside.reads(model) == ("image", "other")
    taken = inside.take(model, given)
    (part, *_) = inside.look(model, taken).parts
    with torch.inference_mode():
        states = model.model(**taken.made, output_hidden_states=True).hidden_states
    # Ours stand place by place, the library's as a map.
    np.testing.assert_allclose(np.sort(part.states[-1], axis=None), np.sort(states[-1].numpy(), axis=None), atol=1e-5)
    assert taken.sight.pixels.shape == (64, 128, 3) and inside.example(model).other == tasks.example(NAME, model).other
