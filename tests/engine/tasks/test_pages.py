"""Writing, tables, pages, normals and points in space are what the models' documentation has; no pipeline does it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests import tiny_kinds, tiny_pages, tiny_seq2seq
from workbench.engine import codegen, tasks
from workbench.engine.errors import NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import batch, processors
from workbench.engine.tasks.table_recognition import cells
from workbench.engine.values import LayoutCell, TaskInput

INSTALLED = importlib.util.find_spec("torchvision") is not None
WITH = pytest.mark.skipif(not INSTALLED, reason="torchvision is not installed (transformers-workbench[vision])")
WITHOUT = pytest.mark.skipif(INSTALLED, reason="torchvision is installed, so nothing is refused for want of it")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[[str], LoadedModel]:
    """The model of a kind, built when it is asked for."""
    folder, kept = tmp_path_factory.mktemp("pages"), {}

    def made(kind: str) -> LoadedModel:
        if kind not in kept:
            build = tiny_kinds.build if kind in tiny_kinds.KINDS else tiny_pages.build
            kept[kind] = load(build(folder / kind, kind), device="cpu")
        return kept[kind]

    return made


@pytest.fixture
def given(tmp_path: Path) -> TaskInput:
    return TaskInput(image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))


def outputs(model: LoadedModel, given: TaskInput):
    """The processor, its inputs and the model's outputs, as the documentation begins."""
    processor = processors.image_processor(model)
    with Image.open(given.image) as image, torch.inference_mode():
        inputs = processor(images=image.convert("RGB"), return_tensors="pt")
        return processor, inputs, model.model(pixel_values=inputs["pixel_values"])


def script(model: LoadedModel, name: str, given: TaskInput):
    names = {"__name__": "__main__"}
    options = tasks.defaults(name)
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names["result"]


@pytest.mark.parametrize("kind", tiny_pages.TASKS)
def test_the_task_of_each_is_inferred(made, kind, workbench_data) -> None:
    model, name = made(kind), tiny_pages.TASKS[kind]
    assert tasks.infer(model.facts) == name
    assert tasks.head_for(name, model.facts) == model.head
    assert tasks.supports(model, name) and not model.missing
    assert tasks.example(name, model).image.is_relative_to(workbench_data)
    assert tasks.architecture(model.facts)[0] == ("encoder-decoder" if kind == "table" else "encoder")


def test_no_other_encoder_is_said_to_draw_pictures(made) -> None:
    model = load(made("super-resolution").checkpoint, head="AutoModel", device="cpu")
    assert not tasks.supports(model, "image-to-image")


@WITHOUT
@pytest.mark.parametrize("kind", tiny_pages.TASKS)
def test_without_torchvision_the_refusal_names_it(made, given, kind) -> None:
    with pytest.raises(NotSupported, match=r"with torchvision alone.*transformers-workbench\[vision\]"):
        tasks.run(made(kind), tiny_pages.TASKS[kind], given)


def test_a_larger_picture_is_that_of_the_documentation(made, given, tmp_path, monkeypatch, capsys) -> None:
    model = made("super-resolution")
    result = tasks.run(model, "image-to-image", given)
    _, inputs, output = outputs(model, given)
    assert inputs["pixel_values"].shape[-2:] == (64, 104)
    expected = output.reconstruction.squeeze().clamp(0, 1).numpy()
    expected = np.moveaxis((expected * 255.0).round().astype(np.uint8), 0, -1)[: 2 * 61, : 2 * 97]
    np.testing.assert_array_equal(result.items[0], expected)
    assert expected.std() > 1
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(script(model, "image-to-image", given).numpy(), expected)
    with Image.open(tmp_path / "made.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved), expected)
    assert "194 × 122" in capsys.readouterr().out


@WITH
def test_a_page_is_flattened_as_the_documentation_has_it(made, given, tmp_path, monkeypatch, capsys) -> None:
    model = made("page")
    result = tasks.run(model, "image-to-image", given)
    processor, inputs, output = outputs(model, given)
    (expected,) = processor.post_process_document_rectification(output.last_hidden_state, inputs["original_images"])
    np.testing.assert_array_equal(result.items[0], expected["images"].numpy())
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(script(model, "image-to-image", given).numpy(), result.items[0])
    assert capsys.readouterr().out


@WITH
def test_a_page_that_was_flat_keeps_its_colours(made, given) -> None:
    processor, inputs, _ = outputs(made("page"), given)
    across, down = torch.meshgrid(torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 64), indexing="xy")
    (same,) = processor.post_process_document_rectification(
        torch.stack((across, down))[None], inputs["original_images"]
    )
    with Image.open(given.image) as image:
        np.testing.assert_allclose(same["images"].numpy(), np.asarray(image.convert("RGB")), atol=2)


@WITH
def test_a_line_is_read_as_the_documentation_has_it(made, workbench_data, capsys) -> None:
    model = made("line")
    given = tasks.example("text-recognition", model)
    (reading,) = tasks.run(model, "text-recognition", given).items
    processor, _, output = outputs(model, given)
    (expected,) = processor.post_process_text_recognition(output)
    assert (reading.text, reading.score) == (expected["text"], pytest.approx(expected["score"], abs=1e-6))
    assert len(reading.text) > 1
    assert "".join(letter.label for letter in reading.letters) == reading.text
    assert reading.score == pytest.approx(np.mean([letter.score for letter in reading.letters]), abs=1e-6)
    assert script(model, "text-recognition", given) == reading.text
    assert reading.text in capsys.readouterr().out
    (row,) = batch.run(model, "text-recognition", [given])
    assert [line["text read"] for line in row.lines] == [reading.text]


@WITH
def test_letters_that_the_settings_do_not_name_are_refused(made, tmp_path, workbench_data) -> None:
    model = load(tiny_pages.build(tmp_path / "few", "line"), device="cpu")
    processors.image_processor(model).character_list = tiny_pages.LETTERS[:2]
    with pytest.raises(NotSupported, match="names 2 characters"):
        tasks.run(model, "text-recognition", tasks.example("text-recognition", model))


@WITH
def test_a_table_is_told_as_the_documentation_has_it(made, given, capsys) -> None:
    model = made("table")
    (layout,) = tasks.run(model, "table-recognition", given).items
    processor, _, output = outputs(model, given)
    expected = processor.post_process_table_recognition(output)
    assert layout.html == "".join(expected["structure"])
    assert layout.score == pytest.approx(expected["structure_score"], abs=1e-6)
    assert layout.cells == cells(layout.html) != ()
    assert script(model, "table-recognition", given) == layout.html
    assert layout.html in capsys.readouterr().out


def test_joined_cells_push_those_beside_and_below_them_away() -> None:
    told = (
        '<html><body><table><thead><tr><td colspan="3"></td></tr></thead><tbody><tr><td rowspan="2"></td><td></td>'
        "<td></td></tr><tr><td></td><td></td></tr></tbody></table></body></html>"
    )
    assert cells(told) == (
        LayoutCell(0, 0, 1, 3, True), LayoutCell(1, 0, 2, 1, False), LayoutCell(1, 1, 1, 1, False),
        LayoutCell(1, 2, 1, 1, False), LayoutCell(2, 1, 1, 1, False), LayoutCell(2, 2, 1, 1, False),
    )  # fmt: skip
    assert cells("<html><body><table></table></body></html>") == ()
    assert cells('<table><td rowspan="2"<td></td> colspan="3"</td></table>') == (LayoutCell(0, 0, 2, 1, False),)


@WITH
@pytest.mark.parametrize(("kind", "name", "sizes"), [
    ("normals", "normals", "target_sizes"), ("padded-normals", "normals", "source_sizes"),
    ("pointmap", "pointmap", "source_sizes"),
])  # fmt: skip
def test_three_numbers_a_pixel_are_those_of_the_documentation(made, given, kind, name, sizes, capsys) -> None:
    model, task = made(kind), tiny_pages.TASKS[kind]
    result = tasks.run(model, task, given)
    processor, _, output = outputs(model, given)
    finish = getattr(processor, f"post_process_{task.replace('-', '_')}")
    expected = finish(output, **{sizes: [(61, 97)]})[0][name].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(result.items[0], expected, atol=1e-5)
    assert result.items[0].shape == (61, 97, 3)
    assert (kind == "pointmap") == ("scales" in {view.name for view in result.stages[1].tensors})
    np.testing.assert_allclose(script(model, task, given).numpy(), expected, atol=1e-5)
    assert capsys.readouterr().out.startswith("x: ")
    (row,) = batch.run(model, task, [given])
    assert row.lines[0]["z"] == pytest.approx(expected[..., 2].mean(), abs=1e-5)
