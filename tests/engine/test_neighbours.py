"""DiNAT runs without natten, as natten's own source and the papers have it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests import tiny_seq2seq
from workbench.engine import codegen, neighbours, tasks
from workbench.engine.models import LoadedModel, load
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions


def starts(index: int, length: int, kernel: int, dilation: int) -> tuple[int, int]:
    """Where the neighbours of a position start, and their biases, as natten 0.17 has it (natten_cpu_commons.h)."""
    half, first, step = kernel // 2, index % dilation, index // dilation
    steps = (length + dilation - 1) // dilation
    steps -= first >= dilation - (steps * dilation - length)
    start = max(step - half, 0) + (step + half >= steps) * (steps - step - half - 1)
    bias = half
    if index - half * dilation < 0:
        bias = kernel - 1 - index // dilation
    elif index + half * dilation >= length:
        bias = (length - index - 1) // dilation
    return start * dilation + first, bias


@pytest.mark.parametrize(("length", "kernel", "dilation"), [(7, 7, 1), (14, 7, 2), (15, 3, 4), (16, 5, 3), (23, 3, 1)])
def test_neighbours_are_nattens(length, kernel, dilation) -> None:
    places, biases = neighbours.window(length, kernel, dilation)
    for index in range(length):
        start, bias = starts(index, length, kernel, dilation)
        assert places[index].tolist() == [start + dilation * each for each in range(kernel)]
        assert biases[index].tolist() == [bias + each for each in range(kernel)]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> LoadedModel:
    import transformers as t
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("dinat")
    config = t.DinatConfig(
        embed_dim=8, depths=[2, 1], num_heads=[2, 4], kernel_size=3, dilations=[[1, 2], [1]], num_labels=3,
        id2label={0: "fox", 1: "house", 2: "sun"}, label2id={"fox": 0, "house": 1, "sun": 2}, initializer_range=0.3,
    )  # fmt: skip
    neighbours.stand_in()
    torch.manual_seed(0)
    made = t.DinatForImageClassification(config)
    for name, weight in made.named_parameters():
        if name.endswith("rpb"):
            torch.nn.init.normal_(weight)
    made.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 40, "width": 40}).save_pretrained(folder)
    return load(Checkpoint("tiny-dinat", folder), device="cpu")


def test_each_place_attends_to_its_neighbours_alone(model: LoadedModel) -> None:
    layer = model.model.dinat.encoder.levels[0].layers[1].attention.self
    kernel, dilation, heads, size = layer.kernel_size, layer.dilation, 2, layer.attention_head_size
    states = torch.randn(1, 9, 7, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        (found,) = layer(states)
        parts = [part(states).view(9, 7, heads, size) for part in (layer.query, layer.key, layer.value)]
        query, key, value = parts
        for row in range(9):
            for column in range(7):
                (top, above), (side, left) = starts(row, 9, kernel, dilation), starts(column, 7, kernel, dilation)
                near = [
                    (top + dilation * down, side + dilation * across, above + down, left + across)
                    for down in range(kernel)
                    for across in range(kernel)
                ]
                for head in range(heads):
                    scores = torch.stack([
                        query[row, column, head] @ key[y, x, head] / size**0.5 + layer.rpb[head, up, over]
                        for y, x, up, over in near
                    ])  # fmt: skip
                    weights = scores.softmax(dim=0)
                    mixed = sum(w * value[y, x, head] for w, (y, x, *_) in zip(weights, near, strict=True))
                    own = found[0, row, column, head * size : (head + 1) * size]
                    torch.testing.assert_close(own, mixed, atol=1e-5, rtol=1e-4)


def test_dinat_classifies_as_the_pipeline_and_the_script_do(model: LoadedModel, tmp_path: Path, capsys) -> None:
    from transformers import pipeline

    from workbench.engine.tasks import processors

    given = TaskInput(image=tiny_seq2seq.picture(tmp_path, size=(97, 61)))
    assert tasks.infer(model.facts) == "image-classification" and not model.missing
    result = tasks.run(model, "image-classification", given)
    parts = {"image_processor": processors.image_processor(model)}
    expected = pipeline("image-classification", model=model.model, device="cpu", **parts)(str(given.image))
    assert [(item.label, item.score) for item in result.items] == [
        (each["label"], pytest.approx(each["score"])) for each in expected
    ]
    names = {"__name__": "__main__"}
    about = ("image-classification", given, TaskOptions(), model.dtype, model.device, model.head)
    exec(codegen.task(model.checkpoint, *about), names)
    assert names["result"] == [(item.label, pytest.approx(item.score)) for item in result.items]
    assert "neighbours.stand_in" in codegen.task(model.checkpoint, *about)
    assert capsys.readouterr().out
