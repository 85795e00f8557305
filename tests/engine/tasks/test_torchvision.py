"""What the library does with torchvision alone: as its pipeline does, or refused by that name where it is missing."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests import tiny_films, tiny_kinds, tiny_seq2seq
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError, NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import mask_generation, processors, videos
from workbench.engine.values import TaskInput, TaskOptions

INSTALLED = importlib.util.find_spec("torchvision") is not None
WITH = pytest.mark.skipif(not INSTALLED, reason="torchvision is not installed (transformers-workbench[vision])")
WITHOUT = pytest.mark.skipif(INSTALLED, reason="torchvision is installed, so nothing is refused for want of it")
MASKS = TaskOptions(points_per_side=5, threshold=0.0, stability=0.0)
TASKS = {
    "sam2": "mask-generation", "sam2-video": "mask-generation", "sam3": "mask-generation",
    "sam3-video": "mask-generation",
    "vivit": "video-classification", "vjepa2": "video-classification", "zoedepth": "depth-estimation",
    "sapiens2": "image-matting", "videoprism": "video-classification", "omdet": "zero-shot-object-detection",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The model of a kind, built when it is asked for."""
    folder, kept = tmp_path_factory.mktemp("films"), {}

    def made(kind: str) -> LoadedModel:
        if kind not in kept:
            kept[kind] = load(tiny_films.build(folder / kind, kind), device="cpu")
        return kept[kind]

    return made


@pytest.fixture
def given(tmp_path: Path) -> TaskInput:
    film = tiny_kinds.film(tmp_path, 11, "film.gif")
    return TaskInput(image=tiny_seq2seq.picture(tmp_path, size=(97, 61)), video=film)


def pipeline(model: LoadedModel, name: str, **parts):
    from transformers import pipeline as make

    return make(name, model=model.model, device="cpu", **parts)


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions):
    names = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names["result"]


@pytest.mark.parametrize("kind", tiny_films.KINDS)
def test_the_task_of_each_is_inferred(made, kind) -> None:
    model = made(kind)
    assert tasks.infer(model.facts) == TASKS[kind]
    assert tasks.supports(model, TASKS[kind])
    assert not model.missing


@WITHOUT
@pytest.mark.parametrize("kind", [kind for kind in tiny_films.KINDS if kind != "vivit"])
def test_without_torchvision_the_refusal_names_it(made, given, kind) -> None:
    with pytest.raises(NotSupported, match=r"with torchvision alone.*transformers-workbench\[vision\]"):
        tasks.run(made(kind), TASKS[kind], replace(given, labels=("a house",)))


@WITH
def test_all_labels_are_told_at_once_as_the_documentation_has_it(made, given, capsys) -> None:
    from transformers import AutoProcessor

    model, labels = made("omdet"), ["a house", "a fox"]
    processor = AutoProcessor.from_pretrained(model.checkpoint.path)
    picture = Image.open(given.image)
    with torch.inference_mode():
        outputs = model.model(**processor(images=picture, text=[labels], return_tensors="pt"))
    (expected,) = processor.post_process_grounded_object_detection(
        outputs, text_labels=[labels], target_sizes=[(picture.height, picture.width)], threshold=0.0, nms_threshold=0.3
    )
    options, asked = TaskOptions(threshold=0.0, top_k=None), replace(given, labels=tuple(labels))
    items = tasks.run(model, TASKS["omdet"], asked, options).items
    assert items and [item.score for item in items] == pytest.approx(sorted(expected["scores"].tolist(), reverse=True))
    found = script(model, TASKS["omdet"], asked, options)
    assert [(row[0], *row[2:]) for row in found] == [
        (item.label, item.xmin, item.ymin, item.xmax, item.ymax) for item in items
    ]
    assert capsys.readouterr().out


@WITH
def test_labels_of_a_film_by_videoprism_are_one_each(made, given, capsys) -> None:
    model, options = made("videoprism"), TaskOptions(top_k=4)
    items = tasks.run(model, TASKS["videoprism"], given, options).items
    assert sum(item.score for item in items) == pytest.approx(1.0) and len(items) == 4
    found = script(model, TASKS["videoprism"], given, options)
    assert [score for _, score in found] == pytest.approx([item.score for item in items], abs=1e-5)
    assert capsys.readouterr().out


@WITHOUT
def test_a_chat_model_whose_processor_wants_torchvision_says_so_when_it_is_loaded(tmp_path) -> None:
    checkpoint = tiny_seq2seq.build_tiny_llava(tmp_path / "llava")
    file = checkpoint.path / "processor_config.json"
    file.write_text(file.read_text().replace("CLIPImageProcessor", "Llama4ImageProcessor"))
    model = load(checkpoint, device="cpu")
    assert model.processor is None
    assert any("transformers-workbench[vision]" in note for note in model.notes)


def test_a_torchvision_that_does_not_work_is_told_from_none(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    refusal = processors.missing("It can't see.", RuntimeError("operator torchvision::nms does not exist"))
    assert "does not work with the torch beside it: operator" in refusal.why
    assert "built for this torch" in refusal.remedy


@pytest.mark.parametrize(("said", "package", "remedy"), [
    ("It requires the OpenCV library but it was not found.", "opencv", 'pip install "transformers-workbench[vision]"'),
    ("It requires the torchaudio library but it was not found.", "torchaudio",
     'from where your torch came (pip install "transformers-workbench[audio]")'),
    ("The scheduler requires `diffusers`. Install it.", "diffusers", 'pip install "transformers-workbench[speech]"'),
    ("It requires the bs4 library but it was not found.", "bs4", "(pip install beautifulsoup4)"),
    ("Something of this machine is too old. Get another.", "", "Install the package it names"),
])  # fmt: skip
def test_a_package_that_is_missing_is_named_with_what_brings_it(said, package, remedy) -> None:
    refusal = processors.missing("It can't see.", ImportError(f"\n{said}"))
    assert (f"with {package} alone" if package else "is too old.") in refusal.why
    assert remedy in refusal.remedy
    assert "torchvision" not in f"{refusal.why} {refusal.remedy}"


@WITH
@pytest.mark.parametrize("kind", ["sam2", "sam2-video", "sam3", "sam3-video"])
def test_masks_are_the_pipelines(made, given, kind, capsys) -> None:
    model = made(kind)
    result = tasks.run(model, "mask-generation", given, MASKS)
    parts = pipeline(model, "mask-generation", image_processor=processors.image_processor(model))
    expected = parts(str(given.image), points_per_crop=5, pred_iou_thresh=0.0, stability_score_thresh=0.0)
    assert [item.score for item in result.items] == pytest.approx(expected["scores"].tolist())
    np.testing.assert_array_equal([item.mask for item in result.items], np.stack(expected["masks"]))
    rows = script(model, "mask-generation", given, MASKS)
    np.testing.assert_array_equal([mask for mask, _ in rows], [item.mask for item in result.items])
    assert capsys.readouterr().out


@WITH
@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("count", [0, 1, 40, 300])
def test_of_masks_that_overlap_those_stay_that_torchvision_keeps(count, overlap) -> None:
    from torchvision.ops import batched_nms

    draw = torch.Generator().manual_seed(count)
    corner, size = torch.rand(count, 2, generator=draw) * 40, torch.rand(count, 2, generator=draw) * 30 + 1
    boxes = torch.cat([corner, corner + size], dim=1).round()
    scores = (torch.rand(count, generator=draw) * 20).round() / 20  # some are as sure as others
    expected = batched_nms(boxes, scores, torch.zeros(count), overlap)
    assert mask_generation.suppressed(boxes, scores, overlap).tolist() == expected.tolist()


@pytest.mark.parametrize("step", [1, 3])
def test_frames_for_an_image_processor_are_the_pipelines(made, given, tmp_path, step, capsys) -> None:
    pytest.importorskip("av")
    model = made("vivit")
    film = TaskInput(video=tiny_kinds.film(tmp_path))
    options = TaskOptions(top_k=3, frame_step=step)
    result = tasks.run(model, "video-classification", film, options)
    parts = pipeline(model, "video-classification", image_processor=processors.image_processor(model))
    expected = parts(str(film.video), top_k=3, frame_sampling_rate=step)
    assert [(item.label, pytest.approx(item.score)) for item in result.items] == [
        (each["label"], each["score"]) for each in expected
    ]
    rows = script(model, "video-classification", film, options)
    assert rows == [(item.label, pytest.approx(item.score)) for item in result.items]
    assert capsys.readouterr().out


@WITH
@pytest.mark.parametrize(("name", "count"), [("film.gif", None), ("film", None), ("film.mp4", None), ("film.gif", 8)])
def test_frames_for_a_video_processor_are_spread_over_the_film_as_the_pipelines(
    made, tmp_path, name, count, capsys
) -> None:
    pytest.importorskip("av")  # the library's pipeline wants it whatever it is given
    model = made("vjepa2")
    film = TaskInput(video=tiny_kinds.film(tmp_path, 11, name))
    options = TaskOptions(top_k=3, num_frames=count)
    assert "frame_step" not in tasks.applies("video-classification", model)
    result = tasks.run(model, "video-classification", film, options)
    parts = pipeline(model, "video-classification", video_processor=processors.video_processor(model))
    # The library decodes films with torchcodec alone here, and asks this model's config for another name.
    every = np.stack(list(videos.frames(film.video)))
    expected = parts(every, top_k=3, num_frames=count or 4)
    assert [(item.label, pytest.approx(item.score)) for item in result.items] == [
        (each["label"], each["score"]) for each in expected
    ]
    rows = script(model, "video-classification", film, options)
    assert rows == [(item.label, pytest.approx(item.score)) for item in result.items]
    assert capsys.readouterr().out


@WITH
def test_depth_is_the_pipelines_where_the_last_step_wants_torchvision(made, given, capsys) -> None:
    model = made("zoedepth")
    result = tasks.run(model, "depth-estimation", given)
    parts = pipeline(model, "depth-estimation", image_processor=processors.image_processor(model))
    np.testing.assert_allclose(result.items[0], parts(str(given.image))["predicted_depth"].numpy(), atol=1e-6)
    found = script(model, "depth-estimation", given, TaskOptions())
    np.testing.assert_allclose(found.numpy(), result.items[0], atol=1e-6)
    assert result.items[0].shape == (61, 97)
    assert capsys.readouterr().out


@WITH
@pytest.mark.parametrize("subtask", ["panoptic", "instance", "semantic"])
def test_parts_of_oneformer_are_the_pipelines(tmp_path, given, subtask) -> None:
    model = load(tiny_kinds.build(tmp_path / "oneformer", "oneformer"), device="cpu")
    parts = {"image_processor": processors.image_processor(model), "tokenizer": model.tokenizer}
    options = TaskOptions(subtask=subtask, threshold=0.0, mask_threshold=0.1)
    result = tasks.run(model, "image-segmentation", given, options)
    expected = pipeline(model, "image-segmentation", **parts)(
        str(given.image), subtask=subtask, threshold=0.0, mask_threshold=0.1
    )
    assert result.items
    assert [(item.label, item.score) for item in result.items] == [
        (each["label"], each["score"] if each["score"] is None else pytest.approx(each["score"], abs=2e-6))
        for each in expected
    ]
    differ = [(np.array(each["mask"]) > 0) != item.mask for item, each in zip(result.items, expected, strict=True)]
    assert np.mean(differ) < 0.001  # a pixel on the border of a part may fall on either side


@WITH
def test_a_matting_model_of_people_takes_no_trimap(made, given, capsys) -> None:
    model = made("sapiens2")
    assert tasks.spec("image-matting", model).takes == ("image",)
    result = tasks.run(model, "image-matting", given)
    processor = processors.image_processor(model)
    with Image.open(given.image) as image, torch.inference_mode():
        output = model.model(**processor(image, return_tensors="pt"))
        (expected,) = processor.post_process_image_matting(output, target_sizes=[(61, 97)])
    np.testing.assert_allclose(result.items[0], expected["alpha"][0].numpy(), atol=1e-6)
    found = script(model, "image-matting", given, TaskOptions())
    np.testing.assert_allclose(found.numpy(), result.items[0], atol=1e-6)
    assert capsys.readouterr().out


@WITH
@pytest.mark.parametrize("kind", tiny_films.KINDS)
def test_each_has_an_example_that_works(made, kind, workbench_data) -> None:
    name = TASKS[kind]
    result = tasks.run(made(kind), name, tasks.example(name, made(kind)), MASKS if "mask" in name else None)
    assert result.items


@pytest.mark.parametrize(("frames", "count"), [(11, 4), (12, 5), (4, 4), (30, 7)])
def test_frames_are_spread_as_the_library_does(tmp_path, frames, count) -> None:
    from transformers.video_utils import VideoMetadata, default_sample_indices_fn

    path = tiny_kinds.film(tmp_path, frames, "film")
    every = np.stack(list(videos.frames(path)))
    indices = default_sample_indices_fn(VideoMetadata(total_num_frames=frames), num_frames=count)
    np.testing.assert_array_equal(videos.spread(path, count), every[indices])


def test_a_film_shorter_than_the_model_looks_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"3 frames, and the model looks at 4\."):
        videos.spread(tiny_kinds.film(tmp_path, 3, "film.gif"), 4)
