"""How many masks there are, where they end and which of them stay: as the pipeline's arguments have it."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests import tiny_kinds, tiny_seq2seq
from workbench.engine import codegen, tasks
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors
from workbench.engine.values import TaskInput, TaskOptions

NAME = "mask-generation"
PLAIN = TaskOptions(points_per_side=4, threshold=0.0, stability=0.0, mask_logit=1.0)
SURE = replace(PLAIN, stability=0.05, stability_shift=0.25, box_overlap=0.97)
SAME = {"points_per_crop": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "mask_threshold": 1.0}
BY_THEM = SAME | {"stability_score_thresh": 0.05, "stability_score_offset": 0.25, "crops_nms_thresh": 0.97}
ASKED: list[tuple[TaskOptions, dict[str, Any], int]] = [
    (PLAIN, SAME, 38),
    (replace(PLAIN, crop_layers=1), SAME | {"crops_n_layers": 1}, 74),
    (replace(PLAIN, crop_layers=2, crop_overlap=0.0), SAME | {"crops_n_layers": 2, "crop_overlap_ratio": 0.0}, 114),
    (replace(PLAIN, crop_layers=1, crop_overlap=0.6), SAME | {"crops_n_layers": 1, "crop_overlap_ratio": 0.6}, 73),
    (SURE, BY_THEM, 4),
    (replace(SURE, mask_logit=0.6), BY_THEM | {"mask_threshold": 0.6}, 3),
    (replace(SURE, stability=0.5), BY_THEM | {"stability_score_thresh": 0.5}, 1),
    (replace(SURE, stability_shift=0.1), BY_THEM | {"stability_score_offset": 0.1}, 5),
    (replace(SURE, box_overlap=0.3), BY_THEM | {"crops_nms_thresh": 0.3}, 1),
]
"""What is asked of the task, of the pipeline, and how many masks that gives."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """SAM whose masks begin and end somewhere: what is drawn at random has all pixels at much the same logit."""
    made = load(tiny_kinds.build(tmp_path_factory.mktemp("sam"), NAME), device="cpu")
    with torch.no_grad():
        for drawn in made.model.mask_decoder.output_hypernetworks_mlps:
            drawn.proj_out.weight *= 17_690
            drawn.proj_out.bias *= 17_690
    made.model.save_pretrained(made.checkpoint.path)
    return made


@pytest.fixture
def given(tmp_path: Path) -> TaskInput:
    return TaskInput(image=tiny_seq2seq.picture(tmp_path, size=(260, 200)))


def pipeline(model: LoadedModel) -> Any:
    from transformers import pipeline as make

    return make(NAME, model=model.model, image_processor=processors.image_processor(model), device="cpu")


@pytest.mark.parametrize(("options", "told", "count"), ASKED)
def test_masks_before_they_are_thinned_out_are_the_pipelines_and_the_script_draws_them(
    model, given, options, told, count, capsys
) -> None:
    result = tasks.run(model, NAME, given, options)
    cut = {name: value for name, value in told.items() if name.startswith(("points", "crops_n_", "crop_"))}
    kept = {name: value for name, value in told.items() if name not in (*cut, "crops_nms_thresh")}
    made = pipeline(model)
    parts = [made.forward(part, **kept) for part in made.preprocess(Image.open(given.image), **cut)]
    scores, boxes, counts, runs = (view.values for view in result.stages[1].tensors)
    np.testing.assert_allclose(scores, torch.cat([part["iou_scores"] for part in parts]).numpy(), atol=1e-5)
    np.testing.assert_array_equal(boxes, torch.cat([part["boxes"] for part in parts]).numpy())
    expected = [mask["counts"] for part in parts for mask in part["masks"]]
    assert [part.tolist() for part in np.split(counts, runs.cumsum()[:-1])] == expected
    assert len(result.items) == count
    names: dict[str, Any] = {}
    exec(codegen.task(model.checkpoint, NAME, given, options, model.dtype, "cpu", model.head), names)
    np.testing.assert_array_equal([mask for mask, _ in names["result"]], [item.mask for item in result.items])
    assert capsys.readouterr().out


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="the pipeline thins out by torchvision")
@pytest.mark.parametrize(("options", "told", "count"), ASKED)
def test_the_whole_is_the_pipelines(model, given, options, told, count) -> None:
    expected = pipeline(model)(str(given.image), **told)
    items = tasks.run(model, NAME, given, options).items
    assert [item.score for item in items] == pytest.approx(expected["scores"].tolist())
    np.testing.assert_array_equal([item.mask for item in items], np.stack(expected["masks"]))
    assert len(items) == count
