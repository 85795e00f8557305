"""One vector for a text or a picture by the model's own pooler, and what is offered vectors of a picture at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests import tiny, tiny_captions, tiny_films, tiny_kinds, tiny_seq2seq, tiny_tasks
from tests.tiny_tasks import _save
from workbench.engine import codegen, tasks
from workbench.engine.errors import NotSupported
from workbench.engine.models import LoadedModel, load
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

NAME = "image-feature-extraction"
POOLED = TaskOptions(pooling="pooler", normalize=False)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tiny_seq2seq.picture(tmp_path, size=(97, 61))


def script(model: LoadedModel, name: str, given: TaskInput, options: TaskOptions = POOLED) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, name, given, options, model.dtype, model.device, model.head), names)
    return names


def resnet(folder: Path) -> Checkpoint:
    import transformers as t

    config = t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    _save(t.ResNetModel, config, folder)
    t.ConvNextImageProcessorPil(size={"shortest_edge": 32}).save_pretrained(folder)
    return Checkpoint("tiny-resnet", folder)


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_the_pooler_of_a_picture_is_the_pipelines_pool(tmp_path, picture, capsys, kind) -> None:
    from transformers import pipeline

    made = resnet(tmp_path / "m") if kind == "resnet" else tiny_tasks.build_tiny_vision(tmp_path / "m", NAME)
    model = load(made, head="AutoModel", device="cpu")
    pool = pipeline(NAME, model=str(made.path), device="cpu", pool=True)
    expected = np.asarray(pool(str(picture)), dtype=np.float32).reshape(1, -1)
    given = TaskInput(image=picture)
    np.testing.assert_allclose(tasks.run(model, NAME, given, POOLED).items, expected, atol=1e-6)
    np.testing.assert_allclose(script(model, NAME, given)["result"], expected, atol=1e-6)
    assert capsys.readouterr().out


def test_backbones_give_maps_and_no_vectors(tmp_path, picture) -> None:
    model = load(resnet(tmp_path / "m"), head="AutoBackbone", device="cpu")
    assert not tasks.supports(model, NAME) and tasks.first(model) == "raw-outputs"
    assert tasks.run(model, "raw-outputs", TaskInput(image=picture)).stages[1].tensors


def test_a_model_without_a_pooler_says_so(tmp_path, picture) -> None:
    import transformers as t

    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    _save(t.ViTMSNModel, t.ViTMSNConfig(**size, image_size=32, patch_size=16), tmp_path / "m")
    t.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "m")
    model = load(Checkpoint("tiny", tmp_path / "m"), device="cpu", head="AutoModel")
    with pytest.raises(NotSupported, match=r"no pooler.*ViTMSNModel.*Choose mean"):
        tasks.run(model, NAME, TaskInput(image=picture), POOLED)


def test_the_pooler_of_texts_is_the_models_own(tmp_path, capsys) -> None:
    model = load(tiny.build_tiny_bert(tmp_path / "m", "AutoModelForSequenceClassification"), device="cpu")
    given = TaskInput("The film was good.\nThe sea")
    result = tasks.run(model, "feature-extraction", given, POOLED)
    assert model.tokenizer is not None
    with torch.inference_mode():
        made = model.tokenizer(given.text.splitlines(), padding=True, return_tensors="pt")
        expected = model.model.base_model(**made).pooler_output
    np.testing.assert_allclose(result.items, expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(script(model, "feature-extraction", given)["result"], expected.numpy(), atol=1e-6)
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("able", "make"),
    [
        ("keypoint-matching", lambda folder: tiny_kinds.build(folder, "lightglue")),
        ("raw-outputs", lambda folder: tiny_captions.build(folder, "blip-2")),
        ("raw-outputs", lambda folder: tiny_films.build(folder, "vivit")),
        ("raw-outputs", lambda folder: tiny_kinds.build(folder, "oneformer")),
        ("zero-shot-object-detection", lambda folder: tiny_films.build(folder, "omdet")),
    ],
)
def test_no_vectors_are_offered_of_one_picture_where_a_model_reads_something_else(tmp_path, able, make) -> None:
    model = load(make(tmp_path / "m"), head="AutoModel", device="cpu")
    assert not tasks.supports(model, NAME)
    assert tasks.first(model) == able and tasks.supports(model, able)
    with pytest.raises(NotSupported, match=rf"can't do {NAME}.*wants other inputs.*Choose {able}"):
        tasks.run(model, NAME, TaskInput())
