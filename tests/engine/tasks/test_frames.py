"""As many frames of a video as are asked for go to the model, where it has places for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as t
from transformers.models.videomae.image_processing_pil_videomae import VideoMAEImageProcessorPil

from tests import tiny_kinds
from workbench.engine import codegen, tasks
from workbench.engine.errors import InputError
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors, videos
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

NAME = "video-classification"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """TimeSformer, which stretches its places in time over any number of frames."""
    folder = tmp_path_factory.mktemp("timesformer")
    config = t.TimesformerConfig(
        image_size=16, patch_size=8, num_frames=4, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    torch.manual_seed(0)
    t.TimesformerForVideoClassification(config).save_pretrained(folder)
    VideoMAEImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(folder)
    return load(Checkpoint("tiny-timesformer", folder), device="cpu")


@pytest.mark.parametrize(("count", "step"), [(None, 1), (8, 1), (6, 2)])
def test_the_frames_that_are_asked_for_are_looked_at(model, tmp_path: Path, count, step, capsys) -> None:
    given = TaskInput(video=tiny_kinds.film(tmp_path, 13, "film.gif"))
    options = TaskOptions(num_frames=count, frame_step=step)
    result = tasks.run(model, NAME, given, options)
    whole = list(videos.frames(given.video))
    wanted = np.linspace(0, (count or 4) * step - 1, num=count or 4, dtype=np.int64)
    inputs = processors.image_processor(model)([whole[index].copy() for index in wanted], return_tensors="pt")
    with torch.inference_mode():
        scores = model.model(**inputs).logits[0].softmax(-1)
    assert result.stages[0].tensors[0].shape[1] == (count or 4)
    assert [item.score for item in result.items] == pytest.approx(sorted(scores.tolist(), reverse=True)[:5], abs=1e-6)
    names: dict[str, Any] = {}
    exec(codegen.task(model.checkpoint, NAME, given, options, model.dtype, "cpu", model.head), names)
    assert names["result"] == [(item.label, pytest.approx(item.score)) for item in result.items]
    assert capsys.readouterr().out


def test_the_frames_are_the_pipelines(model, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the pipeline decodes films with it")
    given = TaskInput(video=tiny_kinds.film(tmp_path, 13))
    made = t.pipeline(NAME, model=model.model, image_processor=processors.image_processor(model), device="cpu")
    expected = made(str(given.video), num_frames=6, frame_sampling_rate=2, top_k=2)
    items = tasks.run(model, NAME, given, TaskOptions(num_frames=6, frame_step=2, top_k=2)).items
    assert [(item.label, item.score) for item in items] == [
        (each["label"], pytest.approx(each["score"])) for each in expected
    ]


def test_more_frames_than_a_model_has_places_for_are_refused_with_its_own_number(tmp_path: Path) -> None:
    fixed = load(tiny_kinds.build(tmp_path / "mae", NAME), device="cpu")
    given = TaskInput(video=tiny_kinds.film(tmp_path, 13, "film.gif"))
    own = tasks.run(fixed, NAME, given).stages[0].tensors[0].shape[1]
    with pytest.raises(InputError, match=f"can't look at {own + 2} frames") as caught:
        tasks.run(fixed, NAME, given, TaskOptions(num_frames=own + 2))
    assert f"made for {own}" in caught.value.why
