"""Tasks on a picture give what the library's pipelines give, with the processors that Pillow is enough for."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import tiny_seq2seq, tiny_tasks
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors
from workbench.engine.values import TaskInput, TaskOptions

KINDS = (
    "image-classification", "image-feature-extraction", "object-detection", "image-segmentation", "panoptic",
    "depth-estimation", "zero-shot-image-classification",
)  # fmt: skip
LABELS = ("a house", "a fox", "a book")


@pytest.fixture(scope="module")
def sees(tmp_path_factory) -> dict[str, LoadedModel]:
    """A model for each kind."""
    folder = tmp_path_factory.mktemp("vision")
    return {kind: load(tiny_tasks.build_tiny_vision(folder / kind, kind), device="cpu") for kind in KINDS}


@pytest.fixture(scope="module")
def describer(tmp_path_factory) -> LoadedModel:
    return load(tiny_seq2seq.build_tiny_llava(tmp_path_factory.mktemp("c") / "llava"), device="cpu")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tiny_seq2seq.picture(tmp_path, size=(97, 61))


def pipeline(model: LoadedModel, name: str):
    from transformers import pipeline as make

    return make(
        name,
        model=model.model,
        image_processor=processors.image_processor(model),
        tokenizer=model.tokenizer,
        device="cpu",
    )


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions) -> dict:
    names = {"__name__": "__main__"}
    cut = dataclasses.replace(options, max_length=tasks.cut_at(model, options))
    exec(codegen.task(model.checkpoint, name, given, cut, model.dtype, model.device, model.head), names)
    return names


def test_image_classification_is_the_pipeline(sees, picture) -> None:
    model = sees["image-classification"]
    result = tasks.run(model, "image-classification", TaskInput(image=picture), TaskOptions(top_k=3))
    expected = pipeline(model, "image-classification")(str(picture), top_k=3)
    assert [(item.label, pytest.approx(item.score, abs=1e-6)) for item in result.items] == [
        (entry["label"], entry["score"]) for entry in expected
    ]
    assert result.stages[0].tensors[0].shape == (1, 3, 32, 32)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5])
def test_object_detection_is_the_pipeline(sees, picture, threshold) -> None:
    model = sees["object-detection"]
    result = tasks.run(model, "object-detection", TaskInput(image=picture), TaskOptions(threshold=threshold))
    expected = pipeline(model, "object-detection")(str(picture), threshold=threshold)
    expected.sort(key=lambda entry: entry["score"], reverse=True)
    assert [
        (item.label, pytest.approx(item.score), item.xmin, item.ymin, item.xmax, item.ymax) for item in result.items
    ] == [(entry["label"], entry["score"], *entry["box"].values()) for entry in expected]
    assert result.items or threshold


@pytest.mark.parametrize(("kind", "subtask", "threshold"), [
    ("image-segmentation", "auto", 0.9), ("image-segmentation", "semantic", 0.9), ("panoptic", "auto", 0.2),
    ("panoptic", "panoptic", 0.0), ("panoptic", "instance", 0.2), ("panoptic", "semantic", 0.0),
])  # fmt: skip
def test_image_segmentation_is_the_pipeline(sees, picture, kind, subtask, threshold) -> None:
    model = sees[kind]
    options = TaskOptions(subtask=subtask, threshold=threshold)
    result = tasks.run(model, "image-segmentation", TaskInput(image=picture), options)
    asked = {} if subtask == "auto" else {"subtask": subtask}
    expected = pipeline(model, "image-segmentation")(str(picture), threshold=threshold, **asked)
    assert len(result.items) == len(expected)
    for item, entry in zip(result.items, expected, strict=True):
        assert (item.label, item.score) == (entry["label"], entry["score"])
        np.testing.assert_array_equal(item.mask, np.array(entry["mask"]) > 0)
        assert item.mask.shape == (61, 97)
    names = script(model, "image-segmentation", TaskInput(image=picture), options)
    assert [row[0] for row in names["result"]] == [item.label for item in result.items]
    for row, item in zip(names["result"], result.items, strict=True):
        assert row[1] == (None if item.score is None else pytest.approx(item.score, abs=1e-5))


def test_parts_that_a_checkpoint_can_not_find_are_refused_with_those_it_can(sees, picture) -> None:
    with pytest.raises(NotSupported, match="Choose semantic"):
        tasks.run(sees["image-segmentation"], "image-segmentation", TaskInput(image=picture),
                  TaskOptions(subtask="panoptic"))  # fmt: skip


def test_depth_estimation_is_the_pipeline(sees, picture) -> None:
    model = sees["depth-estimation"]
    result = tasks.run(model, "depth-estimation", TaskInput(image=picture))
    expected = pipeline(model, "depth-estimation")(str(picture))["predicted_depth"].numpy()
    np.testing.assert_allclose(result.items[0], expected, atol=1e-6)
    assert result.items[0].shape == (61, 97)


@pytest.mark.parametrize("kind", ["image-classification", "image-feature-extraction"])
def test_image_features_are_the_pipelines_from_below_any_head(sees, picture, kind) -> None:
    model = sees[kind]
    headless = load(model.checkpoint, head="AutoModel", device="cpu")
    result = tasks.run(model, "image-feature-extraction", TaskInput(image=picture), TaskOptions(normalize=False))
    expected = np.array(pipeline(headless, "image-feature-extraction")(str(picture)))
    np.testing.assert_allclose(result.stages[1].tensors[0].values, expected, atol=1e-6)
    np.testing.assert_allclose(result.items, expected.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("labels", [LABELS, LABELS[:1]])
@pytest.mark.parametrize("template", ["", "It is {}!"])
def test_zero_shot_image_classification_is_the_pipeline(sees, picture, labels, template) -> None:
    model = sees["zero-shot-image-classification"]
    given = TaskInput(image=picture, labels=labels)
    result = tasks.run(model, "zero-shot-image-classification", given, TaskOptions(template=template))
    expected = pipeline(model, "zero-shot-image-classification")(
        str(picture), candidate_labels=list(labels), hypothesis_template=template or "This is a photo of {}."
    )
    assert [(item.label, pytest.approx(item.score, abs=1e-5)) for item in result.items] == [
        (entry["label"], entry["score"]) for entry in expected
    ]


def test_image_text_to_text_is_the_pipeline(describer, picture) -> None:
    from transformers import pipeline as make

    result = tasks.run(describer, "image-text-to-text", TaskInput("What is it?", image=picture),
                       TaskOptions(max_new_tokens=8))  # fmt: skip
    content = [{"type": "image", "image": Image.open(picture)}, {"type": "text", "text": "What is it?"}]
    made = make("image-text-to-text", model=describer.model, processor=describer.processor, device="cpu")
    (expected,) = made(
        text=[{"role": "user", "content": content}],
        generate_kwargs={"max_new_tokens": 8, "do_sample": False},
        return_full_text=False,
    )
    assert result.items == (expected["generated_text"],)
    assert result.items[0]


def test_the_task_of_a_model_that_sees_is_inferred_offline(sees, describer) -> None:
    inferred = {kind: tasks.infer(model.facts) for kind, model in sees.items()}
    assert inferred == {kind: kind for kind in KINDS} | {"panoptic": "image-segmentation"}
    assert tasks.infer(describer.facts) == "image-text-to-text"
    for kind, model in sees.items():
        assert tasks.supports(model, inferred[kind])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "panoptic"])
def test_every_task_has_a_picture_that_works(sees, kind, workbench_data) -> None:
    given = tasks.example(kind, sees[kind])
    assert given.image.is_relative_to(workbench_data)
    assert tasks.run(sees[kind], kind, given).stages


@pytest.mark.parametrize(("kind", "options"), [
    ("image-classification", TaskOptions(top_k=2)), ("object-detection", TaskOptions(threshold=0.2)),
    ("depth-estimation", TaskOptions()), ("image-feature-extraction", TaskOptions()),
    ("image-feature-extraction", TaskOptions(pooling="cls", normalize=False)),
    ("zero-shot-image-classification", TaskOptions()),
])  # fmt: skip
def test_the_script_gives_the_same_result(sees, picture, kind, options, capsys) -> None:
    model = sees[kind]
    given = TaskInput(image=picture, labels=LABELS)
    result = tasks.run(model, kind, given, options)
    names = script(model, kind, given, options)
    assert capsys.readouterr().out
    if kind == "depth-estimation":
        np.testing.assert_allclose(names["result"].numpy(), result.items[0], atol=1e-6)
    elif kind == "image-feature-extraction":
        np.testing.assert_allclose(names["result"], result.items, atol=1e-6)
    else:
        rows = [tuple(getattr(item, each) for each in item.__slots__) for item in result.items]
        assert [row[0] for row in names["result"]] == [row[0] for row in rows]
        assert len(rows) > 0
        np.testing.assert_allclose([r[1:] for r in names["result"]], [r[1:] for r in rows], atol=1e-6)


def test_the_script_describes_the_picture_alike(describer, picture, capsys) -> None:
    given, options = TaskInput("What is it?", image=picture), TaskOptions(max_new_tokens=8)
    names = script(describer, "image-text-to-text", given, options)
    assert (names["result"],) == tasks.run(describer, "image-text-to-text", given, options).items
    assert capsys.readouterr().out


def test_a_picture_is_turned_upright_and_its_colours_are_rgb(sees, tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (90, 40), 128).save(tmp_path / "lying.jpg", exif=exif)
    result = tasks.run(sees["image-segmentation"], "image-segmentation", TaskInput(image=tmp_path / "lying.jpg"))
    assert result.items[0].mask.shape == (90, 40)


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 3)])
@pytest.mark.parametrize("kind", ["image-classification", "image-segmentation", "object-detection"])
def test_odd_pictures_go_through_or_are_refused_in_words(sees, tmp_path, size, kind) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "odd.png")
    with contextlib.suppress(InputError):
        assert tasks.run(sees[kind], kind, TaskInput(image=tmp_path / "odd.png")).stages


def test_a_picture_that_is_none_is_refused(sees, tmp_path) -> None:
    model = sees["image-classification"]
    with pytest.raises(InputError, match="no picture yet"):
        tasks.run(model, "image-classification", TaskInput())
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match="no PNG"):
        tasks.run(model, "image-classification", TaskInput(image=tmp_path / "text.png"))
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(InputError, match="million pixels"):
        tasks.run(model, "image-classification", TaskInput(image=tmp_path / "bomb.png"))


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg", "cut.gif"])
def test_a_picture_that_is_cut_off_is_refused(sees, tmp_path, name) -> None:
    path = tmp_path / name
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="damaged"):
        tasks.run(sees["image-classification"], "image-classification", TaskInput(image=path))


def test_every_image_processor_that_pillow_is_enough_for_loads() -> None:
    from transformers.models.auto.image_processing_auto import (
        IMAGE_PROCESSOR_MAPPING_NAMES,
        get_image_processor_class_from_name,
    )

    pillow = {kinds["pil"] for kinds in IMAGE_PROCESSOR_MAPPING_NAMES.values() if kinds.get("pil")}
    wants_timm = {"TimmWrapperImageProcessor"}
    for name in sorted(pillow - wants_timm):
        assert get_image_processor_class_from_name(name)() is not None, name
    only_torchvision = {kind for kind, kinds in IMAGE_PROCESSOR_MAPPING_NAMES.items() if not kinds.get("pil")}
    assert len(pillow) > 80
    assert {"vit", "clip", "detr", "segformer", "maskformer", "dpt", "glpn", "owlvit"}.isdisjoint(only_torchvision)


def test_a_checkpoint_without_an_image_processor_says_so(sees, picture, tmp_path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sees["image-classification"].checkpoint.path, copy)
    (copy / "preprocessor_config.json").unlink()
    model = load(dataclasses.replace(sees["image-classification"].checkpoint, path=copy), device="cpu")
    with pytest.raises(NotSupported, match=r"no preprocessor_config\.json"):
        tasks.run(model, "image-classification", TaskInput(image=picture))
    (copy / "preprocessor_config.json").write_text("{")
    with pytest.raises(NotSupported, match="can't be read"):
        tasks.run(model, "image-classification", TaskInput(image=picture))
