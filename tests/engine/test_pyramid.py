"""LayoutLMv2 sees pages without detectron2, by weights named as published and by what the papers define."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from tests import tiny_readers
from workbench.engine import pyramid
from workbench.engine.errors import CheckpointError
from workbench.engine.models import load
from workbench.engine.values import Checkpoint

BLOCKS = {2: 3, 3: 4, 4: 23, 5: 3}
"""Of the published backbone, ResNeXt-101-32x8d, by stage."""


def published() -> dict[str, tuple[int, ...]]:
    """Names and shapes in the backbone of the published checkpoints: a ResNeXt-101-32x8d and a pyramid over it."""

    def normed(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
        norms = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.weight": shape} | {f"{name}.norm.{each}": shape[:1] for each in norms}

    found = normed("bottom_up.stem.conv1", 64, 3, 7, 7)
    inside = 64
    for stage, count in BLOCKS.items():
        outside, between = 256 * 2 ** (stage - 2), 256 * 2 ** (stage - 2)
        for block in range(count):
            name = f"bottom_up.res{stage}.{block}"
            found |= normed(f"{name}.conv1", between, inside, 1, 1)
            found |= normed(f"{name}.conv2", between, between // 32, 3, 3)
            found |= normed(f"{name}.conv3", outside, between, 1, 1)
            if not block:
                found |= normed(f"{name}.shortcut", outside, inside, 1, 1)
            inside = outside
        found |= {f"fpn_lateral{stage}.weight": (256, outside, 1, 1), f"fpn_lateral{stage}.bias": (256,)}
        found |= {f"fpn_output{stage}.weight": (256, 256, 3, 3), f"fpn_output{stage}.bias": (256,)}
    return found


def built(config: Any) -> Any:
    """The visual part of LayoutLMv2, drawn at random."""
    from transformers.models.layoutlmv2 import modeling_layoutlmv2

    pyramid.stand_in()
    torch.manual_seed(0)
    made = modeling_layoutlmv2.LayoutLMv2VisualBackbone(config).eval()
    tiny_readers.stir(made)
    return made


def test_the_weights_of_the_base_model_are_named_and_shaped_as_published() -> None:
    import transformers as t

    with torch.device("meta"):
        backbone = built(t.LayoutLMv2Config()).backbone
    assert {name: tuple(each.shape) for name, each in backbone.state_dict().items()} == published()
    assert not [name for name, _ in backbone.named_parameters() if ".norm." in name], "what is frozen is no parameter"
    level = backbone.output_shape()["p2"]
    assert (level.channels, level.stride) == (256, 4)


def test_what_was_saved_is_what_is_loaded(tmp_path) -> None:
    checkpoint = tiny_readers.layoutlmv2(tmp_path / "saved", "")
    model = load(checkpoint, device="cpu")
    assert (model.missing, model.unexpected) == ((), ())
    from safetensors.torch import load_file

    saved = load_file(checkpoint.path / "model.safetensors")
    kept = model.model.state_dict()
    assert {name for name in saved if "backbone" in name} == {name for name in kept if "backbone" in name}
    for name, tensor in saved.items():
        torch.testing.assert_close(kept[name], tensor, rtol=0, atol=0)
    norm = "visual.backbone.bottom_up.res4.5.conv2.norm.running_var"
    assert not torch.equal(saved[norm], torch.ones_like(saved[norm]))


def normed(maps: torch.Tensor, conv: Any, stride: int = 1, groups: int = 1) -> torch.Tensor:
    """A convolution group by group, and the formula of a batch normalization that is frozen."""
    padding = conv.weight.shape[-1] // 2
    parts = [
        functional.conv2d(part, weight, stride=stride, padding=padding)
        for part, weight in zip(maps.chunk(groups, dim=1), conv.weight.chunk(groups, dim=0), strict=True)
    ]
    norm = conv.norm
    mean, scale, shift = (each.view(1, -1, 1, 1) for each in (norm.running_mean, norm.weight, norm.bias))
    deviation = (norm.running_var + 1e-5).sqrt().view(1, -1, 1, 1)
    return (torch.cat(parts, dim=1) - mean) / deviation * scale + shift


def by_the_papers(backbone: Any, maps: torch.Tensor, settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    """ResNet (2016), ResNeXt (2017) and FPN (2017) written out, by the weights of a backbone."""
    found = backbone.bottom_up
    maps = normed(maps, found.stem.conv1, stride=2).clamp(min=0)
    maps = functional.max_pool2d(maps, kernel_size=3, stride=2, padding=1)
    stages = {}
    for stage in range(2, 6):
        for number, block in enumerate(getattr(found, f"res{stage}")):
            stride = 2 if stage > 2 and not number else 1
            around = normed(maps, block.shortcut, stride) if hasattr(block, "shortcut") else maps
            if settings["DEPTH"] < 50:
                inner = normed(normed(maps, block.conv1, stride).clamp(min=0), block.conv2)
            else:
                first, second = (stride, 1) if settings["STRIDE_IN_1X1"] else (1, stride)
                inner = normed(maps, block.conv1, first).clamp(min=0)
                inner = normed(inner, block.conv2, second, settings["NUM_GROUPS"]).clamp(min=0)
                inner = normed(inner, block.conv3)
            maps = (inner + around).clamp(min=0)
        stages[stage] = maps
    levels: dict[str, torch.Tensor] = {}
    above = None
    for stage in (5, 4, 3, 2):
        lateral, output = (backbone.get_submodule(f"fpn_{name}{stage}") for name in ("lateral", "output"))
        level = functional.conv2d(stages[stage], lateral.weight, lateral.bias)
        if above is not None:
            level = level + above.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        above = level
        levels[f"p{stage}"] = functional.conv2d(level, output.weight, output.bias, padding=1)
    return levels


@pytest.mark.parametrize("changed", [
    {}, {"STRIDE_IN_1X1": True, "NUM_GROUPS": 1}, {"DEPTH": 18, "RES2_OUT_CHANNELS": 4, "NUM_GROUPS": 1},
])  # fmt: skip
def test_every_level_is_that_of_the_papers(changed) -> None:
    config = tiny_readers.layoutlmv2_config(**{f"RESNETS__{name}": value for name, value in changed.items()})
    visual = built(config)
    maps = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    settings = {name: getattr(visual.cfg.MODEL.RESNETS, name) for name in ("DEPTH", "STRIDE_IN_1X1", "NUM_GROUPS")}
    with torch.inference_mode():
        found = visual.backbone(maps)
        expected = by_the_papers(visual.backbone, maps, settings)
        assert set(found) == {"p2", "p3", "p4", "p5"} == set(expected)
        for name, level in found.items():
            assert level.shape == (2, 8, 64 // 2 ** int(name[1]), 96 // 2 ** int(name[1]))
            torch.testing.assert_close(level, expected[name], rtol=1e-4, atol=1e-4)


def test_the_resnext_and_the_pyramid_are_torchvisions() -> None:
    pytest.importorskip("torchvision", reason="torchvision's own ResNeXt is what this one is held against")
    from torchvision.models.resnet import Bottleneck, ResNet
    from torchvision.ops import FeaturePyramidNetwork

    settings = {"STEM_OUT_CHANNELS": 64, "RES2_OUT_CHANNELS": 256, "NUM_GROUPS": 2, "WIDTH_PER_GROUP": 32}
    visual = built(tiny_readers.layoutlmv2_config(**{f"RESNETS__{name}": value for name, value in settings.items()}))
    theirs = ResNet(Bottleneck, [3, 4, 6, 3], groups=2, width_per_group=32).eval()
    above = FeaturePyramidNetwork([256, 512, 1024, 2048], 8).eval()
    renamed = {}
    for name, each in visual.backbone.bottom_up.state_dict().items():
        name = name.replace("stem.conv1.norm", "bn1").replace("stem.", "")
        name = name.replace("shortcut.norm", "downsample.1").replace("shortcut.", "downsample.0.")
        for number in range(1, 6):
            name = name.replace(f"res{number + 1}.", f"layer{number}.").replace(f"conv{number}.norm", f"bn{number}")
        renamed[name] = each
    assert set(theirs.load_state_dict(renamed, strict=False).missing_keys) <= {
        name for name in theirs.state_dict() if name.startswith("fc.") or name.endswith("num_batches_tracked")
    }
    for stage in range(2, 6):
        for kind, blocks in (("lateral", above.inner_blocks), ("output", above.layer_blocks)):
            blocks[stage - 2][0].load_state_dict(visual.backbone.get_submodule(f"fpn_{kind}{stage}").state_dict())
    maps = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        seen, deeper = {}, theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(maps))))
        for number in range(1, 5):
            deeper = seen[f"p{number + 1}"] = getattr(theirs, f"layer{number}")(deeper)
        expected, found = above(seen), visual.backbone(maps)
        for name, level in found.items():
            torch.testing.assert_close(level, expected[name], rtol=1e-3, atol=1e-3)


def test_another_normalization_is_refused_by_its_name(tmp_path) -> None:
    checkpoint = tiny_readers.layoutlmv2(tmp_path / "other", "")
    tiny_readers.layoutlmv2_config(RESNETS__NORM="GN").save_pretrained(checkpoint.path)
    with pytest.raises(CheckpointError) as refusal:
        load(Checkpoint("other", checkpoint.path), device="cpu")
    assert "MODEL.RESNETS.NORM to 'GN'; 'FrozenBN' runs without detectron2" in refusal.value.why
    tiny_readers.layoutlmv2_config(RESNETS__DEPTH=77).save_pretrained(checkpoint.path)
    with pytest.raises(CheckpointError) as refusal:
        load(Checkpoint("other", checkpoint.path), device="cpu")
    assert "no ResNet of 77 layers" in refusal.value.why
