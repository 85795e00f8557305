"""CLIPSeg marks where each line of words fits a picture, as its documentation has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as t
from PIL import Image

from tests.tiny import byte_level_tokenizer
from tests.tiny_seq2seq import picture
from workbench.engine import codegen, tasks
from workbench.engine.models import LoadedModel, load
from workbench.engine.tasks import processors
from workbench.engine.values import Checkpoint, TaskInput, TaskOptions

NAME = "zero-shot-image-segmentation"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A CLIPSeg of two layers, hidden size 32, as it is published: with the decoder that makes masks."""
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("clipseg")
    tokenizer = byte_level_tokenizer()
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = t.CLIPSegConfig(
        text_config={"vocab_size": len(tokenizer), "max_position_embeddings": 32, **sizes, **ids},
        vision_config={"image_size": 32, "patch_size": 8, **sizes},
        projection_dim=32, reduce_dim=8, extract_layers=[0, 1], decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = t.CLIPSegForImageSegmentation(config)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(5.0 if weight.dim() > 1 else 1.0)
    net.save_pretrained(folder)
    pixels = ViTImageProcessorPil(size={"height": 32, "width": 32})
    t.CLIPSegProcessor(pixels, tokenizer).save_pretrained(folder)
    return load(Checkpoint("tiny-clipseg", folder), device="cpu")


def test_each_line_of_words_has_a_mask(model: LoadedModel, tmp_path: Path, capsys) -> None:
    assert tasks.infer(model.facts) == NAME and tasks.supports(model, NAME)
    spec = tasks.spec(NAME, model)
    assert spec.options == ("mask_threshold",) and "one thing a line" in dict(spec.inputs)["text"]
    path = picture(tmp_path, size=(97, 61))
    words = ["a red square", "sky", "the quick brown fox"]
    with Image.open(path) as opened:
        shown = opened.convert("RGB")
    made = processors.processor(model)(text=words, images=[shown] * 3, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model.model(**made).logits
    expected = torch.nn.functional.interpolate(logits[:, None], (61, 97), mode="bilinear")[:, 0].sigmoid()
    between = round(float(expected.median()), 4)
    given, options = (
        TaskInput("a red square\nsky\n\nthe quick brown fox", image=path),
        TaskOptions(mask_threshold=between),
    )
    result = tasks.run(model, NAME, given, options)
    assert [item.label for item in result.items] == words
    np.testing.assert_allclose(result.stages[2].tensors[0].values, expected, atol=1e-5)
    for item, mask in zip(result.items, expected > between, strict=True):
        np.testing.assert_array_equal(item.mask, mask)
    assert 0.2 < np.mean([item.mask for item in result.items]) < 0.8
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(codegen.task(model.checkpoint, NAME, given, options, model.dtype, model.device, model.head), names)
    for item, (line, mask) in zip(result.items, names["result"], strict=True):
        assert line == item.label
        np.testing.assert_array_equal(item.mask, mask)
    assert capsys.readouterr().out


def test_one_line_is_enough_and_the_example_works(model: LoadedModel, tmp_path: Path, workbench_data: Path) -> None:
    (item,) = tasks.run(model, NAME, TaskInput("sky", image=picture(tmp_path))).items
    assert item.label == "sky"
    assert len(tasks.run(model, NAME, tasks.example(NAME, model)).items) == 2
